//! The last failure of this process to publish the report. In: the place, the reason, the time. Out:
//! whether a sweep leaves the place alone, because each attempt may read the whole journal.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::Timestamp;
use crate::journal::FilePlace;

/// How long a sweep leaves the place alone.
const PAUSE: Duration = Duration::from_secs(3_600);

/// The last failure; `None` after a success.
#[derive(Debug, Default)]
pub(in super::super) struct LastRefusal(pub(super) Mutex<Option<Refusal>>);

/// A place did not take the report.
#[derive(Debug)]
pub(super) struct Refusal {
    to: FilePlace,
    at: Timestamp,
    /// What sweeps say until the next attempt.
    pub(super) failure: String,
}

impl Refusal {
    pub(super) fn new(to: &FilePlace, why: &str, at: Timestamp) -> Self {
        let again = at.checked_add(PAUSE).unwrap_or(Timestamp::MAX);
        let failure = format!(
            "the report was not published at {to}: {why}; a sweep of this process tries again after {again:.0}"
        );
        Self {
            to: to.clone(),
            at,
            failure,
        }
    }

    /// Whether the place is still to be left alone. A refusal from the future comes from a wrong clock.
    pub(super) fn holds(&self, to: &FilePlace, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        self.to == *to && !age.is_negative() && age.unsigned_abs() < PAUSE
    }
}
