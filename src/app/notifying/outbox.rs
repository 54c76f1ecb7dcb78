//! Holds the streams of this process's requests and incidents that owe a notification, and gives
//! each stream to the task that delivers. The outbox serves only to make delivery prompt: if a
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

/// How long a callback is kept. Slack accepts answers at a `response_url` for 30 minutes.
pub(super) const KEPT: Duration = Duration::from_secs(1_800);
/// Maximum number of callbacks to keep. Further callbacks are not kept. This is more than the
/// number of requests that run at once.
const MAX_KEPT: usize = 10_000;

#[derive(Debug, Default)]
pub(in crate::app) struct Outbox {
    streams: Mutex<BTreeMap<StreamId, Queued>>,
    /// The streams whose notifications are being delivered. The value says whether another task
    /// wanted to deliver the same stream in the meantime.
    busy: Mutex<BTreeMap<StreamId, bool>>,
    filled: Notify,
    callbacks: Mutex<BTreeMap<StreamId, Arc<Kept>>>,
}

/// The callback of a request's newest delivery.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) callback: Callback,
    since: Instant,
    /// Whether a duplicate delivery brought this callback and it was not used yet. The outcome may
    /// already have been sent to the callback of an earlier delivery.
    of_duplicate: AtomicBool,
    /// Whether the `response_url` refused a message.
    address_refused: AtomicBool,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < KEPT
    }

    /// Returns the callback, without a `response_url` that refused a message.
    pub(super) fn usable(&self) -> Callback {
        let mut callback = self.callback.clone();
        if self.address_refused.load(Ordering::Relaxed) {
            callback.response_url = None;
        }
        callback
    }

    pub(super) fn refuse_address(&self) {
        self.address_refused.store(true, Ordering::Relaxed);
    }

    /// Whether a duplicate delivery brought the token of a task that has not ended yet.
    pub(super) fn has_task_of_duplicate(&self) -> bool {
        self.callback.has_task() && self.of_duplicate.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Queued {
    pub(super) trace: Option<TraceContext>,
    /// Whether this process has just recorded the outcome that the notifications report. If so, no
    /// other process can have delivered them.
    pub(super) first: bool,
}

/// Held while a task delivers the notifications of a stream.
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

    /// Adds each request for which a duplicate delivery brought the token of a task that still
    /// waits.
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

    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Keeps a request's callback, in memory only and for a limited time.
    pub(super) fn keep(&self, stream: StreamId, callback: Callback, of_duplicate: bool) {
        let mut all = self.callbacks.lock();
        all.retain(|_, kept| kept.is_fresh());
        if all.len() < MAX_KEPT || all.contains_key(&stream) {
            let kept = Kept {
                callback,
                since: Instant::now(),
                of_duplicate: of_duplicate.into(),
                address_refused: false.into(),
            };
            all.insert(stream, Arc::new(kept));
        }
    }

    /// Returns a request's callback, or `None` if none was kept or it is too old.
    pub(super) fn kept(&self, stream: StreamId) -> Option<Arc<Kept>> {
        let all = self.callbacks.lock();
        all.get(&stream).filter(|kept| kept.is_fresh()).cloned()
    }

    /// Forgets a callback after the outcome was sent to it, unless the callback is still `needed`.
    /// If a duplicate delivery has brought a new callback in the meantime, the new one stays.
    pub(super) fn used(&self, stream: StreamId, used: &Arc<Kept>, needed: bool) {
        used.of_duplicate.store(false, Ordering::Relaxed);
        let mut all = self.callbacks.lock();
        if !needed && all.get(&stream).is_some_and(|kept| Arc::ptr_eq(kept, used)) {
            all.remove(&stream);
        }
    }

    /// Returns the right to deliver the stream's notifications, or `None` if another task of this
    /// process holds it. That task may have read the stream before its newest record or callback.
    /// The stream is therefore added again when that task drops its right.
    pub(super) fn begin(&self, stream: StreamId) -> Option<Delivering<'_>> {
        // Create the `Delivering` only after this check. Otherwise, dropping it would end the right
        // of the other task.
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
