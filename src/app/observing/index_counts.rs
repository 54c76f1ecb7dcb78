//! The numbers that the gauges show. They are counted from the journal's index.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::Timestamp;
use crate::journal::WakeUp;

/// Remembers when each request that is not unfinished must be read again: when its share expires or
/// its waiting time ends. `None` means never. The key is the wake-up because of which the request
/// was read. A known entry never becomes wrong, because a reopened request gets another wake-up.
pub(super) type KnownExpiries = BTreeMap<WakeUp, Option<Timestamp>>;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Number of requests in the index of grants. These are the requests that are unfinished or
    /// that share something.
    pub(super) grants: usize,
    /// Number of receivers with an overdue share.
    pub(super) overdue: usize,
    /// Number of requests whose work has begun or is due, and is not finished, plus the number of
    /// announcements whose instance must still be fetched. A closed share is counted only once its
    /// revocation has begun. A share that another grant covers is not counted.
    pub(super) unfinished: usize,
    /// The instant since which the oldest unfinished work has been due.
    pub(super) oldest: Option<Timestamp>,
}

impl Counts {
    pub(super) fn add_unfinished(&mut self, since: Timestamp) {
        self.unfinished += 1;
        self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
    }
}

#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Counted {
    /// `None` if the journal could not be read. The reason was logged.
    pub(super) counts: Option<Counts>,
    /// The expiries that were read for this count and for earlier ones.
    pub(super) ends: Arc<KnownExpiries>,
}
