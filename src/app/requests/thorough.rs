//! Which turns find the single account that makes calls fail. In: the number of failed turns.
//! Out: whether this turn is one of them.

use super::claim_writer::ClaimWriter;

/// Every so many failed turns, a turn halves batches until each account is alone. The other turns
/// stop halving when no call succeeds, to spare a cloud that is down.
const THOROUGH_EVERY: u32 = 8;

impl ClaimWriter<'_> {
    /// Whether this turn halves batches until each account is alone.
    pub(in crate::app) fn is_thorough(&self) -> bool {
        self.failures_before() % THOROUGH_EVERY == THOROUGH_EVERY - 1
    }
}
