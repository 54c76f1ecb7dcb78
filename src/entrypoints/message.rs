//! A message of a trigger whose host authenticated the sender: queue, topic, stream, event bus. In:
//! who the host says it is, its id, its bytes. Out: a reply, also when no source trusts the origin.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::app::{App, Deadline, Delivery, Reply, Via};

use super::reply::{error_name, should_retry, to_http};

/// One message, before anything about it is believed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// What a trusted source's `from` must list, to the letter.
    pub(crate) origin: String,
    /// The host's own id of the message, the same when it is delivered again.
    pub(crate) id: Option<String>,
    pub(crate) body: Bytes,
}

/// Why the host must deliver an event again: a named error, as hosts and state machines know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedError {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// The whole way of one message; `None` when its work ended without an answer. A panic costs its
/// own message only.
pub(crate) async fn receive(app: &Arc<App>, message: Message, deadline: Deadline) -> Option<Reply> {
    let Message { origin, id, body } = message;
    let Some(source) = app.source_of(&origin) else {
        tracing::error!(%origin, "no source trusts this origin; list it in a trusted source's `from`");
        return Some(Reply::UnknownSource);
    };
    let delivery = Delivery {
        source,
        via: Via::Host {
            origin,
            id: id.clone(),
        },
        body,
    };
    let worker = Arc::clone(app);
    match tokio::spawn(async move { worker.receive(delivery, deadline).await }).await {
        Ok(reply) => Some(reply),
        Err(error) => {
            let panicked = error.is_panic();
            tracing::error!(
                message_id = id,
                panicked,
                "the message's work ended without an answer"
            );
            None
        }
    }
}

/// Messages of a trigger that knows only "done" and "failed" for all of them together. All are
/// tried; a repetition of those that were done acts once.
///
/// # Errors
/// The first failure that a repetition may mend, or that a person must see in the dead-letter
/// queue.
pub(crate) async fn all_or_error(
    app: &Arc<App>,
    messages: Vec<Message>,
    deadline: Deadline,
) -> Result<Value, NamedError> {
    let mut answers = Vec::with_capacity(messages.len());
    let mut failed = None;
    for message in messages {
        let Some(reply) = receive(app, message, deadline).await else {
            failed = failed.or(Some(NamedError {
                name: "Panicked",
                text: "the log tells more".to_owned(),
            }));
            continue;
        };
        let answer = to_http(&reply);
        if should_retry(&reply) {
            let name = error_name(&reply).unwrap_or("Pending");
            tracing::warn!(name, answer = %answer.body, "the event is not done with");
            failed = failed.or(Some(NamedError {
                name,
                text: answer.body.to_string(),
            }));
        }
        answers.push(answer.body);
    }
    match (failed, answers.len()) {
        (Some(error), _) => Err(error),
        (None, 1) => Ok(answers.pop().unwrap_or_default()),
        (None, _) => Ok(json!({ "answers": answers })),
    }
}
