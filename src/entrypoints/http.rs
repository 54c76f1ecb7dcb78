//! The HTTP function: routes, limits, graceful stop. In: requests. Out: answers of
//! [`super::reply`]. Used by `serve` (axum) and, through [`respond`], by every host that hands HTTP
//! over in another form.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::app::{App, Deadline, Delivery, HandshakeRequest, Headers, Via};
use crate::domain::SourceName;

use super::dialect::Dialect;
use super::reply::{HttpAnswer, to_http};

/// More deliveries than this at once are answered 429.
const MOST_AT_ONCE: usize = 64;

/// One HTTP request, in no framework's types.
pub(crate) struct HttpDelivery {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// What an HTTP request is answered with; `Text` is for the metrics page.
pub(crate) enum Served {
    Json(HttpAnswer),
    Text(String),
}

/// The routes, for every host. Paths that carry secrets are never logged, so none is.
pub(crate) async fn respond(app: &App, request: HttpDelivery, deadline: Deadline) -> Served {
    let answer = match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/healthz") => HttpAnswer::new(200, serde_json::json!({ "status": "ok" })),
        ("GET" | "HEAD", "/readyz") => match app.ready().await {
            Ok(()) => HttpAnswer::new(200, serde_json::json!({ "status": "ready" })),
            Err(error) => HttpAnswer::error(503, format!("not ready: {error}")),
        },
        ("GET", "/metrics") => return Served::Text(app.counters().render()),
        ("POST", "/events") if request.body.len() <= app.config().body_limit => to_http(
            &app.receive_events(Headers::new(request.headers), request.body, deadline)
                .await,
        ),
        ("POST", "/events") => HttpAnswer::too_large(app.config().body_limit),
        (_, "/events") => HttpAnswer::error(405, "CloudEvents are sent with POST"),
        (method, path) => match path.strip_prefix("/hooks/") {
            None => HttpAnswer::error(
                404,
                "nothing is here; deliveries go to POST /hooks/{source}",
            ),
            Some(_) if request.body.len() > app.config().body_limit => {
                HttpAnswer::too_large(app.config().body_limit)
            }
            Some(name) => match name.parse::<SourceName>() {
                Err(_) if method != "POST" => HttpAnswer::not_post(),
                Err(_) => HttpAnswer::error(404, "no source of this name is configured"),
                Ok(source) => {
                    let headers = Headers::new(request.headers);
                    let knock = HandshakeRequest {
                        source: &source,
                        method,
                        headers: &headers,
                        body: &request.body,
                    };
                    match app.greet(&knock) {
                        Some(reply) => to_http(&reply),
                        None if method != "POST" => HttpAnswer::not_post(),
                        None => {
                            let delivery = Delivery {
                                source,
                                via: Via::Http(headers),
                                body: request.body,
                            };
                            to_http(&app.receive(delivery, deadline).await)
                        }
                    }
                }
            },
        },
    };
    Served::Json(answer)
}

struct Shared {
    app: Arc<App>,
    dialect: Dialect,
    places: Semaphore,
}

/// Serves until `stop` ends; then takes no new connection and finishes what runs.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    app: Arc<App>,
    dialect: Dialect,
    listener: tokio::net::TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let shared = Arc::new(Shared {
        app,
        dialect,
        places: Semaphore::new(MOST_AT_ONCE),
    });
    let router = Router::new().fallback(handle).with_state(shared);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

/// Binds the address on which `serve` listens.
///
/// # Errors
/// When it is taken or not ours.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address).await
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Ok(_place) = shared.places.try_acquire() else {
        return to_response(Served::Json(HttpAnswer::busy()));
    };
    let limit = shared.app.config().body_limit;
    let (parts, body) = request.into_parts();
    // A body is read to its limit and no further, whatever its length header says, and not for
    // ever.
    let reading = axum::body::to_bytes(body, limit);
    let body = match tokio::time::timeout(std::time::Duration::from_secs(10), reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return to_response(Served::Json(HttpAnswer::too_large(limit))),
        Err(_) => {
            return to_response(Served::Json(HttpAnswer::error(
                408,
                "the body did not arrive within 10 seconds",
            )));
        }
    };
    let request = HttpDelivery {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        headers: pairs(&parts.headers),
        body,
    };
    let deadline = shared.app.budget();
    // The work goes on when the sender hangs up: it is journalled, and stopping it half-way helps
    // nobody.
    let by = Arc::clone(&shared);
    let work = tokio::spawn(async move { by.dialect.respond(&by.app, request, deadline).await });
    let served = work.await.unwrap_or_else(|_| {
        Served::Json(HttpAnswer::error(500, "internal error; the log tells more"))
    });
    to_response(served)
}

/// Headers as text pairs; a value that is not text cannot be any scheme's signature and is left
/// out. An attribute of a CloudEvent may be: the JavaScript SDK writes it as it is, and Node sends
/// it as UTF-8 or Latin-1.
fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let attribute = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .unwrap_or_else(|_| bytes.iter().copied().map(char::from).collect())
    };
    let text = |name: &str, value: &axum::http::HeaderValue| match value.to_str() {
        Ok(text) => Some(text.to_owned()),
        Err(_) => name.starts_with("ce-").then(|| attribute(value.as_bytes())),
    };
    let pair = |(name, value): (&header::HeaderName, _)| {
        Some((name.as_str().to_owned(), text(name.as_str(), value)?))
    };
    headers.iter().filter_map(pair).collect()
}

fn to_response(served: Served) -> Response {
    let failed_event = matches!(&served, Served::Json(answer) if answer.failed_event);
    let (answer, kind, body) = match served {
        Served::Text(text) => (
            HttpAnswer::new(200, serde_json::Value::Null),
            "text/plain; version=0.0.4",
            text,
        ),
        Served::Json(answer) => {
            let body = answer.body.to_string();
            (answer, "application/json", body)
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    for (name, value) in answer.headers {
        if let Ok(value) = header::HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    if failed_event {
        response
            .headers_mut()
            .insert("x-fc-status", header::HeaderValue::from_static("404"));
    }
    if let Some(seconds) = answer.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    response
}
