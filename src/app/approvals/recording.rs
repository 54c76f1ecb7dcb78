//! Records announcements. An announcement comes from a verified event, or in place of an event from
//! a list, a fetched instance or an operator. Returns the recorded announcement.

use serde_json::Value;

use crate::app::App;
use crate::app::rules::Intake;
use crate::domain::{Identity, Timestamp};
use crate::inbound::VerifiedDelivery;
use crate::journal::{Announcement, JournalError, Recorded, Refetch};

/// How an announcement came about.
pub(super) enum How {
    /// An event arrived. `not_before`: see [`Announcement`].
    Event { not_before: Option<Timestamp> },
    /// No event arrived, but a list or a fetched instance shows what happened.
    Listed,
    /// An operator had the instance of an announcement fetched again. `listed` is that of the
    /// announcement.
    Again { refetch: Refetch, listed: bool },
}

impl App {
    /// Records an announcement.
    pub(super) async fn record_event(
        &self,
        verified: &VerifiedDelivery,
        intake: &Intake,
        identity: &Identity,
        event: Value,
        how: How,
    ) -> Result<Recorded, JournalError> {
        self.prove_create_only().await?;
        let (listed, not_before, refetch) = match how {
            How::Event { not_before } => (false, not_before, None),
            How::Listed => (true, None, None),
            How::Again { refetch, listed } => (listed, None, Some(refetch)),
        };
        let announcement = Announcement {
            source: identity.source.clone(),
            scheme: verified.scheme().to_owned(),
            delivery_id: identity.id.clone(),
            secret_fingerprint: self.proof_of(verified).await,
            received: self.received(verified, &intake.map),
            event,
            listed,
            not_before,
            refetch,
        };
        let lease = self.incident_lease()?;
        self.journal.record_announcement(announcement, &lease).await
    }
}
