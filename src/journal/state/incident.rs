//! The state of an incident: a stream that belongs to no request and is only evidence, for the
//! operator. In: its record 0 and the records of its notifications. Out: its subject, and the
//! notifications that it owes.

use super::super::record::{Conflict, Drift, Event, Rejection, Stored, StreamId};
use super::broken_record::{BrokenRecord, broken};
use super::head::Head;
use super::notification::{Notifications, Outcome, Owed};
use crate::domain::{NoticeKind, NoticeRules, SourceName, Timestamp};

/// An incident.
#[derive(Debug, Clone)]
pub struct Incident {
    subject: Subject,
    pub(super) head: Head,
    at: Timestamp,
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
}

impl Incident {
    pub(super) fn begin(first: &Stored, subject: Subject) -> Self {
        let record = &first.record;
        let on = match &subject {
            Subject::Conflict(_) => None,
            Subject::Rejected(_) => Some(NoticeKind::Rejected),
            Subject::Drifted(_) => Some(NoticeKind::Drifted),
        };
        let mut notifications = Notifications::default();
        notifications.outcomes.extend(on.map(|on| Outcome {
            on,
            about: 0,
            at: record.at,
        }));
        Self {
            subject,
            head: Head::after(first),
            at: record.at,
            notifications,
        }
    }

    pub(super) fn apply(mut self, next: &Stored) -> Result<Self, BrokenRecord> {
        self.head.precedes(&next.record)?;
        match next.record.event {
            Event::Notified(_) | Event::NotificationFailed(_) => {
                self.notifications.record(&next.record)?;
            }
            _ => return broken("only notifications follow the record of an incident"),
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
        }
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
