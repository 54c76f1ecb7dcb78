//! Decides, from the number of failed turns, whether a turn is thorough. A thorough turn finds the
//! single account that makes a batch fail.

use super::claim_writer::ClaimWriter;

/// One in this many failed turns halves its batches until each account is alone. The other turns
/// stop halving when no call succeeds, to spare a cloud that is down.
const THOROUGH_EVERY: u32 = 8;

impl ClaimWriter<'_> {
    pub(in crate::app) fn is_thorough(&self) -> bool {
        let failures = match self.revoking() {
            true => self.state().failed_revocations(),
            false => self.state().failed_turns(),
        };
        failures % THOROUGH_EVERY == THOROUGH_EVERY - 1
    }
}
