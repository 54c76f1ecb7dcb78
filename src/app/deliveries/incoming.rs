//! The values that `app.rs` passes from step to step: one for a verified delivery, and one for each
//! of its requests. This file only defines them.

use crate::app::Deadline;
use crate::app::statement::Statement;
use crate::domain::{Identity, ShareRequest, Timestamp};
use crate::inbound::{Callback, Map, VerifiedDelivery};
use crate::journal::Received;

use super::EarlyAnswer;

/// A verified delivery, with what is needed to handle its requests.
pub(in crate::app) struct IncomingDelivery<'a> {
    pub(in crate::app) verified: &'a VerifiedDelivery,
    pub(in crate::app) map: &'a Map,
    pub(in crate::app) statement: Statement,
    pub(in crate::app) early: &'a EarlyAnswer,
    /// When a fetched instance was approved; `None` for a delivery that is its own approval.
    pub(in crate::app) approved_at: Option<Timestamp>,
}

/// One request of a delivery, with what is needed to handle it.
pub(in crate::app) struct IncomingRequest<'a> {
    pub(in crate::app) identity: Identity,
    pub(in crate::app) request: &'a ShareRequest,
    pub(in crate::app) delivery: &'a IncomingDelivery<'a>,
    pub(in crate::app) received: &'a Received,
    /// The delivery's callback, if a target may use it.
    pub(in crate::app) callback: Option<&'a Callback>,
    pub(in crate::app) now: Timestamp,
    /// When the request was approved, never after `now`. `expires_in` counts from this instant.
    pub(in crate::app) approved_at: Timestamp,
    pub(in crate::app) deadline: Deadline,
}

impl IncomingRequest<'_> {
    /// If a comparison of the cloud with the journal made this request: when the comparison began to
    /// read the journal.
    pub(in crate::app) fn compared_at(&self) -> Option<Timestamp> {
        match self.delivery.statement {
            Statement::Adopts { read_at } | Statement::EndsUnknown { read_at } => Some(read_at),
            Statement::None | Statement::Gone => None,
        }
    }

    pub(in crate::app) fn adopts(&self) -> bool {
        matches!(self.delivery.statement, Statement::Adopts { .. })
    }

    /// Whether the request may make calls. If not, `first_look` is not needed.
    pub(in crate::app) fn makes_calls(&self) -> bool {
        !self.adopts()
    }
}
