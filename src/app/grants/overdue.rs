//! Describes overdue shares and other unfinished work for the report of a sweep. A share is overdue
//! if it has expired or was withdrawn, is still in effect, and is not covered by another grant.

use std::fmt;

use serde::Serialize;

use crate::domain::{Item, Timestamp};
use crate::journal::{Phase, State, StreamState};

/// The name of Lighthouse as a receiver.
pub(in crate::app) const LIGHTHOUSE: &str = "Lighthouse";

/// A request or an announcement that a sweep leaves unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// The request as `source/id`. For an announcement, the name of its event.
    pub request: String,
    pub why: String,
    pub next_attempt: Timestamp,
}

/// A share that should be gone but is still in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overdue {
    pub image: String,
    pub region: String,
    pub to: Vec<String>,
    /// When the share expired, or its approval was withdrawn.
    pub ended_at: Timestamp,
    /// The request that gave the share, and why the share is still in effect.
    #[serde(flatten)]
    pub left: Unfinished,
}

impl Unfinished {
    /// Describes the work that is left for a request. If no attempt was made yet, the next attempt
    /// is `now`.
    pub(in crate::app) fn of(state: &State, now: Timestamp) -> Self {
        let (why, next_attempt) = match state.phase() {
            Phase::Deferred {
                why, not_before, ..
            } => (why.clone(), *not_before),
            Phase::RevokeDeferred {
                why, not_before, ..
            } => (why.clone(), *not_before),
            Phase::Working { lease_until, .. } | Phase::Revoking { lease_until, .. } => {
                ("a worker is working on it".to_owned(), *lease_until)
            }
            Phase::Waiting { until } => (format!("it begins at {until:.0}"), *until),
            Phase::Denied | Phase::Closed | Phase::Revoked => ("not tried yet".to_owned(), now),
        };
        Self {
            request: state.identity().to_string(),
            why,
            next_attempt,
        }
    }

    /// Describes an announcement whose instance has not been fetched yet, under the name of its
    /// event. Returns `None` for any other stream.
    pub(in crate::app) fn unfetched(state: &StreamState) -> Option<Self> {
        let StreamState::Incident(incident) = state else {
            return None;
        };
        let (_, next_attempt, attempt) = incident.to_fetch()?;
        let why = incident.why().unwrap_or("not tried yet");
        Some(Self {
            request: incident.name(),
            why: format!("it is not handled yet (attempt {attempt} follows): {why}"),
            next_attempt,
        })
    }
}

impl Overdue {
    pub(in crate::app) fn of(state: &State, now: Timestamp) -> Option<Self> {
        let to: Vec<String> = state.overdue(now).iter().map(receiver).collect();
        let ended_at = state.ends_at().filter(|_| !to.is_empty())?;
        Some(Self {
            image: state.request().target.image().to_string(),
            region: state.request().region.to_string(),
            to,
            ended_at,
            left: Unfinished::of(state, now),
        })
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}; next attempt at {:.0}",
            self.request, self.why, self.next_attempt
        )
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            image,
            region,
            to,
            ended_at,
            left,
        } = self;
        write!(
            f,
            "{image} in {region} is still shared with {}, although the share ended at {ended_at:.0}: {left}",
            to.join(", ")
        )
    }
}

/// Returns the receiver that an item names: the account's id, or [`LIGHTHOUSE`].
pub(in crate::app) fn receiver(item: &Item) -> String {
    match item {
        Item::Account(account) => account.to_string(),
        Item::Lighthouse(_) => LIGHTHOUSE.to_owned(),
    }
}
