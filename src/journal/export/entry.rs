//! A record with the context that earlier records give. In: a stream's records. Out: what each
//! means on its own.

use crate::domain::{Action, Status, Verdict};
use crate::journal::record::{
    Confirmed, Event, FailedNotification, Intent, Notified, Received, Settled, Stored,
};

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

    /// The verdict of this record, else that of record 0.
    pub(super) fn verdict(&self) -> Option<&'a Verdict> {
        match &self.stored.record.event {
            Event::Refused { verdict, .. } => Some(verdict),
            Event::Reopened(reopening) => Some(&reopening.verdict),
            Event::Taken {
                verdict: Some(verdict),
                ..
            } => Some(verdict),
            _ => self.intent.map(|intent| &intent.verdict),
        }
    }

    /// The event's name in the journal.
    pub(super) fn name(&self) -> &'static str {
        match &self.stored.record.event {
            Event::Opened(_) => "opened",
            Event::Taken { .. } => "taken",
            Event::Progress(_) => "progress",
            Event::Deferred(_) => "deferred",
            Event::Closed { .. } => "closed",
            Event::CalledOff(_) => "called_off",
            Event::Cancelled(_) => "cancelled",
            Event::Refused { .. } => "refused",
            Event::Revoking { .. } => "revoking",
            Event::NotRevoked(_) => "not_revoked",
            Event::Revoked { .. } => "revoked",
            Event::Notified(_) => "notified",
            Event::NotificationFailed(_) => "notification_failed",
            Event::Reopened(_) => "reopened",
            Event::Conflict(_) => "conflict",
            Event::Rejected(_) => "rejected",
            Event::Drifted(_) => "drifted",
            Event::Received(_) => "received",
            Event::FetchFailed(_) => "fetch_failed",
            Event::Confirmed(_) => "confirmed",
            Event::Settled(_) => "settled",
        }
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

    /// The record's meaning for the request, in one word.
    pub(super) fn outcome(&self) -> String {
        match &self.stored.record.event {
            Event::Opened(intent) if intent.verdict.allowed => "allowed".to_owned(),
            Event::Opened(_) | Event::Refused { .. } => "denied".to_owned(),
            Event::Progress(progress) if progress.calls.iter().any(|call| call.code.is_some()) => {
                "call failed".to_owned()
            }
            Event::Closed { status, .. } => status.to_string(),
            Event::Revoked { results, .. } => Status::of(Action::Cancel, results).to_string(),
            Event::NotRevoked(_) => "call failed".to_owned(),
            Event::CalledOff(call_off) => format!("called off by {}", call_off.name()),
            Event::Cancelled(cancelled) => format!("cancelled by {}", cancelled.name()),
            Event::Notified(Notified { notice, .. }) => {
                format!("notified {}: {}", notice.notify, notice.on)
            }
            Event::NotificationFailed(FailedNotification { notice, .. }) => {
                format!("could not notify {}: {}", notice.notify, notice.on)
            }
            Event::Reopened(reopening) => format!("reopened by {}", reopening.by),
            Event::Conflict(_) | Event::Rejected(_) => "refused".to_owned(),
            Event::Drifted(drift) => format!("{} differences", drift.count),
            Event::FetchFailed(failed) => failed.why.clone(),
            Event::Confirmed(Confirmed { requests }) => {
                let requests = requests.iter().map(ToString::to_string);
                requests.collect::<Vec<_>>().join(" ")
            }
            Event::Settled(Settled { requests, why }) => {
                let requests = requests.iter().map(ToString::to_string);
                let parts: Vec<String> = requests.chain(why.clone()).collect();
                parts.join(" ")
            }
            _ => String::new(),
        }
    }
}
