//! Stand-ins for systems that receive notifications. Each stand-in checks method, path,
//! authentication and body as the system's API documentation requires. It returns its notes if the
//! system's API can list them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};

use super::secrets;

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns the string at `pointer` in the body, or an empty string if there is none.
    pub(crate) fn text(&self, pointer: &str) -> String {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    }
}

pub(crate) enum Handling {
    /// Stores a note on the ticket, and answers with this status.
    Note(String, u16),
    /// Stores a change other than a note, and answers with this status.
    Change(String, u16),
    /// Answers with the stored notes.
    Notes,
    Answer(Value),
    /// Refuses the request with this status.
    Refused(u16),
}

/// Interprets a request as the system would.
pub(crate) type Interpret = fn(&Seen) -> Handling;

#[derive(Debug, Default)]
struct Kept {
    notes: Vec<String>,
    changes: Vec<String>,
    refused: Vec<Seen>,
    /// How many more notes to store and still answer with 502.
    losing: usize,
    down: bool,
    hides: bool,
}

/// A running stand-in. It stops when the test's runtime stops.
pub(crate) struct NotificationReceiver {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
    gate: Arc<Gate>,
}

/// Holds answers back while a test has the lock.
#[derive(Debug, Default)]
struct Gate {
    closed: Arc<AsyncMutex<()>>,
    called: Notify,
}

impl NotificationReceiver {
    pub(crate) async fn start(interpret: Interpret) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let gate = Arc::<Gate>::default();
        let shared = (Arc::clone(&kept), interpret, Arc::clone(&gate));
        let router = Router::new().fallback(answer).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept, gate }
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.kept.lock().unwrap().notes.clone()
    }

    pub(crate) fn changes(&self) -> Vec<String> {
        self.kept.lock().unwrap().changes.clone()
    }

    pub(crate) fn refused(&self) -> Vec<Seen> {
        self.kept.lock().unwrap().refused.clone()
    }

    /// Stores the next `notes` notes, but answers each with 502.
    pub(crate) fn lose_answers(&self, notes: usize) {
        self.kept.lock().unwrap().losing = notes;
    }

    /// Answers no request until the returned guard is dropped.
    pub(crate) fn hold_answers(&self) -> OwnedMutexGuard<()> {
        let closed = Arc::clone(&self.gate.closed);
        closed.try_lock_owned().unwrap()
    }

    /// Waits for a request.
    pub(crate) async fn called(&self) {
        self.gate.called.notified().await;
    }

    /// From now on refuses to list its notes.
    pub(crate) fn hide_notes(&self) {
        self.kept.lock().unwrap().hides = true;
    }

    /// If `down`, answers every request with 503 from now on.
    pub(crate) fn down(&self, down: bool) {
        self.kept.lock().unwrap().down = down;
    }
}

async fn answer(
    State((kept, interpret, gate)): State<(Arc<Mutex<Kept>>, Interpret, Arc<Gate>)>,
    request: Request,
) -> impl IntoResponse {
    let (head, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    secrets::assert_none_in("a notification", &body);
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(text).collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    gate.called.notify_one();
    drop(gate.closed.lock().await);
    let mut kept = kept.lock().unwrap();
    let (status, answer) = match interpret(&seen) {
        _ if kept.down => (503, json!({"error": "down for maintenance"})),
        Handling::Note(text, status) => {
            kept.notes.push(text);
            if kept.losing > 0 {
                kept.losing -= 1;
                (502, json!({}))
            } else {
                let made = json!({"commentCreate": {"success": true}});
                (
                    status,
                    json!({"ok": true, "code": 0, "errcode": 0, "data": made}),
                )
            }
        }
        Handling::Change(what, status) => {
            kept.changes.push(what);
            (status, Value::Null)
        }
        Handling::Notes if kept.hides => (403, json!({"error": "may not read"})),
        Handling::Notes => (200, json!({ "notes": kept.notes, "data": {} })),
        Handling::Answer(value) => (200, value),
        Handling::Refused(status) => {
            kept.refused.push(seen);
            (status, json!({"error": "not what the documentation says"}))
        }
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, answer.to_string())
}
