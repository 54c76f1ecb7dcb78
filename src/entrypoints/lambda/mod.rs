//! The Lambda host: one handler for every trigger. In: raw events. Out: what each trigger expects
//! back.

mod deadline;
mod event;
mod queue;

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

use crate::app::{App, Deadline, Delivery, Via};

use super::envelope;
use super::http::respond;
use super::message::{self, NamedError};
use super::reply::{error_name, to_http};
use deadline::deadline_of;
use event::Shape;

/// Serves invocations until the host stops the process.
///
/// # Errors
/// When the runtime API cannot be reached.
pub(crate) async fn run(app: Arc<App>) -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Value>| {
        let app = Arc::clone(&app);
        async move {
            let deadline = deadline_of(&app, event.context.deadline);
            answer(&app, event.payload, &event.context.request_id, deadline).await
        }
    }))
    .await
}

/// One invocation, from a raw event to a raw answer: also what `invoke` runs on a laptop.
pub(crate) async fn answer(
    app: &Arc<App>,
    event: Value,
    request_id: &str,
    deadline: Deadline,
) -> Result<Value, Diagnostic> {
    match event::shape_of(event) {
        Ok(Shape::Http(request, form)) => Ok(envelope::response(
            form,
            respond(app, *request, deadline).await,
        )),
        Ok(Shape::Messages(messages)) => message::all_or_error(app, messages, deadline)
            .await
            .map_err(|NamedError { name, text }| diagnostic(name, text)),
        Ok(Shape::Queue(batch)) => Ok(queue::batch(app, batch, deadline).await),
        Ok(Shape::Sweep) => match app.sweep(deadline).await {
            Ok(report) => Ok(json!(report)),
            Err(error) => Err(diagnostic("Unavailable", error.to_string())),
        },
        Ok(Shape::Direct(body)) => direct(app, &body, request_id, deadline).await,
        Err(problem) => {
            tracing::error!(%problem, "an event of an unknown shape was refused");
            Err(diagnostic("UnknownEvent", problem.to_string()))
        }
    }
}

/// A direct invocation: whoever may call `lambda:InvokeFunction` speaks for the source named
/// `invoke`.
///
/// What was decided returns as the answer; a refusal is an error with a name, so that a caller can
/// tell them apart.
async fn direct(
    app: &Arc<App>,
    body: &Value,
    request_id: &str,
    deadline: Deadline,
) -> Result<Value, Diagnostic> {
    let Some(source) = app.source_of("invoke") else {
        let remedy = "configure a source with scheme = \"trusted\" and from = [\"invoke\"] to allow direct invocations";
        return Err(diagnostic(
            "Unauthorised",
            format!("no source accepts direct invocations; {remedy}"),
        ));
    };
    let via = Via::Host {
        origin: "invoke".to_owned(),
        id: Some(request_id.to_owned()),
    };
    let delivery = Delivery {
        source,
        via,
        body: body.to_string().into(),
    };
    let reply = app.receive(delivery, deadline).await;
    let body = to_http(&reply).body;
    error_name(&reply).map_or_else(
        || Ok(body.clone()),
        |name| Err(diagnostic(name, body.to_string())),
    )
}

fn diagnostic(kind: &str, message: String) -> Diagnostic {
    Diagnostic {
        error_type: kind.to_owned(),
        error_message: message,
    }
}
