//! Alibaba Function Compute's custom runtime: the platform's own calls stand beside the senders'
//! requests. In: a request. Out: the response, with the header by which the platform knows a failed
//! event.

use serde_json::{Value, json};

use crate::app::{App, Deadline};

use super::http::{HttpRequest, HttpResponse, respond};
use super::invocation::{self, Invocation};
use super::outcome::Outcome;

/// Answers one request.
pub(crate) async fn respond_to(
    app: &App,
    request: HttpRequest,
    deadline: Deadline,
) -> HttpResponse {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/initialize" | "/pre-stop" | "/pre-freeze") => {
            HttpResponse::json(Outcome::Done, &json!({ "status": "ok" }))
        }
        ("POST", "/invoke") => event(app, &request.body, deadline).await,
        _ => respond(app, request, deadline).await,
    }
}

/// An event function's call. A stranger's HTTP request can look the same, so it carries no trust: a
/// timer sweeps, which changes only what is due, and everything else is refused.
async fn event(app: &App, body: &[u8], deadline: Deadline) -> HttpResponse {
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let timer = event.get("triggerTime").is_some() && event.get("triggerName").is_some();
    let Invocation { outcome, answer } = if timer {
        invocation::sweep(app, deadline).await
    } else {
        let text = "an event invocation is served for timers only; send deliveries through an HTTP trigger";
        Invocation::failed(Outcome::UnknownEvent, text.to_owned())
    };
    match answer {
        Ok(report) => HttpResponse::json(outcome, &report),
        Err(error) => HttpResponse::error(outcome, error.text)
            .with_status(404)
            .with_header("x-fc-status", "404"),
    }
}
