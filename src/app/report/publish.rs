//! Publishes the report after a sweep, if the published page is too old. The page is written to the
//! location that `[report]` names.

use jiff::SignedDuration;

use crate::cloud;
use crate::config::Publication;
use crate::journal::{Access, JournalError};

use super::super::{App, Deadline, context};
use super::Report;
use super::last_refusal::Refusal;

impl App {
    /// Publishes the report if the published page is too old. Returns the reason if this fails. For
    /// an hour after a failure, returns the same reason again without another attempt.
    pub(in super::super) async fn publish_report_when_due(
        &self,
        deadline: Deadline,
    ) -> Option<String> {
        let report = self.config().report.published.as_ref()?;
        let (to, at) = (&report.to, self.now());
        let mut last = self.last_refusal.0.lock().await;
        if let Some(refusal) = last.as_ref().filter(|refusal| refusal.holds(to, at)) {
            return Some(refusal.failure.clone());
        }
        let Some(why) = self.publication_failure(report, deadline).await else {
            *last = None;
            return None;
        };
        let refusal = Refusal::new(to, &why, at);
        Some(last.insert(refusal).failure.clone())
    }

    /// Publishes the report if the published page is too old. Returns the reason if this fails.
    async fn publication_failure(
        &self,
        report: &Publication,
        deadline: Deadline,
    ) -> Option<String> {
        let access = match cloud::http_client() {
            Ok(http) => Access::of(&self.rules.vars, http),
            Err(problems) => return Some(problems.to_string()),
        };
        let publishing = Box::pin(self.publish_report_if_old(report, &access));
        match tokio::time::timeout(context::left(deadline), publishing).await {
            Ok(published) => published.err().map(|error| error.to_string()),
            Err(_) => Some("no time was left; `sharehook report --to` publishes it".to_owned()),
        }
    }

    async fn publish_report_if_old(
        &self,
        report: &Publication,
        access: &Access,
    ) -> Result<(), JournalError> {
        let written = report.to.written_at(access).await?;
        let age = written.map(|at| self.now().duration_since(at));
        // A page with a future time comes from a wrong clock, and must not prevent publications.
        let fresh = |age: SignedDuration| !age.is_negative() && age.unsigned_abs() < report.every;
        if age.is_some_and(fresh) {
            return Ok(());
        }
        let page = self.fresh_report().await?;
        report
            .to
            .write(access, Report::CONTENT_TYPE, page.into())
            .await
    }
}
