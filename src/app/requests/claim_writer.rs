//! Writes the records of a turn: the first look at the cloud, the calls with their results, and the
//! outcome. Calls and results are held back until the next call or wait, so that the results of the
//! last call are in the record that ends the turn. The writer holds the claim: no other worker
//! continues the request until the lease of the claim ends.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::Instrument as _;

use crate::clock::Clock;
use crate::domain::{
    AccountId, Action, CloudError, Item, ItemResult, ResultKind, Status, Timestamp, Verdict,
};
use crate::journal::{CallNote, CallOff, Claim, Event, Journal, Phase, Progress, State};
use crate::plan::Plan;
use crate::telemetry::{Step, step};

use super::failed_items::Failure;
use super::stop::Stop;

pub(in crate::app) struct ClaimWriter<'a> {
    journal: &'a Journal,
    pub(in crate::app) clock: &'a Clock,
    /// A request whose failures are retryable is retried until this time after its beginning.
    pub(super) retry_for: Duration,
    claim: Claim,
    /// The calls and results that are not recorded yet. A revocation records them at its end.
    pub(in crate::app) unwritten: Progress,
    /// The items in doubt whose actual state this turn has not read yet.
    pub(super) doubts: BTreeSet<Item>,
    /// The items of this share that other requests gave. They now end when this share ends.
    pub(super) renewed: BTreeSet<Item>,
    /// Whether a success of this cancel does not end the grants on record, because the key in use
    /// belongs to another account than the one that gave them.
    pub(super) proves_nothing: bool,
    pub(super) called: bool,
    /// Whether the cloud may have carried out a call of this turn.
    pub(super) may_have_shared: bool,
    /// Whether an earlier turn read the cloud.
    pub(super) looked_before_turn: bool,
    /// The number of items that were open when the turn began.
    open_before: usize,
    pub(super) last_failure: Option<String>,
}

impl<'a> ClaimWriter<'a> {
    pub(in crate::app) fn new(
        journal: &'a Journal,
        clock: &'a Clock,
        retry_for: Duration,
        claim: Claim,
    ) -> Self {
        let known = claim.state().results();
        let open_before = known.iter().filter(|result| result.pending()).count();
        let in_doubt = known.into_iter().filter(|result| result.maybe_done);
        // The look at the cloud in record 0 belongs to the first turn, not to an earlier one.
        let looked_before_turn = claim.state().looked_before() && claim.state().newest() > 0;
        Self {
            journal,
            clock,
            retry_for,
            doubts: in_doubt.map(|result| result.item).collect(),
            claim,
            unwritten: Progress::default(),
            renewed: BTreeSet::new(),
            proves_nothing: false,
            called: false,
            may_have_shared: false,
            looked_before_turn,
            open_before,
            last_failure: None,
        }
    }

    pub(in crate::app) fn state(&self) -> &State {
        self.claim.state()
    }

    /// Sets the root account that owns the image, for the records that follow.
    pub(in crate::app) fn set_owner(&mut self, owner: Option<AccountId>) {
        self.claim.set_owner(owner);
    }

    /// Removes the owner from the records that follow, unless `now` equals it. `now` is the account
    /// that owns the key in use after a call, if known.
    pub(in crate::app) fn confirm_owner(&mut self, now: Option<AccountId>) {
        if self.claim.owner() != now.as_ref() {
            self.claim.set_owner(None);
        }
    }

    pub(in crate::app) fn owner(&self) -> Option<&AccountId> {
        self.claim.owner()
    }

    /// Whether the lease has expired. If so, another worker may have taken over, and no call may be
    /// made. Compares with the wall clock because, unlike a deadline, it also advances while the
    /// whole machine is paused.
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

