//! Stores the last failure of this process to publish the report, so that sweeps skip the same
//! location for [`PAUSE`]. The pause is needed because each attempt may read the whole journal.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::Timestamp;
use crate::journal::FilePlace;

/// How long sweeps wait after a failure before they publish to the same location again.
const PAUSE: Duration = Duration::from_secs(3_600);

/// The last failure. `None` after a success.
#[derive(Debug, Default)]
pub(in super::super) struct LastRefusal(pub(super) Mutex<Option<Refusal>>);

/// A failure to publish the report to one location.
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

    /// Whether sweeps must still wait before they publish to `to` again. A failure with a future
    /// time comes from a wrong clock and is ignored.
    pub(super) fn holds(&self, to: &FilePlace, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        self.to == *to && !age.is_negative() && age.unsigned_abs() < PAUSE
    }
}
