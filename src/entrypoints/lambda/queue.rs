//! Processes a batch of SQS messages, each as a delivery of its own. In: the batch. Out:
//! `batchItemFailures`, the ids of the messages that failed or were not processed, for an event
//! source mapping with `ReportBatchItemFailures`.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::app::{App, Deadline};
use crate::entrypoints::invocation::Invocation;
use crate::entrypoints::message::{Message, Received, receive};
use crate::entrypoints::outcome::{Outcome, Redelivery};

/// Maximum number of messages that are processed at once.
const MAX_AT_ONCE: usize = 100;

/// The outcome of each processed message, by its index in the batch.
type Outcomes = BTreeMap<usize, Outcome>;

pub(super) async fn batch(app: &Arc<App>, batch: SqsEvent, deadline: Deadline) -> Invocation {
    let fifo = |message: &SqsMessage| {
        message
            .event_source_arn
            .as_deref()
            .is_some_and(|arn| arn.ends_with(".fifo"))
    };
    let ids: Vec<String> = batch
        .records
        .iter()
        .map(|m| m.message_id.clone().unwrap_or_default())
        .collect();
    let outcomes = if batch.records.iter().any(fifo) {
        in_order(app, batch.records, deadline).await
    } else {
        at_once(app, batch.records, deadline).await
    };
    let mut response = SqsBatchResponse::default();
    for (index, id) in ids.into_iter().enumerate() {
        if outcomes
            .get(&index)
            .is_none_or(|outcome| is_failure(*outcome))
        {
            response.add_failure(id);
        }
    }
    let worst = Outcome::of_all(outcomes.into_values());
    Invocation::answered(worst, json!(response))
}

fn is_failure(outcome: Outcome) -> bool {
    outcome.row().redelivery != Redelivery::None
}

/// Processes the messages of a FIFO queue in order. Stops at a failure, because later messages must
/// not overtake the failed one.
async fn in_order(app: &Arc<App>, messages: Vec<SqsMessage>, deadline: Deadline) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for (index, message) in messages.into_iter().enumerate() {
        let outcome = processed(app, message, deadline).await;
        outcomes.insert(index, outcome);
        if is_failure(outcome) {
            break;
        }
    }
    outcomes
}

/// Processes the messages of a standard queue concurrently, so that requests for one image share
/// cloud calls.
async fn at_once(app: &Arc<App>, messages: Vec<SqsMessage>, deadline: Deadline) -> Outcomes {
    let permits = Arc::new(Semaphore::new(MAX_AT_ONCE));
    let mut running = JoinSet::new();
    for (index, message) in messages.into_iter().enumerate() {
        let (app, permits) = (Arc::clone(app), Arc::clone(&permits));
        running.spawn(async move {
            let _permit = permits.acquire().await.ok()?;
            Some((index, processed(&app, message, deadline).await))
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

async fn processed(app: &Arc<App>, message: SqsMessage, deadline: Deadline) -> Outcome {
    let message_id = message.message_id.clone();
    let message = Message {
        origin: message.event_source_arn.unwrap_or_default(),
        id: message.message_id,
        body: message.body.unwrap_or_default().into(),
    };
    let Received { outcome, body } = receive(app, message, deadline).await;
    if is_failure(outcome) {
        tracing::warn!(message_id, ?outcome, answer = %body, "returned the message to its queue");
    }
    outcome
}
