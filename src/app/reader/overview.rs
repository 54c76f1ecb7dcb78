//! Reads the requests, grants, notifications and incidents of a whole journal at once, for the
//! report.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::domain::Timestamp;
use crate::journal::{Drift, JournalError, State, Subject};

use super::entries::{GrantEntry, NotificationEntry, RejectionEntry, RequestEntry, RequestState};
use super::filters::RequestFilter;
use super::journal_reader::JournalReader;

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
        let states = self.newest_states(&RequestFilter::default(), None).await?;
        let incidents = self.incidents(None, |one| Some(one.clone())).await?;
        let mut overview = Overview {
            requests: states.entries.iter().map(RequestEntry::of).collect(),
            flaws: [states.flaws, incidents.flaws].concat(),
            ..Overview::default()
        };
        let failed = |state: &&State| {
            let state = RequestState::of(state);
            matches!(state, RequestState::Failed | RequestState::Partial)
        };
        let failed: Vec<&State> = states.entries.iter().filter(failed).collect();
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
        let given = states.entries.iter().filter_map(State::grant);
        overview.grants = given
            .flat_map(|grant| GrantEntry::all_of(&grant, self.now))
            .collect();
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
        overview.notifications = self.notifications_of(states.entries, incidents.entries);
        overview.notifications.sort_by_key(|one| Reverse(one.at));
        Ok(overview)
    }
}
