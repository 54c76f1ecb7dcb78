//! Records in the forms that others read: OCSF events, a table for spreadsheets, the records' own
//! lines. Pure. In: a stream's records and where the cloud is. Out: lines of text.

mod csv;
mod ocsf;

use super::record::{Event, Intent, Received, Stored};
use crate::domain::{Action, Status};

pub use csv::HEADER as CSV_HEADER;

/// Where the images are, as far as the records do not say it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `intl` or `cn`.
    pub site: String,
    /// The version of this program.
    pub version: String,
}

/// A record with the request that it is about.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The record.
    pub stored: &'a Stored,
    /// Record 0's intent, or the archived record's in its stead; none for a conflict.
    pub intent: Option<&'a Intent>,
    /// Whether the expiry is being carried out.
    pub revoking: bool,
}

impl<'a> Entry<'a> {
    /// A stream's records, each with what the ones before it say.
    pub fn all(records: &'a [Stored]) -> Vec<Self> {
        let intent = records
            .first()
            .and_then(|stored| match &stored.record.event {
                Event::Opened(intent) => Some(&**intent),
                Event::Archived(archive) => Some(&archive.intent),
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

    /// The record as an event of OCSF 1.8.0, one line of JSON without line feed.
    pub fn ocsf(&self, origin: &Origin) -> String {
        ocsf::event(self, origin).to_string()
    }

    /// The record as a row of the table under [`CSV_HEADER`], without line feed.
    pub fn csv(&self) -> String {
        csv::row(self)
    }

    fn received(&self) -> Option<&'a Received> {
        match (&self.stored.record.event, self.intent) {
            (Event::Conflict(conflict), _) => Some(&conflict.received),
            (_, intent) => intent.map(|intent| &intent.received),
        }
    }

    fn name(&self) -> &'static str {
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
            Event::Conflict(_) => "conflict",
            Event::Archived(_) => "archived",
        }
    }

    /// Whether access is given or taken away.
    fn action(&self) -> Option<Action> {
        let intent = self.intent?;
        Some(if self.revoking {
            Action::Cancel
        } else {
            intent.request.action
        })
    }

    /// What the record says of the request, in one word.
    fn outcome(&self) -> String {
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
            Event::Conflict(_) => "refused".to_owned(),
            Event::Archived(archive) => archive.status.unwrap_or(Status::Denied).to_string(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
