//! Opens the journal for a command that only reads: the configured journal, or the one that the
//! command line names. Needs no secret of a sender, and creates nothing.

use std::path::Path;

use crate::app::{JournalReader, Listed, journal_to_read};
use crate::clock;
use crate::config::Config;
use crate::domain::{NoticeRules, Problem, Timestamp};
use crate::entrypoints::outcome::Exit;
use crate::journal::{FilePlace, Journal, JournalLocation};

use super::list_args::JournalPlace;
use super::print::errln;
use super::terminal::counting;
use super::{Context, Failure};

pub(super) struct ReadJournal {
    pub(super) journal: Journal,
    /// `None` if the command line names the journal, because then no configuration is read.
    pub(super) config: Option<Config>,
    pub(super) location: JournalLocation,
    index: Option<JournalLocation>,
    pub(super) now: Timestamp,
    pub(super) rules: NoticeRules,
    missing: bool,
}

impl ReadJournal {
    pub(super) fn open(context: &Context, place: &JournalPlace) -> Result<Self, Failure> {
        let context = &context_of(context, place);
        let (config, location, index) = match &place.journal {
            Some(journal) => {
                let index = place.index.as_deref();
                let index = index
                    .map(|index| parsed_place("--index", index))
                    .transpose()?;
                (None, parsed_place("--journal", journal)?, index)
            }
            None => {
                let config = context.load_to_read(false)?;
                let (location, index) = (config.journal.clone(), config.index.clone());
                (Some(config), location, index)
            }
        };
        // `journal_to_read` fails if it cannot find out whether the directory exists. So if
        // `exists` returns false below, the directory is really missing.
        let journal = journal_to_read(&location, index.as_ref(), &context.vars)?;
        if let (None, JournalLocation::Directory(directory)) = (&config, &location) {
            require_journal(directory)?;
        }
        let missing =
            matches!(&location, JournalLocation::Directory(directory) if !directory.exists());
        Ok(Self {
            journal,
            rules: config
                .as_ref()
                .map(Config::notice_rules)
                .unwrap_or_default(),
            now: clock::system_now(),
            config,
            location,
            index,
            missing,
        })
    }

    /// Refuses a place where the report would overwrite the journal or a file that the
    /// configuration names.
    pub(super) fn allows_report_at(&self, place: &FilePlace) -> Result<(), Problem> {
        match &self.config {
            Some(config) => config.allows_report_at(place),
            None => place.outside(&self.location, self.index.as_ref()),
        }
    }

    pub(super) fn reader(&self) -> JournalReader<'_> {
        let reader = JournalReader::new(&self.journal, &self.rules, self.now);
        match &self.config {
            Some(config) => reader.with_retry_age(config.retry_age),
            None => reader,
        }
    }

    pub(super) async fn during<T>(&self, reading: impl Future<Output = T>) -> T {
        counting("reading the journal", self.journal.work_done(), reading).await
    }

    /// Returns the reason why the journal must be empty, or `None` if it may have records.
    pub(super) fn why_empty(&self) -> Option<String> {
        match &self.location {
            JournalLocation::Memory => {
                Some("each process has its own `memory:` journal, and this one is empty".to_owned())
            }
            location if self.missing => Some(format!(
                "{location} does not exist yet: the first request creates it"
            )),
            _ => None,
        }
    }
}

/// Returns the context for reading the configured journal or, with `--sandbox`, the journal of the
/// stand-in cloud.
#[cfg(feature = "sandbox")]
pub(super) fn context_of(context: &Context, place: &JournalPlace) -> Context {
    match place.sandbox {
        true => context.at_sandbox(super::sandbox::default_address()),
        false => context.clone(),
    }
}

/// The context of the configured journal. This build has no stand-in cloud.
#[cfg(not(feature = "sandbox"))]
pub(super) fn context_of(context: &Context, _place: &JournalPlace) -> Context {
    context.clone()
}

fn parsed_place(option: &str, place: &str) -> Result<JournalLocation, Failure> {
    let parsed = place.parse();
    parsed.map_err(|problem| Failure::option(option, &problem))
}

/// Prints a warning for each unreadable stream. Returns [`Exit::Failed`] if there is one, because
/// the list is then incomplete.
pub(super) fn warned<T>(listed: &Listed<T>) -> Exit {
    for flaw in &listed.flaws {
        errln!("warning: {flaw}");
    }
    Exit::done_if(listed.flaws.is_empty())
}

/// Returns the only entry of `found`, the list of requests with this id. Fails if there is none, or
/// more than one.
pub(super) fn only<'a, T>(
    found: &'a Listed<T>,
    id: &str,
    name: impl Fn(&T) -> String,
    journal: &ReadJournal,
) -> Result<&'a T, Failure> {
    match &*found.entries {
        [one] => Ok(one),
        [] if !found.flaws.is_empty() => Err(Failure::Failed(format!(
            "some requests cannot be read, and one of them may have the id {id:?}; name the request as SOURCE/ID"
        ))),
        [] => Err(Failure::Failed(match journal.why_empty() {
            Some(why) => format!("no request {id:?}: {why}"),
            None => format!(
                "the journal has no request {id:?}; `sharehook requests` lists them, with --ticket those of a ticket"
            ),
        })),
        _ => Err(Failure::Usage(format!(
            "{id:?} names several requests; name one of {}",
            found
                .entries
                .iter()
                .map(name)
                .collect::<Vec<_>>()
                .join(", ")
        ))),
    }
}

/// Refuses a directory with other content than a journal's: the path on the command line is wrong.
fn require_journal(directory: &Path) -> Result<(), Failure> {
    let has = |inner: &str| directory.join(inner).exists();
    let filled = std::fs::read_dir(directory).is_ok_and(|mut names| names.next().is_some());
    // `log` alone is a name that other folders have too.
    let of_journal = ["requests", "index", "workers", "probe", "log/segments"];
    if !filled || of_journal.into_iter().any(has) {
        return Ok(());
    }
    let problem = format!("{} is not a journal", directory.display());
    let remedy = "write file:DIR, where DIR contains requests/";
    Err(Failure::option(
        "--journal",
        &Problem::new("journal", problem, remedy),
    ))
}
