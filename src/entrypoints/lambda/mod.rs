//! The Lambda host: one handler for all triggers. It takes raw events, and returns each response in
//! the form that the trigger expects.

mod deadline;
mod direct;
mod event;
mod queue;

use std::fmt::Display;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::app::{App, Deadline};
use crate::domain::UniqueKeys;
use crate::telemetry::{self, TraceContext};

use super::http::respond;
use super::invocation::{self, Invocation, NamedError};
use super::message;
use deadline::deadline_of;
use event::Trigger;

/// Serves invocations until the host stops the process. If `app` is `None`, each event calls
/// `start` until a call has succeeded.
///
/// # Errors
/// Fails if the runtime API cannot be reached.
pub(crate) async fn run<S, F, E>(
    app: Option<Arc<App>>,
    start: S,
) -> Result<(), lambda_runtime::Error>
where
    S: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Arc<App>, E>> + Send,
    E: Display + Send,
{
    let app = Arc::new(OnceCell::new_with(app));
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<UniqueKeys>| {
        let (app, start) = (Arc::clone(&app), start.clone());
        async move {
            let app = match app.get_or_try_init(start).await {
                Ok(app) => app.now_in_force().await,
                Err(failure) => return Err(not_started(failure.to_string()).await),
            };
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
                match event.payload.0 {
                    Ok(event) => answer(&app, event, id, deadline).await,
                    Err(flaw) => Invocation::unreadable(flaw),
                }
            };
            let invocation = Box::pin(telemetry::within(trace, work.instrument(span))).await;
            let function = &event.context.env_config.function_name;
            telemetry::write_metrics(app.metrics_for_cloudwatch(function));
            // Flush before the answer, because the host freezes the process after the answer.
            app.flush_telemetry(invocation.answer_by).await;
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

async fn not_started(failure: String) -> Diagnostic {
    tracing::error!(failure, "cannot start; the next event tries again");
    telemetry::flush().await;
    Diagnostic {
        error_type: "NotStarted".to_owned(),
        error_message: "the function cannot start; its log says why".to_owned(),
    }
}

/// Processes one invocation, from a raw event to a raw answer, and delivers its notifications. The
/// command `invoke` uses this function too.
pub(crate) async fn answer(
    app: &Arc<App>,
    event: Value,
    request_id: &str,
    deadline: Deadline,
) -> Invocation {
    let invocation = match event::trigger_of(event) {
        Ok(Trigger::Http(request, form)) => {
            Invocation::of_http(form, respond(app, *request, deadline).await)
        }
        Ok(Trigger::Messages(messages)) => message::all_or_error(app, messages, deadline).await,
        Ok(Trigger::Queue(batch)) => queue::batch(app, batch, deadline).await,
        Ok(Trigger::Sweep) => invocation::sweep(app, deadline).await,
        Ok(Trigger::Drift) => invocation::drift(app, deadline).await,
        Ok(Trigger::Direct(body)) => direct::direct(app, body, request_id, deadline).await,
        Err(problem) => Invocation::unknown_event(&problem),
    };
    let before = deadline.or_sooner(invocation.answer_by);
    app.notify_before_answer(before).await;
    invocation
}
