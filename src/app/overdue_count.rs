//! How many receivers still have what should be gone, as last counted. In: counts. Out: the same count for
//! some seconds, because a stranger may ask for it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::domain::Timestamp;
use crate::journal::{JournalError, StreamId};

/// The receivers are counted once in this time.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// The ends of the shares that were looked at. They never change.
pub(super) type Ends = BTreeMap<StreamId, Option<Timestamp>>;

/// The last count: when, and what it was.
#[derive(Debug, Default)]
pub(super) struct OverdueCount(Mutex<Option<Counted>>);

#[derive(Debug)]
struct Counted {
    at: Instant,
    receivers: Option<usize>,
    ends: Ends,
}

impl OverdueCount {
    /// The last count while it is fresh at `now`, else the one of `count`, which knows the ends that
    /// the last one has read. `None`: the journal cannot be read; the log says why.
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
