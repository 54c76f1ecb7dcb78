//! The host Tencent SCF: the loop of its custom runtime. In: events from the runtime API. Out: what
//! each trigger expects back. Source: cloud.tencent.com/document/product/583/47274.

mod event;
mod runtime;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, Deadline, Reply};

use super::envelope::{self, Form};
use super::http::respond;
use super::message::{self, Message};
use super::reply::{error_name, should_retry, to_http};
use event::Shape;

pub(super) use super::message::NamedError;
pub(super) use event::is_of_scf;
pub(super) use runtime::run;

/// One invocation, from a raw event to a raw answer: also what `invoke` runs on a laptop.
///
/// # Errors
/// A failure that has a name; SCF delivers the event again by the trigger's own rule.
pub(super) async fn answer(
    app: &Arc<App>,
    event: &Value,
    deadline: Deadline,
) -> Result<Value, NamedError> {
    match event::shape_of(event) {
        Ok(Shape::Http(request)) => Ok(envelope::response(
            Form::Version1,
            respond(app, *request, deadline).await,
        )),
        Ok(Shape::Sweep) => match app.sweep(deadline).await {
            Ok(report) => Ok(json!(report)),
            Err(error) => Err(NamedError {
                name: "Unavailable",
                text: error.to_string(),
            }),
        },
        Ok(Shape::Messages(messages)) => message::all_or_error(app, messages, deadline).await,
        Ok(Shape::Stream(messages)) => stream(app, messages, deadline).await,
        Err(problem) => {
            tracing::error!(%problem, "an event of an unknown shape was refused");
            Err(NamedError {
                name: "UnknownEvent",
                text: problem.to_string(),
            })
        }
    }
}

/// What a repetition cannot mend is logged and passed over: the topic keeps the message, and what
/// is behind it must not wait for a person. What it can mend fails the batch; those of it that were
/// done act once.
async fn stream(
    app: &Arc<App>,
    messages: Vec<Message>,
    deadline: Deadline,
) -> Result<Value, NamedError> {
    let mut answers = Vec::with_capacity(messages.len());
    for message in messages {
        let id = message.id.clone();
        let Some(reply) = message::receive(app, message, deadline).await else {
            return Err(NamedError {
                name: "Panicked",
                text: "the log tells more".to_owned(),
            });
        };
        let answer = to_http(&reply);
        if should_retry(&reply) {
            if matches!(reply, Reply::Answers(_)) && matches!(answer.status, 202 | 503) {
                let name = error_name(&reply).unwrap_or("Pending");
                return Err(NamedError {
                    name,
                    text: answer.body.to_string(),
                });
            }
            tracing::error!(record = id, status = answer.status, answer = %answer.body, "a record was passed over");
        }
        answers.push(answer.body);
    }
    Ok(json!({ "answers": answers }))
}
