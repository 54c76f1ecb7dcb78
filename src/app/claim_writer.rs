//! Writes what the work reaches: the first look at the cloud, each call's end, the outcome. Takes
//! results and returns once their record is durable. It holds the claim, so that no other worker can
//! write.

use std::time::Duration;

use crate::clock::Clock;
use crate::cloud::error::image_is_missing;
use crate::domain::{CloudError, Item, ItemResult, ResultKind, Status, Timestamp, Verdict};
use crate::journal::{
    AppendError, CallNote, Claim, Deferral, Event, FailedAttempt, Journal, JournalError, Phase,
    Progress, State,
};
use crate::plan::Plan;

/// Why the work must stop where it is.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another worker has taken over; the journal says how far it is.
    Lost,
    /// A later cancel called off some of the request: plan anew.
    CalledOff,
    /// The journal cannot be written: nothing may be called any more.
    Journal(JournalError),
}

impl From<AppendError> for Stop {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Lost => Self::Lost,
            AppendError::CalledOff => Self::CalledOff,
            AppendError::Store(error) => Self::Journal(error),
        }
    }
}

/// A passing failure of a request is retried for so long after its approval, then it is final. A
/// share that appears much later would surprise its requester.
const RETRY_LIMIT: Duration = Duration::from_secs(3_600);
/// The pause before the next turn when the time ran out.
const OUT_OF_TIME_PAUSE: Duration = Duration::from_secs(1);
/// The pause before the next turn when the cloud refused for a passing reason.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// The pause after the first failed attempt to take back. It doubles with each further one, up to the
/// maximum; taking back is never given up.
const MIN_REVOCATION_PAUSE: Duration = Duration::from_secs(5);
const MAX_REVOCATION_PAUSE: Duration = Duration::from_secs(24 * 3_600);

/// The claim, with the journal that it is written to.
pub(super) struct ClaimWriter<'a> {
    journal: &'a Journal,
    clock: &'a Clock,
    claim: Claim,
    /// The calls of an attempt to take back: its one record names them.
    calls: Vec<CallNote>,
}

impl<'a> ClaimWriter<'a> {
    pub(super) fn new(journal: &'a Journal, clock: &'a Clock, claim: Claim) -> Self {
        Self {
            journal,
            clock,
            claim,
            calls: Vec::new(),
        }
    }

    pub(super) fn state(&self) -> &State {
        self.claim.state()
    }

    /// Whether another worker may have taken over by now: then nothing may be called any more. Also
    /// true after a pause of the whole machine, which no deadline notices.
    pub(super) fn lease_is_over(&self) -> bool {
        match self.state().phase() {
            Phase::Working { lease_until, .. } | Phase::Revoking { lease_until, .. } => {
                *lease_until <= self.clock.now()
            }
            _ => false,
        }
    }

    fn revoking(&self) -> bool {
        matches!(
            self.state().phase(),
            Phase::Revoking { .. } | Phase::RevokeDeferred { .. }
        )
    }

    /// The results that stand already.
    pub(super) fn results(&self) -> Vec<ItemResult> {
        if self.revoking() {
            // What failed in an earlier attempt to take back is tried again.
            return self
                .state()
                .revoked()
                .iter()
                .filter(|r| r.succeeded())
                .cloned()
                .collect();
        }
        self.state().results()
    }

    /// Whether an earlier turn recorded a look at the cloud. Then what is as wanted now may be its
    /// doing.
    pub(super) fn observed(&self) -> bool {
        if self.revoking() {
            self.state().failed_revocations() > 0 || !self.state().revoked().is_empty()
        } else {
            self.state().observed()
        }
    }

    async fn record(&mut self, event: Event) -> Result<(), Stop> {
        let now = self.clock.now();
        Ok(self.claim.record(self.journal, now, event).await?)
    }

    /// Records what was there before the first call. After a crash this tells our doing from others'.
    /// An attempt to take back needs no such record: taking away twice does no harm.
    pub(super) async fn planned(&mut self, plan: &Plan) -> Result<(), Stop> {
        if plan.is_empty() || self.revoking() || self.observed() {
            return Ok(());
        }
        let results = plan
            .settled()
            .iter()
            .filter(|r| !r.pending() && r.called_off_by.is_none())
            .cloned()
            .collect();
        self.record(Event::Progress(Progress {
            results,
            blueprint: None,
            calls: Vec::new(),
        }))
        .await
    }

