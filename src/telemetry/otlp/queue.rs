//! The queue of spans that wait to be sent. In: spans as JSON. Out: batches. The spans of a batch
//! return to the queue unless the batch was delivered or refused. A span that finds no room in the
//! queue is dropped and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::Notify;

/// OpenTelemetry's default of `OTEL_BSP_MAX_QUEUE_SIZE`.
const MAX_QUEUED: usize = 2_048;
/// OpenTelemetry's default of `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
const MAX_BATCH: usize = 512;

#[derive(Debug)]
pub(super) struct Queue {
    spans: Mutex<VecDeque<Json>>,
    dropped: &'static AtomicU64,
    filled: Notify,
}

/// Spans that are being sent. If the batch is dropped before it was delivered or refused, for
/// example because a future was cancelled, its spans return to the queue.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    spans: Vec<Json>,
    queue: &'a Queue,
    /// Whether the spans are dropped and counted, instead of returning to the queue.
    gives_way: bool,
}

impl Queue {
    /// Creates an empty queue. `dropped` counts the spans that find no room, and the spans that the
    /// collector refuses.
    pub(super) fn new(dropped: &'static AtomicU64) -> Self {
        Self {
            spans: Mutex::default(),
            dropped,
            filled: Notify::new(),
        }
    }

    pub(super) fn push(&self, span: Json) {
        let mut spans = self.spans.lock();
        if spans.len() < MAX_QUEUED {
            spans.push_back(span);
            if spans.len() >= MAX_BATCH {
                self.filled.notify_one();
            }
        } else {
            self.count_dropped(1);
        }
    }

    /// Waits until a full batch of spans is queued.
    pub(super) async fn filled(&self) {
        while self.spans.lock().len() < MAX_BATCH {
            self.filled.notified().await;
        }
    }

    /// Returns the next spans, or `None` if the queue is empty.
    pub(super) fn batch(&self) -> Option<Batch<'_>> {
        let mut waiting = self.spans.lock();
        let most = waiting.len().min(MAX_BATCH);
        let spans: Vec<Json> = waiting.drain(..most).collect();
        (!spans.is_empty()).then(|| Batch {
            spans,
            queue: self,
            gives_way: false,
        })
    }

    /// Drops and counts all spans that wait. Used when the process ends.
    pub(super) fn give_up(&self) {
        let waiting = std::mem::take(&mut *self.spans.lock());
        self.count_dropped(waiting.len());
    }

    fn count_dropped(&self, spans: usize) {
        self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

impl Batch<'_> {
    pub(super) fn spans(&self) -> &[Json] {
        &self.spans
    }

    /// Says whether the spans are dropped if the batch is neither delivered nor refused.
    pub(super) fn give_way(&mut self, gives_way: bool) {
        self.gives_way = gives_way;
    }

    /// Ends a batch that the collector accepted, except for `rejected` of its spans. Those are
    /// counted as dropped.
    pub(super) fn delivered(mut self, rejected: u64) {
        self.queue.dropped.fetch_add(rejected, Ordering::Relaxed);
        self.spans.clear();
    }

    pub(super) fn refused(mut self) {
        self.gives_way = true;
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.gives_way {
            self.queue.count_dropped(self.spans.len());
            return;
        }
        let mut waiting = self.queue.spans.lock();
        // If there is not enough room, only the newest spans of the batch return to the queue.
        while let Some(span) = self.spans.pop() {
            if waiting.len() >= MAX_QUEUED {
                self.queue.count_dropped(self.spans.len() + 1);
                return;
            }
            waiting.push_front(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(Box::leak(Box::default()))
    }

    fn dropped(queue: &Queue) -> u64 {
        queue.dropped.load(Ordering::Relaxed)
    }

    fn waiting(queue: &Queue) -> Vec<u64> {
        let spans = queue.spans.lock();
        spans.iter().map(|span| span.as_u64().unwrap()).collect()
    }

    #[test]
    fn a_batch_goes_back_unless_it_is_delivered_or_refused() {
        let queue = queue();
        (0..3_u64).for_each(|span| queue.push(span.into()));
        drop(queue.batch());
        assert_eq!(waiting(&queue), [0, 1, 2]);
        queue.batch().unwrap().delivered(0);
        assert!(queue.batch().is_none() && dropped(&queue) == 0);
        queue.push(3.into());
        queue.batch().unwrap().refused();
        assert!(queue.batch().is_none() && dropped(&queue) == 1);
        (0..2_u64).for_each(|span| queue.push(span.into()));
        queue.give_up();
        assert!(queue.batch().is_none() && dropped(&queue) == 3);
    }

    #[tokio::test]
    async fn a_batch_that_was_sent_does_not_fill_the_queue() {
        let queue = queue();
        let filled = async || {
            let waited = tokio::time::timeout(std::time::Duration::ZERO, queue.filled());
            waited.await.is_ok()
        };
        (0..=MAX_BATCH as u64).for_each(|span| queue.push(span.into()));
        assert!(filled().await);
        queue.push(0.into());
        queue.batch().unwrap().delivered(0);
        assert!(!filled().await, "two spans wait");
    }

    #[test]
    fn spans_without_room_are_dropped_and_counted() {
        let queue = queue();
        let push = |spans: u64| (0..spans).for_each(|span| queue.push(span.into()));
        push(MAX_QUEUED as u64 + 5);
        assert_eq!(dropped(&queue), 5);
        let batch = queue.batch().unwrap();
        assert_eq!(batch.spans().len(), MAX_BATCH);
        push(2);
        drop(batch);
        assert_eq!(dropped(&queue), 7);
        assert_eq!(queue.spans.lock().len(), MAX_QUEUED);
        assert_eq!(waiting(&queue)[0], 2, "the oldest found no room");
    }
}
