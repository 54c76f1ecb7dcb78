//! What the journal's index shows, counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::Timestamp;
use crate::journal::WakeUp;

/// The expiries of the finished requests that were read for a wake-up. They never change; a request that is
/// reopened gets another wake-up.
pub(super) type Ends = BTreeMap<WakeUp, Option<Timestamp>>;

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

#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Counted {
    /// `None`: the journal cannot be read; the log has the reason.
    pub(super) counts: Option<Counts>,
    /// The expiries that it and earlier counts have read.
    pub(super) ends: Arc<Ends>,
}
