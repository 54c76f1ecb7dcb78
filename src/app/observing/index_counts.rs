//! The numbers that the gauges show. They are counted from the journal's index.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::journal::{Comparison, Phase, State, StreamId, StreamState, WakeUp};

/// How long a count uses what it has read of a request that is unfinished or overdue.
const KEEP_FOR: Duration = Duration::from_secs(60);

/// What was read of each stream, and the wake-ups that it had then. A stream with other wake-ups is
/// read again: most records that change what a stream adds need a wake-up or end one.
pub(super) type Known = BTreeMap<StreamId, (Vec<WakeUp>, Part)>;

/// What one request or incident adds to the counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Receivers with an overdue share.
    overdue: usize,
    /// Since when unfinished work has been due.
    unfinished: Option<Timestamp>,
    /// From when on the stream must be read again; `None`: never.
    until: Option<Timestamp>,
}

impl Part {
    pub(super) fn of(state: &StreamState, now: Timestamp) -> Self {
        let (overdue, unfinished, change) = match state {
            StreamState::Request(state) => {
                let change = match state.phase() {
                    Phase::Waiting { until } => Some(*until),
                    _ => state.ends_at(),
                };
                let overdue = state.overdue(now).len();
                (overdue, unfinished_since(state, now), change)
            }
            // An approval whose instance must still be fetched may become a request.
            StreamState::Incident(incident) => {
                let since = incident.to_fetch().map(|_| incident.at());
                (0, since, None)
            }
        };
        let change = change.filter(|change| *change > now);
        let soon = now.checked_add(KEEP_FOR).unwrap_or(Timestamp::MAX);
        let until = match overdue > 0 || unfinished.is_some() {
            true => Some(change.map_or(soon, |change| change.min(soon))),
            false => change,
        };
        Self {
            overdue,
            unfinished,
            until,
        }
    }

    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Since when work on a request has been due; `None` if it is closed, denied or revoked, begins
/// later, or waits because another grant covers the share.
fn unfinished_since(state: &State, now: Timestamp) -> Option<Timestamp> {
    match state.phase() {
        Phase::Denied | Phase::Closed | Phase::Revoked => None,
        Phase::RevokeDeferred { covered, .. } if !covered.is_empty() => None,
        Phase::Waiting { until } => Some(*until).filter(|until| *until <= now),
        Phase::Working { .. } | Phase::Deferred { .. } => Some(state.opened_at()),
        // A called-off share is revoked before its end, or although it has no end.
        Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => {
            let ended = state.ends_at().filter(|end| *end <= now);
            Some(ended.unwrap_or_else(|| state.updated_at()))
        }
    }
}

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
    /// The last scheduled comparison of the cloud with the journal, by any process.
    pub(super) compared: Option<Comparison>,
}

impl Counts {
    pub(super) fn add(&mut self, part: &Part) {
        self.overdue += part.overdue;
        if let Some(since) = part.unfinished {
            self.unfinished += 1;
            self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Counted {
    /// `None` if the journal could not be read. The reason was logged.
    pub(super) counts: Option<Counts>,
    /// The expiries that were read for this count and for earlier ones.
    pub(super) known: Arc<Known>,
}
