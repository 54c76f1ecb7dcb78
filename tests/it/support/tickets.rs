//! A stand-in for a ticket system. It answers every GET as the test says, and remembers the
//! requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;
use tokio::net::TcpListener;

/// The answer of the stand-in, and the requests that it received.
#[derive(Debug, Clone)]
struct Kept {
    status: u16,
    body: String,
    location: Option<String>,
    pause: Duration,
    /// The method and path of each request, and its `Authorization` header.
    asked: Vec<(String, String)>,
}

/// A running stand-in. It stops when the test's runtime stops.
pub(crate) struct Tickets {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Tickets {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept {
            status: 404,
            body: String::new(),
            location: None,
            pause: Duration::ZERO,
            asked: Vec::new(),
        }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }

    /// From now on, answers with this status and body.
    pub(crate) fn answer(&self, status: u16, body: impl ToString) {
        let mut kept = self.kept.lock().unwrap();
        (kept.status, kept.body) = (status, body.to_string());
    }

    /// From now on answers with the sample's ticket after `change`.
    pub(crate) fn put(&self, change: impl FnOnce(&mut Value)) {
        let mut ticket = sample()["instance"].clone();
        change(&mut ticket);
        self.answer(200, ticket);
    }

    pub(crate) fn redirect(&self, to: &str) {
        self.kept.lock().unwrap().location = Some(to.to_owned());
        self.answer(302, "{}");
    }

    pub(crate) fn slow(&self, pause: Duration) {
        self.kept.lock().unwrap().pause = pause;
    }

    /// Returns the requests since the last call of this function: method and path, and
    /// `Authorization` header.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.kept.lock().unwrap().asked)
    }
}

/// The event and the ticket of the repository's Zendesk sample.
pub(crate) fn sample() -> Value {
    serde_json::from_str(include_str!(
        "../../../events/body-zendesk-ticket-approved.json"
    ))
    .unwrap()
}

async fn answer(State(kept): State<Arc<Mutex<Kept>>>, request: Request) -> impl IntoResponse {
    let now = {
        let mut kept = kept.lock().unwrap();
        let login = request.headers().get("authorization");
        let login = login.map_or("", |value| value.to_str().unwrap());
        let path = format!("{} {}", request.method(), request.uri());
        kept.asked.push((path, login.to_owned()));
        kept.clone()
    };
    tokio::time::sleep(now.pause).await;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    if let Some(location) = now.location {
        headers.insert(header::LOCATION, location.parse().unwrap());
    }
    (StatusCode::from_u16(now.status).unwrap(), headers, now.body)
}
