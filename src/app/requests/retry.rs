//! Reopens an ended request for an operator. The request is decided again with its original
//! requester and approvers, and is then carried out or waits for its `not_before`.

use std::fmt;

use crate::app::reader::{Listed, find_requests, why_no_retry};
use crate::app::{Answer, App, Deadline, Ending, context};
use crate::domain::{Problems, ShareRequest, SourceName, Timestamp};
use crate::journal::{JournalError, Phase, State};
use crate::policy::Decision;

use super::first_look::FirstLook;
use super::permission::Permission;

/// The operator at the command line, and the configured source in whose name the operator acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name of a configured source.
    pub source: SourceName,
    /// The name of the operator.
    pub requester: String,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.requester)
    }
}

/// The result of reopening a request.
#[derive(Debug)]
pub enum Retried {
    /// The request was reopened. A worker took a turn at it, or it waits for its `not_before`. The
    /// answer shows the state afterwards.
    Reopened(Ending, Box<Answer>),
    /// An announcement that had led to no request was worked off. The answers are those to its
    /// requests; without one, the answer is `ignored` or `pending` and says why.
    Fetched(Vec<(Ending, Answer)>),
    /// The current policies deny the request. The journal records the attempt, and the request
    /// stays closed. The answer shows the reasons.
    Denied(Box<Answer>),
    /// The request stays closed, for the given reason.
    StaysClosed(String),
}

/// Why a request could not be reopened.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The journal has no such request.
    #[error(
        "the journal has no request {0:?}; `sharehook requests` lists them, and \
         `sharehook requests --announced --settled` the approvals that led to no request"
    )]
    Unknown(String),
    /// Some requests cannot be read, and one of them may have this id.
    #[error(
        "some requests cannot be read, and one of them may have the id {name:?}; \
         name the request as SOURCE/ID\n  {}",
        .flaws.join("\n  ")
    )]
    Unread {
        /// The ambiguous id.
        name: String,
        /// Which requests cannot be read, and why.
        flaws: Vec<String>,
    },
    /// Several sources have a request with this id.
    #[error("several requests have this id; name one of {}", .0.join(", "))]
    Several(Vec<String>),
    /// The operator's name or the reason is invalid.
    #[error(transparent)]
    Invalid(#[from] Problems),
    /// The configuration has no such source.
    #[error("--as: no source has the name {0}; `sharehook check` lists the sources")]
    UnknownSource(SourceName),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl App {
    /// If `name` is an announcement that led to no request, fetches its instance again. Otherwise
    /// decides a failed, denied or partial request again under the current policies, and carries it
    /// out. If its `not_before` has not come yet, the request waits instead and is decided once
    /// more at that instant.
    pub async fn retry(
        &self,
        name: &str,
        by: &Operator,
        reason: &str,
        deadline: Deadline,
    ) -> Result<Retried, RetryError> {
        ShareRequest::check_reopening(&by.requester, reason)?;
        if self.prepared.intake(&by.source).is_none() {
            return Err(RetryError::UnknownSource(by.source.clone()));
        }
        if let Some(fetched) = Box::pin(self.fetch_again(name, by, reason, deadline)).await? {
            return Ok(fetched);
        }
        let now = self.now();
        let state = self.only_request(name, now).await?;
        let max_age = Some(self.config().retry_age);
        let no_retry = why_no_retry(&self.journal, &state, max_age, now).await?;
        let (None, Some(request)) = (&no_retry, state.remaining()) else {
            let why = no_retry.unwrap_or_default();
            return Ok(Retried::StaysClosed(format!("{}: {why}", state.identity())));
        };
        let decision = self.decide(state.identity(), &request, now, state.approved_at());
        let verdict = match &decision {
            Decision::Allow(approved) => approved.verdict().clone(),
            Decision::Deny(verdict) => verdict.clone(),
        };
        self.prove_create_only().await?;
        self.find_source(&request).await?;
        let deadline = context::turn_deadline(deadline);
        let lease = self.worker_lease(now, deadline)?;
        let (identity, allowed) = (state.identity().clone(), verdict.allowed);
        let reopened =
            self.journal
                .reopen(state, lease, by.to_string(), reason.to_owned(), verdict);
        let Some(claim) = reopened.await? else {
            return Ok(Retried::StaysClosed(format!(
                "{identity}: another worker changed it first; `sharehook explain` shows it, then try again"
            )));
        };
        tracing::info!(request = %identity, %by, reason, allowed, "the policies decided a request again for a retry");
        match decision {
            Decision::Deny(verdict) => {
                let answer = Answer::denied(&identity.id, &request, &verdict);
                let record = Answer::of_state(claim.state()).record;
                Ok(Retried::Denied(Box::new(Answer { record, ..answer })))
            }
            Decision::Allow(approved) => {
                let after = if matches!(claim.state().phase(), Phase::Waiting { .. }) {
                    claim.state().clone()
                } else {
                    let (permission, look) = (Permission::Granted(approved), FirstLook::default());
                    Box::pin(self.work_off_claim(claim, permission, look, deadline)).await?
                };
                let (ending, answer) = self.answer_and_notify(&after, false);
                Ok(Retried::Reopened(ending, Box::new(answer)))
            }
        }
    }

    async fn only_request(&self, name: &str, now: Timestamp) -> Result<State, RetryError> {
        let Listed { entries, flaws, .. } = find_requests(&self.journal, name, now).await?;
        if !flaws.is_empty() {
            let name = name.to_owned();
            return Err(RetryError::Unread { name, flaws });
        }
        match <[State; 1]>::try_from(entries) {
            Ok([state]) => Ok(state),
            Err(none) if none.is_empty() => Err(RetryError::Unknown(name.to_owned())),
            Err(several) => {
                let names = several.iter().map(|state| state.identity().to_string());
                Err(RetryError::Several(names.collect()))
            }
        }
    }
}
