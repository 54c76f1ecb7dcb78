//! The host Tencent SCF: the loop of its custom runtime. In: events from the runtime API. Out: what
//! each trigger expects back. Source: cloud.tencent.com/document/product/583/47274.

mod event;
mod runtime;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, Deadline};

use super::http::event::{self as http_event, Form};
use super::http::respond;
use super::invocation::{self, Invocation};
use super::message::{self, Message, Received};
use super::outcome::{Outcome, Redelivery};
use event::Shape;

pub(super) use event::is_of_scf;
pub(super) use runtime::run;

/// One invocation, from a raw event to a raw answer: also what `invoke` runs on a laptop. SCF
/// delivers a failed event again by the trigger's own rule.
pub(super) async fn answer(app: &Arc<App>, event: &Value, deadline: Deadline) -> Invocation {
    match event::shape_of(event) {
        Ok(Shape::Http(request)) => {
            let response = respond(app, *request, deadline).await;
            let outcome = response.outcome;
            Invocation::answered(outcome, http_event::response(Form::Version1, response))
        }
        Ok(Shape::Sweep) => invocation::sweep(app, deadline).await,
        Ok(Shape::Messages(messages)) => message::all_or_error(app, messages, deadline).await,
        Ok(Shape::Stream(messages)) => stream(app, messages, deadline).await,
        Err(problem) => Invocation::unknown_event(&problem),
    }
}

/// A record that cannot succeed is logged and passed over: the topic keeps it, and the records
/// behind it must not wait for a person. One that may succeed fails the batch; when the batch comes
/// again, its finished requests act no second time.
async fn stream(app: &Arc<App>, messages: Vec<Message>, deadline: Deadline) -> Invocation {
    let mut answers = Vec::with_capacity(messages.len());
    let mut worst = Outcome::Done;
    for message in messages {
        let id = message.id.clone();
        let Received { outcome, body } = message::receive(app, message, deadline).await;
        worst = worst.max(outcome);
        match outcome.redelivery() {
            Redelivery::None => {}
            Redelivery::MaySucceed => return Invocation::failed(outcome, body.to_string()),
            Redelivery::ForAPerson => {
                tracing::error!(record = id, ?outcome, answer = %body, "a record was passed over");
            }
        }
        answers.push(body);
    }
    Invocation::answered(worst, json!({ "answers": answers }))
}
