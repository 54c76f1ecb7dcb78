//! A record with the context from earlier records of its stream, so that its exported line can be
//! read alone.

use super::meaning::Meaning;
use crate::domain::{Action, SourceName, Verdict};
use crate::journal::record::{Announcement, Event, Intent, Received, Stored};

/// A record, with the intent or the announcement to which it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The record.
    pub stored: &'a Stored,
    /// The intent in record 0; `None` for an incident.
    pub intent: Option<&'a Intent>,
    /// The announcement in record 0, if there is one.
    pub announcement: Option<&'a Announcement>,
    /// Whether this record or an earlier one belongs to a revocation.
    pub revoking: bool,
    /// The newest verdict up to this record that allowed the request. If no verdict allowed it, the
    /// first denial. `None` for an incident.
    pub verdict_so_far: Option<&'a Verdict>,
}

impl<'a> Entry<'a> {
    /// Returns a stream's records, each with its context.
    pub fn all(records: &'a [Stored]) -> Vec<Self> {
        let (intent, announcement) = match records.first().map(|first| &first.record.event) {
            Some(Event::Opened(intent)) => (Some(&**intent), None),
            Some(Event::Received(announcement)) => (None, Some(&**announcement)),
            _ => (None, None),
        };
        let mut revoking = false;
        let mut verdict_so_far: Option<&Verdict> = None;
        let entry = |stored: &'a Stored| {
            use Event::{NotRevoked, Revoked, Revoking};
            let event = &stored.record.event;
            revoking |= matches!(event, Revoking { .. } | NotRevoked(_) | Revoked { .. });
            let own = verdict_in(event);
            verdict_so_far = own.filter(|own| own.allowed).or(verdict_so_far).or(own);
            Self {
                stored,
                intent,
                announcement,
                revoking,
                verdict_so_far,
            }
        };
        records.iter().map(entry).collect()
    }

    /// Returns the digests in this record, or else those in record 0 of its request. Returns `None`
    /// for a record of an incident that has no digests of its own.
    pub(super) fn received(&self) -> Option<&'a Received> {
        match (&self.stored.record.event, self.intent) {
            (Event::Conflict(conflict), _) => Some(&conflict.received),
            (Event::Rejected(rejection), _) => Some(&rejection.received),
            (Event::Received(announcement), _) => Some(&announcement.received),
            (_, intent) => intent.map(|intent| &intent.received),
        }
    }

    /// Returns the source that authenticated the delivery that led to this record, with the
    /// source's scheme if it is on record. Returns `None` if there was no delivery.
    pub(super) fn sender(&self) -> Option<(&'a SourceName, Option<&'a str>)> {
        match (&self.stored.record.event, self.intent) {
            (Event::Conflict(conflict), _) => Some((&conflict.identity.source, None)),
            (Event::Rejected(rejection), _) => Some((&rejection.source, Some(&rejection.scheme))),
            (_, Some(intent)) => Some((&intent.identity.source, Some(&intent.scheme))),
            (_, None) => {
                let announcement = self.announcement?;
                Some((&announcement.source, Some(&announcement.scheme)))
            }
        }
    }

    pub(super) fn own_verdict(&self) -> Option<&'a Verdict> {
        verdict_in(&self.stored.record.event)
    }

    /// Returns the verdict in this record. If it has none, returns the newest earlier verdict that
    /// allowed the request, or else the first denial.
    pub(super) fn verdict(&self) -> Option<&'a Verdict> {
        self.own_verdict().or(self.verdict_so_far)
    }

    pub(super) fn meaning(&self) -> Meaning {
        Meaning::of(&self.stored.record.event)
    }

    /// Returns whether the record is part of sharing or of revoking. Returns `None` for an
    /// incident.
    pub(super) fn action(&self) -> Option<Action> {
        let intent = self.intent?;
        Some(if self.revoking {
            Action::Cancel
        } else {
            intent.request.action
        })
    }
}

fn verdict_in(event: &Event) -> Option<&Verdict> {
    match event {
        Event::Opened(intent) => Some(&intent.verdict),
        Event::Refused { verdict, .. } => Some(verdict),
        Event::Reopened(reopening) => Some(&reopening.verdict),
        Event::Taken { verdict, .. } => verdict.as_ref(),
        _ => None,
    }
}
