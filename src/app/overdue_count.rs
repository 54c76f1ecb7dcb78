//! Caches the number of receivers with an overdue share for some seconds, because a stranger may
//! request `/metrics` often. In: counts. Out: the cached count.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::domain::Timestamp;
use crate::journal::{JournalError, StreamId};

/// How often the receivers are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// The expiries of the shares that were read. They never change.
pub(super) type Ends = BTreeMap<StreamId, Option<Timestamp>>;

/// The last count and its time.
#[derive(Debug, Default)]
pub(super) struct OverdueCount(Mutex<Option<Counted>>);

#[derive(Debug)]
struct Counted {
    at: Instant,
    receivers: Option<usize>,
    ends: Ends,
}

impl OverdueCount {
    /// The last count while it is fresh at `now`; otherwise calls `count`, with the expiries that
    /// earlier counts have read. `None`: the journal cannot be read; the log has the reason.
    pub(super) async fn or_count(
        &self,
        now: Instant,
        count: impl AsyncFnOnce(Ends) -> Result<(usize, Ends), JournalError>,
    ) -> Option<usize> {
        let mut last = self.0.lock().await;
        if let Some(counted) = &*last
            && now.saturating_duration_since(counted.at) < COUNT_INTERVAL
        {
            return counted.receivers;
        }
        let known = last.take().map(|counted| counted.ends).unwrap_or_default();
        let (receivers, ends) = match count(known).await {
            Ok((receivers, ends)) => (Some(receivers), ends),
            Err(error) => {
                tracing::error!(%error, "cannot count what is overdue");
                (None, Ends::new())
            }
        };
        *last = Some(Counted {
            at: now,
            receivers,
            ends,
        });
        receivers
    }
}
