//! Routes an HTTP request, on every host that receives HTTP. Does not log paths, because they may
//! contain secrets.

use std::sync::Arc;

use serde_json::json;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::app::{
    App, Deadline, Delivery, HandshakeRequest, Headers, MetricsReply, Report, ReportReply, Via,
};
use crate::domain::SourceName;
use crate::entrypoints::outcome::Outcome;
use crate::telemetry;

use super::body::TOO_LARGE;
use super::cloudevents::ReplyMode;
use super::request::HttpRequest;
use super::request_ids::RequestIds;
use super::response::HttpResponse;
use super::server::Unread;

enum Route<'a> {
    Healthz,
    Readyz,
    Metrics,
    Report,
    Events,
    Hook(&'a str),
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Healthz),
            "/readyz" => Some(Self::Readyz),
            "/metrics" => Some(Self::Metrics),
            "/report" => Some(Self::Report),
            "/events" => Some(Self::Events),
            path => path.strip_prefix("/hooks/").map(Self::Hook),
        }
    }

    fn takes_a_body(&self) -> bool {
        matches!(self, Self::Events | Self::Hook(_))
    }

    /// The response to a wrong method. It names the allowed methods, as RFC 9110, 15.5.6 requires.
    fn not_allowed(&self) -> HttpResponse {
        let (allowed, text) = if self.takes_a_body() {
            ("POST", "wrong method; send deliveries with POST")
        } else {
            ("GET, HEAD", "wrong method; read this path with GET")
        };
        HttpResponse::error(Outcome::MethodNotAllowed, text).with_header("allow", allowed)
    }
}

/// Answers one request. Every log line about the request has its id and trace. The response has the
/// id in `x-request-id`.
pub(crate) async fn respond(
    app: &Arc<App>,
    request: HttpRequest,
    deadline: Deadline,
) -> HttpResponse {
    let ids = RequestIds::of(&request.headers);
    let span = tracing::info_span!("request", request_id = ids.request, trace_id = Empty);
    let trace = telemetry::begin(&span, ids.trace);
    if let Some(trace) = trace {
        span.record("trace_id", trace.trace_id());
    }
    let work = route(app, request, deadline).instrument(span);
    let response = Box::pin(telemetry::within(trace, work)).await;
    response.with_header("x-request-id", ids.request)
}

async fn route(app: &Arc<App>, request: HttpRequest, deadline: Deadline) -> HttpResponse {
    let path = without_prefix(&request.path, app.config().http.strip_prefix.as_deref());
    let Some(route) = Route::of(path) else {
        return HttpResponse::error(
            Outcome::NotFound,
            "unknown path; send deliveries with POST to /hooks/{source}",
        );
    };
    if route.takes_a_body() && request.body.len() > app.config().body_limit {
        note_unread(app, &request.path, TOO_LARGE);
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
        (Route::Metrics, "GET" | "HEAD") => {
            let headers = Headers::new(request.headers);
            let authorization = headers.one("authorization").ok().flatten();
            metrics(app.metrics_for(authorization).await)
        }
        (Route::Report, "GET" | "HEAD") => {
            let headers = Headers::new(request.headers);
            let authorization = headers.one("authorization").ok().flatten();
            report(app.report_for(authorization, deadline).await)
        }
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
            Err(_) => HttpResponse::from(&app.unknown_source()),
            Ok(source) => {
                let headers = Headers::new(request.headers).with_query(request.query);
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
        (Route::Healthz | Route::Readyz | Route::Metrics | Route::Report, _) => route.not_allowed(),
    }
}

/// Returns the function that notes requests whose body the server did not read.
pub(crate) fn unread_of(app: &Arc<App>) -> Unread {
    let app = Arc::clone(app);
    Box::new(move |path, why| note_unread(&app.in_force(), path, why))
}

fn note_unread(app: &App, path: &str, why: &'static str) {
    let path = without_prefix(path, app.config().http.strip_prefix.as_deref());
    if let Some(Route::Hook(name)) = Route::of(path)
        && let Ok(source) = name.parse()
    {
        app.unread_delivery(&source, why);
    }
}

fn metrics(reply: MetricsReply) -> HttpResponse {
    let error = HttpResponse::error;
    match reply {
        MetricsReply::Text(text) => {
            HttpResponse::new(Outcome::Done, "text/plain; version=0.0.4", text)
        }
        MetricsReply::Unauthorised => error(Outcome::Unauthorised, "not authenticated"),
        MetricsReply::Off => error(
            Outcome::NotFound,
            "metrics are not served here; see `[http] metrics`",
        ),
    }
}

fn report(reply: ReportReply) -> HttpResponse {
    let error = HttpResponse::error;
    match reply {
        ReportReply::Page(page) => HttpResponse::new(Outcome::Done, Report::CONTENT_TYPE, page)
            .with_header("cache-control", "no-store")
            // The page's Content-Security-Policy cannot forbid frames: browsers ignore
            // `frame-ancestors` in `<meta>`.
            .with_header("x-frame-options", "DENY"),
        // This header makes a browser ask for a password.
        ReportReply::Unauthorised => error(Outcome::Unauthorised, "not authenticated")
            .with_header("www-authenticate", "Basic realm=\"sharehook report\""),
        ReportReply::Off => error(
            Outcome::NotFound,
            "the report is not served here; see `[http] report`",
        ),
        ReportReply::NotNow => error(
            Outcome::Unavailable,
            "the report cannot be made now; the log says why",
        ),
    }
}

/// Removes the base path under which a gateway or proxy publishes the service. Leaves other paths
/// unchanged, because probes reach the service directly.
fn without_prefix<'a>(path: &'a str, prefix: Option<&str>) -> &'a str {
    prefix
        .and_then(|prefix| path.strip_prefix(prefix))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}
