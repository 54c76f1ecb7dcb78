//! Rejects a verified delivery that the map does not understand, and a request that would begin too
//! late. Returns the answer and records the rejection. The record does not contain the body, only
//! the delivery's id and the values that the problems quote.

use std::time::Duration;

use crate::app::{Answer, App, Deadline, Ending, IncomingRequest, Reply};
use crate::domain::{Expiry, Problem, ShareRequest, Timestamp};
use crate::inbound::{Map, MapRefusal, VerifiedDelivery};
use crate::journal::{JournalError, Received, Recorded, Rejection, WorkerLease};
use crate::telemetry::Metric;

impl App {
    /// Answers, logs and records a verified delivery that the map does not understand.
    pub(in crate::app) async fn not_understood(
        &self,
        delivery: &VerifiedDelivery,
        map: &Map,
        refusal: MapRefusal,
    ) -> Reply {
        tracing::warn!(source = %delivery.source(), %refusal, "a verified delivery is not a valid request");
        let problems = match &refusal {
            MapRefusal::Unreadable(problem) => vec![problem.clone()],
            MapRefusal::Invalid(problems) => problems.0.clone(),
        };
        let received = self.received(delivery, map);
        self.record_rejection(delivery, received, problems).await;
        Reply::from(refusal)
    }

    /// Records a verified delivery that is not a valid request. If the record cannot be written,
    /// the error is only logged.
    pub(super) async fn record_rejection(
        &self,
        delivery: &VerifiedDelivery,
        received: Received,
        problems: Vec<Problem>,
    ) {
        let source = delivery.source();
        self.metrics
            .count(Metric::DeliveriesRejected, &[source.as_str()]);
        if self.prepared.plan_only {
            return;
        }
        let rejection = Rejection {
            source: delivery.source().clone(),
            scheme: delivery.scheme().to_owned(),
            received,
            delivery_id: delivery.delivery_id().map(str::to_owned),
            slot: 0,
            problems,
        };
        let source = rejection.source.clone();
        match Box::pin(self.store_rejection(rejection)).await {
            Ok(Recorded::New(incident)) => self.queue_incident(&incident),
            Ok(Recorded::Known) => {}
            Ok(Recorded::Full) => {
                tracing::warn!(%source, "a rejected delivery was not recorded: the journal has reached its daily limit for this source")
            }
            Err(error) => tracing::error!(%source, %error, "cannot record a rejected delivery"),
        }
    }

    async fn store_rejection(&self, rejection: Rejection) -> Result<Recorded, JournalError> {
        self.prove_create_only().await?;
        let lease = self.incident_lease()?;
        let rules = &self.prepared.notice_rules;
        self.journal
            .record_rejection(rejection, &lease, rules)
            .await
    }

    /// Returns the lease for recording an incident. After the lease has ended, a sweep may deliver
    /// the incident's notification.
    pub(in crate::app) fn incident_lease(&self) -> Result<WorkerLease, JournalError> {
        self.worker_lease(self.now(), Deadline::after(Duration::ZERO))
    }

    pub(in crate::app) async fn refuse_late(
        &self,
        incoming: &IncomingRequest<'_>,
        problem: Problem,
    ) -> (Ending, Answer) {
        let (received, problems) = (incoming.received.clone(), vec![problem.clone()]);
        self.record_rejection(incoming.delivery.verified, received, problems)
            .await;
        let answer = Answer::invalid(&incoming.identity.id, vec![problem]);
        (Ending::Invalid, answer)
    }
}

/// Returns the problem if a new request would begin too late: at or after its own expiry, or later
/// than `within`, the bound of `[limits] not_before_within`, allows.
pub(in crate::app) fn too_late(
    request: &ShareRequest,
    now: Timestamp,
    approved_at: Timestamp,
    within: Duration,
) -> Option<Problem> {
    let latest = now.checked_add(within).unwrap_or(Timestamp::MAX);
    if let Some(begin) = request.not_before.filter(|begin| *begin > latest) {
        return Some(Problem::new(
            "not_before",
            format!("{begin} is too far ahead; the latest is {latest}"),
            "write an earlier instant, or raise [limits] not_before_within",
        ));
    }
    over_before_it_begins(request, now, approved_at)
}

/// Returns the problem if a new share would expire before it begins.
fn over_before_it_begins(
    request: &ShareRequest,
    now: Timestamp,
    approved_at: Timestamp,
) -> Option<Problem> {
    let end = request.expires_at(approved_at)?;
    if let (true, Some(Expiry::In(_))) = (end <= now, &request.expires) {
        return Some(Problem::new(
            "expires_in",
            format!(
                "counts from the approval at {approved_at:.0}: the share expired at {end:.0}, before it was recorded"
            ),
            "approve a new request",
        ));
    }
    if end <= now {
        return Some(Problem::new(
            "expires_at",
            format!("{end} has already passed"),
            "write an instant in the future",
        ));
    }
    // The parser has already compared `expires_at` with `not_before`, so the request must have
    // `expires_in` here.
    let begin = request.not_before.filter(|begin| end <= *begin)?;
    Some(Problem::new(
        "expires_in",
        format!(
            "counts from the approval: the share would expire at {end} and only begin at {begin} (not_before)"
        ),
        "write a longer expires_in, or the end as expires_at",
    ))
}
