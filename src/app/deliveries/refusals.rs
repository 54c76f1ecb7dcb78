//! Limits the log lines about failed authentication. For each source, the first few failures in a
//! minute are logged, and the others are counted for a summary. This module decides and counts, and
//! its callers write the log lines.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use parking_lot::Mutex;

use crate::domain::{SourceName, Timestamp};

/// Maximum number of failures to log, per source and period.
const MAX_LOGGED: u64 = 5;
/// Length of a period. After a period, the number of failures that were not logged is logged.
const PERIOD: SignedDuration = SignedDuration::from_secs(60);

/// The failures of the current period, for each configured source.
#[derive(Debug, Default)]
pub(in crate::app) struct Refusals(Mutex<BTreeMap<SourceName, Period>>);

#[derive(Debug)]
struct Period {
    began: Timestamp,
    failures: u64,
}

impl Refusals {
    /// Counts a failure and returns whether to log it.
    pub(super) fn note(&self, source: &SourceName, now: Timestamp) -> bool {
        let mut periods = self.0.lock();
        let period = periods.entry(source.clone()).or_insert(Period {
            began: now,
            failures: 0,
        });
        period.failures = period.failures.saturating_add(1);
        period.failures <= MAX_LOGGED
    }

    /// Removes the periods that have ended. Returns each source that had more failures than were
    /// logged, with the number of failures that were not logged.
    pub(super) fn ended(&self, now: Timestamp) -> Vec<(SourceName, u64)> {
        let mut ended = Vec::new();
        self.0.lock().retain(|source, period| {
            let runs = now.duration_since(period.began) < PERIOD;
            if !runs && period.failures > MAX_LOGGED {
                ended.push((source.clone(), period.failures - MAX_LOGGED));
            }
            runs
        });
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_as_a_few_lines_and_a_number() {
        let refusals = Refusals::default();
        let (jira, github) = ("jira".parse().unwrap(), "github".parse().unwrap());
        let began: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
        let logged = (0..1_000).filter(|_| refusals.note(&jira, began)).count();
        assert_eq!(logged, 5);
        assert!(refusals.note(&github, began));
        let soon = began + SignedDuration::from_secs(59);
        assert_eq!(refusals.ended(soon), []);
        let later = began + SignedDuration::from_secs(60);
        assert_eq!(refusals.ended(later), [(jira.clone(), 995)]);
        assert!(refusals.note(&jira, later), "the next period begins");
    }
}
