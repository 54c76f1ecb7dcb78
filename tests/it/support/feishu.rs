//! A stand-in for Feishu's API: the app's token, instances, and the list of approved ones. It checks the app's secret and the token
//! as the documentation says, counts its calls, and fails when the test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::app::{Delivery, Headers, Via};
use sharehook::domain::Timestamp;
use sharehook::inbound::{SchemeSpec, seal};
use tokio::net::TcpListener;

pub(crate) const APP_ID: &str = "cli_a0000000000000ff";
pub(crate) const APP_SECRET: &str = "an-app-secret-for-tests-only-0001";
pub(crate) const SECRET: &str = "aVerificationToken00000000000001:an-encrypt-key-for-tests-0001";
pub(crate) const DEFINITION: &str = "7C468A54-8745-2245-9675-08B7C63E7A85";
pub(crate) const CODE: &str = "81D31358-93AF-92D6-7425-01A5D67C4E71";
pub(crate) const VERIFICATION_TOKEN: &str = "aVerificationToken00000000000001";

#[derive(Debug, Default)]
struct Kept {
    instances: BTreeMap<String, Value>,
    tokens: u32,
    reads: u32,
    lists: u32,
    /// Entries of a page of the list, when a test wants fewer than are asked for.
    page: Option<usize>,
    /// Calls for a token are refused.
    no_token: bool,
    /// The next reads answer with this code instead.
    failing: Option<i64>,
    pause: Duration,
}

/// A running stand-in. It ends with the test's runtime.
pub(crate) struct Feishu {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
}

type Shared = Arc<Mutex<Kept>>;

impl Feishu {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Shared::default();
        let token_path = "/open-apis/auth/v3/tenant_access_token/internal";
        let router = Router::new()
            .route(token_path, post(token))
            .route("/open-apis/approval/v4/instances/{code}", get(instance))
            .route("/open-apis/approval/v4/instances/query", post(list))
            .route("/open-apis/approval/v4/approvals/{code}", get(definition))
            .with_state(Arc::clone(&kept));
        let router = Router::new().nest("/feishu", router);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }

    /// The instance of the sample event, with `change` over its fields.
    pub(crate) fn put(&self, change: Value) {
        self.put_as(CODE, change);
    }

    /// The same under another code.
    pub(crate) fn put_as(&self, code: &str, change: Value) {
        let mut instance = sample()["instance"].clone();
        instance["instance_code"] = code.into();
        for (name, value) in change.as_object().unwrap() {
            instance[name] = value.clone();
        }
        let mut kept = self.kept.lock().unwrap();
        kept.instances.insert(code.to_owned(), instance);
    }

    /// From now on each read answers with this code of Feishu's, until `None`.
    pub(crate) fn fail(&self, code: Option<i64>) {
        self.kept.lock().unwrap().failing = code;
    }

    /// Whether calls for a token are refused from now on.
    pub(crate) fn give_no_token(&self, refused: bool) {
        self.kept.lock().unwrap().no_token = refused;
    }

    /// How often the list was asked for.
    pub(crate) fn lists(&self) -> u32 {
        self.kept.lock().unwrap().lists
    }

    /// From now on a page of the list has so few entries.
    pub(crate) fn page(&self, entries: usize) {
        self.kept.lock().unwrap().page = Some(entries);
    }

    /// From now on every instance takes so long.
    pub(crate) fn slow(&self, pause: Duration) {
        self.kept.lock().unwrap().pause = pause;
    }

    /// Forgets the tokens that it gave.
    pub(crate) fn expire_tokens(&self) {
        self.kept.lock().unwrap().tokens += 100;
    }

    /// Calls for a token, and for an instance.
    pub(crate) fn calls(&self) -> (u32, u32) {
        let kept = self.kept.lock().unwrap();
        (kept.tokens % 100, kept.reads)
    }

    /// The table of a source that fetches here.
    pub(crate) fn source(&self) -> String {
        format!(
            "[[source]]\nname = \"feishu\"\nscheme = \"feishu\"\nsecrets = [\"env:FEISHU_ENCRYPT_KEY\"]\nmap = \"feishu\"\n\
             fetch = {{ preset = \"feishu\", app_id = \"{APP_ID}\", app_secret = \"env:FEISHU_APP_SECRET\", \
             definitions = [\"{DEFINITION}\"], url = \"{}/feishu\" }}\n",
            self.url
        )
    }
}

/// The event and the instance of the repository's sample.
pub(crate) fn sample() -> Value {
    serde_json::from_str(include_str!("../../../events/body-feishu-approved.json")).unwrap()
}

