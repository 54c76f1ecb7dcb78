//! The last failure of this process to publish the report. Takes the place, the reason and the
//! time; says whether a sweep must wait before it tries that place again. The pause matters because
//! each attempt may read the whole journal.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::Timestamp;
use crate::journal::FilePlace;

/// How long sweeps wait before they try a place again.
const PAUSE: Duration = Duration::from_secs(3_600);

/// The last failure; `None` after a success.
#[derive(Debug, Default)]
pub(in super::super) struct LastRefusal(pub(super) Mutex<Option<Refusal>>);

/// A failure to publish at one place.
#[derive(Debug)]
pub(super) struct Refusal {
    to: FilePlace,
    at: Timestamp,
    /// The error that sweeps report until the next attempt.
    pub(super) failure: String,
}

impl Refusal {
    pub(super) fn new(to: &FilePlace, why: &str, at: Timestamp) -> Self {
        let again = at.checked_add(PAUSE).unwrap_or(Timestamp::MAX);
        let failure = format!(
            "the report was not published at {to}: {why}; this process tries again in a sweep after {again:.0}"
        );
        Self {
            to: to.clone(),
            at,
            failure,
        }
    }

    /// Whether sweeps must still wait before they try the place. A refusal with a future date comes
    /// from a wrong clock and is ignored.
    pub(super) fn holds(&self, to: &FilePlace, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        self.to == *to && !age.is_negative() && age.unsigned_abs() < PAUSE
    }
}
