//! The HTTP/1 server, which is the same for all hosts. It passes each request to a handler. It
//! limits the number of connections, and the size and time of each head and body, because no sender
//! is authenticated yet. It stops gracefully.

use std::convert::Infallible;
use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{EXPECT, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::entrypoints::outcome::Outcome;

use super::body::{self, BODY_TIMEOUT, BodyError, MIN_BODY_RATE};
use super::connections::{Connection, Connections, IDLE_TIMEOUT};
use super::pace::Pace;
use super::request::{HttpRequest, query_fields};
use super::response::HttpResponse;

/// Maximum size of a request's head in bytes. hyper answers 431 to a longer head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Maximum number of connections that wait in the kernel. If that queue is full, a sender tries
/// again only after a second.
const LISTEN_BACKLOG: u32 = 4_096;
/// The pause after a failure to accept a connection, for example for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers one request. Each kind of host has its own handler.
pub(crate) type Handler =
    Box<dyn Fn(HttpRequest) -> Pin<Box<dyn Future<Output = HttpResponse> + Send>> + Send + Sync>;

/// Notes that the body of a request was not read. Takes the request's path and the reason.
pub(crate) type Unread = Box<dyn Fn(&str, &'static str) + Send + Sync>;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) max_connections: usize,
    pub(crate) body_bytes: usize,
}

struct Shared {
    handler: Handler,
    unread: Unread,
    body_limit: usize,
    /// Paces the unauthenticated answers to all methods except POST, mostly to probes. If
    /// deliveries shared this pace, a flood of them would delay the answers to probes, and the
    /// server could close the probes' connections.
    probes: Pace,
    deliveries: Pace,
}

/// Serves until `stop` completes. Then accepts no new connections and finishes the running
/// requests.
pub(crate) async fn serve(
    (handler, unread): (Handler, Unread),
    bounds: Bounds,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let shared = Arc::new(Shared {
        handler,
        unread,
        body_limit: bounds.body_bytes,
        probes: Pace::new(Instant::now()),
        deliveries: Pace::new(Instant::now()),
    });
    let connections = Connections::new(bounds.max_connections, bounds.body_bytes);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let next = async {
            let stream = accept(&listener).await;
            (stream, connections.admit().await)
        };
        let (stream, connection) = tokio::select! {
            (stream, Some(connection)) = next => (stream, connection),
            () = &mut stop => break,
        };
        let talk = converse(Arc::clone(&shared), connection, stream, graceful.watcher());
        tokio::spawn(talk);
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Binds the address on which `serve` listens.
///
/// # Errors
/// Fails, for example, if another process listens on the address, this machine does not have the
/// address, or the process may not use the port.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // As `TcpListener::bind` does, so that a restart need not wait for old connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

/// Accepts the next connection. After a failure it tries again, because closed connections free
/// descriptors.
async fn accept(listener: &TcpListener) -> TcpStream {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                let of_sender = [ConnectionAborted, ConnectionRefused, ConnectionReset];
                if !of_sender.contains(&error.kind()) {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves one connection until the sender or a bound ends it.
async fn converse(
    shared: Arc<Shared>,
    connection: Connection,
    stream: TcpStream,
    watcher: Watcher,
) {
    // Without this option the kernel may delay a short answer.
    drop(stream.set_nodelay(true));
    let connection = Arc::new(connection);
    let service = {
        let connection = Arc::clone(&connection);
        service_fn(move |request| {
            let (shared, connection) = (Arc::clone(&shared), Arc::clone(&connection));
            async move { Ok::<_, Infallible>(answer(&shared, &connection, request).await) }
        })
    };
    // hyper's timer also runs between requests, so it gets the longer time limit, which applies to
    // connections with a verified request. `must_close` applies the shorter limit to the other
    // connections.
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        // A sender may close its side after the request and still wait for the answer.
        .half_close(true)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = watcher.watch(served) => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended");
            }
        }
        () = connection.must_close() => tracing::debug!("closed a connection: its time was up, or another connection needed its place"),
    }
}

async fn answer(
    shared: &Arc<Shared>,
    connection: &Connection,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let is_post = request.method() == Method::POST;
    let response = respond(shared, connection, request).await;
    connection.answer_ready(response.authenticated);
    if !response.authenticated {
        let pace = if is_post {
            &shared.deliveries
        } else {
            &shared.probes
        };
        tokio::time::sleep(pace.delay(Instant::now())).await;
    }
    to_hyper(response)
}

async fn respond(
    shared: &Arc<Shared>,
    connection: &Connection,
    request: Request<Incoming>,
) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let waits_for_continue = parts.headers.contains_key(EXPECT);
    let held = match body::read(body, shared.body_limit, waits_for_continue, connection).await {
        Ok(held) => held,
        Err(error) => {
            (shared.unread)(parts.uri.path(), error.in_words());
            return body_refused(error, shared.body_limit);
        }
    };
    connection.request_read();
    let request = HttpRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: query_fields(parts.uri.query().unwrap_or_default()),
        headers: pairs(&parts.headers),
        body: held.bytes.clone(),
    };
    // Run the handler in a task of its own, which continues if the sender closes the connection: a
    // request that is recorded in the journal by then should be finished.
    let served = tokio::spawn((shared.handler)(request)).await;
    let panicked = |_| HttpResponse::error(Outcome::Panicked, "internal error; see the log");
    served.unwrap_or_else(panicked)
}

fn body_refused(error: BodyError, limit: usize) -> HttpResponse {
    match error {
        BodyError::TooLarge => HttpResponse::too_large(limit),
        BodyError::TooSlow => {
            let text = format!(
                "the body arrived too slowly; send it within {} seconds, or with {MIN_BODY_RATE} \
                 bytes per second",
                BODY_TIMEOUT.as_secs()
            );
            HttpResponse::error(Outcome::TooSlow, text)
        }
        BodyError::Broken => HttpResponse::error(
            Outcome::Unreadable,
            "the body ended early, or its encoding is broken; send the delivery again",
        ),
    }
}

/// Converts headers to text. Omits values that are not visible ASCII, because no signature, signed
/// time or id of a scheme is such a value. The exception is attributes of CloudEvents (`ce-…`): the
/// JavaScript SDK does not encode them, and Node sends them as UTF-8 or Latin-1.
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

fn to_hyper(answer: HttpResponse) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
