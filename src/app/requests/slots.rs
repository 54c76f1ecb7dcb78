//! Limits the work of a server: the number of requests that are carried out at once, and the
//! unfinished requests of each source. A request gets a slot, a place in the backlog, or a refusal.
//! On a host that limits its own concurrency, nothing is limited here.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::SourceName;
use crate::journal::StreamId;
use crate::telemetry::{TraceContext, current};

const MAX_SLOTS: u8 = 64;
/// Maximum total size of a source's unfinished requests, in bytes. Each request counts with the
/// size of its delivery.
const MAX_UNFINISHED_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Default)]
pub(in crate::app) struct Slots(Option<Bounded>);

#[derive(Debug)]
struct Bounded {
    free: Arc<Semaphore>,
    unfinished: Arc<Mutex<BTreeMap<SourceName, Load>>>,
    backlog: UnboundedSender<Queued>,
}

/// A source's unfinished requests in this process.
#[derive(Debug, Default)]
struct Load {
    requests: usize,
    bytes: usize,
}

/// The right to work on one request. Dropping it frees the slot.
#[derive(Debug)]
pub(in crate::app) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Counts as one unfinished request of its source until it is dropped.
#[derive(Debug)]
pub(in crate::app) struct Unfinished {
    _counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    unfinished: Arc<Mutex<BTreeMap<SourceName, Load>>>,
    source: SourceName,
    bytes: usize,
}

/// A recorded request or announcement that waits for a slot.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) stream: StreamId,
    pub(super) trace: Option<TraceContext>,
    /// Counts the entry as unfinished work of its source until the turn at it ends. `None` if no
    /// delivery brought the entry: an earlier process left it, or this program announced a
    /// withdrawal that an instance showed.
    _unfinished: Option<Unfinished>,
}

/// The recorded requests and announcements that wait for a slot. `App::work_off` takes them out in
/// order.
#[derive(Debug)]
pub struct Backlog(UnboundedReceiver<Queued>);

impl Slots {
    pub(super) fn bounded() -> (Self, Backlog) {
        let (backlog, queue) = unbounded_channel();
        let slots = Self(Some(Bounded {
            free: Arc::new(Semaphore::new(MAX_SLOTS.into())),
            unfinished: Arc::default(),
            backlog,
        }));
        (slots, Backlog(queue))
    }

    /// Counts one more unfinished request of a source, whose delivery has a size of `bytes`.
    /// Returns `None` if the source already has `max` unfinished requests, or if their total size
    /// would become too large.
    pub(in crate::app) fn admit(
        &self,
        source: &SourceName,
        bytes: usize,
        max: usize,
    ) -> Option<Unfinished> {
        let Some(bounded) = &self.0 else {
            return Some(Unfinished { _counted: None });
        };
        let mut all = bounded.unfinished.lock();
        let load = all.entry(source.clone()).or_default();
        let total = load.bytes.saturating_add(bytes);
        if load.requests >= max || total > MAX_UNFINISHED_BYTES {
            return None;
        }
        load.requests += 1;
        load.bytes = total;
        drop(all);
        let counted = Counted {
            unfinished: Arc::clone(&bounded.unfinished),
            source: source.clone(),
            bytes,
        };
        Some(Unfinished {
            _counted: Some(counted),
        })
    }

    /// Returns a slot if one is free and no earlier caller waits for it.
    pub(in crate::app) fn take(&self) -> Option<Slot> {
        let free = self.0.as_ref().map(|bounded| Arc::clone(&bounded.free));
        let permit = free.map(Semaphore::try_acquire_owned).transpose().ok()?;
        Some(Slot { _permit: permit })
    }

    /// Waits for a slot. The longest-waiting caller gets the next one.
    pub(super) async fn wait(&self) -> Option<Slot> {
        let permit = match &self.0 {
            Some(bounded) => Some(Arc::clone(&bounded.free).acquire_owned().await.ok()?),
            None => None,
        };
        Some(Slot { _permit: permit })
    }

    pub(super) async fn all_free(&self) {
        if let Some(bounded) = &self.0 {
            drop(bounded.free.acquire_many(MAX_SLOTS.into()).await);
        }
    }

    /// Puts a recorded request into the backlog. Without a backlog, the sweep handles it.
    pub(in crate::app) fn queue(&self, stream: StreamId, unfinished: Option<Unfinished>) {
        if let Some(bounded) = &self.0 {
            // Sending fails if the backlog's task has ended at shutdown, or on a host without such
            // a task. A sweep then finds the request in the journal.
            drop(bounded.backlog.send(Queued {
                stream,
                trace: current(),
                _unfinished: unfinished,
            }));
        }
    }
}

impl Backlog {
    pub(super) async fn next(&mut self) -> Option<Queued> {
        self.0.recv().await
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(load) = self.unfinished.lock().get_mut(&self.source) {
            load.requests = load.requests.saturating_sub(1);
            load.bytes = load.bytes.saturating_sub(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_so_many_unfinished_requests_and_no_more() {
        let (slots, _backlog) = Slots::bounded();
        let (jira, github) = ("jira".parse().unwrap(), "github".parse().unwrap());
        let first = slots.admit(&jira, 10, 2).unwrap();
        let _second = slots.admit(&jira, 10, 2).unwrap();
        assert!(slots.admit(&jira, 10, 2).is_none());
        assert!(slots.admit(&github, 10, 2).is_some());
        drop(first);
        assert!(slots.admit(&jira, MAX_UNFINISHED_BYTES, 2).is_none());
        assert!(slots.admit(&jira, MAX_UNFINISHED_BYTES - 10, 2).is_some());
    }

    #[tokio::test]
    async fn a_slot_goes_to_the_one_that_waits_before_a_new_one() {
        let (slots, _backlog) = Slots::bounded();
        let mut taken: Vec<Slot> = std::iter::from_fn(|| slots.take()).collect();
        assert_eq!(taken.len(), usize::from(MAX_SLOTS));
        let waiting = slots.wait();
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(taken.pop());
        assert!(slots.take().is_none());
        assert!(waiting.await.is_some());
    }

    #[test]
    fn a_host_with_bounds_of_its_own_has_no_slots() {
        let slots = Slots::default();
        assert!(slots.take().is_some());
        assert!(
            slots
                .admit(&"jira".parse().unwrap(), usize::MAX, 1)
                .is_some()
        );
    }
}