    /// Records a call's end with what it settled.
    ///
    /// # Errors
    /// [`Stop::CalledOff`] after the record is written: the call was made before the cancel was seen.
    pub(super) async fn progress(
        &mut self,
        settled: &[ItemResult],
        action: &str,
        end: &Result<Option<String>, CloudError>,
    ) -> Result<(), Stop> {
        let note = match end {
            Ok(request_id) => CallNote {
                action: action.to_owned(),
                request_id: request_id.clone(),
                code: None,
            },
            Err(error) => CallNote {
                action: action.to_owned(),
                request_id: error.request_id.clone(),
                code: Some(error.code.clone()),
            },
        };
        if self.revoking() {
            self.calls.push(note);
            return Ok(());
        }
        // A passing failure is not a result yet: the close decides.
        let results: Vec<ItemResult> = settled.iter().filter(|r| r.succeeded()).cloned().collect();
        let mut called_off = false;
        loop {
            let progress = Progress {
                results: results.clone(),
                blueprint: None,
                calls: vec![note.clone()],
            };
            match self.record(Event::Progress(progress)).await {
                Err(Stop::CalledOff) => called_off = true,
                Ok(()) if called_off => return Err(Stop::CalledOff),
                end => return end,
            }
        }
    }

    /// Closes the request, or gives the turn back when something is left to do. `refusal`: the
    /// present policies refuse it, so it is closed as denied.
    pub(super) async fn close(
        &mut self,
        results: Vec<ItemResult>,
        refusal: Option<&Verdict>,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let results = if self.revoking() {
            results
        } else {
            self.complete(results)
        };
        let (open, done): (Vec<_>, Vec<_>) = results
            .into_iter()
            .partition(|result| self.unfinished(result, now));
        if !open.is_empty() {
            let (why, pause) = self.why_open(&open);
            let not_before = now.checked_add(pause).unwrap_or(Timestamp::MAX);
            tracing::warn!(identity = %self.state().identity(), %why, "unfinished, to be resumed");
            return self.defer(done, why, not_before).await;
        }
        let event = match refusal {
            _ if self.revoking() => Event::Revoked {
                results: done,
                calls: std::mem::take(&mut self.calls),
            },
            Some(verdict) => Event::Refused {
                verdict: verdict.clone(),
                results: done,
            },
            None => Event::Closed {
                status: Status::of(self.state().request().action, &done),
                results: done,
            },
        };
        self.record(event).await
    }

    /// Gives the turn back until `not_before`, with what was reached.
    pub(super) async fn defer(
        &mut self,
        results: Vec<ItemResult>,
        why: String,
        not_before: Timestamp,
    ) -> Result<(), Stop> {
        let event = if self.revoking() {
            Event::NotRevoked(FailedAttempt {
                results,
                calls: std::mem::take(&mut self.calls),
                why,
                not_before,
            })
        } else {
            Event::Deferred(Deferral {
                results,
                why,
                not_before,
            })
        };
        self.record(event).await
    }

    /// One result per item of the request, in its order. An item without a new result keeps its
    /// recorded one.
    fn complete(&self, results: Vec<ItemResult>) -> Vec<ItemResult> {
        let new = |item: &Item| results.iter().find(|r| r.item == *item).cloned();
        self.state()
            .results()
            .into_iter()
            .map(|known| new(&known.item).unwrap_or(known))
            .collect()
    }

    fn unfinished(&self, result: &ItemResult, now: Timestamp) -> bool {
        let age = now.duration_since(self.state().approved_at());
        let final_now = age > jiff::SignedDuration::try_from(RETRY_LIMIT).unwrap_or_default();
        match &result.kind {
            ResultKind::Pending => true,
            ResultKind::Failed { code, .. } if self.revoking() => !image_is_missing(code),
            ResultKind::Failed { retryable, .. } => {
                *retryable && !final_now && !self.state().expired(now)
            }
            _ => false,
        }
    }

    fn why_open(&self, open: &[ItemResult]) -> (String, Duration) {
        let failure = open.iter().find_map(|result| match &result.kind {
            ResultKind::Failed { code, message, .. } => Some(format!("{code}: {message}")),
            _ => None,
        });
        match failure {
            Some(why) if self.revoking() => (why, self.revocation_pause()),
            Some(why) => (why, REFUSED_PAUSE),
            None => ("the time ran out".to_owned(), OUT_OF_TIME_PAUSE),
        }
    }

    fn revocation_pause(&self) -> Duration {
        let doublings = self.state().failed_revocations().min(20);
        let pause = MIN_REVOCATION_PAUSE.saturating_mul(1 << doublings);
        pause.min(MAX_REVOCATION_PAUSE)
    }
}
