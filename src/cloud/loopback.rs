//! For tests: a server on loopback that answers by a script, and a client for the server. The
//! server checks the signature of every request. For the secret id `ID`, it expects the key
//! `key-of-ID`.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::*;
use crate::domain::{AccountId, BlueprintId, CvmImageId, Region, Timestamp};
use tc3::{SignedParts, parse_authorization, verify};

pub(super) const NOW: i64 = 1_767_225_600;

pub(super) fn clock() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) date: Option<&'static str>,
    pub(super) body: String,
    pub(super) delay: Duration,
}

pub(super) fn reply(body: &str) -> Reply {
    Reply {
        status: 200,
        date: None,
        body: body.to_owned(),
        delay: Duration::ZERO,
    }
}

pub(super) fn done() -> Reply {
    reply(r#"{"Response":{"RequestId":"r-done"}}"#)
}

pub(super) fn refused(code: &str) -> Reply {
    reply(&format!(
        r#"{{"Response":{{"Error":{{"Code":"{code}","Message":"m"}},"RequestId":"r-no"}}}}"#
    ))
}

#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) action: String,
    pub(super) timestamp: i64,
    pub(super) token: Option<String>,
    pub(super) body: serde_json::Value,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers each request with the next entry of `script`; after the last entry, with HTTP 500.
    pub(super) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let record = Arc::clone(&seen);
        let answer = move |headers: HeaderMap, body: Bytes| async move {
            record.lock().unwrap().push(checked(&headers, &body));
            let Some(reply) = script.lock().unwrap().pop_front() else {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            };
            sleep(reply.delay).await;
            let status = StatusCode::from_u16(reply.status).unwrap();
            let mut response = (status, reply.body).into_response();
            if let Some(date) = reply.date {
                response.headers_mut().insert("date", date.parse().unwrap());
            }
            response
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self { address, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn checked(headers: &HeaderMap, body: &[u8]) -> Seen {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let all: Vec<(&str, &str)> = headers
        .iter()
        .filter_map(|(n, v)| Some((n.as_str(), v.to_str().ok()?)))
        .collect();
    let timestamp: i64 = text("x-tc-timestamp").unwrap().parse().unwrap();
    let authorization = parse_authorization(text("authorization").unwrap()).unwrap();
    let key = format!("key-of-{}", authorization.secret_id);
    let parts = SignedParts {
        method: "POST",
        query: "",
        headers: &all,
        payload: body,
    };
    verify(
        &authorization,
        &key,
        Timestamp::from_second(timestamp).unwrap(),
        &parts,
    )
    .unwrap();
    assert_eq!(
        authorization.signed_headers,
        ["content-type", "host", "x-tc-action"]
    );
    assert_eq!(text("x-tc-language"), Some("en-US"));
    Seen {
        action: text("x-tc-action").unwrap().to_owned(),
        timestamp,
        token: text("x-tc-token").map(str::to_owned),
        body: serde_json::from_slice(body).unwrap(),
    }
}

pub(super) fn settings(address: SocketAddr) -> CloudSettings {
    CloudSettings {
        endpoint: Some(format!("http://{address}")),
        lighthouse_per_second: 1000.0,
        cvm_per_second: 1000.0,
        ..CloudSettings::new(clock)
    }
}

pub(super) fn variables() -> BTreeMap<String, String> {
    [
        ("TENCENTCLOUD_SECRET_ID", "id"),
        ("TENCENTCLOUD_SECRET_KEY", "key-of-id"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub(super) fn cloud(address: SocketAddr) -> Cloud {
    cloud_with(settings(address), &variables())
}

/// A client with these settings and variables, and without credentials files.
pub(super) fn cloud_with(settings: CloudSettings, variables: &BTreeMap<String, String>) -> Cloud {
    let none = Arc::new(|_: &Path| Err(io::Error::from(io::ErrorKind::NotFound)));
    let mut variables = variables.clone();
    variables
        .entry("SHAREHOOK_METADATA_ENDPOINT".to_owned())
        .or_insert_with(|| "off".to_owned());
    Cloud::new(settings, CredentialChain::new(&variables, None, none)).unwrap()
}

pub(super) fn region() -> Region {
    "ap-singapore".parse().unwrap()
}

pub(super) fn blueprint() -> BlueprintId {
    "lhbp-6jc6l8yb".parse().unwrap()
}

pub(super) fn image() -> CvmImageId {
    "img-6pb6lrmy".parse().unwrap()
}

pub(super) fn accounts(count: usize) -> Vec<AccountId> {
    (0..count)
        .map(|n| {
            format!("{}", 700_000_000_000_u64 + n as u64)
                .parse()
                .unwrap()
        })
        .collect()
}
