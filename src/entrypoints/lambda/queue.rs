//! A batch of SQS messages: each is a delivery of its own, and each failure is named alone.
//! In: the batch. Out: `batchItemFailures`, for a mapping with `ReportBatchItemFailures`.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde_json::{Value, json};

use crate::app::{App, Deadline, Delivery, Via};
use crate::entrypoints::reply::{queue_should_retry, to_http};

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

/// Whether the message is done with. A panic costs its own message only.
async fn processed(app: &Arc<App>, message: SqsMessage, deadline: Deadline) -> bool {
    let origin = message.event_source_arn.unwrap_or_default();
    let id = message.message_id;
    let Some(source) = app.source_of(&origin) else {
        tracing::error!(%origin, "no source trusts this queue; list its ARN in a trusted source's `from`");
        return false;
    };
    let via = Via::Host { origin, id: id.clone() };
    let delivery = Delivery { source, via, body: message.body.unwrap_or_default().into() };
    let worker = Arc::clone(app);
    match tokio::spawn(async move { worker.receive(delivery, deadline).await }).await {
        Ok(reply) => {
            let retry = queue_should_retry(&reply);
            if retry {
                let answer = to_http(&reply);
                tracing::warn!(message_id = id, status = answer.status, answer = %answer.body, "the message goes back to its queue");
            }
            !retry
        }
        Err(error) => {
            tracing::error!(
                message_id = id,
                panicked = error.is_panic(),
                "the message's work ended without an answer"
            );
            false
        }
    }
}
