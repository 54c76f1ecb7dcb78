//! Records deliveries that were verified and not understood. In: a verified delivery and its problems.
//! Out: records without any part of its body.

use std::time::Duration;

use crate::app::{App, Deadline, Reply};
use crate::domain::Problem;
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

    /// Records a verified delivery that is not a valid request. A failure to record it is logged
    /// and changes no answer.
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
                tracing::warn!(%source, "not on record: too many were not understood today")
            }
            Err(error) => tracing::error!(%source, %error, "cannot record a rejected delivery"),
        }
    }

    async fn store_rejection(&self, rejection: Rejection) -> Result<Recorded, JournalError> {
        self.prove_journal().await?;
        let lease = self.incident_lease()?;
        let rules = &self.prepared.notice_rules;
        self.journal
            .record_rejection(rejection, &lease, rules)
            .await
    }

    /// Marks the record of an incident. Its end is when a sweep may deliver the notification.
    pub(in crate::app) fn incident_lease(&self) -> Result<WorkerLease, JournalError> {
        self.worker_lease(self.now(), Deadline::after(Duration::ZERO))
    }
}
