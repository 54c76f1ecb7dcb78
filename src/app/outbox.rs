//! Which requests of this process just came to owe a notification. In: their streams. Out: the same,
//! each once, to who delivers. It only makes deliveries prompt: what is lost here is found by the sweep,
//! through the journal's index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::inbound::Callback;
use crate::journal::StreamId;

/// Slack takes answers at a `response_url` for so long.
const KEPT: Duration = Duration::from_secs(1_800);
/// More requests than a process has under way.
const MAX_KEPT: usize = 10_000;

/// The noted requests, and those whose notifications are being delivered.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    noted: Mutex<BTreeSet<StreamId>>,
    busy: Mutex<BTreeSet<StreamId>>,
    news: Notify,
    callbacks: Mutex<BTreeMap<StreamId, (Callback, Instant)>>,
}

/// Keeps a request's notifications to one deliverer of this process.
#[derive(Debug)]
pub(super) struct Delivering<'a> {
    outbox: &'a Outbox,
    stream: StreamId,
}

impl Outbox {
    pub(super) fn note(&self, stream: StreamId) {
        lock(&self.noted).insert(stream);
        self.news.notify_one();
    }

    /// Takes what was noted.
    pub(super) fn take(&self) -> BTreeSet<StreamId> {
        std::mem::take(&mut *lock(&self.noted))
    }

    /// Waits until something is noted.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Keeps what a delivery brought to answer it with, in memory alone and for a while.
    pub(super) fn keep(&self, stream: StreamId, callback: Callback) {
        let mut all = self
            .callbacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, since)| since.elapsed() < KEPT);
        if all.len() < MAX_KEPT {
            all.insert(stream, (callback, Instant::now()));
        }
    }

    /// Takes what was kept of a request.
    pub(super) fn callback(&self, stream: StreamId) -> Option<Callback> {
        let mut all = self
            .callbacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (callback, since) = all.remove(&stream)?;
        (since.elapsed() < KEPT).then_some(callback)
    }

    /// The right to deliver; `None` while another task of this process has it.
    pub(super) fn deliver(&self, stream: StreamId) -> Option<Delivering<'_>> {
        let outbox = self;
        let free = lock(&self.busy).insert(stream);
        free.then_some(Delivering { outbox, stream })
    }
}

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        lock(&self.outbox.busy).remove(&self.stream);
    }
}

fn lock(set: &Mutex<BTreeSet<StreamId>>) -> MutexGuard<'_, BTreeSet<StreamId>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}
