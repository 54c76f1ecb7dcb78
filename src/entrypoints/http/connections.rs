//! Limits the server's open connections and the memory of their bodies. When a limit is reached,
//! chooses which connection must close, and signals that connection. Performs no I/O.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Time limit for a request's head, and between requests, on a connection that has not carried a
/// verified request yet.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit between requests on a connection that carried a verified request. Common load
/// balancers close an idle connection after 60 seconds. This limit is longer, so that no load
/// balancer sends a delivery on a connection that this server is closing.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// The time limits for heads and bodies differ between connections by up to this time. Otherwise
/// connections that were opened together would all be closed, and opened again, at one moment.
const SPREAD: Duration = Duration::from_secs(1);
const SPREAD_STEPS: u32 = 16;
/// The memory for bodies has room for this number of bodies of the maximum size.
const MAX_FULL_BODIES: usize = 64;
/// The pause between two searches for a connection to close.
const SEARCH_PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Connections {
    /// Each open connection takes one permit.
    open: Arc<Semaphore>,
    /// Each byte of a body takes one permit.
    bodies: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

/// The connections whose sender must send something next, in the order in which they would be
/// closed.
#[derive(Default)]
struct Waiting {
    next: u64,
    by_rank: BTreeMap<Rank, WaitingConnection>,
}

/// A connection's place in the order of closing. Connections without a verified request come first,
/// and among equals the one with the earliest `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    verified: bool,
    since: Instant,
    number: u64,
}

struct WaitingConnection {
    must_close: Arc<Notify>,
    has_body: bool,
}

impl Connections {
    pub(super) fn new(max_connections: usize, body_limit: usize) -> Arc<Self> {
        let bodies = body_limit.saturating_mul(MAX_FULL_BODIES);
        Arc::new(Self {
            open: Arc::new(Semaphore::new(max_connections)),
            bodies: Arc::new(Semaphore::new(bodies.min(Semaphore::MAX_PERMITS))),
            waiting: Mutex::default(),
        })
    }

    /// Admits a new connection. If the maximum is reached, closes the waiting connection that ranks
    /// first.
    pub(super) async fn admit(self: &Arc<Self>) -> Option<Connection> {
        let permit = self.take(&self.open, 1, |_| true).await?;
        let (must_close, number) = (Arc::new(Notify::new()), self.waiting.lock().number());
        let since = Instant::now();
        let connection = Connection {
            connections: Arc::clone(self),
            must_close,
            deadline: watch::Sender::new(None),
            rank: Mutex::new(Rank {
                verified: false,
                since,
                number,
            }),
            _permit: permit,
        };
        connection.wait_for(false, Some(since + HEAD_TIMEOUT + connection.spread()));
        Some(connection)
    }

    /// Takes `count` permits. Until there are enough, closes the waiting connections for which
    /// `may_close` returns true, one after another.
    async fn take(
        &self,
        permits: &Arc<Semaphore>,
        count: u32,
        may_close: impl Fn(&WaitingConnection) -> bool,
    ) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(permits).try_acquire_many_owned(count) {
            return Some(permit);
        }
        let acquired = Arc::clone(permits).acquire_many_owned(count);
        tokio::pin!(acquired);
        loop {
            self.close_first(&may_close);
            tokio::select! {
                permit = &mut acquired => return permit.ok(),
                () = sleep(SEARCH_PAUSE) => {}
            }
        }
    }

    fn close_first(&self, may_close: impl Fn(&WaitingConnection) -> bool) {
        let mut waiting = self.waiting.lock();
        let mut candidates = waiting.by_rank.iter();
        let rank = candidates.find_map(|(rank, sender)| may_close(sender).then_some(*rank));
        if let Some(sender) = rank.and_then(|rank| waiting.by_rank.remove(&rank)) {
            sender.must_close.notify_one();
        }
    }
}

impl Waiting {
    fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }
}

/// One open connection. It counts towards the maximum until this value is dropped.
pub(super) struct Connection {
    connections: Arc<Connections>,
    must_close: Arc<Notify>,
    deadline: watch::Sender<Option<Instant>>,
    rank: Mutex<Rank>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Records that a body begins to arrive. Ends the connection's time limit, because `body::read`
    /// has a time limit of its own.
    pub(super) fn reads_body(&self) {
        self.wait_for(true, None);
    }

    /// Records that the request has been read. The sender now waits for the answer, so the
    /// connection is not closed until the answer is ready.
    pub(super) fn request_read(&self) {
        self.connections.waiting.lock().by_rank.remove(&self.rank());
        self.deadline.send_replace(None);
    }

    /// Records that the answer is ready, and begins the time limit for the next request. `verified`
    /// says whether the answered request was authenticated.
    pub(super) fn answer_ready(&self, verified: bool) {
        let now = Instant::now();
        if verified {
            let mut rank = self.rank.lock();
            (rank.verified, rank.since) = (true, now);
        }
        let patience = if self.rank().verified {
            IDLE_TIMEOUT
        } else {
            HEAD_TIMEOUT + self.spread()
        };
        self.wait_for(false, Some(now + patience));
    }

    /// Extra time for this connection, so that connections do not all time out at once.
    pub(super) fn spread(&self) -> Duration {
        let step = self.rank().number % u64::from(SPREAD_STEPS);
        SPREAD / SPREAD_STEPS * u32::try_from(step).unwrap_or(0)
    }

    /// Reserves memory for `bytes` more bytes of a body. Until there is enough, closes other
    /// connections whose body is still arriving.
    pub(super) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        let (connections, own) = (&self.connections, &self.must_close);
        let other =
            |sender: &WaitingConnection| sender.has_body && !Arc::ptr_eq(&sender.must_close, own);
        connections.take(&connections.bodies, bytes, other).await
    }

    /// Returns when the connection must be closed: its sender was too slow, or another connection
    /// needs its place or its memory.
    pub(super) async fn must_close(&self) {
        let mut deadlines = self.deadline.subscribe();
        loop {
            let deadline = *deadlines.borrow_and_update();
            let late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.must_close.notified() => return,
                () = late => return,
                _ = deadlines.changed() => {}
            }
        }
    }

    fn wait_for(&self, has_body: bool, deadline: Option<Instant>) {
        let mut waiting = self.connections.waiting.lock();
        // This leaves no entry under an earlier rank, because `request_read` removed that entry
        // before the rank changed.
        waiting.by_rank.insert(
            self.rank(),
            WaitingConnection {
                must_close: Arc::clone(&self.must_close),
                has_body,
            },
        );
        drop(waiting);
        self.deadline.send_replace(deadline);
    }

    fn rank(&self) -> Rank {
        *self.rank.lock()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.waiting.lock().by_rank.remove(&self.rank());
    }
}
