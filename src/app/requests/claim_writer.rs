//! Writes the records of a turn: the first look at the cloud, the calls with their results, the
//! outcome. Stores calls and results until the next call or wait, so that those of the last call
//! are in the record that ends the turn. Holds the claim: until its lease ends, no other worker
//! continues the request.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::Instrument as _;

use crate::clock::Clock;
use crate::domain::{
    AccountId, Action, CloudError, Fault, Item, ItemResult, ResultKind, Status, Timestamp, Verdict,
};
use crate::journal::{CallNote, CallOff, Claim, Deferral, Event, Journal, Phase, Progress, State};
use crate::plan::Plan;
use crate::telemetry::{Step, step};

use super::failed_items::{Failure, doubled};
use super::stop::Stop;

/// The pause before the next turn if this one ran out of time.
pub(in crate::app) const OUT_OF_TIME_PAUSE: Duration = Duration::from_secs(1);
/// The pause after the first failed turn. Each further failed turn doubles it, up to `MAX_PAUSE`.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);

pub(in crate::app) struct ClaimWriter<'a> {
    journal: &'a Journal,
    pub(in crate::app) clock: &'a Clock,
    /// How long after its beginning a request is retried, while its failures are retryable.
    retry_for: Duration,
    claim: Claim,
    /// The calls and results that no record has yet. An attempt to revoke writes them only in its
    /// last record.
    pub(in crate::app) unwritten: Progress,
    /// The items in doubt whose state no read of this turn has shown.
    pub(super) doubts: BTreeSet<Item>,
    /// The items of this share that other requests gave, and that end with this share.
    pub(super) renewed: BTreeSet<Item>,
    /// Whether this turn has made a call.
    pub(super) called: bool,
    /// Whether the cloud may have carried out a call of this turn.
    pub(super) may_have_shared: bool,
    /// Whether a turn before this one looked at the cloud.
    pub(super) looked_before_turn: bool,
    /// Why the last call of this turn failed.
    last_failure: Option<String>,
}

impl<'a> ClaimWriter<'a> {
    pub(in crate::app) fn new(
        journal: &'a Journal,
        clock: &'a Clock,
        retry_for: Duration,
        claim: Claim,
    ) -> Self {
        let known = claim.state().results().into_iter();
        let in_doubt = known.filter(|result| result.maybe_done);
        // The look that record 0 mentions belongs to the first turn.
        let looked_before_turn = claim.state().looked_before() && claim.state().newest() > 0;
        Self {
            journal,
            clock,
            retry_for,
            doubts: in_doubt.map(|result| result.item).collect(),
            claim,
            unwritten: Progress::default(),
            renewed: BTreeSet::new(),
            called: false,
            may_have_shared: false,
            looked_before_turn,
            last_failure: None,
        }
    }

    pub(in crate::app) fn state(&self) -> &State {
        self.claim.state()
    }

    /// Sets the root account that owns the image. The records from now on name it.
    pub(in crate::app) fn set_owner(&mut self, owner: Option<AccountId>) {
        self.claim.set_owner(owner);
    }

    /// Removes the owner from later records unless the key in use after a call is known to belong
    /// to it.
    pub(in crate::app) fn confirm_owner(&mut self, now: Option<AccountId>) {
        if self.claim.owner() != now.as_ref() {
            self.claim.set_owner(None);
        }
    }

    pub(in crate::app) fn owner(&self) -> Option<&AccountId> {
        self.claim.owner()
    }

    /// Whether the lease has expired: another worker may have taken over, so no call may be made.
    /// Reads the wall clock, which also shows a pause of the whole machine; a deadline does not.
    pub(in crate::app) fn lease_is_over(&self) -> bool {
        match self.state().phase() {
            Phase::Working { lease_until, .. } | Phase::Revoking { lease_until, .. } => {
                *lease_until <= self.clock.now()
            }
            _ => false,
        }
    }

    pub(super) fn revoking(&self) -> bool {
        matches!(self.state().phase(), Phase::Revoking { .. })
    }

    /// The results in earlier records. For a revocation: the results of its own earlier attempts.
    pub(in crate::app) fn results(&self) -> Vec<ItemResult> {
        if self.revoking() {
            // Leave out failed items, which are tried again, and items that were revoked before
            // this revocation began.
            let state = self.state();
            return state
                .revoked()
                .iter()
                .filter(|r| r.succeeded() && state.is_revoking(&r.item))
                .cloned()
                .collect();
        }
        self.state().results()
    }

    /// Whether an earlier attempt recorded a look at the cloud or, in a revocation, a result or a
    /// failed call. If it did, an item that has the wanted state now may be a result of that
    /// attempt.
    pub(in crate::app) fn looked_before(&self) -> bool {
        if self.revoking() {
            let mut tried = self.state().revoked().iter();
            self.state().failed_revocations() > 0 || tried.any(|result| !result.found())
        } else {
            self.state().looked_before()
        }
    }

