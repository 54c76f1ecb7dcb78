//! Reopens an ended request: the operator's record is also the claim. In: a state, and the verdict
//! of the current policies. Out: a claim.

use futures_util::future::join;

use super::super::record::{Event, Reopening};
use super::super::state::State;
use super::claim::{follow, next};
use super::objects::Created;
use super::workers::Hold;
use super::{Claim, Journal, JournalError, WorkerLease};
use crate::domain::Verdict;

impl Journal {
    /// Reopens an ended request, or records that the current policies deny it. `None`: another
    /// worker was first, or the request stays closed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn reopen(
        &self,
        mut state: State,
        lease: WorkerLease,
        by: String,
        reason: String,
        verdict: Verdict,
    ) -> Result<Option<Claim>, JournalError> {
        let lease = lease.checked()?;
        let until = verdict.allowed.then_some(lease.until);
        let event = Event::Reopened(Reopening {
            by,
            reason,
            verdict,
            until,
        });
        while state.stays_closed(lease.now).is_none() {
            let (stored, bytes) = next(&state, lease.now, &lease.worker, event.clone())?;
            let after = follow(&state, &stored)?;
            let hold = self.hold(state.stream(), &lease.worker);
            let (announced, hold) = join(self.announce(Some(&state), &after, true), hold).await;
            announced?;
            let head = state.head();
            match self.create(head.stream, head.next_seq, &bytes).await? {
                Created::Ours => return Ok(Some(Claim::won(after, lease, true, hold))),
                // A notification may have been recorded in the meantime.
                Created::Theirs(found) => {
                    hold.into_iter().for_each(Hold::remove);
                    let found = self.follower(&state, &found)?;
                    state = follow(&state, &found)?;
                }
            }
        }
        Ok(None)
    }
}
