//! The state of any stream, which belongs to a request or to an incident. Both have a [`Head`] and
//! notifications. `apply` computes the state from the records.

use super::super::record::StreamId;
use super::due::earliest_end;
use super::head::Head;
use super::incident::Incident;
use super::notification::{NotificationState, Notifications, Owed};
use super::request_state::State;
use super::wake_up::WakeUp;
use crate::domain::{Notice, NoticeRules, NotifyName, Timestamp};

/// The state of a stream.
#[derive(Debug, Clone)]
pub enum StreamState {
    /// A request.
    Request(Box<State>),
    /// A stream that belongs to no request.
    Incident(Box<Incident>),
}

impl StreamState {
    /// Returns the request's state; `None` for an incident.
    pub fn state(&self) -> Option<&State> {
        match self {
            Self::Request(state) => Some(state),
            Self::Incident(_) => None,
        }
    }

    /// Returns the request's state by value; `None` for an incident.
    pub fn into_state(self) -> Option<State> {
        match self {
            Self::Request(state) => Some(*state),
            Self::Incident(_) => None,
        }
    }

    /// Returns a name for people: the request as `source/id`, or the incident's name.
    pub fn name(&self) -> String {
        match self {
            Self::Request(state) => state.identity().to_string(),
            Self::Incident(incident) => incident.name(),
        }
    }

    /// The stream's name.
    pub fn stream(&self) -> StreamId {
        self.head().stream
    }

    /// The end of the stream, to which the next record must refer.
    pub fn head(&self) -> &Head {
        match self {
            Self::Request(state) => &state.head,
            Self::Incident(incident) => &incident.head,
        }
    }

    /// Returns the notifications that are owed now or later under the configured rules.
    pub fn owed(&self, rules: &NoticeRules, now: Timestamp) -> Vec<Owed> {
        match self {
            Self::Request(state) => state.owed(rules, now),
            Self::Incident(incident) => incident.owed(rules, now),
        }
    }

    /// Returns when the next notification is due.
    pub fn owes_from(&self, rules: &NoticeRules, now: Timestamp) -> Option<Timestamp> {
        self.owed(rules, now).iter().map(|owed| owed.at).min()
    }

    /// Returns the notifications that were owed, had no attempt, and are too old for one now. See
    /// [`State::missed`].
    pub fn missed(&self, rules: &NoticeRules, wake_ups: &[WakeUp], now: Timestamp) -> Vec<Notice> {
        match (self, earliest_end(wake_ups)) {
            (Self::Request(state), _) => state.missed(rules, wake_ups, now),
            (Self::Incident(incident), Some(since)) => {
                let source = incident.source();
                incident.notifications.missed(rules, source, since, now)
            }
            (Self::Incident(_), None) => Vec::new(),
        }
    }

    /// Returns the notifications to the target `notify` that were given up, each ready for one more
    /// attempt.
    pub fn given_up(&self, notify: &NotifyName, rules: &NoticeRules) -> Vec<Owed> {
        match self {
            Self::Request(state) => state.given_up(notify, rules),
            Self::Incident(incident) => incident.notifications.given_up(notify),
        }
    }

    /// Returns the notices of a share's end that the end itself has overtaken. See
    /// [`State::lapsed`].
    pub fn lapsed(&self, rules: &NoticeRules, now: Timestamp) -> Vec<(Notice, u32)> {
        self.state()
            .map_or_else(Vec::new, |state| state.lapsed(rules, now))
    }

    /// Whether the target of `notice` still receives such notifications.
    pub fn is_wanted(&self, notice: &Notice, rules: &NoticeRules) -> bool {
        let source = match self {
            Self::Request(state) => Some(&state.identity().source),
            Self::Incident(incident) => incident.source(),
        };
        rules.wants(notice, source)
    }

    /// Whether a later outcome of the stream has replaced the one that `notice` reports. A
    /// revocation counts only if `by_revocation`.
    pub fn replaced(&self, notice: &Notice, by_revocation: bool) -> bool {
        self.notifications().replaced(notice, by_revocation)
    }

    /// Whether the target received a later notification of the stream while `notice` waited for its
    /// next attempt.
    pub fn overtaken(&self, notice: &Notice) -> bool {
        self.notifications().overtaken(notice)
    }

    /// Returns the notifications that had an attempt, in the order of their first attempts.
    pub fn attempted_notifications(&self) -> &[NotificationState] {
        self.notifications().attempted()
    }

    pub(in crate::journal) fn notifications(&self) -> &Notifications {
        match self {
            Self::Request(state) => &state.notifications,
            Self::Incident(incident) => &incident.notifications,
        }
    }
}
