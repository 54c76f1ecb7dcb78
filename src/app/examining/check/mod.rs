//! Finds all problems and dangers of a configuration at once. Takes the configuration file, the
//! environment variables, the fetched secrets and the current time. Returns an [`Examination`].
//! Opens no journal and makes no call to the cloud.

mod dangers;
mod deployment;

use std::path::Path;

use crate::app::rules::{Parts, PolicyOrigin, Prepared};
use crate::config::{AwsSecrets, Config, Draft, Vars};
use crate::domain::{Danger, Problem, Problems, Timestamp, Warning};
use crate::journal::{Access, FilePlace, JournalLocation};

pub(super) use dangers::{all as dangers, lost_journal};

/// Dangers that are not reported while the configuration has problems. A wrong value is replaced by
/// the default, and the default may be the only cause of such a danger.
const FOLLOWING: [Danger; 4] = [
    Danger::LostJournal,
    Danger::UnsealedJournal,
    Danger::UnknownSource,
    Danger::UnmentionedSource,
];

#[derive(Debug)]
pub(crate) struct Examination {
    pub problems: Vec<Problem>,
    /// The dangers of the configuration, except those that `[check] allow` names. Empty if a value
    /// in the file cannot be read, because the dangers depend on the values.
    pub warnings: Vec<Warning>,
    pub prepared: Option<Prepared>,
}

impl Examination {
    pub(crate) fn of(path: &Path, vars: &Vars, fetched: &AwsSecrets, now: Timestamp) -> Self {
        match Config::draft(path, vars, fetched) {
            Ok(mut draft) => {
                draft.problems.extend(endpoints(&draft.config, vars));
                Self::of_draft(draft, now)
            }
            Err(Problems(problems)) => Self {
                problems,
                warnings: Vec::new(),
                prepared: None,
            },
        }
    }

    fn of_draft(draft: Draft, now: Timestamp) -> Self {
        let Draft {
            config,
            mut problems,
            complete,
        } = draft;
        let parts = Parts::compile(&config, PolicyOrigin::Validated);
        let mut warnings = match complete {
            true => dangers(&config, parts.policies.as_deref(), now),
            false => Vec::new(),
        };
        if !problems.is_empty() {
            warnings.retain(|warning| !FOLLOWING.contains(&warning.danger));
        }
        problems.extend(parts.problems.iter().cloned());
        let prepared = match problems.is_empty() {
            true => Prepared::assemble(config, parts).ok(),
            false => None,
        };
        problems.sort_by_key(in_file);
        Self {
            problems,
            warnings,
            prepared,
        }
    }
}

impl Prepared {
    /// Returns the dangers that are found without secrets, except those that `[check] allow` names.
    pub fn dangers_without_secrets(&self, now: Timestamp) -> Vec<Warning> {
        let mut found = dangers(self.config(), Some(&self.policies), now);
        let needs = [Danger::SharedSecret, Danger::UnsealedJournal];
        found.retain(|warning| !needs.contains(&warning.danger));
        found
    }
}

/// Returns the problems with the endpoints of the object stores that the configuration names. At
/// its start the program would find the same problems when it opens the journal.
fn endpoints(config: &Config, vars: &Vars) -> Vec<Problem> {
    let access = Access::without_client(vars);
    let journals = [Some(&config.journal), config.index.as_ref()];
    let journals = journals
        .into_iter()
        .flatten()
        .filter_map(|place| match place {
            JournalLocation::Bucket(bucket) => Some(bucket),
            JournalLocation::Directory(_) | JournalLocation::Memory => None,
        });
    let report = config.report.published.as_ref();
    let report = report.and_then(|published| match &published.to {
        FilePlace::Object(bucket) => Some(bucket),
        FilePlace::File(_) => None,
    });
    let checked = journals.chain(report);
    let mut problems: Vec<Problem> = checked
        .filter_map(|bucket| access.check_endpoints(bucket).err())
        .collect();
    problems.dedup();
    problems
}

/// Returns the key that sorts problems by file, and within a file by line and column.
fn in_file(problem: &Problem) -> (String, usize, usize) {
    match &problem.mark {
        Some(mark) => (mark.file.clone(), mark.line, mark.column),
        None => (problem.field.clone(), 0, 0),
    }
}
