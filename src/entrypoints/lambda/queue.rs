//! Processes a batch of SQS messages, each as a delivery of its own. Returns `batchItemFailures`,
//! the ids of the messages that failed or were not processed. The event source mapping must have
//! `ReportBatchItemFailures`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::{App, Deadline};
use crate::entrypoints::invocation::Invocation;
use crate::entrypoints::message::{Message, Received, receive};
use crate::entrypoints::outcome::{Outcome, Redelivery};

const MAX_AT_ONCE: usize = 100;
/// How long after the deadline the processing of a message may still begin. Such late processing
/// makes no cloud call, but writes the message's request into the journal. It must finish before
/// the host ends the invocation. Otherwise all messages would return to the queue.
const LATE_BEGIN: Duration = Duration::from_millis(750);

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
    let app = Arc::clone(app);
    let process = move |message| {
        let app = Arc::clone(&app);
        async move { processed(&app, message, deadline).await }
    };
    let outcomes = if batch.records.iter().any(fifo) {
        in_order(batch.records, deadline, process).await
    } else {
        at_once(batch.records, deadline, process).await
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

/// Returns the time after which no processing of a message begins: `LATE_BEGIN` after the deadline.
/// If the deadline has already passed, counts from now, so that at least one message is processed.
fn last_begin(deadline: Deadline) -> Deadline {
    let left = deadline.remaining(Instant::now());
    left.map_or(Deadline::NEVER, |left| {
        Deadline::after(left.saturating_add(LATE_BEGIN))
    })
}

fn is_failure(outcome: Outcome) -> bool {
    outcome.row().redelivery != Redelivery::None
}

/// Processes the messages of a FIFO queue in order. After a failure, skips the later messages of
/// the same group, because they must not overtake the failed message. Other groups are not
/// affected: SQS keeps an order only within a group.
async fn in_order<F: Future<Output = Outcome>>(
    messages: Vec<SqsMessage>,
    deadline: Deadline,
    process: impl Fn(SqsMessage) -> F,
) -> Outcomes {
    let last_begin = last_begin(deadline);
    let (mut outcomes, mut failed_groups) = (Outcomes::new(), BTreeSet::new());
    for (index, message) in messages.into_iter().enumerate() {
        if last_begin.passed() {
            break;
        }
        let group = message.attributes.get("MessageGroupId").cloned();
        if failed_groups.contains(&group) {
            continue;
        }
        let outcome = process(message).await;
        outcomes.insert(index, outcome);
        if is_failure(outcome) {
            failed_groups.insert(group);
        }
    }
    outcomes
}

/// Processes the messages of a standard queue concurrently, so that requests for one image share
/// cloud calls.
async fn at_once<F: Future<Output = Outcome> + Send + 'static>(
    messages: Vec<SqsMessage>,
    deadline: Deadline,
    process: impl Fn(SqsMessage) -> F + Clone + Send + 'static,
) -> Outcomes {
    let last_begin = last_begin(deadline);
    let permits = Arc::new(Semaphore::new(MAX_AT_ONCE));
    let mut running = JoinSet::new();
    for (index, message) in messages.into_iter().enumerate() {
        let (process, permits) = (process.clone(), Arc::clone(&permits));
        running.spawn(async move {
            let _permit = permits.acquire().await.ok()?;
            if last_begin.passed() {
                return None;
            }
            Some((index, process(message).await))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(number: usize) -> Vec<SqsMessage> {
        let message = |index: usize| {
            let mut message = SqsMessage::default();
            message.message_id = Some(index.to_string());
            message
        };
        (0..number).map(message).collect()
    }

    async fn after(millis: u64) -> Outcome {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Outcome::Done
    }

    fn done(outcomes: &Outcomes) -> Vec<usize> {
        outcomes.keys().copied().collect()
    }

    /// If the processing of no message began, SQS would deliver the batch again until all its
    /// messages were dead letters.
    #[tokio::test]
    async fn a_message_begins_shortly_after_the_deadline_at_the_latest() {
        let soon = Deadline::after(Duration::from_millis(50));
        let passed = Deadline::after(Duration::ZERO);
        let (standard, fifo, late, late_fifo) = tokio::join!(
            at_once(messages(110), soon, |_| after(900)),
            in_order(messages(9), soon, |_| after(300)),
            at_once(messages(110), passed, |_| after(900)),
            in_order(messages(2), passed, |_| after(900)),
        );
        assert_eq!(standard.len(), MAX_AT_ONCE);
        assert!((1..=3).contains(&fifo.len()), "{fifo:?}");
        assert_eq!(late.len(), MAX_AT_ONCE);
        assert_eq!(done(&late_fifo), [0]);
    }

    #[tokio::test]
    async fn a_failed_message_holds_back_only_its_group() {
        let mut batch = messages(6);
        for (message, group) in batch.iter_mut().zip(["a", "b", "a", "", "b", ""]) {
            let named =
                (!group.is_empty()).then(|| ("MessageGroupId".to_owned(), group.to_owned()));
            message.attributes.extend(named);
        }
        let first_fail = |message: SqsMessage| async move {
            match message.message_id.as_deref() {
                Some("0" | "3") => Outcome::Unavailable,
                _ => Outcome::Done,
            }
        };
        let outcomes = in_order(batch, Deadline::NEVER, first_fail).await;
        assert_eq!(done(&outcomes), [0, 1, 3, 4]);
    }
}
