//! Until when an answer is of use: from the runtime's header to a deadline of ours.

use std::time::Duration;

use crate::app::{App, Deadline};

/// The rest of the deadline that is kept for writing the journal and answering.
const RESERVE: Duration = Duration::from_millis(1_500);

/// A deadline that lies in the past is an emulator's constant: it says nothing, and the configured
/// budget counts.
pub(super) fn deadline_of(app: &App, epoch_millis: u64) -> Deadline {
    let now = u64::try_from(app.now().as_millisecond()).unwrap_or(0);
    match epoch_millis.checked_sub(now).map(Duration::from_millis) {
        Some(left) if left > RESERVE => Deadline::after(left - RESERVE),
        Some(left) if !left.is_zero() => Deadline::after(Duration::ZERO),
        _ => app.budget(),
    }
}
