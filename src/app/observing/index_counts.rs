//! Caches what the journal's index shows for some seconds, because a stranger may request `/metrics`
//! often. In: counts. Out: the cached counts.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::domain::Timestamp;
use crate::journal::{JournalError, WakeUp};

/// How often the index is counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// The expiries of the finished requests that were read for a wake-up. They never change; a request that is
/// reopened gets another wake-up.
pub(super) type Ends = BTreeMap<WakeUp, Option<Timestamp>>;

/// What the index shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests with a share in effect.
    pub(super) grants: usize,
    /// Receivers with an overdue share.
    pub(super) overdue: usize,
    /// Requests whose work is due and not finished, and events whose instance is to be fetched.
    pub(super) unfinished: usize,
    /// Since when the work on the oldest of them has been due.
    pub(super) oldest: Option<Timestamp>,
}

impl Counts {
    pub(super) fn add_unfinished(&mut self, since: Timestamp) {
        self.unfinished += 1;
        self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
    }
}

/// The last count and its time.
#[derive(Debug, Default)]
pub(in crate::app) struct IndexCounts(Mutex<Option<Counted>>);

#[derive(Debug)]
struct Counted {
    at: Instant,
    counts: Option<Counts>,
    ends: Ends,
}

impl IndexCounts {
    /// The last count while it is fresh at `now`; otherwise calls `count`, with the expiries that
    /// earlier counts have read. `None`: the journal cannot be read; the log has the reason.
    pub(super) async fn or_count(
        &self,
        now: Instant,
        count: impl AsyncFnOnce(Ends) -> Result<(Counts, Ends), JournalError>,
    ) -> Option<Counts> {
        let mut last = self.0.lock().await;
        if let Some(counted) = &*last
            && now.saturating_duration_since(counted.at) < COUNT_INTERVAL
        {
            return counted.counts;
        }
        let known = last.take().map(|counted| counted.ends).unwrap_or_default();
        let (counts, ends) = match count(known).await {
            Ok((counts, ends)) => (Some(counts), ends),
            Err(error) => {
                tracing::error!(%error, "cannot count what the index shows");
                (None, Ends::new())
            }
        };
        *last = Some(Counted {
            at: now,
            counts,
            ends,
        });
        counts
    }
}
