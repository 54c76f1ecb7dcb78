//! What the work writes while it goes on: the first look, each call's end, the outcome. In:
//! results. Out: records, each durable before the work goes on. Holds the claim, so nobody else can
//! write.

use std::time::Duration;

use crate::clock::Clock;
use crate::cloud::error::image_is_missing;
use crate::domain::{CloudError, Item, ItemResult, ResultKind, Status, Timestamp};
use crate::journal::{
    AppendError, CallNote, Claim, Deferral, Event, Journal, JournalError, Phase, Progress, State,
};
use crate::plan::Plan;

/// Why the work must stop where it is.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another worker has taken over; the journal tells how far it is.
    Lost,
    /// The journal cannot be written: nothing may be called any more.
    Journal(JournalError),
}

impl From<AppendError> for Stop {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Lost => Self::Lost,
            AppendError::Store(error) => Self::Journal(error),
        }
    }
}

/// A passing failure is tried again for so long after the approval; then it is final. A share that
/// suddenly appears long after everybody forgot it would be a surprise.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3_600);
/// The pause before the next turn when the time ran out, and when the cloud did not let it through.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(60);
/// The pause before an expiry that an operator has to enable (permission, role) is tried again. It
/// is never given up.
const MUCH_LATER: Duration = Duration::from_secs(900);

/// The claim together with where it is written.
pub(super) struct ClaimWriter<'a> {
    journal: &'a Journal,
    clock: &'a Clock,
    claim: Claim,
}

impl<'a> ClaimWriter<'a> {
    pub(super) fn new(journal: &'a Journal, clock: &'a Clock, claim: Claim) -> Self {
        Self {
            journal,
            clock,
            claim,
        }
    }

    pub(super) fn state(&self) -> &State {
        self.claim.state()
    }

    fn revoking(&self) -> bool {
        matches!(self.state().phase(), Phase::Revoking { .. })
    }

    /// The results that stand already.
    pub(super) fn results(&self) -> Vec<ItemResult> {
        if self.revoking() {
            // What failed in an earlier turn of an expiry is tried again.
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

    /// Whether an earlier turn has recorded a look at the cloud: then what is as wanted now may be
    /// its doing.
    pub(super) fn observed(&self) -> bool {
        if self.revoking() {
            !self.state().revoked().is_empty()
        } else {
            self.state().observed()
        }
    }

    async fn record(&mut self, event: Event) -> Result<(), Stop> {
        let now = self.clock.now();
        Ok(self.claim.record(self.journal, now, event).await?)
    }

    /// Records what was there before the first call. After a crash this tells our doing from
    /// others'.
    pub(super) async fn planned(&mut self, plan: &Plan) -> Result<(), Stop> {
        if plan.is_empty() || self.observed() {
            return Ok(());
        }
        let results = plan
            .settled()
            .iter()
            .filter(|r| !r.pending())
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
        // A passing failure is not a result yet: the close decides.
        let results = settled.iter().filter(|r| r.succeeded()).cloned().collect();
        self.record(Event::Progress(Progress {
            results,
            blueprint: None,
            calls: vec![note],
        }))
        .await
    }

    /// Closes the request, or gives the turn back when something is left to do.
    pub(super) async fn close(&mut self, results: Vec<ItemResult>) -> Result<(), Stop> {
        let now = self.clock.now();
        let results = if self.revoking() {
            results
        } else {
            self.complete(results)
        };
        let (open, done): (Vec<_>, Vec<_>) = results
            .into_iter()
            .partition(|result| self.unfinished(result, now));
        if open.is_empty() {
            let event = if self.revoking() {
                Event::Revoked { results: done }
            } else {
                Event::Closed {
                    status: Status::of(self.state().request().action, &done),
                    results: done,
                }
            };
            return self.record(event).await;
        }
        let (why, pause) = self.why_open(&open);
        let not_before = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        tracing::warn!(identity = %self.state().identity(), %why, "unfinished; it is gone on with later");
        self.record(Event::Deferred(Deferral {
            results: done,
            why,
            not_before,
        }))
        .await
    }

    /// Gives the turn back until `not_before`, with what was reached.
    pub(super) async fn defer(
        &mut self,
        results: Vec<ItemResult>,
        why: String,
        not_before: Timestamp,
    ) -> Result<(), Stop> {
        self.record(Event::Deferred(Deferral {
            results,
            why,
            not_before,
        }))
        .await
    }

    /// One result per item of the request, in its order; what nobody told a result of is pending.
    fn complete(&self, results: Vec<ItemResult>) -> Vec<ItemResult> {
        let told = |item: &Item| results.iter().find(|r| r.item == *item).cloned();
        self.state()
            .results()
            .into_iter()
            .map(|known| told(&known.item).unwrap_or(known))
            .collect()
    }

    fn unfinished(&self, result: &ItemResult, now: Timestamp) -> bool {
        let age = now.duration_since(self.state().approved_at());
        let given_up = age > jiff::SignedDuration::try_from(GIVE_UP_AFTER).unwrap_or_default();
        match &result.kind {
            ResultKind::Pending => true,
            ResultKind::Failed { code, .. } if self.revoking() => !image_is_missing(code),
            ResultKind::Failed { retryable, .. } => {
                *retryable && !given_up && !self.state().expired(now)
            }
            _ => false,
        }
    }

    fn why_open(&self, open: &[ItemResult]) -> (String, Duration) {
        let failure = open.iter().find_map(|result| match &result.kind {
            ResultKind::Failed {
                code,
                message,
                retryable,
            } => Some((code, message, *retryable)),
            _ => None,
        });
        match failure {
            Some((code, message, retryable)) => (
                format!("{code}: {message}"),
                if retryable { LATER } else { MUCH_LATER },
            ),
            None => ("the time ran out".to_owned(), SOON),
        }
    }
}
