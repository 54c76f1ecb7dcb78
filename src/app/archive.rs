//! Retention: which requests are finished for good, and what is done with their records. In: the
//! journal, a place for copies, an age. Out: counts. May be stopped at any instruction and begun
//! again, also by two at once.

mod place;

use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::clock;
use crate::domain::{Problem, Span, Timestamp};
use crate::journal::seal::VerifierKey;
use crate::journal::{Filed, Journal, JournalError, MAX_PAUSE, Removal, State, StreamId, Worker};

use super::queries::read_all;

pub use place::archive_place;

/// Requests that are worked on at once.
const MAX_CONCURRENT: usize = 8;

/// How old a finished request must be: at least [`MAX_PAUSE`], so that no worker that once had
/// it goes on with it.
#[derive(Debug, Clone)]
pub struct Age(Span);

impl FromStr for Age {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let named = |problem: Problem| Problem {
            field: "--older-than".to_owned(),
            ..problem
        };
        let span: Span = text.parse().map_err(named)?;
        if span.seconds() < MAX_PAUSE.as_secs() {
            let remedy = "write one day or more, as in \"365d\"";
            return Err(Problem::new(
                "--older-than",
                format!("{span} is too short"),
                remedy,
            ));
        }
        Ok(Self(span))
    }
}

/// What is to be archived and how.
#[derive(Debug, Clone)]
pub struct ArchiveOrder {
    /// Only requests whose last step is at least so old.
    pub age: Age,
    /// Whether records are removed once a seal covers the record that stands for them.
    pub delete: bool,
    /// The key that the seals are checked with. Without it nothing is removed.
    pub key: Option<VerifierKey>,
}

/// What archiving did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Archiving {
    /// Requests that were archived by this run, or would be by one that is not dry.
    pub archived: u64,
    /// Their records, all copied.
    pub copied: u64,
    /// Requests that were archived before.
    pub before: u64,
    /// Requests that are not: unfinished, younger, or with a share that stands.
    pub kept: u64,
    /// Records that were removed from the journal.
    pub removed: u64,
    /// Archived requests of which nothing was removed because no seal covers their archived record
    /// yet.
    pub unsealed: u64,
    /// What could not be read, copied or removed, and why.
    pub failures: Vec<String>,
}

/// The requests that are to be archived, those that are, and the beginning of the report.
struct Sorted {
    due: Vec<StreamId>,
    filed: Vec<StreamId>,
    report: Archiving,
}

/// Counts what [`archive`] would archive. Nothing is written.
///
/// # Errors
/// When the journal cannot be listed.
pub async fn archivable(
    journal: &Journal,
    age: &Age,
    now: Timestamp,
) -> Result<Archiving, JournalError> {
    let Sorted { due, report, .. } = sorted(journal, age, now).await?;
    Ok(Archiving {
        archived: due.len() as u64,
        ..report
    })
}

/// Archives what is finished and old enough. Its cost grows with the whole journal, which is read.
///
/// # Errors
/// When the journal cannot be listed, a seal is damaged, or the place holds another journal's
/// archive. What fails for one request is in the report; a store that fails ends the run there.
pub async fn archive(
    journal: &Journal,
    to: &Journal,
    order: &ArchiveOrder,
    now: Timestamp,
) -> Result<Archiving, JournalError> {
    let Sorted {
        due,
        mut filed,
        mut report,
    } = sorted(journal, &order.age, now).await?;
    journal.copy_seals(to).await?;
    if file(journal, to, &due, now, &mut report).await? && order.delete {
        filed.extend(due);
        remove(journal, to, &filed, order.key.as_ref(), &mut report).await?;
    }
    Ok(report)
}

async fn sorted(journal: &Journal, age: &Age, now: Timestamp) -> Result<Sorted, JournalError> {
    let (states, unreadable) = read_all(journal).await?;
    let failures = unreadable
        .into_iter()
        .map(|(_, error)| error.to_string())
        .collect();
    let (mut due, mut filed) = (Vec::new(), Vec::new());
    let mut report = Archiving {
        failures,
        ..Archiving::default()
    };
    for state in &states {
        if state.archived() {
            filed.push(state.stream());
        } else if finished(state, age, now) {
            due.push(state.stream());
        } else {
            report.kept += 1;
        }
    }
    report.before = filed.len() as u64;
    Ok(Sorted { due, filed, report })
}

/// Whether nothing is due ever, nothing stands, and the last step is old enough.
fn finished(state: &State, age: &Age, now: Timestamp) -> bool {
    now.duration_since(state.updated_at()).as_secs() >= age.0.seconds() && !state.live(now)
}

/// Copies and archives; whether both places could be used to the end.
async fn file(
    journal: &Journal,
    to: &Journal,
    due: &[StreamId],
    now: Timestamp,
    report: &mut Archiving,
) -> Result<bool, JournalError> {
    let worker = Worker::from_random(clock::fresh_bytes().map_err(JournalError::NoRandomness)?);
    let work = |stream| {
        let (journal, to, worker) = (journal.clone(), to.clone(), worker.clone());
        async move { journal.archive(stream, &to, now, worker).await }
    };
    let mut failures = Vec::new();
    let to_the_end = each(due, work, &mut failures, |filed| match filed {
        Filed::Now(records) => {
            report.archived += 1;
            report.copied += records;
        }
        Filed::Before => report.before += 1,
    });
    let to_the_end = to_the_end.await?;
    report.failures.extend(failures);
    Ok(to_the_end)
}

/// Removes what is sealed, archived and copied. The seals are copied first: without them a copy
/// proves nothing.
async fn remove(
    journal: &Journal,
    to: &Journal,
    filed: &[StreamId],
    key: Option<&VerifierKey>,
    report: &mut Archiving,
) -> Result<(), JournalError> {
    let Some(key) = key else {
        report.unsealed = filed.len() as u64;
        return Ok(());
    };
    let log = Arc::new(journal.whole_log(key).await?);
    journal.copy_seals(to).await?;
    let work = |stream| {
        let (journal, to, log) = (journal.clone(), to.clone(), Arc::clone(&log));
        async move { journal.remove_archived(stream, &to, &log).await }
    };
    let mut failures = Vec::new();
    let removing = each(filed, work, &mut failures, |removal| match removal {
        Removal::Removed(records) => report.removed += records,
        Removal::Unsealed => report.unsealed += 1,
    });
    removing.await?;
    report.failures.extend(failures);
    Ok(())
}

/// Does the same for each stream, some at once; whether none failed because of a store. After that
/// no more is begun: the next request would fail in the same way.
async fn each<T: Send + 'static, F: Future<Output = Result<T, JournalError>> + Send + 'static>(
    streams: &[StreamId],
    work: impl Fn(StreamId) -> F,
    failures: &mut Vec<String>,
    mut done: impl FnMut(T),
) -> Result<bool, JournalError> {
    let mut waiting = streams.iter().copied();
    let mut running = JoinSet::new();
    let mut stopped = false;
    loop {
        while running.len() < MAX_CONCURRENT
            && !stopped
            && let Some(stream) = waiting.next()
        {
            running.spawn(work(stream));
        }
        let Some(joined) = running.join_next().await else {
            return Ok(!stopped);
        };
        let doing = "the archiving";
        match joined.map_err(|source| JournalError::BrokeOff { doing, source })? {
            Ok(end) => done(end),
            Err(error) => {
                stopped |= !error.concerns_one_request();
                failures.push(error.to_string());
            }
        }
    }
}
