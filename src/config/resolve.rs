//! Checks the configuration: turns the raw tables into a valid [`Config`](super::Config). A
//! [`Reader`] collects every mistake, so that all are reported at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use toml::Spanned;

use crate::domain::{Danger, Mark, NoticeKind, Problem, Problems, Span};
use crate::journal::JournalLocation;

use super::cloud::ENDPOINT_VAR;
use super::followed::SEAL_KEY_VAR;
use super::lenient;
use super::raw::{JournalTable, RawConfig, RawJournal, RawLimits, RawPolicy};
use super::raw_check::RawCheck;
use super::reader::{Reader, set};
use super::secrets::{SecretValues, Secrets};
use super::valid::{Config, Draft, NotifyConfig};
use super::vars::Vars;

/// Overrides `journal` in the file, for deployments that know its location only at run time.
const JOURNAL_VAR: &str = "SHAREHOOK_JOURNAL";
/// The variable with the index's place if `SHAREHOOK_JOURNAL` is set. The index in the file is
/// then ignored, because it belongs to the file's journal.
const JOURNAL_INDEX_VAR: &str = "SHAREHOOK_JOURNAL_INDEX";

/// The permitted values of `limits.body_bytes`.
const BODY_BYTES: RangeInclusive<usize> = 1_024..=6 << 20;

/// One day in seconds.
const DAY: u64 = 86_400;

/// Reads as much of the configuration as possible. The result is valid if it has no problems.
///
/// # Errors
/// The text is not TOML, or too many of its values do not fit.
pub(super) fn draft(
    file: &str,
    text: &str,
    vars: &Vars,
    secrets: SecretValues<'_>,
) -> Result<Draft, Problems> {
    let (raw, problems, unread) = lenient::read(file, text)?;
    let root = Path::new(file).parent().unwrap_or(Path::new(""));
    let mut reader = Reader {
        file,
        text,
        root,
        vars,
        secrets,
        used: Secrets::new(),
        problems,
        unread: &unread,
        files: BTreeSet::new(),
        variables: BTreeSet::new(),
    };
    let marks = reader.marks(&raw);
    let (journal, index) = reader.journal(raw.journal);
    let (policy, approvals) = reader.policy(raw.policy);
    let (cloud, http) = (reader.cloud(&raw.cloud), reader.http(raw.http));
    let limits = &raw.limits;
    let (body, most) = (&limits.body_bytes, &limits.unfinished);
    let body_limit = reader.within("limits.body_bytes", body, BODY_BYTES, 256 << 10);
    let budget_seconds = reader.within("limits.seconds", &limits.seconds, 1..=900, 25);
    let unfinished = reader.within("limits.unfinished", most, 1..=1_000_000, 10_000);
    let not_before_within = reader.limit("not_before_within", &limits.not_before_within, 365 * DAY);
    let retry_for = reader.limit("retry_for", &limits.retry_for, DAY);
    let retry_age = reader.limit("retry_age", &limits.retry_age, 30 * DAY);
    let sources = reader.sources(&raw.source, budget_seconds);
    let notify = reader.notify(&raw.notify, &sources);
    let notice = reader.notice(limits, &notify);
    let seal = reader.seal(&raw.seal, &journal);
    let config = Config {
        allowed: reader.allowed(&raw.check),
        report: reader.report(&raw.report),
        file: file.to_owned(),
        text: text.to_owned(),
        secrets: reader.used,
        digest: hex::encode(Sha256::digest(text)),
        journal,
        index,
        policy,
        approvals,
        cloud,
        http,
        sources,
        notify,
        notice,
        seal,
        body_limit,
        budget_seconds,
        unfinished,
        not_before_within,
        retry_for,
        retry_age,
        marks,
        files: reader.files,
        variables: reader.variables,
    };
    reader.problems.extend(config.report_problem());
    Ok(Draft {
        config,
        problems: reader.problems,
        complete: unread.is_empty(),
    })
}

