//! Reopens an ended request. The record of the operator's decision is also the claim. Takes a state
//! and the verdict of the current policies; returns a claim.

use super::super::record::{Event, Reopening};
use super::super::state::State;
use super::claim::Claimed;
use super::follow::follow;
use super::{Claim, Journal, JournalError, WorkerLease};
use crate::domain::Verdict;

impl Journal {
    /// Reopens an ended request if `verdict` allows it; otherwise records the denial. After a
    /// denial, or if the request's `not_before` has not come, the returned claim has no turn.
    /// Returns `None` if the request cannot be reopened, for example because another worker was
    /// first.
    pub async fn reopen(
        &self,
        mut state: State,
        lease: WorkerLease,
        by: String,
        reason: String,
        verdict: Verdict,
    ) -> Result<Option<Claim>, JournalError> {
        let lease = lease.checked()?;
        let waits = state.request().begins_after(lease.now).is_some();
        let until = (verdict.allowed && !waits).then_some(lease.until);
        let event = Event::Reopened(Reopening {
            by,
            reason,
            verdict,
            until,
            looks_again: true,
        });
        while state.stays_closed(lease.now).is_none() {
            match self.claim(&state, lease.clone(), event.clone()).await? {
                Claimed::Won(claim) => return Ok(Some(*claim)),
                // Another record came first, such as a notification's. Try again after that record.
                Claimed::Late(found) => state = follow(&state, &found)?,
            }
        }
        Ok(None)
    }
}
