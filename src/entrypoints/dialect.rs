//! What the hosts that speak HTTP do differently. In: a request, and whose dialect it is in. Out:
//! the answer.

use std::sync::Arc;

use serde_json::Value;

use crate::app::{App, Deadline};

use super::azure;
use super::http::{HttpDelivery, Served, respond};
use super::reply::HttpAnswer;

/// A host's way with HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Requests come as they were sent: Cloud Run, Knative, OpenFaaS, Tencent's web function, any
    /// container.
    Plain,
    /// Azure Functions' custom handler.
    Azure(azure::Handler),
    /// Alibaba Function Compute's custom runtime: its own calls stand beside the senders'.
    Alibaba,
}

impl Dialect {
    pub(crate) async fn respond(
        &self,
        app: &Arc<App>,
        request: HttpDelivery,
        deadline: Deadline,
    ) -> Served {
        match self {
            Self::Plain => respond(app, request, deadline).await,
            Self::Azure(handler) => handler.respond(app, request, deadline).await,
            Self::Alibaba => match (request.method.as_str(), request.path.as_str()) {
                ("POST", "/initialize" | "/pre-stop" | "/pre-freeze") => {
                    Served::Json(HttpAnswer::new(200, serde_json::json!({ "status": "ok" })))
                }
                ("POST", "/invoke") => {
                    Served::Json(alibaba_event(app, &request.body, deadline).await)
                }
                _ => respond(app, request, deadline).await,
            },
        }
    }
}

/// An event function's call. Nothing that a stranger could not have written tells it from an HTTP
/// request, so it carries no trust: a timer sweeps, which changes nothing but what is due, and
/// everything else is refused.
async fn alibaba_event(app: &App, body: &[u8], deadline: Deadline) -> HttpAnswer {
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let timer = event.get("triggerTime").is_some() && event.get("triggerName").is_some();
    if !timer {
        let text = "an event invocation is served for timers only; send deliveries through an HTTP trigger";
        return HttpAnswer {
            failed_event: true,
            ..HttpAnswer::error(404, text)
        };
    }
    match app.sweep(deadline).await {
        Ok(report) => HttpAnswer::new(200, serde_json::json!(report)),
        Err(error) => HttpAnswer {
            failed_event: true,
            ..HttpAnswer::error(404, error.to_string())
        },
    }
}
