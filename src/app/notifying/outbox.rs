//! Holds the requests and incidents of this process that owe a notification. Takes their streams;
//! returns each stream once, to the task that delivers. It only makes deliveries prompt: if a
//! stream is lost here, the sweep finds it through the journal's index.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::inbound::Callback;
use crate::journal::StreamId;
use crate::telemetry::{TraceContext, current};

/// How long a callback is kept: Slack accepts answers at a `response_url` for 30 minutes.
pub(super) const KEPT: Duration = Duration::from_secs(1_800);
/// Maximum number of callbacks to keep; more than the requests that run at once. Further ones are
/// not kept.
const MAX_KEPT: usize = 10_000;

/// The streams in the outbox, those whose notifications are being delivered, and the callbacks of
/// requests.
#[derive(Debug, Default)]
pub(in crate::app) struct Outbox {
    streams: Mutex<BTreeMap<StreamId, Queued>>,
    busy: Mutex<BTreeSet<StreamId>>,
    filled: Notify,
    callbacks: Mutex<BTreeMap<StreamId, (Callback, Instant)>>,
    /// The finished requests of which a duplicate has the token of a waiting task.
    tasks: Mutex<BTreeSet<StreamId>>,
}

/// How to deliver the notifications of a stream.
#[derive(Debug)]
pub(super) struct Queued {
    /// The trace that the notifications continue.
    pub(super) trace: Option<TraceContext>,
    /// Whether this process has just recorded what the notifications report, so that no other
    /// process can have delivered them.
    pub(super) first: bool,
}

/// Held while one task delivers the notifications of a stream.
#[derive(Debug)]
pub(super) struct Delivering<'a> {
    outbox: &'a Outbox,
    stream: StreamId,
}

impl Outbox {
    pub(super) fn add(&self, stream: StreamId, first: bool) {
        let mut streams = self.streams.lock();
        let first = first && streams.get(&stream).is_none_or(|queued| queued.first);
        let trace = current();
        streams.insert(stream, Queued { trace, first });
        self.filled.notify_one();
    }

    pub(super) fn add_task(&self, stream: StreamId) {
        self.tasks.lock().insert(stream);
        self.add(stream, false);
    }

    /// Whether a duplicate has the token of a task that waits for the outcome. True once.
    pub(super) fn take_task(&self, stream: StreamId) -> bool {
        self.tasks.lock().remove(&stream)
    }

    pub(super) fn take(&self) -> BTreeMap<StreamId, Queued> {
        std::mem::take(&mut *self.streams.lock())
    }

    /// Waits until the outbox has a stream.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Keeps a request's callback, in memory only and for a limited time.
    pub(super) fn keep(&self, stream: StreamId, callback: Callback) {
        let mut all = self.callbacks.lock();
        all.retain(|_, (_, since)| since.elapsed() < KEPT);
        if all.len() < MAX_KEPT {
            all.insert(stream, (callback, Instant::now()));
        }
    }

    /// Returns a request's callback; `None` if none was kept or it is too old.
    pub(super) fn callback(&self, stream: StreamId) -> Option<Callback> {
        let all = self.callbacks.lock();
        let (callback, since) = all.get(&stream)?;
        (since.elapsed() < KEPT).then(|| callback.clone())
    }

    pub(super) fn forget_callback(&self, stream: StreamId) {
        self.callbacks.lock().remove(&stream);
    }

    /// Returns the right to deliver; `None` while another task of this process holds it.
    pub(super) fn begin(&self, stream: StreamId) -> Option<Delivering<'_>> {
        // Make no `Delivering` before this check: its drop would end the right of the other task.
        if !self.busy.lock().insert(stream) {
            return None;
        }
        let outbox = self;
        Some(Delivering { outbox, stream })
    }
}

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        self.outbox.busy.lock().remove(&self.stream);
    }
}