impl Reader<'_> {
    /// Returns the places of settings whose use can fail. Omits settings that a variable overrides.
    fn marks(&self, raw: &RawConfig) -> BTreeMap<&'static str, Mark> {
        let cloud = &raw.cloud;
        let spans = [
            ("journal", place(&raw.journal), JOURNAL_VAR),
            ("policy", place(&raw.policy), ""),
            ("cloud.endpoint", place(&cloud.endpoint), ENDPOINT_VAR),
            ("seal.key", place(&raw.seal.key), SEAL_KEY_VAR),
            ("report.to", place(&raw.report.to), ""),
        ];
        let mark = |(name, span, variable): (_, Option<Range<usize>>, &str)| {
            let span = span.filter(|_| set(self.vars, variable).is_none())?;
            Some((name, self.mark(span)))
        };
        spans.into_iter().filter_map(mark).collect()
    }

    /// Returns the dangers that `check` does not warn of.
    fn allowed(&mut self, raw: &RawCheck) -> BTreeSet<Danger> {
        let written = raw.allow.iter();
        written
            .filter_map(|written| self.parsed("check.allow: ", written))
            .collect()
    }

    /// Returns the location of the journal, and that of the index if it has a place of its own.
    fn journal(
        &mut self,
        written: Option<Spanned<RawJournal>>,
    ) -> (JournalLocation, Option<JournalLocation>) {
        // A path in a variable is relative to the process's current folder, not to the file.
        if let Some(place) = self.place_in(JOURNAL_VAR) {
            let index = self.place_in(JOURNAL_INDEX_VAR);
            return (place, index);
        }
        let Some(written) = written else {
            let remedy =
                "write journal = \"file:DIR\", or s3://bucket/prefix, gs://…, az://… or memory:";
            self.missing("journal", remedy);
            return (JournalLocation::Memory, None);
        };
        let JournalTable { place, index } = &written.get_ref().0;
        let place = self.place_at(&written, "journal", place);
        let index = index.as_ref();
        let index = index.map(|index| self.place_at(&written, "journal.index", index));
        if index == Some(JournalLocation::Memory) {
            let remedy = "name a place that outlives the process";
            self.problem(
                &written,
                "journal.index: memory: is lost when the process ends",
                remedy,
            );
        }
        (place, index)
    }

    fn place_in(&mut self, variable: &str) -> Option<JournalLocation> {
        let text = set(self.vars, variable)?;
        Some(text.parse().unwrap_or_else(|problem: Problem| {
            self.problems.push(Problem {
                field: variable.to_owned(),
                ..problem
            });
            JournalLocation::Memory
        }))
    }

    fn place_at<T>(&mut self, at: &Spanned<T>, field: &str, text: &str) -> JournalLocation {
        // A stand-in for a missing field: that the place is missing is already reported.
        if text.is_empty() && self.unread.has("journal.place") {
            return JournalLocation::Memory;
        }
        let read = text.parse::<JournalLocation>();
        let Some(location) = self.read(&format!("{field}: "), at, read) else {
            return JournalLocation::Memory;
        };
        let location = location.relative_to(self.root);
        if let JournalLocation::Directory(dir) = &location {
            self.directory(at, field, dir);
        }
        location
    }

    /// Reports a directory that cannot exist, because its path or a parent of it is a file.
    fn directory<T>(&mut self, at: &Spanned<T>, field: &str, dir: &Path) {
        let file = dir.ancestors().find(|path| path.exists() && !path.is_dir());
        if let Some(file) = file {
            let problem = format!("{field}: {} is a file, not a directory", file.display());
            let remedy = "name a directory, or one that does not exist yet";
            self.problem(at, problem, remedy);
        }
    }

    fn policy(&mut self, written: Option<Spanned<RawPolicy>>) -> (PathBuf, usize) {
        /// The maximum number of approvers in a request.
        const MAX_APPROVALS: usize = 50;
        let approvals = written.as_ref().and_then(|w| w.get_ref().0.approvals);
        if let Some(at) = &written
            && approvals.is_some_and(|n| n > MAX_APPROVALS)
        {
            let problem = format!("policy.approvals is not between 0 and {MAX_APPROVALS}");
            let remedy = "correct it, or remove it for the default of 1; 0 requires no approver";
            self.problem(at, problem, remedy);
        }
        let dir = written.and_then(|written| written.into_inner().0.dir);
        let dir = self.root.join(dir.as_deref().unwrap_or("policy"));
        (dir, approvals.unwrap_or(1))
    }

    /// Reads a length of time of `[limits]`. `default` is in seconds.
    fn limit(&mut self, name: &str, written: &Option<Spanned<String>>, default: u64) -> Duration {
        let written = written.as_ref();
        let read = written.and_then(|written| self.span(&format!("limits.{name}"), written));
        read.unwrap_or(Duration::from_secs(default))
    }

    /// Returns how long before its expiry a share is `expiring`. Reports the setting if no target
    /// asks for that notification.
    fn notice(&mut self, raw: &RawLimits, notify: &[NotifyConfig]) -> Option<Span> {
        let written = raw.notice.as_ref()?;
        let wants = |one: &NotifyConfig| one.subscription.on.contains(&NoticeKind::Expiring);
        if !notify.iter().any(wants) {
            let remedy = "add a [[notify]] whose `on` has \"expiring\", or remove it";
            let problem = "limits.notice has no effect: no [[notify]] asks for `expiring`";
            self.problem(written, problem, remedy);
        }
        self.span("limits.notice", written)?;
        written.get_ref().parse().ok()
    }
}

fn place<T>(written: &Option<Spanned<T>>) -> Option<Range<usize>> {
    written.as_ref().map(Spanned::span)
}
