//! Resumes a recorded request: claims it for another turn, which decides the request again before
//! it shares anything.

use std::time::Duration;

use crate::app::context::LATE_CALL;
use crate::app::{App, Deadline, context};
use crate::domain::{Timestamp, Verdict};
use crate::journal::{Claim, JournalError, State, StreamId, Work, WorkerLease};

use super::defer::OUT_OF_TIME_PAUSE;
use super::first_look::FirstLook;
use super::stop::Stop;

impl App {
    /// Resumes a request in any phase, and queues the notifications that its turn caused. Returns
    /// the state afterwards. The state does not change if a revocation is the only work due, if no
    /// slot is free, if the deadline has passed, or in a dry run.
    pub(in crate::app) async fn resume(
        &self,
        state: State,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        let unfinished =
            |state: &State| matches!(state.needs_work(now), Some(Work::Start | Work::Finish));
        if !unfinished(&state) || self.prepared.plan_only || deadline.passed() {
            return Ok(state);
        }
        let Some(_slot) = self.slots.take() else {
            return Ok(state);
        };
        // `look_up` stops at the first missing record number, so it does not notice a gap after it.
        // Read the whole stream before working on it.
        let state = self.reread(state.stream()).await?;
        if !unfinished(&state) {
            return Ok(state);
        }
        let after = Box::pin(self.run_turn(state, now, false, deadline)).await?;
        self.queue_notifications(&after, false);
        Ok(after)
    }

    /// Takes a turn at an unfinished request. With `at_once`, does so even during a pause. Returns
    /// the state afterwards; if another worker was first, returns the state in the journal.
    pub(in crate::app) async fn run_turn(
        &self,
        state: State,
        now: Timestamp,
        at_once: bool,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        self.prove_create_only().await?;
        let deadline = context::turn_deadline(deadline);
        let stream = state.stream();
        self.find_source(state.request()).await?;
        let lease = self.worker_lease(now, deadline)?;
        let permission = self.permission(&state);
        let verdict = permission.verdict().cloned();
        let taken = self.take_turn(state, lease, verdict, at_once);
        let Some((claim, _)) = taken.await? else {
            return self.reread(stream).await;
        };
        let first_look = FirstLook::default();
        Box::pin(self.work_off_claim(claim, permission, first_look, deadline)).await
    }

    /// Claims a request that is due. Returns `None` if another worker was first. If the last worker
    /// died, or has just left an item in doubt, waits up to `LATE_CALL` after the claim, because
    /// the cloud may still be carrying out that worker's last call.
    pub(in crate::app) async fn take_turn(
        &self,
        state: State,
        lease: WorkerLease,
        verdict: Option<Verdict>,
        at_once: bool,
    ) -> Result<Option<(Claim, Work)>, JournalError> {
        let (holder_gone, identity) = (state.holder_gone(), state.identity().clone());
        let doubted = state.results().iter().any(|result| result.maybe_done);
        let doubted_since = doubted.then(|| state.updated_at());
        let taken = self.journal.take(state, lease, verdict, at_once).await?;
        if taken.is_none() {
            return Ok(None);
        }
        if holder_gone {
            tracing::warn!(%identity, "the worker of this request died; this process continues it");
            tokio::time::sleep(LATE_CALL).await;
        } else if let Some(since) = doubted_since {
            let age = Duration::try_from(self.now().duration_since(since)).unwrap_or_default();
            tokio::time::sleep(LATE_CALL.saturating_sub(age)).await;
        }
        Ok(taken)
    }

    /// Ends the turn of a new request before it made a call. Its record says that the read of the
    /// cloud in record 0 no longer counts: until the next turn, somebody else may share the image.
    /// Returns the state on record. If the record cannot be written, another worker takes the
    /// request over after the end of the lease.
    pub(in crate::app) async fn give_back(&self, claim: Claim) -> State {
        let mut writer = self.writer(claim);
        loop {
            let next = self.now().checked_add(OUT_OF_TIME_PAUSE);
            let next = next.unwrap_or(Timestamp::MAX);
            let why = "the time ran out before the first call".to_owned();
            match writer.wait(why, next, None).await {
                Err(Stop::CalledOff) => continue,
                Err(Stop::Journal(error)) => {
                    let identity = writer.state().identity();
                    tracing::warn!(%identity, %error, "a claim cannot be given back; a sweep continues the request after the end of its lease");
                }
                Ok(()) | Err(Stop::Lost | Stop::BlueprintNamed) => {}
            }
            return writer.state().clone();
        }
    }

    pub(in crate::app) async fn reread(&self, stream: StreamId) -> Result<State, JournalError> {
        self.journal
            .read(stream)
            .await?
            .and_then(crate::journal::History::into_state)
            .ok_or(JournalError::Gone { stream })
    }
}
