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
use super::raw_notify::RawNotify;
use super::reader::{Reader, set};
use super::secrets::{SecretValues, Secrets};
use super::valid::{Config, Draft, NotifyConfig};
use super::vars::{SANDBOX_ENTRY, Vars, lost_disk};

/// Overrides `journal` in the file, for deployments that know its location only at run time.
const JOURNAL_VAR: &str = "SHAREHOOK_JOURNAL";
/// The variable for the index's place. Setting it is a mistake unless `SHAREHOOK_JOURNAL` is set
/// too. If `SHAREHOOK_JOURNAL` is set, the index in the file is ignored, because it belongs to the
/// file's journal.
const JOURNAL_INDEX_VAR: &str = "SHAREHOOK_JOURNAL_INDEX";

const BODY_BYTES: RangeInclusive<usize> = 1_024..=6 << 20;

const DAY: u64 = 86_400;

/// Reads as much of the configuration as possible. The result is valid if it has no problems.
///
/// # Errors
/// The text is not TOML, has a wrong value that cannot be left out, or has a hundred wrong values.
pub(super) fn draft(
    file: &str,
    text: &str,
    vars: &Vars,
    secrets: SecretValues<'_>,
) -> Result<Draft, Problems> {
    let (raw, problems, unread) = lenient::read(file, text)?;
    let mut reader = Reader {
        file,
        text,
        root: Path::new(file).parent().unwrap_or(Path::new("")),
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
    let (notify, read_fully) = reader.notify(&raw.notify, &sources, raw.source.len());
    let notice = reader.notice(limits, &raw.notify, &notify, read_fully);
    let seal = reader.seal(&raw.seal, journal.as_ref(), index.as_ref());
    let config = Config {
        allowed: reader.allowed(&raw.check),
        report: reader.report(&raw.report),
        file: file.to_owned(),
        text: text.to_owned(),
        secrets: reader.used,
        digest: hex::encode(Sha256::digest(text)),
        journal: journal.unwrap_or(JournalLocation::Memory),
        index,
        lost_disk: lost_disk(vars),
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
        problems: each_once(reader.problems),
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
            ("limits.seconds", place(&raw.limits.seconds), ""),
        ];
        let mark = |(name, span, variable): (_, Option<Range<usize>>, &str)| {
            let replaced =
                ["journal", "seal.key"].contains(&name) && set(self.vars, SANDBOX_ENTRY).is_some();
            let span = span.filter(|_| !replaced && set(self.vars, variable).is_none())?;
            Some((name, self.mark(span)))
        };
        spans.into_iter().filter_map(mark).collect()
    }

    fn allowed(&mut self, raw: &RawCheck) -> BTreeSet<Danger> {
        let written = raw.allow.iter();
        written
            .filter_map(|written| self.parsed("check.allow: ", written))
            .collect()
    }

    /// Returns the location of the journal, and that of the index if it has a place of its own. A
    /// location that is missing or cannot be parsed is `None`.
    fn journal(
        &mut self,
        written: Option<Spanned<RawJournal>>,
    ) -> (Option<JournalLocation>, Option<JournalLocation>) {
        if let Some(journal) = self.sandbox_journal() {
            return (Some(journal), None);
        }
        let index = set(self.vars, JOURNAL_INDEX_VAR);
        match (set(self.vars, JOURNAL_VAR), index) {
            (Some(place), index) => {
                let index = index.map(|index| (JOURNAL_INDEX_VAR, index.as_str()));
                return self.places((JOURNAL_VAR, place), index, None);
            }
            (None, Some(_)) => {
                let problem = format!("names the index of {JOURNAL_VAR}, which is not set");
                let remedy = "set both, or unset it and write the index under [journal]";
                let problem = Problem::new(JOURNAL_INDEX_VAR, problem, remedy);
                self.problems.push(problem);
            }
            (None, None) => {}
        }
        let Some(written) = written else {
            let remedy =
                "write journal = \"file:DIR\", or s3://bucket/prefix, gs://…, az://… or memory:";
            self.missing("journal", remedy);
            return (None, None);
        };
        let JournalTable { place, index } = &written.get_ref().0;
        let index = index
            .as_ref()
            .map(|index| ("journal.index", index.as_str()));
        self.places(("journal", place), index, Some(&written))
    }

    /// Reads the place of the journal and the place of its index. Each is given as the name of a
    /// setting or variable, with its value. `at` is `None` for variables.
    fn places(
        &mut self,
        (name, place): (&str, &str),
        index: Option<(&str, &str)>,
        at: Option<&Spanned<RawJournal>>,
    ) -> (Option<JournalLocation>, Option<JournalLocation>) {
        let place = self.place(name, place, at);
        let index = index.and_then(|(name, text)| {
            let index = self.place(name, text, at)?;
            if let Some((problem, remedy)) = wrong_index(&index, place.as_ref()) {
                self.wrong_place(name, at, Problem::new(name, problem, remedy));
            }
            Some(index)
        });
        (place, index)
    }

    /// Reads a place, or reports its problem. Also reports a directory that cannot exist, because
    /// its path or a parent of it is a file.
    fn place(
        &mut self,
        name: &str,
        text: &str,
        at: Option<&Spanned<RawJournal>>,
    ) -> Option<JournalLocation> {
        // An empty text is a stand-in for a missing field, which is already reported.
        if text.is_empty() && self.unread.has("journal.place") {
            return None;
        }
        let location = match text.parse::<JournalLocation>() {
            // A path in a variable is relative to the process's current folder, not to the file.
            Ok(location) if at.is_none() => location,
            Ok(location) => location.relative_to(self.root),
            Err(problem) => {
                self.wrong_place(name, at, problem);
                return None;
            }
        };
        if let JournalLocation::Directory(dir) = &location
            && let Some(file) = dir.ancestors().find(|path| path.exists() && !path.is_dir())
        {
            let problem = format!("{} is a file, not a directory", file.display());
            let remedy = "name a directory, or one that does not exist yet";
            self.wrong_place(name, at, Problem::new(name, problem, remedy));
        }
        Some(location)
    }

    fn wrong_place(&mut self, name: &str, at: Option<&Spanned<RawJournal>>, found: Problem) {
        match at {
            Some(at) => self.found(&format!("{name}: "), at, found),
            None => self.wrong_variable(name, found),
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

    fn limit(&mut self, name: &str, written: &Option<Spanned<String>>, default: u64) -> Duration {
        let written = written.as_ref();
        let read = written.and_then(|written| self.span(&format!("limits.{name}"), written));
        read.unwrap_or(Duration::from_secs(default))
    }

    /// Returns how long before a share's expiry the notification `expiring` is sent. Reports the
    /// setting if no target subscribes to this notification, and a target that names it in `on` if
    /// it is never sent. What was not read fully may have the other part, so nothing is reported
    /// then.
    fn notice(
        &mut self,
        raw: &RawLimits,
        targets: &[Spanned<RawNotify>],
        notify: &[NotifyConfig],
        read_fully: bool,
    ) -> Option<Span> {
        let Some(written) = raw.notice.as_ref() else {
            let named = targets
                .iter()
                .flat_map(|raw| raw.get_ref().on.iter().flatten());
            let is_expiring = |on: &&Spanned<String>| {
                on.get_ref().parse::<NoticeKind>() == Ok(NoticeKind::Expiring)
            };
            let unread = self.unread.has("limits.notice");
            for on in named.filter(is_expiring).filter(|_| !unread) {
                let problem = "on: expiring has no effect: [limits] notice is not set";
                self.problem(
                    on,
                    problem,
                    "write notice = \"3d\" in [limits], or remove it",
                );
            }
            return None;
        };
        let wants = |one: &NotifyConfig| one.subscription.on.contains(&NoticeKind::Expiring);
        if read_fully && !notify.iter().any(wants) {
            let remedy = "add a [[notify]] whose `on` has \"expiring\", or remove `notice`";
            let problem = "limits.notice has no effect: no [[notify]] asks for `expiring`";
            self.problem(written, problem, remedy);
        }
        self.span("limits.notice", written)?;
        written.get_ref().parse().ok()
    }
}

/// Returns why the index cannot be at `index`, and the remedy. `place` is the journal's place.
fn wrong_index(
    index: &JournalLocation,
    place: Option<&JournalLocation>,
) -> Option<(String, &'static str)> {
    if *index == JournalLocation::Memory {
        let remedy = "name a place that outlives the process";
        return Some((
            "is in memory, which is lost when the process ends".to_owned(),
            remedy,
        ));
    }
    let place = place?;
    if *place == JournalLocation::Memory {
        let problem = format!("{index} outlives the journal, which is in memory");
        return Some((problem, "leave the index out"));
    }
    let remedy = "name a place beside the journal's, or the journal's place itself";
    // Files of the index must not lie among the journal's records or in its log.
    let evidence = ["requests", "log"];
    if let Some(name) = evidence.iter().find(|name| index.is_in_folder(place, name)) {
        let problem = format!(
            "{index} lies in the journal's folder {name}, which has only the journal's files"
        );
        return Some((problem, remedy));
    }
    if place.is_in_folder(index, "index") {
        let problem = format!(
            "the journal's place {place} lies in the folder `index` of the index's place {index}"
        );
        return Some((problem, remedy));
    }
    None
}

/// Removes repeated problems, which occur because several tables can read the same variable.
fn each_once(problems: Vec<Problem>) -> Vec<Problem> {
    let mut once: Vec<Problem> = Vec::new();
    for problem in problems {
        if !once.contains(&problem) {
            once.push(problem);
        }
    }
    once
}

fn place<T>(written: &Option<Spanned<T>>) -> Option<Range<usize>> {
    written.as_ref().map(Spanned::span)
}
