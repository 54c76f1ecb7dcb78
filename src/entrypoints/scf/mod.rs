//! The Tencent SCF host, with a custom runtime. It takes events from the runtime API, and returns
//! each response in the form that the trigger expects. Source:
//! cloud.tencent.com/document/product/583/47274.

mod event;
mod runtime;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, Deadline};

use super::http::event::Form;
use super::http::respond;
use super::invocation::{self, Invocation};
use super::message::{self, Message, Received};
use super::outcome::{Outcome, Redelivery};
use event::Trigger;

pub(super) use event::is_of_scf;
pub(super) use runtime::run;

/// Processes one invocation, from a raw event to a raw answer, and delivers its notifications. The
/// command `invoke` uses this function too. How SCF repeats a failed event depends on the trigger.
pub(super) async fn answer(app: &Arc<App>, event: &Value, deadline: Deadline) -> Invocation {
    let invocation = match event::trigger_of(event) {
        Ok(Trigger::Http(request)) => {
            Invocation::of_http(Form::Version1, respond(app, *request, deadline).await)
        }
        Ok(Trigger::Sweep) => invocation::sweep(app, deadline).await,
        Ok(Trigger::Drift) => invocation::drift(app, deadline).await,
        Ok(Trigger::Messages(messages)) => message::all_or_error(app, messages, deadline).await,
        Ok(Trigger::Stream(messages)) => stream(app, messages, deadline).await,
        Err(problem) => Invocation::unknown_event(&problem),
    };
    let before = deadline.or_sooner(invocation.answer_by);
    app.notify_before_answer(before).await;
    invocation
}

/// Processes a batch of CKafka records. A record that cannot succeed is logged and skipped, because
/// the topic keeps the record, and later records must not wait for a person. A record that may
/// succeed later fails the batch. When SCF repeats the batch, finished requests are not carried out
/// again.
async fn stream(app: &Arc<App>, messages: Vec<Message>, deadline: Deadline) -> Invocation {
    let mut answers = Vec::with_capacity(messages.len());
    let mut outcomes = Vec::with_capacity(messages.len());
    for message in messages {
        let id = message.id.clone();
        let Received { outcome, body } = message::receive(app, message, deadline).await;
        outcomes.push(outcome);
        match outcome.row().redelivery {
            Redelivery::None => {}
            Redelivery::MaySucceed => return Invocation::failed(outcome, body.to_string()),
            Redelivery::ForAPerson => {
                tracing::error!(record = id, ?outcome, answer = %body, "skipped a CKafka record, because no attempt can process it; correct what the answer names, and send the ticket again");
            }
        }
        answers.push(body);
    }
    Invocation::answered(Outcome::of_all(outcomes), json!({ "answers": answers }))
}