    /// The number of failed turns before this one; for a revocation, of failed attempts.
    pub(in crate::app) fn failures_before(&self) -> u32 {
        match self.revoking() {
            true => self.state().failed_revocations(),
            false => self.state().failed_turns(),
        }
    }

    async fn record(&mut self, event: Event) -> Result<(), Stop> {
        let now = self.clock.now();
        let recorded = self.claim.record(self.journal, now, event);
        Ok(recorded.instrument(step(Step::Record)).await?)
    }

    /// Records, before the request's first call, the items that need no call. After a crash, any
    /// other item in the wanted state may be a result of this request. A revocation needs no such
    /// record, because revoking twice is harmless. `doubted`: the account whose key was used may
    /// not own the image, so a cancel's record does not name it as the owner.
    pub(in crate::app) async fn planned(&mut self, plan: &Plan, doubted: bool) -> Result<(), Stop> {
        if plan.is_empty() || self.revoking() || self.looked_before() {
            return Ok(());
        }
        let results = plan
            .settled()
            .iter()
            .filter(|r| !r.pending() && r.called_off_by.is_none())
            .cloned()
            .map(|result| self.with_renewal(result))
            .collect();
        let asked = self.owner().cloned();
        if doubted && self.state().request().action == Action::Cancel {
            self.set_owner(None);
        }
        let recorded = self.record(Event::Progress(Progress {
            results,
            ..Progress::default()
        }));
        let recorded = recorded.await;
        self.set_owner(asked);
        recorded
    }

    /// Stores how a call ended, for the next record.
    pub(in crate::app) fn keep_call(
        &mut self,
        action: String,
        end: &Result<Option<String>, CloudError>,
    ) {
        let (request_id, code) = match end {
            Ok(request_id) => (request_id.clone(), None),
            Err(error) => (error.request_id.clone(), Some(error.code.clone())),
        };
        self.unwritten.calls.push(CallNote {
            action,
            request_id,
            code,
        });
        self.called = true;
        self.may_have_shared |= match end {
            Ok(_) => true,
            Err(error) => error.class.may_be_done(),
        };
        let failure = end.as_ref().err();
        self.last_failure = failure.map(|error| format!("{}: {}", error.code, error.message));
    }

    /// Stores the new successes among `results` for the next record. Failures are not stored: they
    /// may be temporary, so only the end of the turn decides about them.
    pub(in crate::app) fn keep_results(&mut self, results: &[ItemResult]) {
        let recorded = self.state().results();
        let new = |result: &ItemResult| result.succeeded() && !recorded.contains(result);
        let marked = results.iter().cloned().map(|one| self.with_renewal(one));
        let marked: Vec<ItemResult> = marked.filter(new).collect();
        let kept = &mut self.unwritten.results;
        for result in marked {
            kept.retain(|known| known.item != result.item);
            kept.push(result);
        }
    }

    /// Records the stored results and calls, before another call or a wait. In a revocation, or
    /// without a stored result, it writes nothing and keeps the calls for a later record.
    ///
    /// # Errors
    /// [`Stop`]; [`Stop::CalledOff`] if a call-off came first. In that case the results are
    /// recorded nevertheless, because their calls had been made.
    pub(in crate::app) async fn write_results(&mut self) -> Result<(), Stop> {
        if self.revoking() || self.unwritten.results.is_empty() {
            return Ok(());
        }
        let mut called_off = false;
        loop {
            match self.record(Event::Progress(self.unwritten.clone())).await {
                Err(Stop::CalledOff) => called_off = true,
                Err(stop) => return Err(stop),
                Ok(()) => break,
            }
        }
        self.unwritten = Progress::default();
        if called_off {
            return Err(Stop::CalledOff);
        }
        Ok(())
    }

    /// Records the event that ends the turn. If a call-off came first, returns [`Stop::CalledOff`]
    /// and records only the results, or nothing in a revocation.
    pub(in crate::app) async fn end(&mut self, event: Event) -> Result<(), Stop> {
        let end = self.record(event).await;
        match end {
            Err(Stop::CalledOff) => self.write_results().await?,
            _ => self.unwritten = Progress::default(),
        }
        end
    }

    /// Records that items of this share are called off.
    ///
    /// # Errors
    /// Always: [`Stop::CalledOff`] after the record is written, so that the turn plans again;
    /// another [`Stop`] if it cannot be written.
    pub(super) async fn call_off(&mut self, call_off: CallOff) -> Result<(), Stop> {
        self.record(Event::CalledOff(call_off)).await?;
        Err(Stop::CalledOff)
    }

