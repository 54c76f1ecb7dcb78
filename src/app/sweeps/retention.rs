//! Retention: finds requests that will never need work again, and removes their records except
//! record 0 from `requests/`. In: the journal, the key that verifies its log, an age. Out: counts.
//! May be interrupted at any point and repeated, also concurrently.

use std::str::FromStr;

use futures_util::future::join_all;
use serde::Serialize;

use crate::domain::{NoticeRules, Problem, Span, Timestamp};
use crate::journal::log::VerifierKey;
use crate::journal::{History, Journal, JournalError, MAX_PAUSE, Retirement, State, StreamId};

/// Number of requests to work on at once.
const MAX_CONCURRENT: usize = 8;

/// The minimum age of a finished request that is to be retired. At least [`MAX_PAUSE`], so that no
/// paused worker continues with the request.
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

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Requests whose records, except record 0, are now only in the log's segments, or in a dry run
    /// would be.
    pub retired: u64,
    pub removed: u64,
    /// Requests that keep their records because not all of them are sealed.
    pub unsealed: u64,
    /// Requests that keep their records: unfinished, too young, reopened, with an active grant, or
    /// with a notification owed.
    pub kept: u64,
    pub failures: Vec<String>,
}

/// Checks which requests [`retire`] would retire. Writes nothing. Without a `key`, no record is
/// sealed yet.
pub(crate) async fn retirable(
    journal: &Journal,
    age: &Age,
    key: Option<&VerifierKey>,
    now: Timestamp,
    rules: &NoticeRules,
) -> Result<Retention, JournalError> {
    let Some(key) = key else {
        let (due, retention) = due(journal, age, now, rules).await?;
        let unsealed = due.len() as u64;
        return Ok(Retention {
            unsealed,
            ..retention
        });
    };
    retire_all(journal, age, key, now, rules, true).await
}

/// Removes the records of old finished requests from `requests/`, except record 0 of each. Reads
/// every request that is not retired yet, and the whole log.
///
/// # Errors
/// The journal cannot be listed, or its log is damaged. The report has the failures of single
/// requests.
pub async fn retire(
    journal: &Journal,
    age: &Age,
    key: &VerifierKey,
    now: Timestamp,
    rules: &NoticeRules,
) -> Result<Retention, JournalError> {
    retire_all(journal, age, key, now, rules, false).await
}

async fn retire_all(
    journal: &Journal,
    age: &Age,
    key: &VerifierKey,
    now: Timestamp,
    rules: &NoticeRules,
    dry_run: bool,
) -> Result<Retention, JournalError> {
    let (log, _) = journal.verified_log(key).await?;
    let (due, mut retention) = due(journal, age, now, rules).await?;
    for some in due.chunks(MAX_CONCURRENT) {
        let retirements = some
            .iter()
            .map(|stream| journal.retire(*stream, &log, dry_run));
        for retirement in join_all(retirements).await {
            match retirement {
                Ok(Retirement::Removed(records)) => {
                    retention.retired += 1;
                    retention.removed += records;
                }
                Ok(Retirement::Unsealed) => retention.unsealed += 1,
                Err(error) if error.concerns_one_request() => {
                    retention.failures.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(retention)
}

/// Returns the requests that may be retired, and a report on the others.
async fn due(
    journal: &Journal,
    age: &Age,
    now: Timestamp,
    rules: &NoticeRules,
) -> Result<(Vec<StreamId>, Retention), JournalError> {
    let mut retention = Retention::default();
    let mut states = Vec::new();
    for some in journal.not_retired().await?.chunks(MAX_CONCURRENT) {
        for read in join_all(some.iter().map(|stream| journal.read(*stream))).await {
            match read {
                Ok(history) => states.extend(history.and_then(History::into_state)),
                Err(error) if error.concerns_one_request() => {
                    retention.failures.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
    }
    let finished = |state: &&State| {
        let age_now = now.duration_since(state.updated_at()).as_secs();
        // Keep a reopened request. If it was denied at first, the look-up for a repeated delivery
        // reads on to its `reopened` record.
        let open = state.next_look(rules, now).is_some() || state.reopened_at().is_some();
        age_now >= age.0.seconds() && !state.live(now) && !open
    };
    let due: Vec<StreamId> = states.iter().filter(finished).map(State::stream).collect();
    retention.kept = (states.len() - due.len()) as u64;
    Ok((due, retention))
}
