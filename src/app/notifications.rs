//! Lists notifications, and delivers again those that were given up. In: the journal, the names of
//! a target and of a request. Out: entries, the newest requests first.

use serde::Serialize;

use crate::domain::{NoticeKind, NotifyName, Timestamp};
use crate::journal::{JournalError, NotificationState, Owed, State};

use super::deliver_notifications::Failures;
use super::queries::find_requests;
use super::{App, Deadline, Listed};

/// Whether a notification was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationStatus {
    /// Due at the entry's instant.
    Owed,
    /// Delivered at the entry's instant.
    Sent,
    /// Given up at the entry's instant.
    GivenUp,
}

/// One notification of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotificationEntry {
    /// The `[[notify]]`.
    pub notify: NotifyName,
    /// The request, `source/id`.
    pub request: String,
    /// Its subject.
    pub on: NoticeKind,
    /// Its state.
    pub state: NotificationStatus,
    /// Attempts so far.
    pub attempts: u32,
    /// See the state.
    pub at: Timestamp,
    /// Why the newest attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl App {
    /// The notifications of all requests, or of the newest `limit` requests.
    ///
    /// # Errors
    /// The store failed.
    pub async fn notifications(
        &self,
        limit: Option<usize>,
    ) -> Result<Listed<NotificationEntry>, JournalError> {
        let (states, flaws) = self.newest_states(limit).await?;
        let entries = states.iter().flat_map(|state| self.entries(state));
        Ok(Listed {
            entries: entries.collect(),
            flaws,
        })
    }

    /// Delivers again what was given up for this target, for the requests with this id or the one
    /// with this `source/id`. Returns the state of those notifications.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retry_notifications(
        &self,
        notify: &NotifyName,
        request: &str,
        deadline: Deadline,
    ) -> Result<Listed<NotificationEntry>, JournalError> {
        self.prove_journal().await?;
        let Listed { entries, flaws } = find_requests(&self.journal, request, self.now()).await?;
        let mut ends = Vec::new();
        for state in entries {
            let mut again = state.given_up(notify);
            again.extend(state.owed(self.prepared.notice_rules(), self.now()));
            again.retain(|owed| owed.notice.notify == *notify);
            let noticed: Vec<_> = again.iter().map(|owed| owed.notice.clone()).collect();
            let failures = Failures::default();
            let state = self
                .deliver(state, again, &failures, false, deadline)
                .await?;
            let attempted = state.attempted_notifications().iter();
            let repeated = attempted.filter(|known| noticed.contains(&known.notice));
            ends.extend(repeated.map(|known| entry(&state, known)));
        }
        Ok(Listed {
            entries: ends,
            flaws,
        })
    }

    fn entries(&self, state: &State) -> Vec<NotificationEntry> {
        let attempted = state.attempted_notifications().iter();
        let attempted = attempted.map(|known| entry(state, known));
        let owed = state.owed(self.prepared.notice_rules(), self.now());
        let new = owed.into_iter().filter(|owed| owed.attempt == 1);
        let new = new.map(|Owed { notice, at, .. }| NotificationEntry {
            notify: notice.notify,
            request: state.identity().to_string(),
            on: notice.on,
            state: NotificationStatus::Owed,
            attempts: 0,
            at,
            why: None,
        });
        attempted.chain(new).collect()
    }
}

fn entry(state: &State, known: &NotificationState) -> NotificationEntry {
    let (status, at) = match (known.delivered, known.not_before) {
        (true, _) => (NotificationStatus::Sent, known.at),
        (false, Some(next)) => (NotificationStatus::Owed, next),
        (false, None) => (NotificationStatus::GivenUp, known.at),
    };
    NotificationEntry {
        notify: known.notice.notify.clone(),
        request: state.identity().to_string(),
        on: known.notice.on,
        state: status,
        attempts: known.attempts,
        at,
        why: known.why.clone(),
    }
}
