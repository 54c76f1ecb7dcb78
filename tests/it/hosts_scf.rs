//! Tencent SCF's custom runtime: runs the real binary against a stand-in for the runtime API, which
//! hands out events one after the other and stores the answers.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use sharehook::inbound::SchemeName;
use sharehook_sandbox::{SandboxKey, SandboxOptions};
use tokio::sync::{Mutex, mpsc};

use crate::hosts_freezing::{IN_TIME, Silent};
use crate::hosts_http::{hurried, notifying};
use crate::support::process::{Process, signed};
use crate::support::service::{NATIVE_SECRET, Site, request, trust};

/// The end of the path to which the function posted, and the body.
type Posted = (String, String);

struct Api {
    events: Mutex<mpsc::Receiver<String>>,
    posted: mpsc::Sender<Posted>,
}

async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if request.method() == "GET" && path == "/runtime/invocation/next" {
        let event = api.events.lock().await.recv().await.unwrap_or_default();
        return Response::builder()
            .header("request_id", "b0fb7ab5-0001")
            .header("memory_limit_in_mb", "128")
            .header("time_limit_in_ms", "20000")
            .body(Body::from(event))
            .unwrap();
    }
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let end = path
        .strip_prefix("/runtime/")
        .expect("a path of the runtime API")
        .to_owned();
    api.posted
        .send((end, String::from_utf8(body.to_vec()).unwrap()))
        .await
        .unwrap();
    Response::new(Body::empty())
}

/// The function running on its host. It is killed on drop.
struct Function {
    site: Site,
    _process: Process,
    events: mpsc::Sender<String>,
    posted: mpsc::Receiver<Posted>,
}

impl Deref for Function {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Function {
    async fn start(queue: &[&str], bus: &[&str]) -> Self {
        Self::prepared(|folder| trust(folder, queue, bus)).await
    }

