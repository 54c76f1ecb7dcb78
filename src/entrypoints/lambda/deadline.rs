//! Computes the deadline of an invocation from the time in a header of the runtime API.

use std::time::Duration;

use crate::app::{App, Deadline};

/// Time before the host's deadline that is reserved for writing the journal and answering.
const RESERVE: Duration = Duration::from_millis(1_500);

/// Computes the deadline of an invocation that the host ends at `epoch_millis`. If this time is in
/// the past, the configured time limit applies, because an emulator may send a constant time.
pub(super) fn deadline_of(app: &App, epoch_millis: u64) -> Deadline {
    let now = u64::try_from(app.now().as_millisecond()).unwrap_or(0);
    match epoch_millis.checked_sub(now).map(Duration::from_millis) {
        Some(left) if left > RESERVE => Deadline::after(left - RESERVE),
        Some(left) if !left.is_zero() => Deadline::after(Duration::ZERO),
        _ => app.budget(),
    }
}
