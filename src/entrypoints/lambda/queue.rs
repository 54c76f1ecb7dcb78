//! A batch of SQS messages: each is a delivery of its own, and each failure is named alone.
//! In: the batch. Out: `batchItemFailures`, for a mapping with `ReportBatchItemFailures`.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde_json::{Value, json};

use crate::app::{App, Deadline};
use crate::entrypoints::message::{Message, receive};
use crate::entrypoints::reply::{should_retry, to_http};

pub(super) async fn batch(app: &Arc<App>, batch: SqsEvent, deadline: Deadline) -> Value {
    let mut failures = Vec::new();
    let mut stopped = false;
    for message in batch.records {
        let id = message.message_id.clone().unwrap_or_default();
        let fifo = message.event_source_arn.as_deref().is_some_and(|arn| arn.ends_with(".fifo"));
        // In a FIFO queue nothing may overtake a message that failed.
        if stopped || !processed(app, message, deadline).await {
            stopped |= fifo;
            failures.push(json!({ "itemIdentifier": id }));
        }
    }
    json!({ "batchItemFailures": failures })
}

/// Whether the message is done with.
async fn processed(app: &Arc<App>, message: SqsMessage, deadline: Deadline) -> bool {
    let id = message.message_id;
    let message = Message {
        origin: message.event_source_arn.unwrap_or_default(),
        id: id.clone(),
        body: message.body.unwrap_or_default().into(),
    };
    let Some(reply) = receive(app, message, deadline).await else { return false };
    let retry = should_retry(&reply);
    if retry {
        let answer = to_http(&reply);
        tracing::warn!(message_id = id, status = answer.status, answer = %answer.body, "the message goes back to its queue");
    }
    !retry
}
