//! The result of a sweep as text and as JSON: which requests it finished, which it revoked, and
//! which it left unfinished.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::app::grants::{Overdue, Unfinished};
use crate::app::shorten::{More, cut};
use crate::domain::{NotifyName, Timestamp};
use crate::journal::{JournalError, Phase, State};

/// Maximum number of entries in each list of a shortened report.
const MAX_LISTED: usize = 20;

/// The result of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Requests that were due and that the sweep finished.
    pub finished: Vec<String>,
    /// Requests whose expired or called-off share was revoked.
    pub revoked: Vec<String>,
    /// Requests and announcements that were due and are still unfinished after the sweep.
    pub unfinished: Vec<Unfinished>,
    /// Expired or called-off shares that were not revoked yet, because other grants cover them.
    pub covered: Vec<Unfinished>,
    /// Overdue shares: they should be gone but are still in effect.
    pub overdue: Vec<Overdue>,
    /// What could not be read, written, sealed or published, and why.
    pub failures: Vec<String>,
    /// By how many seconds a cloud's clock is ahead of this machine's clock, if the difference is
    /// more than a minute. A negative number means that the cloud's clock is behind. The difference
    /// is known only if the process called the cloud during the sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_difference: Option<i64>,
    /// For each target that failed, the number of notifications that the sweep left to the next one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting_notifications: BTreeMap<NotifyName, usize>,
    /// True if the time ran out, or the process was stopped, before all due work was done.
    pub out_of_time: bool,
    /// The number of entries that [`SweepReport::shorten`] removed from each list.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: More,
}

impl SweepReport {
    /// Keeps the first `MAX_LISTED` entries of each list. Every sweep lists every overdue share, so
    /// the report of an outage is too long for a log line and for an error of a function host.
    #[must_use]
    pub fn shorten(mut self) -> Self {
        let more = &mut self.more;
        cut(more, "finished", &mut self.finished, MAX_LISTED);
        cut(more, "revoked", &mut self.revoked, MAX_LISTED);
        cut(more, "unfinished", &mut self.unfinished, MAX_LISTED);
        cut(more, "covered", &mut self.covered, MAX_LISTED);
        cut(more, "overdue", &mut self.overdue, MAX_LISTED);
        cut(more, "failures", &mut self.failures, MAX_LISTED);
        self
    }

    /// Whether the report is empty.
    pub fn is_quiet(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an operator must act, because a share is overdue, there were failures, or the time
    /// ran out. If the time ran out, a request that the sweep did not reach may also have an
    /// overdue share.
    pub fn failed(&self) -> bool {
        self.out_of_time || !self.overdue.is_empty() || !self.failures.is_empty()
    }

    /// Adds the result of the work on one request. `Ok(None)` means that the time ran out before
    /// the work began.
    pub(super) fn add(
        &mut self,
        name: String,
        end: Result<Option<State>, JournalError>,
        now: Timestamp,
    ) {
        match end {
            Ok(Some(after)) => self.add_state(name, &after, now),
            Ok(None) => self.out_of_time = true,
            Err(error) => self.failures.push(format!("{name}: {error}")),
        }
    }

    /// Adds the state of a request to which an announcement led. The request may be in the report
    /// already.
    pub(super) fn add_led_to(&mut self, after: &State, now: Timestamp) {
        let name = after.identity().to_string();
        self.add_overdue(after, now);
        for left in [&mut self.unfinished, &mut self.covered] {
            left.retain(|known| known.request != name);
        }
        if !self.finished.contains(&name) && !self.revoked.contains(&name) {
            self.add_state(name, after, now);
        }
    }

    /// Replaces the entries for the request's overdue shares with those of `state`.
    pub(super) fn add_overdue(&mut self, state: &State, now: Timestamp) {
        let name = state.identity().to_string();
        self.overdue.retain(|known| known.left.request != name);
        self.overdue.extend(Overdue::of(state, now));
    }

    fn add_state(&mut self, name: String, after: &State, now: Timestamp) {
        match after.phase() {
            Phase::Revoked if after.inherited_all() => self.finished.push(name),
            Phase::Revoked => self.revoked.push(name),
            Phase::Closed | Phase::Denied => self.finished.push(name),
            // `add_overdue` reports overdue shares.
            _ if !after.overdue(now).is_empty() => {}
            Phase::RevokeDeferred { covered, .. } if !covered.is_empty() => {
                self.covered.push(Unfinished::of(after, now));
            }
            Phase::Waiting { .. }
            | Phase::Working { .. }
            | Phase::Deferred { .. }
            | Phase::Revoking { .. }
            | Phase::RevokeDeferred { .. } => self.unfinished.push(Unfinished::of(after, now)),
        }
    }
}

/// Describes the difference of the clocks in a sentence. `seconds` says by how much the cloud's
/// clock is ahead.
pub(in crate::app) fn clock_differs(seconds: i64) -> String {
    let word = if seconds > 0 { "behind" } else { "ahead of" };
    let seconds = seconds.unsigned_abs();
    format!("this machine is {seconds} s {word} the cloud's clock")
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, list) in [("finished", &self.finished), ("revoked", &self.revoked)] {
            let names = match &list[..] {
                [] => "none".to_owned(),
                names => names.join(", "),
            };
            writeln!(f, "{word}: {names}")?;
        }
        for (word, list) in [("unfinished", &self.unfinished), ("covered", &self.covered)] {
            for left in list {
                writeln!(f, "{word}: {left}")?;
            }
        }
        for overdue in &self.overdue {
            writeln!(f, "overdue: {overdue}")?;
        }
        if let Some(seconds) = self.clock_difference {
            let problem = clock_differs(seconds);
            writeln!(f, "clock: {problem}; synchronise this machine's clock")?;
        }
        for failure in &self.failures {
            writeln!(f, "failure: {failure}")?;
        }
        for (notify, count) in &self.waiting_notifications {
            writeln!(
                f,
                "notifications: {notify} failed twice, so {count} wait for the next sweep"
            )?;
        }
        write!(
            f,
            "{}",
            match (self.out_of_time, self.overdue.len()) {
                (true, _) => "the time ran out, or the process was stopped; sweep again".to_owned(),
                (false, 0) if !self.waiting_notifications.is_empty() => {
                    "all other due work was attempted".to_owned()
                }
                (false, 0) => "all due work was attempted".to_owned(),
                (false, count) => format!(
                    "{count} overdue: shares that should be gone are still in effect; correct the cause and sweep again"
                ),
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_report_says_how_many_entries_it_lacks() {
        let report = SweepReport {
            failures: vec!["failed".to_owned(); 5_000],
            revoked: vec!["invoke/CHG1".to_owned(); MAX_LISTED],
            ..SweepReport::default()
        };
        let short = report.shorten();
        assert!(short.failed() && short.failures.len() == MAX_LISTED);
        assert_eq!(short.more, More::from([("failures", 5_000 - MAX_LISTED)]));
    }
}
