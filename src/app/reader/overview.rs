//! Reads the requests, grants, notifications and incidents of a whole journal at once, for the
//! report.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::domain::Timestamp;
use crate::journal::{Drift, JournalError, State, StreamState, Subject};

use super::entries::{GrantEntry, NotificationEntry, RejectionEntry, RequestEntry, RequestState};
use super::filters::RequestFilter;
use super::journal_reader::JournalReader;
use super::newest::newest;

/// Number of requests to look up at once.
const READERS: usize = 16;

/// The content of a whole journal.
#[derive(Debug, Default)]
pub struct Overview {
    /// Every request, the latest approval first.
    pub requests: Vec<RequestEntry>,
    /// The failed and partial requests that `retry` refuses to reopen, as `source/id`.
    pub no_retry: BTreeSet<String>,
    /// The grants, sorted by expiry. Those without an expiry come last.
    pub grants: Vec<GrantEntry>,
    /// The notifications, newest first.
    pub notifications: Vec<NotificationEntry>,
    /// The rejected deliveries and the conflicts, newest first.
    pub rejections: Vec<RejectionEntry>,
    /// The newest scheduled comparison that found differences.
    pub drift: Option<(Timestamp, Drift)>,
    pub flaws: Vec<String>,
}

impl JournalReader<'_> {
    /// Reads the whole journal and returns its content.
    pub async fn overview(&self) -> Result<Overview, JournalError> {
        let mut overview = Overview::default();
        let read = |state: State| {
            let request = RequestEntry::of(&state);
            let failed = matches!(request.state, RequestState::Failed | RequestState::Partial);
            let failed = failed.then(|| state.clone());
            let grants = state
                .grant()
                .map(|grant| GrantEntry::all_of(&grant, self.now));
            let owed = self.notifications_of(StreamState::Request(Box::new(state)));
            Some((request, failed, grants, owed))
        };
        let all = RequestFilter::default();
        let requests = newest(self.newest_first().await?, &all, None, read).await?;
        let mut failed = Vec::new();
        for (request, of_failed, grants, owed) in requests.entries {
            overview.requests.push(request);
            failed.extend(of_failed);
            overview.grants.extend(grants.into_iter().flatten());
            overview.notifications.extend(owed);
        }
        let incidents = self.incidents(None, |one| Some(one.clone())).await?;
        overview.flaws = [requests.flaws, incidents.flaws].concat();
        for some in failed.chunks(READERS) {
            let answers = join_all(some.iter().map(|state| self.why_no_retry(state))).await;
            for (state, answer) in some.iter().zip(answers) {
                match answer {
                    Ok(None) => {}
                    Ok(Some(_)) => {
                        overview.no_retry.insert(state.identity().to_string());
                    }
                    Err(error) if error.concerns_one_request() => {
                        overview.flaws.push(error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        overview.flaws.sort();
        overview.flaws.dedup();
        let end = |grant: &GrantEntry| (grant.until.is_none(), grant.until, grant.since);
        overview.grants.sort_by_key(end);
        for incident in &incidents.entries {
            overview.rejections.extend(RejectionEntry::of(incident));
            if let Subject::Drifted(drift) = incident.subject()
                && (overview.drift.as_ref()).is_none_or(|(at, _)| *at < incident.at())
            {
                overview.drift = Some((incident.at(), drift.clone()));
            }
        }
        overview.rejections.sort_by_key(|one| Reverse(one.at));
        for incident in incidents.entries {
            let owed = self.notifications_of(StreamState::Incident(Box::new(incident)));
            overview.notifications.extend(owed);
        }
        overview.notifications.sort_by_key(|one| Reverse(one.at));
        Ok(overview)
    }
}
