//! Publishes the report where the configuration says, after a sweep, when the published one has become
//! old. In: `[report]`, the journal. Out: the page at its place, or why not.

use jiff::SignedDuration;

use crate::cloud;
use crate::config::ReportConfig;
use crate::journal::{Access, JournalError};

use super::super::{App, Deadline, context};
use super::Report;

impl App {
    /// Publishes the report if that is due. Returns the reason if it fails.
    pub(in super::super) async fn publish_report_when_due(
        &self,
        deadline: Deadline,
    ) -> Option<String> {
        let report = self.config().report.as_ref()?;
        let why = match cloud::http_client() {
            Ok(http) => {
                let access = Access::of(&self.rules.vars, http);
                let publishing = Box::pin(self.publish_report_if_due(report, &access));
                match tokio::time::timeout(context::left(deadline), publishing).await {
                    Ok(published) => published.err()?.to_string(),
                    Err(_) => "no time was left; `sharehook report --to` publishes it".to_owned(),
                }
            }
            Err(problems) => problems.to_string(),
        };
        Some(format!(
            "the report was not published at {}: {why}",
            report.to
        ))
    }

    async fn publish_report_if_due(
        &self,
        report: &ReportConfig,
        access: &Access,
    ) -> Result<(), JournalError> {
        let written = report.to.written_at(access).await?;
        let age = written.map(|at| self.now().duration_since(at));
        // A page from the future comes from a wrong clock, and must not end publishing.
        let fresh = |age: SignedDuration| !age.is_negative() && age.unsigned_abs() < report.every;
        if age.is_some_and(fresh) {
            return Ok(());
        }
        // While the place refuses it, sweeps do not read the whole journal each time.
        let page = self.fresh_report().await?;
        report
            .to
            .write(access, Report::CONTENT_TYPE, page.into())
            .await
    }
}
