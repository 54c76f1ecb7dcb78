//! The state of a request: phase, results and grants. `apply` builds it from records.

use crate::domain::{
    AccountId, BlueprintId, Fault, Identity, ImageRef, Item, ItemResult, ShareRequest, Status,
    Target, Timestamp, Verdict,
};

use super::super::record::{CallOff, Intent, StreamId, Worker};
use super::WakeUp;
use super::head::Head;
use super::notification::Notifications;

/// The phase of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Denied. Final.
    Denied,
    /// Allowed, and due at `until`.
    Waiting {
        /// The request's `not_before`.
        until: Timestamp,
    },
    /// A worker has the turn.
    Working {
        /// From this instant on, another worker may take over.
        lease_until: Timestamp,
        /// The worker.
        worker: Worker,
    },
    /// Unfinished, without a worker.
    Deferred {
        /// The reason, for human readers.
        why: String,
        /// The earliest next turn.
        not_before: Timestamp,
        /// Whose fault it is that the last turn failed.
        fault: Option<Fault>,
    },
    /// Finished. A share may still be active.
    Closed,
    /// A worker revokes the expired share.
    Revoking {
        /// From this instant on, another worker may take over.
        lease_until: Timestamp,
        /// The worker.
        worker: Worker,
    },
    /// The revocation is unfinished, without a worker.
    RevokeDeferred {
        /// The reason, for human readers.
        why: String,
        /// The earliest next turn.
        not_before: Timestamp,
        /// Items that another grant covers until then.
        covered: Vec<Item>,
    },
    /// Expired and revoked. Final.
    Revoked,
}

/// The state of a request.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) stream: StreamId,
    pub(super) intent: Intent,
    pub(super) phase: Phase,
    pub(super) status: Option<Status>,
    pub(super) results: Vec<ItemResult>,
    pub(super) revoked: Vec<ItemResult>,
    pub(super) revoking: Option<Revoking>,
    pub(super) called_off: Vec<CallOff>,
    pub(super) cancelled: Vec<CallOff>,
    pub(super) withdrawn_at: Option<Timestamp>,
    pub(super) refusal: Option<Verdict>,
    pub(super) decided_again: Option<Verdict>,
    pub(super) reopened_at: Option<Timestamp>,
    pub(super) failed_turns: u32,
    pub(super) failed_revocations: u32,
    pub(super) blueprint: Option<BlueprintId>,
    pub(super) looked_before: bool,
    /// Whether a call may have been made.
    pub(super) called: bool,
    pub(super) given_at: Option<Timestamp>,
    pub(super) owner: Option<AccountId>,
    pub(super) updated_at: Timestamp,
    pub(super) head: Head,
    pub(super) wake_up: Option<WakeUp>,
    pub(super) holder_gone: bool,
    pub(super) notifications: Notifications,
}

/// The revocation under way.
#[derive(Debug, Clone)]
pub(super) struct Revoking {
    pub(super) accounts: Vec<AccountId>,
    pub(super) lighthouse: bool,
    /// Whether the share had expired. Otherwise these items were called off.
    pub(super) expired: bool,
}

impl Revoking {
    pub(super) fn names(&self, item: &Item) -> bool {
        match item {
            Item::Account(account) => self.accounts.contains(account),
            Item::Lighthouse(_) => self.lighthouse,
        }
    }
}

impl State {
    /// The stream's name.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Record 0: who requested what, who approved it, and the verdict.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// The id of the delivery that opened it.
    pub fn delivery_id(&self) -> Option<&str> {
        self.intent.delivery_id.as_deref()
    }

    /// The request's identity.
    pub fn identity(&self) -> &Identity {
        &self.intent.identity
    }

    /// The request as it was mapped.
    pub fn request(&self) -> &ShareRequest {
        &self.intent.request
    }

