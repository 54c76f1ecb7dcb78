//! Retention: finds requests that will never need work again, and removes all of their records
//! except record 0 from `requests/`. Takes the journal, the key that verifies its log, and an age.
//! Returns counts. It may be interrupted at any point and repeated, and may run concurrently.

use std::str::FromStr;

use futures_util::future::join_all;
use serde::Serialize;

use crate::domain::{NoticeRules, Problem, Span, Timestamp};
use crate::journal::log::VerifierKey;
use crate::journal::{History, Journal, JournalError, MAX_PAUSE, Retirement, State, StreamId};

/// Number of requests to work on concurrently.
const MAX_CONCURRENT: usize = 8;

/// The age at which a finished request is retired. It is at least [`MAX_PAUSE`], so that no worker
/// that was paused can still continue with the request.
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
                format!("{span} is less than one day"),
                remedy,
            ));
        }
        Ok(Self(span))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Number of retired requests: only the log's segments still have their records after record 0.
    /// In a dry run, the number of requests that would be retired.
    pub retired: u64,
    pub removed: u64,
    /// Number of requests that keep their records because some of these records are not sealed.
    pub unsealed: u64,
    /// Number of requests that keep their records because they are unfinished, too young or
    /// reopened, have an active grant, or owe a notification.
    pub kept: u64,
    pub failures: Vec<String>,
}

/// Counts the requests that [`retire`] would retire, without writing anything. If `key` is `None`,
/// no record has been sealed yet.
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

/// Removes the records of old finished requests from `requests/`, except record 0 of each request.
/// Reads every request that is not retired yet, and the whole log.
///
/// # Errors
/// Fails if the journal cannot be listed or its log is damaged. A failure that concerns one request
/// is added to the returned `Retention` instead.
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

/// Returns the requests that are old and finished, and a [`Retention`] that counts the others.
async fn due(
    journal: &Journal,
    age: &Age,
    now: Timestamp,
    rules: &NoticeRules,
) -> Result<(Vec<StreamId>, Retention), JournalError> {
    let mut retention = Retention::default();
    let finished = |state: &State| {
        let age_now = now.duration_since(state.updated_at()).as_secs();
        // Keep a request that was reopened. If such a request was denied at first, a repeated
        // delivery needs its `reopened` record.
        let open = state.next_look(rules, now).is_some() || state.reopened_at().is_some();
        age_now >= age.0.seconds() && !state.live(now) && !open
    };
    let mut due = Vec::new();
    for some in journal.not_retired().await?.chunks(MAX_CONCURRENT) {
        for read in join_all(some.iter().map(|stream| journal.read(*stream))).await {
            match read {
                Ok(history) => match history.and_then(History::into_state) {
                    Some(state) if finished(&state) => due.push(state.stream()),
                    Some(_) => retention.kept += 1,
                    None => {}
                },
                Err(error) if error.concerns_one_request() => {
                    retention.failures.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok((due, retention))
}
