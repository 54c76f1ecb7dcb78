//! The state of an incident: a stream that belongs to no request. It is evidence for the operator, or an
//! announcement whose instance is to be fetched. In: its record 0 and the records of its notifications and
//! fetches. Out: its subject, and what it owes.

use super::super::record::{Announcement, Conflict, Drift, Event, Rejection, Stored, StreamId};
use super::broken_record::{BrokenRecord, broken};
use super::head::Head;
use super::notification::{Notifications, Outcome, Owed};
use crate::domain::{Identity, NoticeKind, NoticeRules, SourceName, Timestamp};

/// An incident.
#[derive(Debug, Clone)]
pub struct Incident {
    subject: Subject,
    pub(super) head: Head,
    at: Timestamp,
    /// The attempts to fetch what an announcement names, and when the next one is due.
    attempts: u32,
    fetch_at: Option<Timestamp>,
    /// Why the last attempt failed.
    why: Option<String>,
    /// The requests that a settled announcement led to.
    requests: Vec<Identity>,
    pub(super) notifications: Notifications,
}

/// What an incident is about.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A known identity came with other content.
    Conflict(Conflict),
    /// An authenticated delivery is no valid request.
    Rejected(Rejection),
    /// The cloud's shares differ from the journal.
    Drifted(Drift),
    /// A verified event names an instance, which is then fetched.
    Received(Box<Announcement>),
}

impl Incident {
    pub(super) fn begin(first: &Stored, subject: Subject) -> Self {
        let record = &first.record;
        let on = match &subject {
            Subject::Conflict(_) | Subject::Received(_) => None,
            Subject::Rejected(_) => Some(NoticeKind::Rejected),
            Subject::Drifted(_) => Some(NoticeKind::Drifted),
        };
        let mut notifications = Notifications::default();
        notifications
            .outcomes
            .extend(on.map(|on| Outcome::new(on, record)));
        let fetch_at = matches!(subject, Subject::Received(_)).then_some(record.at);
        Self {
            subject,
            head: Head::after(first),
            at: record.at,
            attempts: 0,
            fetch_at,
            why: None,
            requests: Vec::new(),
            notifications,
        }
    }

    pub(super) fn apply(mut self, next: &Stored) -> Result<Self, BrokenRecord> {
        self.head.precedes(&next.record)?;
        match &next.record.event {
            Event::Notified(_) | Event::NotificationFailed(_) => {
                self.notifications.record(&next.record)?;
            }
            Event::FetchFailed(failed) if self.awaits_fetch(failed.attempt) => {
                self.attempts = failed.attempt;
                self.fetch_at = Some(failed.not_before);
                self.why = Some(failed.why.clone());
            }
            Event::Settled(settled) if self.fetch_at.is_some() => {
                self.fetch_at = None;
                self.why.clone_from(&settled.why);
                self.requests.clone_from(&settled.requests);
            }
            _ => {
                return broken(
                    "only notifications, and attempts to fetch, follow the record of an incident",
                );
            }
        }
        self.head = Head::after(next);
        Ok(self)
    }

    /// What it is about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The stream's name.
    pub fn stream(&self) -> StreamId {
        self.head.stream
    }

    /// Its origin: a request, the delivery of a source, or the comparison.
    pub fn name(&self) -> String {
        match &self.subject {
            Subject::Conflict(conflict) => conflict.identity.to_string(),
            Subject::Rejected(rejection) => {
                let digest = rejection.received.body_digest.get(..16).unwrap_or_default();
                let delivery = rejection.delivery_id.as_deref().unwrap_or(digest);
                format!("{}/{delivery}", rejection.source)
            }
            Subject::Drifted(_) => "drift".to_owned(),
            Subject::Received(announcement) => {
                format!("{}/{}", announcement.source, announcement.delivery_id)
            }
        }
    }

    /// The end of the stream.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// When it was recorded.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The source of its delivery.
    pub fn source(&self) -> Option<&SourceName> {
        match &self.subject {
            Subject::Conflict(conflict) => Some(&conflict.identity.source),
            Subject::Rejected(rejection) => Some(&rejection.source),
            Subject::Drifted(_) => None,
            Subject::Received(announcement) => Some(&announcement.source),
        }
    }

    /// The announcement whose instance is still to be fetched, and when; the number of the attempt.
    pub fn to_fetch(&self) -> Option<(&Announcement, Timestamp, u32)> {
        match &self.subject {
            Subject::Received(announcement) => Some((
                announcement,
                self.fetch_at?,
                self.attempts.saturating_add(1),
            )),
            _ => None,
        }
    }

    /// The requests that an announcement led to, once it is settled.
    pub fn requests(&self) -> &[Identity] {
        &self.requests
    }

    /// Why the last attempt to fetch failed, or why a settled announcement led to no request.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Whether the attempt of this number is the next one.
    pub(in crate::journal) fn awaits_fetch(&self, attempt: u32) -> bool {
        self.to_fetch().is_some_and(|(_, _, next)| next == attempt)
    }

    /// When the index must lead to it next: for a fetch or a notification.
    pub fn next_look(&self, rules: &NoticeRules, now: Timestamp) -> Option<Timestamp> {
        self.fetch_at
            .into_iter()
            .chain(self.owes_from(rules, now))
            .min()
    }

    /// The notifications that it owes now or later.
    pub fn owed(&self, rules: &NoticeRules, now: Timestamp) -> Vec<Owed> {
        let outcomes = &self.notifications.outcomes;
        self.notifications.owed(outcomes, rules, self.source(), now)
    }

    /// When the next notification is due.
    pub fn owes_from(&self, rules: &NoticeRules, now: Timestamp) -> Option<Timestamp> {
        self.owed(rules, now).iter().map(|owed| owed.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{StreamBuilder, announcement, at, identity};
    use super::super::StreamState;
    use super::*;

    fn state(events: &[Event]) -> Result<Incident, BrokenRecord> {
        let empty = StreamBuilder::empty(&identity("e-1"));
        let records = events
            .iter()
            .fold(empty, |stream, event| stream.then(0, 1, event.clone()));
        let (first, rest) = records.records.split_first().unwrap();
        match rest
            .iter()
            .try_fold(StreamState::begin(first)?, StreamState::apply)?
        {
            StreamState::Incident(incident) => Ok(*incident),
            StreamState::Request(_) => panic!("a request"),
        }
    }

    #[test]
    fn an_announcement_is_fetched_until_it_is_settled() {
        let [received, failed, settled] = announcement();
        let due = |events: &[Event]| {
            let state = state(events).unwrap();
            let next = state.next_look(&NoticeRules::default(), at(0));
            assert_eq!(next, state.to_fetch().map(|(_, at, _)| at));
            state.to_fetch().map(|(_, at, attempt)| (at, attempt))
        };
        let (received, failed, settled) = (&received, &failed, &settled);
        assert_eq!(due(std::slice::from_ref(received)), Some((at(0), 1)));
        assert_eq!(due(&[received.clone(), failed.clone()]), Some((at(10), 2)));
        assert_eq!(
            due(&[received.clone(), failed.clone(), settled.clone()]),
            None
        );
        for wrong in [
            vec![received, settled, settled],
            vec![received, settled, failed],
            vec![received, failed, failed],
            vec![received, received],
            vec![settled],
        ] {
            let wrong: Vec<Event> = wrong.into_iter().cloned().collect();
            assert!(state(&wrong).is_err(), "{wrong:?}");
        }
    }
}
