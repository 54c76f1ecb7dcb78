//! Decides whether the next turn of a request is due at a given instant. If a lease or a pause is
//! longer than the maximum, a wrong clock wrote it, and the turn is due at once.

use jiff::SignedDuration;

use super::wake_up::WakeUp;
use super::{Phase, State};
use crate::domain::Timestamp;

/// Maximum length of a lease.
pub const MAX_LEASE: SignedDuration = SignedDuration::from_secs(200);
/// Maximum pause between two turns at a request.
pub const MAX_PAUSE_OF_WORK: SignedDuration = SignedDuration::from_mins(15);
/// Maximum pause between two attempts to revoke.
pub const MAX_PAUSE_OF_REVOCATION: SignedDuration = SignedDuration::from_hours(24);
/// Maximum time for which another grant postpones a revocation before the cover is checked again.
pub const MAX_COVER: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Maximum difference between two machines' clocks that the program tolerates.
pub const MAX_CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(1);

/// Returns the earliest instant at which the work behind `wake_ups` can have ended. Assumes that
/// the earliest wake-up was written for a lease: such a wake-up is at the lease's end, rounded up
/// to a second. A lease is at most [`MAX_LEASE`] long, and the work under a lease cannot have ended
/// before the lease started.
pub(super) fn earliest_end(wake_ups: &[WakeUp]) -> Option<Timestamp> {
    let longest = MAX_LEASE.saturating_add(SignedDuration::from_secs(1));
    wake_ups.iter().min()?.at.checked_sub(longest).ok()
}

impl State {
    /// Whether the request needs work at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let Some(at) = self.due_at() else {
            return false;
        };
        if self.revokes_too_soon(now) {
            return false;
        }
        let ahead = at.duration_since(now);
        let longest = match &self.phase {
            Phase::Working { .. } | Phase::Revoking { .. } => MAX_LEASE,
            Phase::Deferred { .. } => MAX_PAUSE_OF_WORK,
            Phase::RevokeDeferred { covered, .. } if covered.is_empty() => MAX_PAUSE_OF_REVOCATION,
            Phase::RevokeDeferred { .. } => MAX_COVER,
            // Without `not_before` the request only waits for a worker, so only a wrong clock can
            // have put this instant into the future.
            Phase::Waiting { .. } if self.intent.request.not_before.is_none() => {
                SignedDuration::ZERO
            }
            Phase::Waiting { .. } | Phase::Denied | Phase::Closed | Phase::Revoked => {
                return at <= now;
            }
        };
        at <= now || ahead > longest.saturating_add(MAX_CLOCK_DIFFERENCE)
    }

    /// Whether a worker with a fast clock started a revocation because the share had ended,
    /// although the share has not ended yet at `now`.
    pub(super) fn revokes_too_soon(&self, now: Timestamp) -> bool {
        let for_its_end = self.revoking.as_ref().is_some_and(|tried| tried.expired);
        for_its_end && !self.expired(now)
    }

    /// Returns when a sweep must look at the request: at `at`, or at `now` if that is earlier and
    /// work is due already.
    pub(in super::super) fn look_by(&self, at: Timestamp, now: Timestamp) -> Timestamp {
        if self.is_due(now) { at.min(now) } else { at }
    }
}
