//! Whether a sweep may begin more work: it needs time, and the process must not be about to stop.

use std::time::Duration;

use crate::app::context::left;
use crate::app::{App, Deadline};

/// If less time than this is left, the sweep does not begin work on another request or
/// announcement.
const MIN_TIME_LEFT: Duration = Duration::from_secs(2);
/// The command `check` warns if `[limits] seconds` is less than this. A sweep needs time to read
/// the index, and begins no work if less than [`MIN_TIME_LEFT`] is left after that.
pub(in crate::app) const MIN_SECONDS: u64 = 5;

impl App {
    /// Whether no further work may begin: the time is nearly over, or the process received a stop
    /// signal.
    pub(super) fn is_ending(&self, deadline: Deadline) -> bool {
        left(deadline) < MIN_TIME_LEFT || self.stopping.borrow().is_some()
    }
}
