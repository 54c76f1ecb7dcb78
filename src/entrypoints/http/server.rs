//! The HTTP server: limits concurrent deliveries and the size and duration of bodies, and stops
//! gracefully. In: connections, and a handler that answers requests. Knows no host.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::entrypoints::outcome::Outcome;

use super::request::HttpRequest;
use super::response::HttpResponse;

/// Maximum number of concurrent deliveries. The server answers 429 to further ones.
const MAX_AT_ONCE: usize = 64;
/// Time limit for the body of a request. The server answers 408 to a slower one.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers one request. Each kind of host has its own handler.
pub(crate) type Handler =
    Box<dyn Fn(HttpRequest) -> Pin<Box<dyn Future<Output = HttpResponse> + Send>> + Send + Sync>;

struct Shared {
    handler: Handler,
    body_limit: usize,
    permits: Semaphore,
}

/// Serves until `stop` ends; then accepts no new connections and finishes the running requests.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    handler: Handler,
    body_limit: usize,
    listener: tokio::net::TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let shared = Arc::new(Shared {
        handler,
        body_limit,
        permits: Semaphore::new(MAX_AT_ONCE),
    });
    let router = Router::new().fallback(handle).with_state(shared);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

/// Binds the address on which `serve` listens.
///
/// # Errors
/// Another process listens on the address, or it is not an address of this machine.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address).await
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Ok(_permit) = shared.permits.try_acquire() else {
        let text = "too many deliveries at once; send it again";
        return to_axum(HttpResponse::error(Outcome::Busy, text));
    };
    let (parts, body) = request.into_parts();
    // Enforce the limit while reading, because the length header may be wrong.
    let reading = axum::body::to_bytes(body, shared.body_limit);
    let body = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return to_axum(HttpResponse::too_large(shared.body_limit)),
        Err(_) => {
            let text = format!(
                "the body did not arrive within {} seconds; send the delivery again",
                BODY_TIMEOUT.as_secs()
            );
            return to_axum(HttpResponse::error(Outcome::TooSlow, text));
        }
    };
    let request = HttpRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        headers: pairs(&parts.headers),
        body,
    };
    // Spawn a task, which continues when the sender closes the connection: the request is recorded
    // in the journal and should be finished.
    let served = tokio::spawn((shared.handler)(request)).await;
    to_axum(
        served.unwrap_or_else(|_| {
            HttpResponse::error(Outcome::Panicked, "internal error; see the log")
        }),
    )
}

/// Converts headers to text. Omits values that are not text, because no scheme's signature has such
/// a value. Keeps CloudEvents attributes, which the JavaScript SDK does not encode and Node sends as
/// UTF-8 or Latin-1.
fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let attribute = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .unwrap_or_else(|_| bytes.iter().copied().map(char::from).collect())
    };
    let text = |name: &str, value: &HeaderValue| match value.to_str() {
        Ok(text) => Some(text.to_owned()),
        Err(_) => name.starts_with("ce-").then(|| attribute(value.as_bytes())),
    };
    let pair = |(name, value): (&HeaderName, _)| {
        Some((name.as_str().to_owned(), text(name.as_str(), value)?))
    };
    headers.iter().filter_map(pair).collect()
}

fn to_axum(answer: HttpResponse) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
