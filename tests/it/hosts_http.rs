//! Hosts that speak HTTP. Starts the real binary without a command, lets it recognise its host from
//! environment variables, and stops it with SIGTERM.

use std::fs::File;
use std::net::TcpListener;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::inbound::SchemeName;
use sharehook_sandbox::SandboxOptions;

use crate::notify::SECRET;
use crate::support::http::send;
use crate::support::process::{Process, program, signed};
use crate::support::service::{NATIVE_SECRET, Service, Site, event, request, trust};
use crate::support::{secrets, variables, write_configuration};

/// The program running on a host. It is killed on drop.
pub(crate) struct Hosted {
    site: Site,
    process: Process,
    pub(crate) url: String,
}

impl Deref for Hosted {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Hosted {
    /// Starts the program with the host's variables, and a free port in `port_var`. `prepare`
    /// writes the host's files first.
    pub(crate) async fn start(
        port_var: &str,
        vars: &[(&str, &str)],
        prepare: impl Fn(&Path),
    ) -> Self {
        let options = SandboxOptions::seeded(sharehook::clock::system_now);
        let site = Site::new(options, prepare).await;
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = site.command();
        command
            .envs(vars.iter().copied())
            .env(port_var, port.to_string());
        let process = Process::serving(&mut command);
        let expected = if port_var == "FUNCTIONS_CUSTOMHANDLER_PORT" {
            "127.0.0.1"
        } else {
            "0.0.0.0"
        };
        assert_eq!(process.url, format!("http://{expected}:{port}"));
        Self {
            site,
            process,
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: String,
    ) -> (u16, Value) {
        let answer = send(&self.url, method, path, headers, body).await.unwrap();
        (answer.status, answer.body)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let kind = [("content-type".to_owned(), "application/json".to_owned())];
        self.send("POST", path, &kind, body.to_string()).await
    }

    /// Sends a signed delivery to `path`.
    pub(crate) async fn deliver(&self, path: &str, id: &str) -> (u16, Value) {
        let body = request(id, json!({})).to_string();
        let headers = signed(
            SchemeName::StandardWebhooks,
            NATIVE_SECRET,
            &format!("msg_{id}"),
            &body,
        );
        self.send("POST", path, &headers, body).await
    }

    pub(crate) async fn wait_for(&self, action: &str) {
        for _ in 0..200 {
            if self.called(action) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{action} was not called");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_listens_on_its_port_and_answers_probes() {
    let hosted = Hosted::start("PORT", &[("K_SERVICE", "sharehook")], |_| {}).await;
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        assert_eq!(
            hosted.send("GET", path, &[], String::new()).await,
            (200, json!({"status": status}))
        );
    }
    let (status, answer) = hosted.deliver("/hooks/native", "P-1").await;
    assert_eq!(
        (status, answer["status"].as_str()),
        (200, Some("completed")),
        "{answer}"
    );
    assert_eq!(hosted.deliver("/hooks/queue", "P-2").await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_warns_of_a_journal_on_a_disk_that_the_host_discards() {
    let allow = "[check]\nallow = [\"lost-journal\"]\n";
    for (mark, more, warned) in [
        ("K_SERVICE", "", true),
        ("K_SERVICE", allow, false),
        ("NO_HOST", "", false),
    ] {
        let prepare = |folder: &Path| {
            let file = folder.join("sharehook.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, text + more).unwrap();
        };
        let options = SandboxOptions::seeded(sharehook::clock::system_now);
        let site = Site::new(options, prepare).await;
        let log = site.folder.path().join("log");
        let mut command = site.command();
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.env(mark, "sharehook");
        let mut process = Process::logging_to(&mut command, File::create(&log).unwrap());
        process.terminate();
        process.ended().await;
        // The whole log is in the file once its reader has ended.
        drop(process);
        let said = std::fs::read_to_string(&log).unwrap();
        let found = said.contains("Cloud Run or Knative discards the disk of each instance");
        assert_eq!(found, warned, "{mark} {more}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_forwards_http_under_its_prefix_and_posts_queue_messages() {
    let prepare = |folder: &Path| {
        trust(folder, &["azure:Requests"], &["azure:b"]);
        // Use the file that is deployed.
        let deployed = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/azure/host.json");
        std::fs::copy(deployed, folder.join("host.json")).unwrap();
    };
    let hosted = Hosted::start("FUNCTIONS_CUSTOMHANDLER_PORT", &[("PORT", "1")], prepare).await;
    let (status, answer) = hosted.deliver("/api/hooks/native", "Z-1").await;
    assert_eq!(
        (status, answer["status"].as_str()),
        (200, Some("completed")),
        "{answer}"
    );

    let envelope = event("azure-queue.json");
    let (status, answer) = hosted.post("/Requests", &envelope).await;
    assert_eq!((status, &answer["Outputs"]), (200, &json!({})), "{answer}");
    let outcome: Value = serde_json::from_str(answer["Logs"][0].as_str().unwrap()).unwrap();
    assert_eq!(outcome["status"], "completed");
    assert_eq!(
        hosted.post("/Timer", &event("azure-timer.json")).await.0,
        200
    );
    let (status, answer) = hosted.post("/Drift", &event("azure-timer.json")).await;
    assert_eq!(status, 200, "{answer}");
    let report: Value = serde_json::from_str(answer["Logs"][0].as_str().unwrap()).unwrap();
    assert!(report["remedies"].is_object(), "{report}");

    // The program refuses the function of another queue, an HTTP request in an envelope, and a
    // queue's envelope on the HTTP route.
    assert_eq!(hosted.post("/Others", &envelope).await.0, 500);
    let http = json!({"Data": {"req": {"Url": "https://x/api/Requests", "Method": "POST", "Body": "{}"}}, "Metadata": {}});
    assert_eq!(hosted.post("/Requests", &http).await.0, 500);
    assert_eq!(hosted.post("/api/Requests", &envelope).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_without_a_route_prefix_believes_no_envelope() {
    let prepare = |folder: &Path| {
        trust(folder, &["azure:Requests"], &["azure:b"]);
        std::fs::write(
            folder.join("host.json"),
            r#"{"extensions":{"http":{"routePrefix":""}}}"#,
        )
        .unwrap();
    };
    let hosted = Hosted::start("FUNCTIONS_CUSTOMHANDLER_PORT", &[], prepare).await;
    assert_eq!(
        hosted.post("/Requests", &event("azure-queue.json")).await.0,
        404
    );
    assert_eq!(hosted.deliver("/hooks/native", "Z-2").await.0, 200);
    assert_eq!(
        hosted
            .cloud
            .calls()
            .iter()
            .filter(|call| call.carried_out && call.accounts.contains(&"909619400".to_owned()))
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn function_compute_starts_stops_and_sweeps_but_is_not_trusted() {
    let prepare = |folder: &Path| trust(folder, &["azure:invoke-by-event"], &["azure:b"]);
    let hosted = Hosted::start(
        "FC_SERVER_PORT",
        &[("FC_FUNCTION_NAME", "sharehook")],
        prepare,
    )
    .await;
    for path in ["/initialize", "/pre-stop"] {
        assert_eq!(hosted.post(path, &json!({})).await.0, 200, "{path}");
    }
    let timer =
        json!({"triggerTime": "2026-11-02T06:55:00Z", "triggerName": "sweep", "payload": ""});
    assert_eq!(hosted.post("/invoke", &timer).await.0, 200);
    let mut compare = timer.clone();
    compare["payload"] = json!("{\"task\": \"drift\"}");
    let (status, report) = hosted.post("/invoke", &compare).await;
    assert_eq!((status, &report["compared"]), (200, &json!(0)), "{report}");
    // Without this refusal a stranger could start comparisons again and again.
    assert_eq!(hosted.post("/invoke", &compare).await.0, 404);
    let refused = sharehook::cloud::http_client()
        .unwrap()
        .post(format!("{}/invoke", hosted.url))
        .header("x-fc-control-path", "/invoke")
        .body(event("invoke-native.json").to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers()["x-fc-status"].to_str().unwrap()
        ),
        (404, "404")
    );
    assert!(hosted.cloud.calls().is_empty());
    assert_eq!(hosted.deliver("/hooks/native", "F-1").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_intake_and_finishes_what_runs() {
    let mut hosted = Hosted::start("PORT", &[], |_| {}).await;
    assert!(
        hosted
            .cloud
            .inject("ShareBlueprintAcrossAccounts:slow:2s@1".parse().unwrap())
    );
    let body = request("T-1", json!({})).to_string();
    let headers = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_T-1",
        &body,
    );
    let url = hosted.url.clone();
    let running =
        tokio::spawn(async move { send(&url, "POST", "/hooks/native", &headers, body).await });
    hosted.wait_for("ShareBlueprintAcrossAccounts").await;
    hosted.process.terminate();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        send(&hosted.url, "GET", "/healthz", &[], String::new())
            .await
            .is_err(),
        "intake goes on"
    );
    let answer = running.await.unwrap().unwrap();
    let (status, answer) = (answer.status, answer.body);
    assert_eq!(
        (status, answer["status"].as_str()),
        (200, Some("completed")),
        "{answer}"
    );
    let (code, took) = hosted.process.ended().await;
    assert!(
        code == Some(0) && took < Duration::from_secs(5),
        "{code:?} after {took:?}"
    );
}

/// The kernel drops a signal that process 1 of a container does not receive.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_during_the_start_stops_the_process() {
    let folder = tempfile::tempdir().unwrap();
    // Accepts connections, and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    write_configuration(
        folder.path(),
        sharehook_sandbox::Site::Cn,
        &endpoint,
        "s3://journal/x",
    );
    let mut command = program(folder.path());
    command.envs(variables()).envs([
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ]);
    let mut process = Process::start(command.args(["serve", "--listen", "127.0.0.1:0"]));
    // A closed connection could end the start with an error before the signal does.
    let held = silent.accept().await.unwrap();
    process.terminate();
    let (code, _) = process.ended().await;
    drop(held);
    assert_eq!(code, Some(0), "no code: the signal ended the process");
}

/// Limits the time to answer a sender of the source `native` to one second.
pub(crate) fn hurried(folder: &Path) {
    let file = folder.join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let scheme = "scheme = \"standard-webhooks\"\n";
    let hurried = format!("{scheme}answer_within = \"1s\"\n");
    std::fs::write(file, text.replacen(scheme, &hurried, 1)).unwrap();
}

/// Configures a notification target at `url`.
pub(crate) fn notifying(folder: &Path, url: &str) {
    let file = folder.join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let notify = format!(
        "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"{url}\"\n\
         secret = \"file:notify.secret\"\n"
    );
    std::fs::write(file, text + &notify).unwrap();
    secrets::write(&folder.join("notify.secret"), SECRET);
}

/// Work that was answered early has no connection any more, and gets as much time as work that has
/// one.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_waits_for_work_that_was_answered_early() {
    let mut hosted = Hosted::start("PORT", &[], hurried).await;
    let slow = "ShareBlueprintAcrossAccounts:slow:4s@1".parse().unwrap();
    assert!(hosted.cloud.inject(slow));
    let (status, answer) = hosted.deliver("/hooks/native", "T-3").await;
    assert_eq!(status, 202, "{answer}");
    hosted.process.terminate();
    let (code, took) = hosted.process.ended().await;
    assert!(
        code == Some(0) && took < Duration::from_secs(8),
        "{code:?} after {took:?}"
    );
    let shown = hosted.run(&["requests", "T-3", "--json"]);
    let request: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(request["status"], "completed", "{request}");
}

/// Function Compute freezes the process after its answer, so nothing may be under way then.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_host_that_freezes_nothing_is_under_way_after_the_answer() {
    let prepare = |folder: &Path| {
        hurried(folder);
        let text = std::fs::read_to_string(folder.join("sharehook.toml")).unwrap();
        let (_, rest) = text.split_once("endpoint = \"").unwrap();
        let (cloud, _) = rest.split_once('"').unwrap();
        notifying(folder, &format!("{cloud}/inbox"));
    };
    let vars = [("FC_FUNCTION_NAME", "sharehook")];
    let hosted = Hosted::start("FC_SERVER_PORT", &vars, prepare).await;
    for delivery in 1..=5 {
        let (status, answer) = hosted
            .deliver("/hooks/native", &format!("F-{delivery}"))
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(hosted.cloud.letters().len(), delivery);
    }
    let slow = "CancelShareBlueprintAcrossAccounts:slow:5s@1"
        .parse()
        .unwrap();
    assert!(hosted.cloud.inject(slow));
    let mut cancel = request("F-6", json!({}));
    cancel["action"] = json!("cancel");
    let body = cancel.to_string();
    let headers = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_F-6",
        &body,
    );
    let (status, answer) = hosted.send("POST", "/hooks/native", &headers, body).await;
    assert_eq!(status, 202, "{answer}");
    let shown = hosted.run(&["requests", "--json"]);
    let shown: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap();
    let cancel = shown.iter().find(|entry| entry["action"] == "cancel");
    assert_eq!(cancel.unwrap()["state"], "unfinished", "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_left_to_the_journal_within_the_bound() {
    let mut hosted = Hosted::start("PORT", &[], |_| {}).await;
    assert!(
        hosted
            .cloud
            .inject("ShareBlueprintAcrossAccounts:slow:30s@9".parse().unwrap())
    );
    let body = request("T-2", json!({})).to_string();
    let headers = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_T-2",
        &body,
    );
    let url = hosted.url.clone();
    let running =
        tokio::spawn(async move { send(&url, "POST", "/hooks/native", &headers, body).await });
    hosted.wait_for("ShareBlueprintAcrossAccounts").await;
    hosted.process.terminate();
    let (code, took) = hosted.process.ended().await;
    assert!(
        code == Some(0) && took < Duration::from_secs(10),
        "{code:?} after {took:?}"
    );
    // A sender without an answer may count the delivery as failed, although it is continued.
    let answer = running.await.unwrap().unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    let shown = hosted.run(&["requests", "T-2", "--json"]);
    let request: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(request.to_string().contains("\"pending\""), "{request}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_405_names_the_methods_that_are_allowed() {
    let service = Service::start().await;
    for (path, allowed) in [
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        ("/events", "POST"),
        ("/hooks/native", "POST"),
        ("/hooks/unknown", "POST"),
        ("/hooks/Not-A-Name", "POST"),
    ] {
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
        ] {
            let answer = send(&service.url, method, path, &[], Vec::new())
                .await
                .unwrap();
            let expected = if allowed.split(", ").any(|name| name == method) {
                ""
            } else {
                allowed
            };
            assert_eq!(
                answer.header("allow").unwrap_or_default(),
                expected,
                "{method} {path}"
            );
            assert_eq!(
                answer.status == 405,
                !expected.is_empty(),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_path_is_stripped_where_it_is_configured() {
    let service = Service::prepared(|folder| {
        let path = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            path,
            text.replace("[cloud]", "[http]\nstrip_prefix = \"/a/share\"\n[cloud]"),
        )
        .unwrap();
    })
    .await;
    let body = request("B-1", json!({})).to_string();
    let headers = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_B-1",
        &body,
    );
    for (path, status) in [
        ("/a/share/hooks/native", 200),
        ("/hooks/native", 200),
        ("/a/sharehooks/native", 404),
        ("/a/share/a/share/hooks/native", 404),
        ("/a/share", 404),
        ("/share/hooks/native", 404),
    ] {
        let answer = service
            .post(path, &headers, body.clone().into_bytes())
            .await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    assert_eq!(service.get("/a/share/readyz").await.0, 200);
    assert_eq!(
        service.get("/readyz").await.0,
        200,
        "a probe comes past the gateway"
    );

    let config = service.folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    for bad in ["share", "/share/", "/", "", "/a//b", "/a b", "/a?b"] {
        std::fs::write(&config, text.replace("/a/share", bad)).unwrap();
        let done = service.run(&["check"]);
        let output = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(3), "{bad:?}");
        assert!(
            output.contains("strip_prefix") && output.contains(":4: "),
            "{output}"
        );
    }
}