    /// The verdict in force: record 0's, or that of the newest turn that decided again and allowed
    /// the share.
    pub fn verdict(&self) -> &Verdict {
        self.decided_again.as_ref().unwrap_or(&self.intent.verdict)
    }

    /// The verdict that denied the request after [`State::verdict`] had allowed it.
    pub fn refusal(&self) -> Option<&Verdict> {
        self.refusal.as_ref()
    }

    /// When an operator had the request decided again and it was allowed.
    pub fn reopened_at(&self) -> Option<Timestamp> {
        self.reopened_at
    }

    /// When the request was opened or, later, reopened.
    pub fn opened_at(&self) -> Timestamp {
        self.reopened_at.unwrap_or(self.intent.approved_at)
    }

    /// Since when the request may be carried out: since it was opened, or its `not_before`.
    pub fn begins_at(&self) -> Timestamp {
        let opened = self.opened_at();
        let begin = self.intent.request.not_before;
        begin.map_or(opened, |begin| begin.max(opened))
    }

    /// How many turns have failed.
    pub fn failed_turns(&self) -> u32 {
        self.failed_turns
    }

    /// The number of failed attempts to revoke.
    pub fn failed_revocations(&self) -> u32 {
        self.failed_revocations
    }

    /// When the approved request was first verified.
    pub fn approved_at(&self) -> Timestamp {
        self.intent.approved_at
    }

    /// When the share expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.intent.expires_at
    }

    /// When the share ends: when it expires, or when its approval was withdrawn.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let ends = self.withdrawn_at.into_iter().chain(self.intent.expires_at);
        ends.min()
    }

    /// Whether the share has ended. Such a request shares nothing more, even if it is unfinished.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.ends_at().is_some_and(|end| end <= now)
    }

    /// The request's phase.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The status for an answer: the recorded one, once the request is closed.
    pub fn status(&self) -> Status {
        match (&self.phase, self.status) {
            (Phase::Denied, _) => Status::Denied,
            (_, Some(status)) => status,
            (_, None) => Status::Pending,
        }
    }

    /// The newest wake-up that its records announced. A sweep may have replaced it in the index.
    pub fn wake_up(&self) -> Option<WakeUp> {
        self.wake_up
    }

    /// The worker whose turn it is.
    pub fn holder(&self) -> Option<&Worker> {
        match &self.phase {
            Phase::Working { worker, .. } | Phase::Revoking { worker, .. } => Some(worker),
            _ => None,
        }
    }

    /// Whether that worker has died, so that no worker waits for its lease. No record says so: the
    /// journal found out when it read the request.
    pub fn holder_gone(&self) -> bool {
        self.holder_gone
    }

    /// Notes that the worker whose turn it is has died.
    pub(in crate::journal) fn note_holder_gone(&mut self) {
        self.holder_gone = self.holder().is_some();
    }

    /// The image that the accounts of the request see. For a chain it is the blueprint, once known.
    pub fn subject(&self) -> ImageRef {
        match (&self.intent.request.target, &self.blueprint) {
            (Target::Chain { .. }, Some(blueprint)) => ImageRef::Blueprint(blueprint.clone()),
            (target, _) => target.image(),
        }
    }

    /// The blueprint made from a CVM image, if known.
    pub fn blueprint(&self) -> Option<&BlueprintId> {
        self.blueprint.as_ref()
    }

    /// The root account that owns the image: the one under which the request gave something, before that
    /// the one that its opening looked at. `None` in records before this field, and where the
    /// credentials did not name it.
    pub fn owner(&self) -> Option<&AccountId> {
        self.owner.as_ref()
    }

    /// Whether a look at the cloud or a call is recorded. Until then, what the cloud had before the
    /// request is unknown.
    pub fn looked_before(&self) -> bool {
        self.looked_before
    }

    /// When the newest record was written.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// The newest record's number.
    pub fn newest(&self) -> u64 {
        self.head.newest()
    }

    /// The end of the stream: the newest record's hash and the next one's number.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
