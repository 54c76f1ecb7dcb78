//! Takes back what a share gave, after its end or a call-off, except what another grant covers. Takes
//! a state and returns the state afterwards.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::domain::{AccountId, ItemResult, Target, Timestamp};
use crate::journal::{History, JournalError, State, StreamId, Work};
use crate::policy::{Approved, Ended};

use super::claim_writer::{ClaimWriter, Stop};
use super::grants::{covered, serving};
use super::{App, Deadline, context};

/// Streams that are read at once.
const CONCURRENT_READS: usize = 16;

impl App {
    /// Reads requests. Skips damaged ones, so that they cannot block a cancel or a revocation: nothing
    /// is done for them until they are restored.
    pub(super) async fn read_streams(
        &self,
        streams: BTreeSet<StreamId>,
    ) -> Result<Vec<State>, JournalError> {
        let streams: Vec<StreamId> = streams.into_iter().collect();
        let mut states = Vec::new();
        for some in streams.chunks(CONCURRENT_READS) {
            for read in join_all(some.iter().map(|stream| self.journal.read(*stream))).await {
                match read {
                    Ok(history) => states.extend(history.and_then(History::into_state)),
                    Err(error @ JournalError::Damaged { .. }) => {
                        tracing::error!(%error, "a damaged request is left out");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(states)
    }

    /// Every other request about what this one gave, among the unfinished and the active ones.
    pub(super) async fn others(&self, state: &State) -> Result<Vec<State>, JournalError> {
        self.read_streams(self.journal.neighbours(state).await?)
            .await
    }

    /// Takes back what has expired or was called off.
    pub(super) async fn revoke(
        &self,
        state: State,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        self.prove_journal().await?;
        let deadline = context::turn_deadline(deadline);
        let stream = state.stream();
        let lease = self.worker_lease(now, deadline)?;
        let Some((
            claim,
            Work::Revoke {
                accounts,
                lighthouse,
            },
        )) = self.take_turn(state, lease, None).await?
        else {
            return self.reread(stream).await;
        };
        let mut writer = ClaimWriter::new(&self.journal, &self.clock, claim);
        // After the claim: a share that is opened from now on sees it, and waits.
        let others = self.others(writer.state()).await?;
        let held = covered(writer.state(), &accounts, &others, now);
        let free: Vec<AccountId> = accounts
            .iter()
            .filter(|a| !held.iter().any(|(id, _)| id == *a))
            .cloned()
            .collect();
        // An image that another grant needs in Lighthouse must stay there.
        let serves = if lighthouse {
            serving(writer.state(), &others, now)
        } else {
            None
        };
        let lighthouse = lighthouse && held.is_empty() && serves.is_none();
        let approved = revocation_of(writer.state(), now, free, lighthouse);
        let end = async {
            let results = match &approved {
                Some(approved) => {
                    self.carry_out(&mut writer, approved, Vec::new(), None, deadline)
                        .await?
                }
                None => writer.results(),
            };
            match held.iter().map(|(_, until)| *until).chain(serves).min() {
                None => writer.close(results, None).await,
                Some(until) => {
                    let done = results.into_iter().filter(ItemResult::succeeded).collect();
                    writer
                        .defer(done, "another grant covers the same".to_owned(), until)
                        .await
                }
            }
        };
        match end.await {
            Ok(()) => Ok(writer.state().clone()),
            Err(Stop::Lost | Stop::CalledOff) => self.reread(stream).await,
            Err(Stop::Journal(error)) => Err(error),
        }
    }
}

/// The permission to take back. A chain whose image was in Lighthouse before keeps it there: only the
/// blueprint's accounts are cancelled then.
fn revocation_of(
    state: &State,
    now: Timestamp,
    accounts: Vec<AccountId>,
    lighthouse: bool,
) -> Option<Approved> {
    let mut granted = state.request().clone();
    if let (Target::Chain { accounts, .. }, false, Some(blueprint)) =
        (&granted.target, lighthouse, state.blueprint())
    {
        granted.target = Target::Blueprint {
            image: blueprint.clone(),
            accounts: accounts.clone(),
        };
    }
    let expired = state.expires_at().filter(|end| *end <= now);
    let ended = expired.map_or(Ended::CalledOff, Ended::Expired);
    Approved::revocation(&granted, state.identity(), ended, now, accounts, lighthouse)
}