/// An event as Feishu sends it at `now`; `change` is over the fields of its inner part.
pub(crate) fn event(id: &str, change: Value, now: Timestamp) -> Value {
    let mut event = sample()["event"].clone();
    event["uuid"] = id.into();
    event["token"] = VERIFICATION_TOKEN.into();
    event["ts"] = format!("{}.962266", now.as_second()).into();
    for (name, value) in change.as_object().unwrap() {
        event["event"][name] = value.clone();
    }
    event
}

/// The request around an event, encrypted and signed.
pub(crate) fn sealed(event: &Value, now: Timestamp) -> (Headers, bytes::Bytes) {
    let spec: SchemeSpec = "feishu".parse().unwrap();
    let secret = SecretString::from(SECRET);
    let body = event.to_string().into_bytes();
    seal(&spec, &secret, &[], body, "", now).unwrap()
}

pub(crate) fn delivery(event: &Value, now: Timestamp) -> Delivery {
    let (headers, body) = sealed(event, now);
    Delivery {
        source: "feishu".parse().unwrap(),
        via: Via::Http(headers),
        body,
    }
}

async fn token(State(kept): State<Shared>, body: Bytes) -> String {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if body != json!({"app_id": APP_ID, "app_secret": APP_SECRET}) {
        return json!({"code": 10_014, "msg": "app secret invalid"}).to_string();
    }
    let mut kept = kept.lock().unwrap();
    kept.tokens += 1;
    if kept.no_token {
        return json!({"code": 10_012, "msg": "try again"}).to_string();
    }
    let token = format!("t-{}", kept.tokens);
    json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7_200}).to_string()
}

async fn definition(State(kept): State<Shared>, Path(code): Path<String>) -> String {
    let kept = kept.lock().unwrap();
    match kept.failing {
        None if code == DEFINITION => json!({"code": 0, "data": {"approval_name": "x"}}),
        None => json!({"code": 1_390_002, "msg": "approval code not found"}),
        Some(code) => json!({"code": code, "msg": "try again"}),
    }
    .to_string()
}

/// The approved instances of a definition that are not withdrawn.
async fn list(
    State(kept): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> String {
    let mut kept = kept.lock().unwrap();
    kept.lists += 1;
    let bearer = format!("Bearer t-{}", kept.tokens);
    if headers["authorization"] != bearer.as_str() {
        return json!({"code": 99_991_663, "msg": "Invalid access token for authorization."})
            .to_string();
    }
    if let Some(code) = kept.failing {
        return json!({"code": code, "msg": "try again"}).to_string();
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let ms = |name: &str| -> i64 { body[name].as_str().unwrap().parse().unwrap() };
    let (from, to) = (ms("instance_start_time_from"), ms("instance_start_time_to"));
    if to - from > 30 * 86_400_000 || body["instance_status"] != "APPROVED" {
        return json!({"code": 1_390_001, "msg": "param is invalid"}).to_string();
    }
    let approved = kept.instances.values().filter(|instance| {
        let is = |name: &str, value: Value| instance[name] == value;
        is("status", "APPROVED".into())
            && is("reverted", false.into())
            && is("approval_code", body["approval_code"].clone())
    });
    let entry = |instance: &Value| {
        json!({
            "approval": {"code": instance["approval_code"]},
            "instance": {"code": instance["instance_code"], "status": "approved",
                "start_time": instance["start_time"], "end_time": instance["end_time"]},
        })
    };
    let all: Vec<Value> = approved.map(entry).collect();
    let query = query.unwrap_or_default();
    let number = |name: &str| -> Option<usize> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut named = pairs.filter(|(key, _)| *key == name);
        named.next().map(|(_, value)| value.parse().unwrap())
    };
    let begin = number("page_token").unwrap_or(0);
    let asked = number("page_size").unwrap();
    let size = kept.page.unwrap_or(asked).min(200);
    let end = (begin + size).min(all.len());
    let data = json!({
        "instance_list": all[begin..end], "has_more": end < all.len(), "page_token": end.to_string(),
    });
    json!({"code": 0, "msg": "success", "data": data}).to_string()
}

async fn instance(
    State(kept): State<Shared>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> String {
    let pause = kept.lock().unwrap().pause;
    tokio::time::sleep(pause).await;
    let mut kept = kept.lock().unwrap();
    kept.reads += 1;
    let bearer = format!("Bearer t-{}", kept.tokens);
    if headers["authorization"] != bearer.as_str() {
        return json!({"code": 99_991_663, "msg": "Invalid access token for authorization."})
            .to_string();
    }
    if let Some(code) = kept.failing {
        return json!({"code": code, "msg": "try again"}).to_string();
    }
    match kept.instances.get(&code) {
        Some(instance) => json!({"code": 0, "msg": "success", "data": instance}).to_string(),
        None => json!({"code": 1_390_003, "msg": "instance code not found"}).to_string(),
    }
}
