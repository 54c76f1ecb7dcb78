//! Alibaba Function Compute's custom runtime, which receives calls of the platform and requests of
//! senders on the same port. In: a request. Out: the response, with the header that marks a failed
//! event.

use std::sync::Arc;

use serde_json::json;

use crate::app::{App, Deadline};
use crate::domain::read_json;

use super::http::{HttpRequest, HttpResponse, respond};
use super::invocation::{self, Invocation};
use super::outcome::Outcome;

/// Answers one request.
pub(crate) async fn respond_to(
    app: &Arc<App>,
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

/// Answers an event invocation. Any HTTP sender can imitate one, so it is untrusted: a timer event
/// starts a sweep, which changes only due work; every other event is refused.
async fn event(app: &App, body: &[u8], deadline: Deadline) -> HttpResponse {
    let event = read_json(body).unwrap_or_default();
    let timer = event.get("triggerTime").is_some() && event.get("triggerName").is_some();
    let Invocation { outcome, answer } = if timer {
        invocation::sweep(app, deadline).await
    } else {
        let text = "event invocations are supported for timers only; send deliveries through an HTTP trigger";
        Invocation::failed(Outcome::UnknownEvent, text.to_owned())
    };
    match answer {
        Ok(report) => HttpResponse::json(outcome, &report),
        Err(error) => HttpResponse::error(outcome, error.text)
            .with_status(404)
            .with_header("x-fc-status", "404"),
    }
}
