//! Alibaba Function Compute's custom runtime. The platform's own requests and those of senders
//! arrive on the same port. The response to a failed event has the header that reports the failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::app::{App, Deadline};
use crate::domain::read_json;

use super::http::{HttpRequest, HttpResponse, respond};
use super::invocation::{self, Invocation};
use super::outcome::Outcome;

pub(crate) async fn respond_to(
    app: &Arc<App>,
    request: HttpRequest,
    deadline: Deadline,
) -> HttpResponse {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/initialize" | "/pre-stop" | "/pre-freeze") => {
            HttpResponse::json(Outcome::Done, &json!({ "status": "ok" }))
        }
        ("POST", "/invoke") => {
            let event = read_json(&request.body).unwrap_or_default();
            response(invoke(app, &event, deadline).await)
        }
        _ => respond(app, request, deadline).await,
    }
}

/// The minimum time between the starts of two comparisons. A comparison reads the whole journal and
/// calls the cloud, and any HTTP sender can request one.
const BETWEEN_COMPARISONS: Duration = Duration::from_secs(600);

/// When this process last started a comparison.
static COMPARED: Mutex<Option<Instant>> = Mutex::new(None);

pub(crate) fn is_timer(event: &Value) -> bool {
    event.get("triggerTime").is_some() && event.get("triggerName").is_some()
}

/// Processes an event invocation. Any HTTP sender can imitate a timer event, so a timer event starts
/// only a sweep or, at most once per `BETWEEN_COMPARISONS`, a comparison. A sweep does only due
/// work. A comparison changes no share and only records differences. Every other event is refused.
pub(crate) async fn invoke(app: &App, event: &Value, deadline: Deadline) -> Invocation {
    let timer = is_timer(event);
    let payload = event.get("payload").and_then(Value::as_str);
    let drift = payload.is_some_and(invocation::asks_for_drift);
    if timer && drift && may_compare() {
        invocation::drift(app, deadline).await
    } else if timer && drift {
        let text = "the last comparison of the cloud with the journal began less than ten minutes ago; send the event again later";
        Invocation::failed(Outcome::Busy, text.to_owned())
    } else if timer {
        invocation::sweep(app, deadline).await
    } else {
        let text = "event invocations are supported for timers only; send deliveries through an HTTP trigger";
        Invocation::failed(Outcome::UnknownEvent, text.to_owned())
    }
}

fn response(
    Invocation {
        outcome, answer, ..
    }: Invocation,
) -> HttpResponse {
    match answer {
        Ok(report) => HttpResponse::json(outcome, &report),
        Err(error) => HttpResponse::error(outcome, error.text)
            .with_status(404)
            .with_header("x-fc-status", "404"),
    }
}

/// Whether a comparison may start now. If so, records the current time as its start.
fn may_compare() -> bool {
    let mut newest = COMPARED.lock();
    let free = newest.is_none_or(|at| at.elapsed() >= BETWEEN_COMPARISONS);
    if free {
        *newest = Some(Instant::now());
    }
    free
}