    /// Returns the results in earlier records; in a revocation, those of its earlier attempts.
    pub(in crate::app) fn results(&self) -> Vec<ItemResult> {
        if self.revoking() {
            // Leave out failed items, which are tried again, and items that were revoked earlier.
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

    /// Whether an earlier attempt recorded a look at the cloud. For a revocation: whether an
    /// earlier attempt recorded a result or a failed call. If so, an item that already has the
    /// wanted state may have got it from that attempt.
    pub(in crate::app) fn looked_before(&self) -> bool {
        if self.revoking() {
            let mut tried = self.state().revoked().iter();
            self.state().failed_revocations() > 0 || tried.any(|result| !result.found())
        } else {
            self.state().looked_before()
        }
    }

    async fn record(&mut self, event: Event) -> Result<(), Stop> {
        let now = self.clock.now();
        let recorded = self.claim.record(self.journal, now, event);
        Ok(recorded.instrument(step(Step::Record)).await?)
    }

    /// Records, before the request's first call, the items that need no call. If the process
    /// crashes later, any other item that has the wanted state may have got it from this request. A
    /// revocation needs no such record, because revoking twice is harmless.
    ///
    /// `doubted` means that the account whose key was used may not own the image. The record of a
    /// cancel then does not name that account as the owner.
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

    /// Stores the end of a call for the next record.
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

    /// Stores the new successes among `results` for the next record. Does not store failures: they
    /// may be temporary, so they are judged at the end of the turn.
    pub(in crate::app) fn keep_results(&mut self, results: &[ItemResult]) {
        let recorded = self.state().results();
        let new = |result: &ItemResult| {
            result.succeeded() && !self.proves_nothing && !recorded.contains(result)
        };
        let marked = results.iter().cloned().map(|one| self.with_renewal(one));
        let marked: Vec<ItemResult> = marked.filter(new).collect();
        let kept = &mut self.unwritten.results;
        for result in marked {
            kept.retain(|known| known.item != result.item);
            kept.push(result);
        }
    }

    /// Records the stored results and calls. Called before another call or a wait. Without a stored
    /// result, and in every revocation, writes nothing and keeps the calls for a later record.
    ///
    /// # Errors
    /// Returns [`Stop::CalledOff`] if a call-off was recorded first. The results are recorded
    /// nevertheless, because the calls have been made. Otherwise returns the [`Stop`] of the failed
    /// write.
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

    /// Records the event that ends the turn. If a call-off was recorded first, returns
    /// [`Stop::CalledOff`] and records only the results, or nothing in a revocation.
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
    /// Always returns an error: [`Stop::CalledOff`] after the record is written, so that the turn
    /// plans again, or another [`Stop`] if the record cannot be written.
    pub(super) async fn call_off(&mut self, call_off: CallOff) -> Result<(), Stop> {
        self.record(Event::CalledOff(call_off)).await?;
        Err(Stop::CalledOff)
    }

    /// Closes the request, or defers it if an item is unfinished.
    pub(super) async fn close(&mut self, results: Vec<ItemResult>) -> Result<(), Stop> {
        let ended = self.state().expired(self.clock.now());
        self.close_or_defer(results, None, ended).await
    }

    /// Closes a request that may not be carried out, as denied if `denial` is given. If an item is
    /// unfinished, defers it instead, even after the expiry: the cloud must be read again.
    pub(super) async fn close_withheld(
        &mut self,
        results: Vec<ItemResult>,
        denial: Option<&Verdict>,
    ) -> Result<(), Stop> {
        self.close_or_defer(results, denial, false).await
    }

    /// If `ended`, retryable failures are final.
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
        let (mut open, mut done): (Vec<_>, Vec<_>) =
            self.complete(results).into_iter().partition(unfinished);
        let only_out_of_time = Failure::of(&open).is_none() && open.len() >= self.open_before;
        let out_of_time = only_out_of_time.then(|| self.turns_out_of_time());
        if out_of_time.is_some_and(|turns| self.are_enough(turns)) {
            let open = std::mem::take(&mut open).into_iter();
            done.extend(open.map(|result| self.failed_out_of_time(result)));
        }
        if !open.is_empty() {
            return self.defer(done, &open, out_of_time).await;
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

    pub(super) fn retried_until(&self) -> Timestamp {
        let begun = self.state().begins_at();
        begun.checked_add(self.retry_for).unwrap_or(Timestamp::MAX)
    }
}
