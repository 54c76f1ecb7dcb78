//! A record with the context that earlier records give. In: a stream's records. Out: what each
//! means on its own.

use super::meaning::Meaning;
use crate::domain::{Action, Verdict};
use crate::journal::record::{Event, Intent, Received, Stored};

/// A record with the request that it is about.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The record.
    pub stored: &'a Stored,
    /// Record 0's intent; none for an incident.
    pub intent: Option<&'a Intent>,
    /// Whether a revocation is in progress.
    pub revoking: bool,
}

impl<'a> Entry<'a> {
    /// A stream's records, each with its context.
    pub fn all(records: &'a [Stored]) -> Vec<Self> {
        let intent = records
            .first()
            .and_then(|stored| match &stored.record.event {
                Event::Opened(intent) => Some(&**intent),
                _ => None,
            });
        let mut revoking = false;
        let entry = |stored: &'a Stored| {
            use Event::{NotRevoked, Revoked, Revoking};
            let event = &stored.record.event;
            revoking |= matches!(event, Revoking { .. } | NotRevoked(_) | Revoked { .. });
            Self {
                stored,
                intent,
                revoking,
            }
        };
        records.iter().map(entry).collect()
    }

    /// Digests of what was received.
    pub(super) fn received(&self) -> Option<&'a Received> {
        match (&self.stored.record.event, self.intent) {
            (Event::Conflict(conflict), _) => Some(&conflict.received),
            (Event::Rejected(rejection), _) => Some(&rejection.received),
            (Event::Received(announcement), _) => Some(&announcement.received),
            (_, intent) => intent.map(|intent| &intent.received),
        }
    }

    /// The verdict of this record, if it has one.
    pub(super) fn own_verdict(&self) -> Option<&'a Verdict> {
        match &self.stored.record.event {
            Event::Opened(intent) => Some(&intent.verdict),
            Event::Refused { verdict, .. } => Some(verdict),
            Event::Reopened(reopening) => Some(&reopening.verdict),
            Event::Taken { verdict, .. } => verdict.as_ref(),
            _ => None,
        }
    }

    /// The verdict of this record, else that of record 0.
    pub(super) fn verdict(&self) -> Option<&'a Verdict> {
        self.own_verdict()
            .or(self.intent.map(|intent| &intent.verdict))
    }

    /// What its event means.
    pub(super) fn meaning(&self) -> Meaning {
        Meaning::of(&self.stored.record.event)
    }

    /// Whether access is given or taken away.
    pub(super) fn action(&self) -> Option<Action> {
        let intent = self.intent?;
        Some(if self.revoking {
            Action::Cancel
        } else {
            intent.request.action
        })
    }
}
