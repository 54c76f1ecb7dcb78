//! Routes HTTP requests; every host that receives HTTP uses this function. In: a request and a
//! deadline. Out: the response. Does not log paths, because they may contain secrets.

use std::sync::Arc;

use serde_json::json;

use crate::app::{App, Deadline, Delivery, HandshakeRequest, Headers, Reply, Via};
use crate::domain::SourceName;
use crate::entrypoints::outcome::Outcome;

use super::cloudevents::ReplyMode;
use super::request::HttpRequest;
use super::response::HttpResponse;

/// The routes.
enum Route<'a> {
    Healthz,
    Readyz,
    Metrics,
    Events,
    Hook(&'a str),
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Healthz),
            "/readyz" => Some(Self::Readyz),
            "/metrics" => Some(Self::Metrics),
            "/events" => Some(Self::Events),
            path => path.strip_prefix("/hooks/").map(Self::Hook),
        }
    }

    fn takes_a_body(&self) -> bool {
        matches!(self, Self::Events | Self::Hook(_))
    }

    /// The response to a wrong method. Names the allowed methods, as RFC 9110, 15.5.6 requires.
    fn not_allowed(&self) -> HttpResponse {
        let (allowed, text) = if self.takes_a_body() {
            ("POST", "wrong method; send deliveries with POST")
        } else {
            ("GET, HEAD", "wrong method; read this path with GET")
        };
        HttpResponse::error(Outcome::MethodNotAllowed, text).with_header("allow", allowed)
    }
}

/// Answers one request.
pub(crate) async fn respond(
    app: &Arc<App>,
    request: HttpRequest,
    deadline: Deadline,
) -> HttpResponse {
    let path = without_prefix(&request.path, app.config().http.strip_prefix.as_deref());
    let Some(route) = Route::of(path) else {
        return HttpResponse::error(
            Outcome::NotFound,
            "unknown path; send deliveries with POST to /hooks/{source}",
        );
    };
    if route.takes_a_body() && request.body.len() > app.config().body_limit {
        return HttpResponse::too_large(app.config().body_limit);
    }
    match (&route, request.method.as_str()) {
        (Route::Healthz, "GET" | "HEAD") => {
            HttpResponse::json(Outcome::Done, &json!({ "status": "ok" }))
        }
        (Route::Readyz, "GET" | "HEAD") => match app.ready().await {
            true => HttpResponse::json(Outcome::Done, &json!({ "status": "ready" })),
            false => HttpResponse::error(Outcome::Unavailable, "not ready; the log says why"),
        },
        (Route::Metrics, "GET" | "HEAD") => HttpResponse::new(
            Outcome::Done,
            "text/plain; version=0.0.4",
            app.metrics().await,
        ),
        (Route::Events, method) => {
            let headers = Headers::new(request.headers);
            if let Some(reply) = app.answer_events_handshake(method, &headers, &request.body) {
                return HttpResponse::from(&reply);
            }
            if method != "POST" {
                return route.not_allowed();
            }
            let mode = ReplyMode::of_event(&headers);
            mode.response(&app.answer_events(headers, request.body, deadline).await)
        }
        (Route::Hook(name), method) => match name.parse::<SourceName>() {
            Err(_) if method != "POST" => route.not_allowed(),
            Err(_) => HttpResponse::from(&Reply::UnknownSource),
            Ok(source) => {
                let headers = Headers::new(request.headers);
                let handshake = HandshakeRequest {
                    source: &source,
                    method,
                    headers: &headers,
                    body: &request.body,
                };
                if let Some(reply) = app.answer_handshake(&handshake) {
                    return HttpResponse::from(&reply);
                }
                if method != "POST" {
                    return route.not_allowed();
                }
                let mode = ReplyMode::of_delivery(&headers);
                let delivery = Delivery {
                    source,
                    via: Via::Http(headers),
                    body: request.body,
                };
                mode.response(&app.answer_delivery(delivery, deadline).await)
            }
        },
        (Route::Healthz | Route::Readyz | Route::Metrics, _) => route.not_allowed(),
    }
}

/// Removes the base path under which a gateway or proxy publishes the service. Keeps other paths
/// unchanged, because probes reach the service directly.
fn without_prefix<'a>(path: &'a str, prefix: Option<&str>) -> &'a str {
    prefix
        .and_then(|prefix| path.strip_prefix(prefix))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}
