//! The numbers that the gauges show, counted from the journal's index.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::Timestamp;
use crate::journal::WakeUp;

/// For each request that was read and is not unfinished: when to read it again, at the share's end
/// or the end of a wait. `None`: never. The key is the wake-up for which the request was read. An
/// entry never changes: a reopened request gets another wake-up.
pub(super) type KnownExpiries = BTreeMap<WakeUp, Option<Timestamp>>;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests in the index of grants: those that are unfinished or hold a shared item.
    pub(super) grants: usize,
    /// Receivers with an overdue share.
    pub(super) overdue: usize,
    /// Requests whose work was begun or is due, and is not finished. A closed share counts only
    /// once its revocation has begun, and not while another grant covers it. Also announcements
    /// whose instance must still be fetched.
    pub(super) unfinished: usize,
    /// Since when the oldest unfinished work has been due.
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
    /// `None` if the journal cannot be read; the log has the reason.
    pub(super) counts: Option<Counts>,
    /// The expiries that this count and earlier ones have read.
    pub(super) ends: Arc<KnownExpiries>,
}
