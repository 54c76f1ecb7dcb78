//! The Lambda host: one handler for all triggers. In: raw events. Out: the response in the form
//! that each trigger expects.

mod deadline;
mod event;
mod queue;

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument as _;

use crate::app::{App, Deadline};
use crate::domain::{Problem, UniqueKeys};
use crate::telemetry::{self, TraceContext};

use super::http::{event as http_event, respond};
use super::invocation::{self, Invocation, NamedError};
use super::message::{self, Message, Received};
use super::outcome::Outcome;
use deadline::deadline_of;
use event::Shape;

/// With this field, a direct invocation gets the error `Denied` instead of the answer `denied`.
const NAMED_ERRORS: &str = "named_errors";

/// Serves invocations until the host stops the process.
///
/// # Errors
/// The runtime API cannot be reached.
pub(crate) async fn run(app: Arc<App>) -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<UniqueKeys>| {
        let app = Arc::clone(&app);
        async move {
            let app = app.now_in_force().await;
            let deadline = deadline_of(&app, event.context.deadline);
            let id = &event.context.request_id;
            let span = tracing::info_span!(
                "invocation",
                host_request_id = id,
                host_trace_id = event.context.xray_trace_id
            );
            let trace = event.context.xray_trace_id.as_deref();
            let trace = telemetry::begin(&span, trace.and_then(TraceContext::of_sampled_xray));
            let work = async {
                let invocation = match event.payload.0 {
                    Ok(event) => answer(&app, event, id, deadline).await,
                    Err(flaw) => Invocation::unreadable(flaw),
                };
                app.notify_before_answer(deadline).await;
                invocation
            };
            let invocation = Box::pin(telemetry::within(trace, work.instrument(span))).await;
            let function = &event.context.env_config.function_name;
            telemetry::write_metrics(app.metrics_for_cloudwatch(function));
            // The host freezes the process after the answer.
            app.flush_telemetry().await;
            invocation
                .answer
                .map_err(|NamedError { name, text }| Diagnostic {
                    error_type: name.to_owned(),
                    error_message: text,
                })
        }
    }))
    .await
}

/// Processes one invocation, from a raw event to a raw answer. `invoke` uses it too.
pub(crate) async fn answer(
    app: &Arc<App>,
    event: Value,
    request_id: &str,
    deadline: Deadline,
) -> Invocation {
    match event::shape_of(event) {
        Ok(Shape::Http(request, form)) => {
            let response = respond(app, *request, deadline).await;
            Invocation::answered(response.outcome, http_event::response(form, response))
        }
        Ok(Shape::Messages(messages)) => message::all_or_error(app, messages, deadline).await,
        Ok(Shape::Queue(batch)) => queue::batch(app, batch, deadline).await,
        Ok(Shape::Sweep) => invocation::sweep(app, deadline).await,
        Ok(Shape::Drift) => invocation::drift(app, deadline).await,
        Ok(Shape::Direct(body)) => direct(app, body, request_id, deadline).await,
        Err(problem) => Invocation::unknown_event(&problem),
    }
}

/// Processes a direct invocation for the source that lists `invoke`. IAM controls who may invoke.
async fn direct(
    app: &Arc<App>,
    mut body: Value,
    request_id: &str,
    deadline: Deadline,
) -> Invocation {
    let asked = body
        .as_object_mut()
        .and_then(|fields| fields.remove(NAMED_ERRORS));
    let named_errors = match asked {
        None => false,
        Some(Value::Bool(asked)) => asked,
        Some(_) => {
            let problem = Problem::new(NAMED_ERRORS, "is not a boolean", "write true or false");
            return Invocation::failed(Outcome::Invalid, problem.to_string());
        }
    };
    let message = Message {
        origin: "invoke".to_owned(),
        id: Some(request_id.to_owned()),
        body: body.to_string().into(),
    };
    let Received { outcome, body } = message::receive(app, message, deadline).await;
    match outcome {
        Outcome::Denied if !named_errors => Invocation::answered(outcome, body),
        _ if outcome.error_name().is_some() => Invocation::failed(outcome, body.to_string()),
        _ => Invocation::answered(outcome, body),
    }
}