    /// Closes the request, or defers it if an item is unfinished.
    pub(super) async fn close(&mut self, results: Vec<ItemResult>) -> Result<(), Stop> {
        let ended = self.state().expired(self.clock.now());
        self.close_or_defer(results, None, ended).await
    }

    /// Closes a request that may not be carried out, as denied if `denial` has the verdict. Defers it
    /// if an item is unfinished, even after the share's expiry: the cloud must be read again.
    pub(super) async fn close_withheld(
        &mut self,
        results: Vec<ItemResult>,
        denial: Option<&Verdict>,
    ) -> Result<(), Stop> {
        self.close_or_defer(results, denial, false).await
    }

    /// `ended`: a retryable failure is not retried any more.
    async fn close_or_defer(
        &mut self,
        results: Vec<ItemResult>,
        denial: Option<&Verdict>,
        ended: bool,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let last = ended || now >= self.retried_until();
        let unfinished = |result: &ItemResult| match &result.kind {
            ResultKind::Pending => true,
            ResultKind::Failed { retryable, .. } => *retryable && !last,
            _ => false,
        };
        let (open, done): (Vec<_>, Vec<_>) =
            self.complete(results).into_iter().partition(unfinished);
        if !open.is_empty() {
            return self.defer(done, &open, now).await;
        }
        let calls = self.unwritten.calls.clone();
        let event = match denial {
            Some(verdict) => Event::Refused {
                verdict: verdict.clone(),
                results: done,
                calls,
            },
            None => Event::Closed {
                status: Status::of(self.state().request().action, &done),
                results: done,
                calls,
            },
        };
        self.end(event).await
    }

    /// Records the results so far, and why the other items are open. Also records each open item
    /// that is or was in doubt, and whether it still is, so that the doubt outlasts a later turn
    /// that fails for another reason.
    async fn defer(
        &mut self,
        mut results: Vec<ItemResult>,
        open: &[ItemResult],
        now: Timestamp,
    ) -> Result<(), Stop> {
        let known = self.state().results();
        let was_in_doubt = |item: &Item| known.iter().any(|r| r.item == *item && r.maybe_done);
        let doubts = (open.iter()).filter(|r| r.maybe_done || was_in_doubt(&r.item));
        results.extend(doubts.map(|result| ItemResult {
            kind: ResultKind::Pending,
            ..result.clone()
        }));
        // A call may have been made for an item in doubt, although no record names the call.
        let doubt = results.iter().chain(&known).any(|r| r.maybe_done);
        let calls = self.unwritten.calls.clone();
        let after = |pause| now.checked_add(pause).unwrap_or(Timestamp::MAX);
        let (why, not_before, fault) = match Failure::of(open) {
            None if self.is_thorough() && self.last_failure.is_some() => {
                // Without a fault, the next turn would be thorough again, and begin at once.
                let pause = doubled(MIN_PAUSE, MAX_PAUSE, self.state().failed_turns());
                (self.why_out_of_time(), after(pause), Some(Fault::Cloud))
            }
            None => (self.why_out_of_time(), after(OUT_OF_TIME_PAUSE), None),
            Some(failure) => {
                let until = self.retried_until();
                let next = after(doubled(MIN_PAUSE, MAX_PAUSE, self.state().failed_turns()));
                let why = match failure.fault {
                    Fault::Operator => {
                        format!(
                            "the request waits for the operator and is retried until {until:.0}: {failure}"
                        )
                    }
                    Fault::Cloud | Fault::Request => failure.to_string(),
                };
                (why, next.min(until), Some(failure.fault))
            }
        };
        tracing::warn!(identity = %self.state().identity(), %why, "a request is unfinished; the program continues it later");
        self.end(Event::Deferred(Deferral {
            results,
            calls,
            why,
            not_before,
            waits: !doubt,
            fault,
        }))
        .await
    }

    /// Defers the request until another worker has finished. Also records the items in doubt, and
    /// the calls that an attempt before a call-off may have left unrecorded.
    pub(super) async fn wait(&mut self, why: String, not_before: Timestamp) -> Result<(), Stop> {
        let doubt = |item: &Item| ItemResult::new(item.clone(), ResultKind::Pending, None);
        let doubts = self.doubts.iter().map(|item| doubt(item).in_doubt(true));
        self.end(Event::Deferred(Deferral {
            results: doubts.collect(),
            calls: self.unwritten.calls.clone(),
            why,
            not_before,
            waits: true,
            fault: None,
        }))
        .await
    }

    /// Returns why items are pending although none has failed.
    pub(in crate::app) fn why_out_of_time(&self) -> String {
        match &self.last_failure {
            Some(why) => format!("the time ran out; the last call failed: {why}"),
            None => "the time ran out".to_owned(),
        }
    }

    fn retried_until(&self) -> Timestamp {
        let begun = self.state().begins_at();
        begun.checked_add(self.retry_for).unwrap_or(Timestamp::MAX)
    }
}
