//! A batch of SQS messages: each is a delivery of its own, and each failure is named alone.
//! In: the batch. Out: `batchItemFailures`, for a mapping with `ReportBatchItemFailures`.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::app::{App, Deadline};
use crate::entrypoints::message::{Message, receive};
use crate::entrypoints::reply::{should_retry, to_http};

/// More messages of a batch than this are not worked on at once.
const MOST_AT_ONCE: usize = 100;

pub(super) async fn batch(app: &Arc<App>, batch: SqsEvent, deadline: Deadline) -> Value {
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
    let done = if batch.records.iter().any(fifo) {
        in_order(app, batch.records, deadline).await
    } else {
        at_once(app, batch.records, deadline).await
    };
    let failed = ids
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !done.contains(index));
    let failures: Vec<Value> = failed
        .map(|(_, id)| json!({ "itemIdentifier": id }))
        .collect();
    json!({ "batchItemFailures": failures })
}

/// The places of the messages that are done with. In a FIFO queue nothing may overtake a message
/// that failed.
async fn in_order(
    app: &Arc<App>,
    messages: Vec<SqsMessage>,
    deadline: Deadline,
) -> BTreeSet<usize> {
    let mut done = BTreeSet::new();
    for (index, message) in messages.into_iter().enumerate() {
        if !processed(app, message, deadline).await {
            break;
        }
        done.insert(index);
    }
    done
}

/// The same for a queue without order: messages about one image then share its calls.
async fn at_once(app: &Arc<App>, messages: Vec<SqsMessage>, deadline: Deadline) -> BTreeSet<usize> {
    let room = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let mut running = JoinSet::new();
    for (index, message) in messages.into_iter().enumerate() {
        let (app, room) = (Arc::clone(app), Arc::clone(&room));
        running.spawn(async move {
            let _place = room.acquire().await.ok()?;
            processed(&app, message, deadline).await.then_some(index)
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// Whether the message is done with.
async fn processed(app: &Arc<App>, message: SqsMessage, deadline: Deadline) -> bool {
    let id = message.message_id;
    let message = Message {
        origin: message.event_source_arn.unwrap_or_default(),
        id: id.clone(),
        body: message.body.unwrap_or_default().into(),
    };
    let Some(reply) = receive(app, message, deadline).await else {
        return false;
    };
    let retry = should_retry(&reply);
    if retry {
        let answer = to_http(&reply);
        tracing::warn!(message_id = id, status = answer.status, answer = %answer.body, "the message goes back to its queue");
    }
    !retry
}
