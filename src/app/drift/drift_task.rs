//! The scheduled comparison: what it finds is recorded and notified, so that it reaches the operator
//! once a day for as long as it is there. In: a deadline. Out: the report.

use crate::app::{App, Deadline, DriftReport};
use crate::journal::{Drift, JournalError, Recorded};

impl App {
    /// Compares the cloud with the journal. Records differences, and queues their notification; a
    /// failure to do so is logged.
    pub async fn drift_task(&self, deadline: Deadline) -> Result<DriftReport, JournalError> {
        let report = self.drift(&[], deadline).await?;
        if !report.differences.is_empty() && !self.prepared.plan_only {
            let drift = Drift::of(&report.differences);
            match Box::pin(self.record_drift(drift)).await {
                Ok(Recorded::New(incident)) => self.queue_incident(&incident),
                Ok(Recorded::Known | Recorded::Full) => {}
                Err(error) => tracing::error!(%error, "cannot record what a comparison found"),
            }
        }
        Ok(report)
    }

    async fn record_drift(&self, drift: Drift) -> Result<Recorded, JournalError> {
        self.prove_journal().await?;
        let lease = self.incident_lease()?;
        let rules = &self.prepared.notice_rules;
        self.journal.record_drift(drift, &lease, rules).await
    }
}
