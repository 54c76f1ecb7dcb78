//! Holds the requests and incidents of this process that owe a notification. Takes their streams;
//! returns each stream once, to the task that delivers. It only makes deliveries prompt: if a
//! stream is lost here, the sweep finds it through the journal's index.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Each with whether another task wanted to deliver meanwhile.
    busy: Mutex<BTreeMap<StreamId, bool>>,
    filled: Notify,
    callbacks: Mutex<BTreeMap<StreamId, Arc<Kept>>>,
}

/// The callback of a request's newest delivery.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) callback: Callback,
    since: Instant,
    /// Whether a duplicate brought the callback, and it was not used yet: the outcome may have been
    /// notified with an earlier one.
    of_duplicate: AtomicBool,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < KEPT
    }

    /// Whether a duplicate brought the token of a task that was not ended yet.
    pub(super) fn has_task_of_duplicate(&self) -> bool {
        self.callback.has_task() && self.of_duplicate.load(Ordering::Relaxed)
    }
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

    /// Adds the requests of which a duplicate has the token of a waiting task.
    pub(super) fn add_duplicates(&self) {
        let all = self.callbacks.lock();
        let waits = |(_, kept): &(_, &Arc<Kept>)| kept.is_fresh() && kept.has_task_of_duplicate();
        for (stream, _) in all.iter().filter(waits) {
            self.add(*stream, false);
        }
    }

    pub(super) fn take(&self) -> BTreeMap<StreamId, Queued> {
        std::mem::take(&mut *self.streams.lock())
    }

    /// Waits until the outbox has a stream.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Keeps a request's callback, in memory only and for a limited time.
    pub(super) fn keep(&self, stream: StreamId, callback: Callback, of_duplicate: bool) {
        let mut all = self.callbacks.lock();
        all.retain(|_, kept| kept.is_fresh());
        if all.len() < MAX_KEPT {
            let kept = Kept {
                callback,
                since: Instant::now(),
                of_duplicate: of_duplicate.into(),
            };
            all.insert(stream, Arc::new(kept));
        }
    }

    /// Returns a request's callback; `None` if none was kept or it is too old.
    pub(super) fn kept(&self, stream: StreamId) -> Option<Arc<Kept>> {
        let all = self.callbacks.lock();
        all.get(&stream).filter(|kept| kept.is_fresh()).cloned()
    }

    /// Forgets a callback with which the outcome was notified, unless it is still `needed`. One that
    /// a duplicate brought meanwhile stays.
    pub(super) fn used(&self, stream: StreamId, used: &Arc<Kept>, needed: bool) {
        used.of_duplicate.store(false, Ordering::Relaxed);
        let mut all = self.callbacks.lock();
        if !needed && all.get(&stream).is_some_and(|kept| Arc::ptr_eq(kept, used)) {
            all.remove(&stream);
        }
    }

    /// Returns the right to deliver. `None` while another task of this process holds it: the stream
    /// is then added again at the end of that right, because the other task may have read it before
    /// its newest record or callback.
    pub(super) fn begin(&self, stream: StreamId) -> Option<Delivering<'_>> {
        // Make no `Delivering` before this check: its drop would end the right of the other task.
        match self.busy.lock().entry(stream) {
            Entry::Occupied(mut busy) => {
                busy.insert(true);
                return None;
            }
            Entry::Vacant(free) => free.insert(false),
        };
        let outbox = self;
        Some(Delivering { outbox, stream })
    }
}

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        let again = self.outbox.busy.lock().remove(&self.stream);
        if again == Some(true) {
            self.outbox.add(self.stream, false);
        }
    }
}
