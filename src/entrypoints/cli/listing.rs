//! The filters of lists: reads the command line's, and says why a list is empty.

use jiff::SignedDuration;

use crate::app::{Listed, ReceiverFilter, RequestState, Subject};
use crate::domain::{AccountId, Problem, Span, Timestamp};
use crate::entrypoints::outcome::Exit;
use crate::journal::Standing;

use super::list_args::ListFilters;
use super::print::outln;
use super::reading::{ReadJournal, warned};
use super::{Context, Failure};

/// The words for a state that a filter may use.
pub(super) trait StateWord: Copy + PartialEq + 'static {
    const ALL: &'static [Self];
    fn word(self) -> &'static str;
}

impl StateWord for RequestState {
    const ALL: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl StateWord for Standing {
    const ALL: &'static [Self] = &[Self::Active, Self::Covered, Self::Overdue];
    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// Reads `--state`, each of which may be a list with commas.
pub(super) fn states<S: StateWord>(given: &[String]) -> Result<Vec<S>, Failure> {
    let words = given.iter().flat_map(|text| text.split(','));
    let read = |word: &str| {
        let known = S::ALL.iter().find(|state| state.word() == word).copied();
        known.ok_or_else(|| {
            let all: Vec<_> = S::ALL.iter().map(|state| state.word()).collect();
            Failure::Usage(format!(
                "--state: {word:?} is no state; name one of {}",
                all.join(", ")
            ))
        })
    };
    words.map(read).collect()
}

/// Reads `--since`: an instant, or a length of time before `now`.
pub(super) fn since(given: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = given else { return Ok(None) };
    let before = |span: Span| {
        let span = SignedDuration::from_secs(span.seconds());
        now.checked_sub(span).unwrap_or(Timestamp::MIN)
    };
    let read = text.parse::<Timestamp>().ok();
    let read = read.or_else(|| text.parse().ok().map(before));
    read.map(Some).ok_or_else(|| {
        Failure::Usage(format!(
            "--since: {text:?} is neither an instant, as in 2026-11-21T08:00:00Z, nor a length of time, as in 7d"
        ))
    })
}

/// Reads the filters that name what a list is about.
pub(super) fn subject(filters: &ListFilters) -> Result<Subject, Failure> {
    let wrong = |option: &str, problem: Problem| {
        Failure::Usage(format!("{option}: {}; {}", problem.problem, problem.remedy))
    };
    let source = filters.source.as_deref().map(str::parse).transpose();
    let image = filters.image.as_deref().map(str::parse).transpose();
    let receiver = filters.account.as_deref().map(receiver).transpose();
    Ok(Subject {
        source: source.map_err(|problem| wrong("--source", problem))?,
        image: image.map_err(|problem| wrong("--image", problem))?,
        receiver: receiver.map_err(|problem| wrong("--account", problem))?,
        ticket: filters.ticket.clone(),
    })
}

fn receiver(text: &str) -> Result<ReceiverFilter, Problem> {
    if text.eq_ignore_ascii_case(ReceiverFilter::Lighthouse.as_str()) {
        return Ok(ReceiverFilter::Lighthouse);
    }
    text.parse::<AccountId>().map(ReceiverFilter::Account)
}

/// Refuses a `--source` that is not configured, unless the journal has requests of it.
pub(super) fn known_source<T>(
    source: Option<&str>,
    journal: &ReadJournal,
    listed: &Listed<T>,
) -> Result<(), Failure> {
    let (Some(source), Some(config)) = (source, &journal.config) else {
        return Ok(());
    };
    let names: Vec<_> = config.sources.iter().map(|one| one.name.as_str()).collect();
    if names.contains(&source) || !listed.entries.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "--source: no source has the name {source:?}; the configuration has {}",
        names.join(", ")
    )))
}

/// Prints a list as JSON, or `table`, or why it is empty. `what` names its entries.
pub(super) fn print_list<T: serde::Serialize>(
    context: &Context,
    journal: &ReadJournal,
    what: &str,
    listed: &Listed<T>,
    table: impl FnOnce(&[T]) -> String,
) -> Exit {
    let least = if listed.older { "at least " } else { "" };
    let why = || match (journal.why_empty(), listed.left_out) {
        (Some(why), _) => format!("no {what}: {why}"),
        (None, 0) => format!("no {what} in {}", journal.location),
        (None, others) => {
            format!("no {what} match; without these filters there are {least}{others}")
        }
    };
    if context.json {
        outln!("{}", serde_json::json!(listed.entries));
        if listed.entries.is_empty() {
            eprintln!("{}", why());
        }
    } else if listed.entries.is_empty() {
        outln!("{}", why());
    } else {
        outln!("{}", table(&listed.entries));
    }
    warned(listed)
}
