//! Receives a message from a queue, topic, stream, event bus or direct invocation. In all these
//! cases, the host has authenticated the sender. Takes the origin that the host names, the
//! message's id and its bytes. Returns the outcome and the body of the reply, even if no source
//! trusts the origin.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::app::{App, Deadline, Delivery, Via};
use crate::telemetry;

use super::invocation::Invocation;
use super::outcome::{Outcome, Redelivery};
use super::reply;

/// A message whose origin is not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// The origin that the host names. A trusted source must list exactly this text in `from`.
    pub(crate) origin: String,
    /// The host's id of the message. A redelivery has the same id.
    pub(crate) id: Option<String>,
    pub(crate) body: Bytes,
}

pub(crate) struct Received {
    pub(crate) outcome: Outcome,
    pub(crate) body: Value,
}

/// Receives one message. A panic becomes the outcome of this message and does not affect others.
pub(crate) async fn receive(app: &Arc<App>, message: Message, deadline: Deadline) -> Received {
    let Message { origin, id, body } = message;
    let Some(source) = app.source_of(&origin) else {
        let text = format!(
            "no source trusts {origin:?}; list it in `from` of a source with scheme = \"trusted\""
        );
        tracing::error!(
            origin,
            "no source trusts this origin; list it in a trusted source's `from`"
        );
        return Received {
            outcome: Outcome::of(&app.unknown_source()),
            body: reply::error(text),
        };
    };
    let message_id = id.clone();
    let delivery = Delivery {
        source,
        via: Via::Host { origin, id },
        body,
    };
    let worker = Arc::clone(app);
    let span = tracing::info_span!("message", message_id);
    let trace = telemetry::begin(&span, None);
    let work = async move { worker.receive(delivery, deadline).await };
    match tokio::spawn(telemetry::within(trace, work.instrument(span))).await {
        Ok(reply) => Received {
            outcome: Outcome::of(&reply),
            body: reply::body_of(&reply),
        },
        Err(error) => {
            let panicked = error.is_panic();
            tracing::error!(
                message_id,
                panicked,
                "an internal error stopped the work on a message; report it with the log lines before this one"
            );
            Received {
                outcome: Outcome::Panicked,
                body: reply::error("internal error; see the log"),
            }
        }
    }
}

/// Receives the messages of a trigger that can only report success or failure of the whole
/// invocation. Tries every message and returns the first failure. When the host repeats the
/// invocation, finished requests are not carried out again.
pub(crate) async fn all_or_error(
    app: &Arc<App>,
    messages: Vec<Message>,
    deadline: Deadline,
) -> Invocation {
    let mut answers = Vec::with_capacity(messages.len());
    let mut outcomes = Vec::with_capacity(messages.len());
    let mut failed = None;
    for message in messages {
        let Received { outcome, body } = receive(app, message, deadline).await;
        outcomes.push(outcome);
        if outcome.row().redelivery != Redelivery::None {
            tracing::warn!(?outcome, answer = %body, "the invocation fails, so that the host delivers the event again");
            failed = failed.or_else(|| Some(Invocation::failed(outcome, body.to_string())));
        }
        answers.push(body);
    }
    let together = together(answers);
    failed.unwrap_or_else(|| Invocation::answered(Outcome::of_all(outcomes), together))
}

fn together(mut answers: Vec<Value>) -> Value {
    match answers.len() {
        1 => answers.pop().unwrap_or_default(),
        _ => json!({ "answers": answers }),
    }
}
