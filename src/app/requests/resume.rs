//! Works on a claimed request, in the turn of its opening or in a later one. A later turn decides
//! again before it shares anything. In: a state. Out: the state after the turn.

use std::time::Duration;

use crate::app::answer::{Answer, Ending};
use crate::app::calls::observe;
use crate::app::context::LATE_CALL;
use crate::app::grants::{Ownership, image_missing, unpublished};
use crate::app::{App, Deadline, context};
use crate::domain::{
    AccountId, Action, Identity, ItemResult, ResultKind, ShareRequest, Status, Timestamp, Verdict,
};
use crate::journal::{Claim, JournalError, Phase, State, StreamId, Work, WorkerLease};
use crate::policy::{Approved, Decision, Question};
use crate::telemetry::{Step, step};

use super::call_off::{Beginning, Order};
use super::claim_writer::{ClaimWriter, Stop};
use super::first_look::FirstLook;
use super::withhold::{Permission, Withheld, trace};

impl App {
    /// Resumes a request in any phase; answers with the recorded state if no work is left.
    pub(in crate::app) async fn resume(
        &self,
        state: State,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<(Ending, Answer), JournalError> {
        let unfinished =
            |state: &State| matches!(state.needs_work(now), Some(Work::Start | Work::Finish));
        if !unfinished(&state) || self.prepared.plan_only() {
            return Ok(self.answer_and_notify(&state));
        }
        let Some(_slot) = self.slots.take() else {
            return Ok(self.answer_and_notify(&state));
        };
        // The look-up stopped early, and did not check whether a record is missing.
        let state = self.reread(state.stream()).await?;
        if !unfinished(&state) {
            return Ok(self.answer_and_notify(&state));
        }
        let after = Box::pin(self.run_turn(state, now, false, deadline)).await?;
        Ok(self.answer_and_notify(&after))
    }

    /// Takes a turn at unfinished work, with `at_once` also during a pause. Returns the state after
    /// it, also if another worker was first.
    pub(in crate::app) async fn run_turn(
        &self,
        state: State,
        now: Timestamp,
        at_once: bool,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        self.prove_journal().await?;
        let deadline = context::turn_deadline(deadline);
        let stream = state.stream();
        let lease = self.worker_lease(now, deadline)?;
        let permission = self.permission(&state);
        let verdict = permission.verdict().cloned();
        let taken = self.take_turn(state, lease, verdict, at_once);
        let Some((claim, _)) = taken.await? else {
            return self.reread(stream).await;
        };
        let first = FirstLook::default();
        Box::pin(self.work_off_claim(claim, permission, first, deadline)).await
    }

    /// Claims a request that is due. If its worker died, or if its last turn left an item in doubt just now,
    /// then waits up to `LATE_CALL`, because the cloud may still carry out the last call.
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

    /// Decides recorded work again, under the current policies. Only shares need that: a cancel
    /// that was allowed once is carried out.
    fn permission(&self, state: &State) -> Permission {
        let now = self.now();
        let (identity, approved_at) = (state.identity(), state.approved_at());
        let Some(request) = state.remaining() else {
            return Permission::Withheld(Withheld::CalledOff);
        };
        if state.expired(now) {
            return Permission::Withheld(Withheld::Expired);
        }
        let decision = match request.action {
            Action::Share => self.decide(identity, &request, now, approved_at),
            Action::Cancel => {
                let recorded = state.verdict();
                Approved::recorded_cancel(&request, identity, recorded, approved_at)
                    .map_or_else(|| Decision::Deny(recorded.clone()), Decision::Allow)
            }
        };
        match decision {
            Decision::Allow(approved) => Permission::Granted(approved),
            Decision::Deny(verdict) => Permission::Withheld(Withheld::Denied(verdict)),
        }
    }

    /// Asks the policies. `approved_at` is the instant from which `expires_in` counts.
    pub(in crate::app) fn decide(
        &self,
        identity: &Identity,
        request: &ShareRequest,
        now: Timestamp,
        approved_at: Timestamp,
    ) -> Decision {
        let decide = step(Step::Decide);
        let decision = decide.in_scope(|| {
            self.prepared.policies().decide(Question {
                source: &identity.source,
                identity,
                request,
                now,
                approved_at,
            })
        });
        decide.record("allowed", matches!(decision, Decision::Allow(_)));
        decision
    }

    /// Carries out what a claim permits, closes the request, and revokes what was called off
    /// meanwhile. Returns the state afterwards, also if another worker has taken over.
    pub(in crate::app) async fn work_off_claim(
        &self,
        claim: Claim,
        mut permission: Permission,
        mut first: FirstLook,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        let stream = claim.state().stream();
        let mut writer = self.writer(claim);
        let end = loop {
            let first = std::mem::take(&mut first);
            match self
                .attempt(&mut writer, &permission, first, deadline)
                .await
            {
                Err(Stop::CalledOff) => {
                    writer.doubt_open_items();
                    permission = self.permission(writer.state());
                }
                Err(Stop::Named) => permission = self.permission(writer.state()),
                end => break end,
            }
        };
        let after = match end {
            Ok(()) => writer.state().clone(),
            Err(Stop::Lost | Stop::CalledOff | Stop::Named) => return self.reread(stream).await,
            Err(Stop::Journal(error)) => return Err(error),
        };
        let now = self.now();
        // The sweep revokes what has expired.
        let expired = after.expires_at().is_some_and(|end| end <= now);
        let called_off = !expired && after.needs_work(now).is_some();
        if matches!(after.phase(), Phase::Closed) && called_off {
            return Box::pin(self.revoke(after, now, false, deadline)).await;
        }
        Ok(after)
    }

    /// One attempt to work off a claim.
    ///
    /// # Errors
    /// [`Stop::CalledOff`], [`Stop::Named`]: the request changed meanwhile; decide again and attempt again.
    async fn attempt(
        &self,
        writer: &mut ClaimWriter<'_>,
        permission: &Permission,
        first: FirstLook,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        match permission {
            Permission::Granted(approved) => {
                let FirstLook { seen, neighbours } = first;
                let order = self.order_among_others(writer.state(), neighbours, deadline);
                let order = order.await;
                let Beginning {
                    kept,
                    at_rest,
                    owners,
                } = match order.map_err(Stop::Journal)? {
                    Order::Begin(beginning) => beginning,
                    Order::CalledOff(call_off) => return writer.call_off(call_off).await,
                    Order::Wait { until, why } => {
                        return writer.wait(why, until).await;
                    }
                };
                let results = self
                    .plan_and_execute(writer, approved, kept, &owners, seen, deadline)
                    .await?;
                let mut results = self
                    .end_refused_chain(writer, approved, results, deadline)
                    .await?;
                if approved.request().action == Action::Cancel {
                    results = self.judge_cancel(writer, results, &owners, deadline);
                    let ended = self.end_earlier(writer.state(), &results, &at_rest, deadline);
                    ended.await.map_err(Stop::Journal)?;
                }
                writer.close(writer.with_doubts(results), None).await
            }
            Permission::Withheld(reason) => self.close_withheld(writer, reason, deadline).await,
        }
    }

    /// The results of a cancel whose image is missing: not shared if an operator confirms that it is deleted,
    /// and open while another account than the shares' is asked.
    fn judge_cancel(
        &self,
        writer: &ClaimWriter<'_>,
        mut results: Vec<ItemResult>,
        owners: &[Option<AccountId>],
        deadline: Deadline,
    ) -> Vec<ItemResult> {
        let state = writer.state();
        if state.intent().gone {
            let missing = results.iter_mut().filter(|result| image_missing(result));
            missing.for_each(|result| result.kind = ResultKind::NotShared);
            return results;
        }
        let ownership = Ownership::of_all(owners.iter().map(Option::as_ref), writer.owner());
        if ownership == Ownership::NotRecorded && !unpublished(&results) {
            return results;
        }
        let entry = self.context(state.request(), deadline).account;
        ownership.judge(results, &state.request().target.image(), entry)
    }

    /// Closes a share that shares nothing more. An interrupted worker may have shared without
    /// recording it, so the cloud is read first and the share is revoked when it expires.
    async fn close_withheld(
        &self,
        writer: &mut ClaimWriter<'_>,
        reason: &Withheld,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let request = writer.state().request().clone();
        // What is read here proves no other owner than the one on record.
        writer.set_owner(writer.state().owner().cloned());
        let seen = if writer.observed() {
            Some(observe::observe(&self.context(&request, deadline), &request).await)
        } else {
            None
        };
        let close = |result: ItemResult| {
            let given = seen
                .as_ref()
                .and_then(|seen| trace(writer.state(), &result, seen));
            given.unwrap_or_else(|| reason.result(&request, result))
        };
        let results = writer.with_doubts(writer.results());
        let results = results.into_iter().map(close).collect();
        let refusal: Option<&Verdict> = match reason {
            Withheld::Denied(verdict) => Some(verdict),
            Withheld::Expired | Withheld::CalledOff => None,
        };
        writer.close(results, refusal).await
    }

    /// A request's current state in the journal.
    pub(in crate::app) async fn reread(&self, stream: StreamId) -> Result<State, JournalError> {
        self.journal
            .read(stream)
            .await?
            .and_then(crate::journal::History::into_state)
            .ok_or(JournalError::Gone { stream })
    }

    /// The recorded state as an answer. Queues the notifications that it owes.
    pub(in crate::app) fn answer_and_notify(&self, state: &State) -> (Ending, Answer) {
        self.queue_notifications(state);
        let status = state.status();
        let ending = match (status, state.phase()) {
            (Status::Denied, _) => Ending::Denied,
            (_, Phase::Waiting { .. }) => Ending::Waiting,
            (Status::Pending, _) => Ending::Pending,
            _ => Ending::Done,
        };
        (ending, Answer::of_state(state))
    }
}
