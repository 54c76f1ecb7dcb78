//! Reads `[report]`: the language, and where and how often sweeps publish the report. Takes the raw
//! table, returns a [`ReportConfig`], and reports mistakes. Also refuses a place, from the file or
//! the command line, that is inside the journal, its index or the policy directory, or where the
//! report would overwrite a file that the configuration names.

use std::path::Path;
use std::time::Duration;

use crate::domain::Problem;
use crate::journal::FilePlace;

use super::raw_report::RawReport;
use super::reader::{Reader, set};
use super::secrets::SecretRef;
use super::valid::{Config, Publication, ReportConfig, SealKey};
use super::vars::SANDBOX_ENTRY;

const DEFAULT_EVERY: Duration = Duration::from_secs(86_400);

impl Reader<'_> {
    pub(super) fn report(&mut self, raw: &RawReport) -> ReportConfig {
        ReportConfig {
            language: raw.language,
            published: self.publication(raw),
        }
    }

    fn publication(&mut self, raw: &RawReport) -> Option<Publication> {
        let every = raw.every.as_ref();
        let every = every.and_then(|written| self.span("report.every", written));
        let Some(written) = &raw.to else {
            if let Some(every) = &raw.every
                && self.lacks("report.to", &raw.to)
            {
                let remedy = "write to = \"s3://bucket/report.html\" or a file, or remove it";
                let problem = "report.every has no effect without report.to";
                self.problem(every, problem, remedy);
            }
            return None;
        };
        let to: FilePlace = self.parsed("report.to: ", written)?;
        // With `--sandbox`, the page would show the stand-in's journal in place of the real one.
        if set(self.vars, SANDBOX_ENTRY).is_some() {
            return None;
        }
        Some(Publication {
            to: to.relative_to(self.root),
            every: every.unwrap_or(DEFAULT_EVERY),
        })
    }
}

impl Config {
    /// Returns a problem if the report would overwrite something at its configured place.
    pub(super) fn report_problem(&self) -> Option<Problem> {
        let to = &self.report.published.as_ref()?.to;
        let problem = self.allows_report_at(to).err()?;
        Some(self.problem("report.to", &problem.problem, &problem.remedy))
    }

    /// Refuses a place inside the journal, its index or the policy directory, and the place of the
    /// configuration, of the seal's key or of any file that the configuration names.
    ///
    /// # Errors
    /// A problem that says what the report would overwrite.
    pub fn allows_report_at(&self, place: &FilePlace) -> Result<(), Problem> {
        place.outside(&self.journal, self.index.as_ref())?;
        let root = Path::new(&self.file).parent().unwrap_or(Path::new(""));
        let named = |name: &String| place.is_at(&root.join(name));
        let secret = |reference: &SecretRef| match reference {
            SecretRef::File(path) => named(path),
            SecretRef::Env(_) | SecretRef::Aws(_) => false,
        };
        let key = self.seal.as_ref().map(|seal| &seal.key);
        let what = if matches!(key, Some(SealKey::File(path)) if place.is_at(path)) {
            "is the key of the seals"
        } else if place.is_at(&self.policy) {
            "lies inside the policy's directory"
        } else if place.is_at(Path::new(&self.file)) {
            "is the configuration"
        } else if self.files.iter().any(named) || self.secrets.keys().any(secret) {
            "is a file that the configuration names"
        } else {
            return Ok(());
        };
        Err(place.taken(what))
    }
}
