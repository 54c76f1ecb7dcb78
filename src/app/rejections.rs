//! Records deliveries that were verified and not understood, and lists them for the operator. In: a
//! verified delivery and its problems. Out: entries without any part of its body.

use serde::Serialize;

use crate::domain::{Problem, Timestamp};
use crate::inbound::{Map, MapRefusal, VerifiedDelivery};
use crate::journal::{JournalError, Received, Rejection, StreamState};

use crate::telemetry::Metric;

use super::queries::Listed;
use super::{App, Reply, context};

/// A delivery that was not understood.
#[derive(Debug, Clone, Serialize)]
pub struct RejectionEntry {
    /// When it came.
    pub at: Timestamp,
    /// The record.
    #[serde(flatten)]
    pub rejection: Rejection,
}

impl App {
    /// Answers, logs and records a verified delivery that the map does not understand.
    pub(super) async fn not_understood(
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
        if self.prepared.plan_only() {
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
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(%source, "not on record: too many were not understood today")
            }
            Err(error) => tracing::error!(%source, %error, "cannot record a rejected delivery"),
        }
    }

    async fn store_rejection(&self, rejection: Rejection) -> Result<bool, JournalError> {
        self.prove_journal().await?;
        let deadline = context::turn_deadline(self.budget());
        let lease = self.worker_lease(self.now(), deadline)?;
        self.journal.record_rejection(rejection, &lease).await
    }

    /// The deliveries that were not understood, or the newest `limit` of them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn rejections(
        &self,
        limit: Option<usize>,
    ) -> Result<Listed<RejectionEntry>, JournalError> {
        let (mut entries, mut flaws) = (Vec::new(), Vec::new());
        let mut all = self.journal.newest_first(self.now()).await?;
        while let Some(batch) = all.next().await? {
            for request in &batch.requests {
                match request.history() {
                    Ok(Some(history)) => entries.extend(entry(history)),
                    Ok(None) => {}
                    Err(finding) => flaws.push(finding.to_string()),
                }
            }
            flaws.extend(batch.flaws.iter().map(ToString::to_string));
            let enough = limit.is_some_and(|limit| entries.len() >= limit);
            // Only segments come newest first.
            if enough && batch.rest_before.is_some() {
                break;
            }
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries.truncate(limit.unwrap_or(usize::MAX));
        Ok(Listed { entries, flaws })
    }
}

fn entry(history: crate::journal::History) -> Option<RejectionEntry> {
    let at = history.records.first()?.record.at;
    match history.stream_state {
        StreamState::Rejected(rejection) => Some(RejectionEntry { at, rejection }),
        StreamState::Request(_) | StreamState::Conflict(_) => None,
    }
}
