//! Returns the page that a server shows or a sweep publishes. A page is used again for a minute,
//! because compiling a new one reads the whole journal.

use std::time::Duration;

use crate::app::observing::presents;
use crate::app::sweeps::signer;
use crate::journal::JournalError;

use super::super::{App, Deadline, context};
use super::{Depth, Report};

const FRESH_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportReply {
    Page(String),
    Unauthorised,
    /// No token is configured, so this server does not show the report.
    Off,
    /// The journal could not be read, or could not be read in time. The reason is in the log.
    NotNow,
}

impl App {
    /// Returns the report for a reader with this `Authorization` header.
    pub async fn report_for(&self, authorization: Option<&str>, deadline: Deadline) -> ReportReply {
        let Some(token) = &self.config().http.report else {
            return ReportReply::Off;
        };
        if !presents(token, authorization) {
            return ReportReply::Unauthorised;
        }
        let making = Box::pin(self.fresh_report());
        match tokio::time::timeout(context::left(deadline), making).await {
            Ok(Ok(page)) => ReportReply::Page(page),
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot make the report");
                ReportReply::NotNow
            }
            Err(_) => {
                tracing::error!(
                    "no time to read the whole journal for /report; publish the page with `sharehook report --to`"
                );
                ReportReply::NotNow
            }
        }
    }

    /// Returns a page that is at most a minute old.
    pub(super) async fn fresh_report(&self) -> Result<String, JournalError> {
        let make = async |_| Ok(Box::pin(self.compile_report()).await?.html());
        self.last_report.or_make(FRESH_FOR, make).await
    }

    /// Compiles the report of this application's journal. If the application has the seal's key,
    /// the log's segments are verified. The files of the requests are not verified.
    async fn compile_report(&self) -> Result<Report, JournalError> {
        let signer = signer(self.config())?;
        let key = signer.as_ref().map(|signer| signer.verifier());
        let language = self.config().report.language;
        Report::compile(self.reader(), key, Depth::Seals, language).await
    }
}