    /// Starts the function with temporary credentials in SCF's own variables, and with no others.
    /// `prepare` edits its files first.
    async fn prepared(prepare: impl Fn(&Path)) -> Self {
        let options = SandboxOptions::seeded(sharehook::clock::system_now);
        let key = SandboxKey::new(
            "AKIDscf0000000000000000000000000000",
            "scf-secret-key-000000000000000000",
        );
        let options = SandboxOptions {
            keys: vec![key.with_token("scf-session-token")],
            ..options
        };
        let site = Site::new(options, prepare).await;
        let (events, receiver) = mpsc::channel(8);
        let (sender, posted) = mpsc::channel(8);
        let api = Arc::new(Api {
            events: Mutex::new(receiver),
            posted: sender,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!()
        };
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(serve).with_state(api)).await
        });
        let mut command = site.command();
        command
            .env_remove("TENCENTCLOUD_SECRET_ID")
            .env_remove("TENCENTCLOUD_SECRET_KEY")
            .envs([
                ("SCF_RUNTIME_API", "127.0.0.1"),
                ("SCF_RUNTIME_API_PORT", &address.port().to_string()),
                ("SCF_FUNCTIONNAME", "sharehook"),
                ("TENCENTCLOUD_RUNENV", "SCF"),
                (
                    "TENCENTCLOUD_SECRETID",
                    "AKIDscf0000000000000000000000000000",
                ),
                (
                    "TENCENTCLOUD_SECRETKEY",
                    "scf-secret-key-000000000000000000",
                ),
                ("TENCENTCLOUD_SESSIONTOKEN", "scf-session-token"),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut function = Self {
            site,
            _process: Process::start(&mut command),
            events,
            posted,
        };
        let (path, body) = function.next().await;
        assert_eq!(
            (path.as_str(), body.len()),
            ("init/ready", 1),
            "it says once that it is ready"
        );
        function
    }

    async fn next(&mut self) -> Posted {
        tokio::time::timeout(Duration::from_secs(20), self.posted.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// Hands out one event. Returns whether the function answered or failed, and the text.
    async fn invoke(&mut self, event: &str) -> (bool, String) {
        self.events.send(event.to_owned()).await.unwrap();
        let (path, body) = self.next().await;
        match path.as_str() {
            "invocation/response" => (true, body),
            "invocation/error" => (false, body),
            other => panic!("{other}"),
        }
    }

    async fn answered(&mut self, event: &Value) -> Value {
        let (answered, body) = self.invoke(&event.to_string()).await;
        assert!(answered, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn failed(&mut self, event: &Value, name: &str) {
        let (answered, body) = self.invoke(&event.to_string()).await;
        assert!(
            !answered && body.starts_with(&format!("{name}: ")),
            "{name}: {body}"
        );
    }
}

fn url(source: &str, headers: &[(String, String)], body: &str) -> Value {
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), json!(value)))
        .collect();
    json!({"body": body, "headers": headers, "httpMethod": "POST", "path": format!("/hooks/{source}"), "queryString": {}})
}

fn kafka(topic: &str, bodies: &[String]) -> Value {
    let record = |(offset, body): (usize, &String)| json!({"Ckafka": {"topic": topic, "partition": 1, "offset": offset, "msgKey": "None", "msgBody": body}});
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
}

fn tdmq(owner: &str, body: &str) -> Value {
    json!({"Records": [{"CMQ": {"type": "topic", "topicOwner": owner, "topicName": "approvals",
        "subscriptionName": "sharehook", "publishTime": "2026-11-02T06:53:59.003Z", "msgId": "6942316962",
        "requestId": "123345346", "msgBody": body, "msgTag": "tag1"}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trigger_of_scf_is_served_and_a_bad_event_costs_only_itself() {
    let queue = ["ckafka:approvals", "cmq:1251000000:approvals"];
    let mut function = Function::start(&queue, &["eventbridge:ap-singapore:desk.example"]).await;

    let body = request("U-1", json!({})).to_string();
    let delivered = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_U-1",
        &body,
    );
    let answer = function.answered(&url("native", &delivered, &body)).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert!(
        answer["body"].as_str().unwrap().contains("\"completed\""),
        "{answer}"
    );
    // The sender controls the headers of an event. On this host the program ignores keys in them.
    let mut with_key = request("U-0", json!({}));
    with_key["accounts"] = json!(["700000000001"]);
    let with_key = with_key.to_string();
    let mut headers = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_U-0",
        &with_key,
    );
    for name in ["X-Scf-Secret-Id", "X-Scf-Secret-Key", "X-Scf-Session-Token"] {
        headers.push((name.to_owned(), "of-the-sender".to_owned()));
    }
    let answer = function.answered(&url("native", &headers, &with_key)).await;
    assert!(
        answer["body"].as_str().unwrap().contains("\"completed\""),
        "{answer}"
    );
    assert!(
        function
            .cloud
            .calls()
            .iter()
            .all(|call| call.key_id.starts_with("AKIDscf"))
    );
    let forged = function
        .answered(&url("native", &delivered, &body.replace("U-1", "U-2")))
        .await;
    assert_eq!(forged["statusCode"], 401, "{forged}");

    let (answered, text) = function.invoke("{ not JSON").await;
    assert!(!answered && text.starts_with("Unreadable: "), "{text}");
    function
        .failed(&request("X-1", json!({})), "UnknownEvent")
        .await;

    let one = |id: &str, account: &str| request(id, json!({"accounts": [account]})).to_string();
    let batch = [
        one("K-1", "909619400"),
        "not JSON".to_owned(),
        one("K-2", "700000000001"),
    ];
    let answers = function.answered(&kafka("approvals", &batch)).await;
    let answers = answers["answers"].as_array().unwrap();
    assert_eq!(
        (&answers[0]["status"], &answers[2]["status"]),
        (&json!("completed"), &json!("completed"))
    );
    assert!(answers[1]["error"].is_string(), "{answers:?}");

    assert_eq!(
        function
            .answered(&tdmq("1251000000", &one("C-1", "700000000002")))
            .await["status"],
        "completed"
    );
    let event = |source: &str, data: Value| {
        json!({"specversion": "1.0", "id": "13a3f42d-7258-4ada-da6d-023a333b4662", "type": "desk:Approved",
            "source": source, "subject": "qcs::desk:ap-singapore:uid/1250000000:x", "time": "1793602439003",
            "region": "ap-singapore", "datacontenttype": "application/json;charset=utf-8", "data": data})
    };
    let data = request("B-1", json!({"accounts": ["700000000003"]}));
    assert_eq!(
        function
            .answered(&event("desk.example", data.clone()))
            .await["status"],
        "completed"
    );
    let timer = json!({"Type": "Timer", "TriggerName": "sweep", "Time": "2026-11-02T06:55:00Z", "Message": ""});
    assert!(function.answered(&timer).await.get("status").is_none());
    let mut timer = timer;
    timer["Message"] = json!("{\"task\": \"drift\"}");
    let compared = function.answered(&timer).await;
    assert!(compared["remedies"].is_object(), "{compared}");

    // A sender that is not listed gains nothing, whatever its event looks like.
    function
        .failed(
            &tdmq("1251000001", &one("C-2", "700000000004")),
            "Unauthorised",
        )
        .await;
    function
        .failed(&event("other.example", data), "Unauthorised")
        .await;
    let passed_over = function
        .answered(&kafka("others", &[one("K-3", "700000000004")]))
        .await;
    assert!(
        passed_over["answers"][0]["error"].is_string(),
        "{passed_over}"
    );
    let wrapped = function
        .answered(&url("queue", &[], &kafka("approvals", &batch).to_string()))
        .await;
    assert_eq!(wrapped["statusCode"], 401);

    let world = function.cloud.state();
    let shares = &world.regions["ap-singapore"].blueprints["lhbp-6jc6l8yb"].shares;
    let expected = [
        "1038493875",
        "700000000001",
        "700000000002",
        "700000000003",
        "700000164995",
        "909619400",
    ];
    assert_eq!(shares.keys().collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_waits_for_what_a_repetition_can_mend() {
    let mut function = Function::start(&["ckafka:approvals"], &["azure:b"]).await;
    let batch = kafka(
        "approvals",
        &[request("W-1", json!({"accounts": ["909619400"]})).to_string()],
    );
    // No request can be recorded while a file has the name of the requests' folder. The journal's
    // own folder stays: a process that has opened it would not accept another one in its place.
    let requests = function.folder.path().join("journal/requests");
    drop(std::fs::remove_dir_all(&requests));
    std::fs::create_dir_all(requests.parent().unwrap()).unwrap();
    std::fs::write(&requests, "in the way").unwrap();
    function.failed(&batch, "Unavailable").await;
    assert!(function.cloud.calls().is_empty());
    std::fs::remove_file(&requests).unwrap();
    assert_eq!(
        function.answered(&batch).await["answers"][0]["status"],
        "completed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_of_a_function_url_end_when_its_sender_must_have_its_answer() {
    let target = Silent::new();
    let mut function = Function::prepared(|folder| {
        hurried(folder);
        notifying(folder, &target.url());
    })
    .await;
    let body = request("U-3", json!({})).to_string();
    let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, "msg", &body);
    let begun = Instant::now();
    let answer = function.answered(&url("native", &headers, &body)).await;
    let took = begun.elapsed();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert!(target.was_called());
    assert!(took < IN_TIME, "{took:?}");
}
