//! The state of a request: phase, results and grants. `apply` computes the state from the records.

use crate::domain::{
    AccountId, BlueprintId, Fault, Identity, ImageRef, Item, ItemResult, ResultKind, ShareRequest,
    Status, Target, Timestamp, Verdict,
};

use super::super::record::{CallOff, Intent, OutOfTime, StreamId, Worker};
use super::WakeUp;
use super::head::Head;
use super::notification::Notifications;

/// The phase of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The policies denied the request when it was opened. Only an operator can reopen it.
    Denied,
    /// The request is allowed, and no worker has begun it since it was opened or reopened.
    Waiting {
        /// The request's `not_before`. If it has none, the instant at which it was opened.
        until: Timestamp,
    },
    /// A worker has the turn.
    Working {
        /// From this instant on, another worker may take over.
        lease_until: Timestamp,
        /// The worker.
        worker: Worker,
    },
    /// The request is unfinished, and no worker has the turn.
    Deferred {
        /// The reason, for people.
        why: String,
        /// The next turn may not begin before this instant.
        not_before: Timestamp,
        /// Whose fault it is that the last turn failed. `None` if the turn did not fail.
        fault: Option<Fault>,
    },
    /// The request is finished. Items that it shared may still be shared.
    Closed,
    /// A worker revokes the ended share, or its called-off items.
    Revoking {
        /// From this instant on, another worker may take over.
        lease_until: Timestamp,
        /// The worker.
        worker: Worker,
    },
    /// The revocation is unfinished, and no worker has the turn.
    RevokeDeferred {
        /// The reason, for people.
        why: String,
        /// The next turn may not begin before this instant.
        not_before: Timestamp,
        /// Items that another grant covers. The cover is checked again at `not_before` at the
        /// latest.
        covered: Vec<Item>,
    },
    /// The revocation is complete. Final.
    Revoked,
}

/// The state of a request.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) stream: StreamId,
    pub(super) intent: Intent,
    pub(super) recorded_at: Timestamp,
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
    pub(super) out_of_time: Option<OutOfTime>,
    pub(super) failed_revocations: u32,
    pub(super) blueprint: Option<BlueprintId>,
    pub(super) looked_before: bool,
    /// The latest instant at which the request may have made a call to share or cancel. This is the
    /// time of the newest record that names a call, or the time of a takeover from a worker that
    /// had read the cloud and did not record the end of its turn. `None` if the request made no
    /// call.
    pub(super) called_at: Option<Timestamp>,
    /// When the newest call that a record names ended.
    pub(super) noted_call_at: Option<Timestamp>,
    pub(super) given_at: Option<Timestamp>,
    /// The time of the newest record that has a new result for an item that the request shared. A
    /// repeated result does not count.
    pub(super) last_given_at: Option<Timestamp>,
    pub(super) owner: Option<AccountId>,
    pub(super) updated_at: Timestamp,
    pub(super) head: Head,
    pub(super) wake_up: Option<WakeUp>,
    pub(super) holder_gone: bool,
    pub(super) notifications: Notifications,
}

/// The items of a revocation that has begun and is not complete. The revocation may be deferred.
#[derive(Debug, Clone)]
pub(super) struct Revoking {
    pub(super) accounts: Vec<AccountId>,
    pub(super) lighthouse: bool,
    /// Whether the share had ended when the revocation began. Otherwise the items were called off.
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

    /// Returns the content of record 0: who requested what, who approved it, and the verdict.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Returns the id of the delivery that opened the request.
    pub fn delivery_id(&self) -> Option<&str> {
        self.intent.delivery_id.as_deref()
    }

    /// The request's identity.
    pub fn identity(&self) -> &Identity {
        &self.intent.identity
    }

    /// Returns the request as the map returned it.
    pub fn request(&self) -> &ShareRequest {
        &self.intent.request
    }

    /// Returns the newest recorded verdict that allowed the request. If no verdict allowed it,
    /// returns the verdict in record 0. A later refusal does not change this.
    pub fn verdict(&self) -> &Verdict {
        self.decided_again.as_ref().unwrap_or(&self.intent.verdict)
    }

    /// Returns the verdict that denied the request after [`State::verdict`] had allowed it.
    pub fn refusal(&self) -> Option<&Verdict> {
        self.refusal.as_ref()
    }

    /// Returns when an operator last reopened the request.
    pub fn reopened_at(&self) -> Option<Timestamp> {
        self.reopened_at
    }

    /// Returns when the request was last reopened, or else when it was recorded.
    pub fn opened_at(&self) -> Timestamp {
        self.reopened_at.unwrap_or(self.recorded_at)
    }

    /// Returns when record 0 was written, which may be long after [`State::approved_at`].
    pub fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// Whether the request has certainly shared something by a call of its own since an operator
    /// last reopened it, or since it was recorded.
    pub fn has_given(&self) -> bool {
        let opened = self.reopened_at;
        let since = |at| opened.is_none_or(|opened| opened < at);
        let given = |kind: &ResultKind| {
            use ResultKind::{Available, Shared};
            matches!(kind, Shared | Available { already: false, .. })
        };
        let lately = self.noted_call_at.is_some_and(since) && self.last_given_at.is_some_and(since);
        lately && self.results.iter().any(|result| given(&result.kind))
    }

    /// Returns when the work on the request may begin: at [`State::opened_at`] or its `not_before`,
    /// whichever is later.
    pub fn begins_at(&self) -> Timestamp {
        let opened = self.opened_at();
        let begin = self.intent.request.not_before;
        begin.map_or(opened, |begin| begin.max(opened))
    }

    /// Returns the number of failed turns since the request was opened or reopened.
    pub fn failed_turns(&self) -> u32 {
        self.failed_turns
    }

    /// Returns the newest turns in a row that only ran out of time, since the request was opened or
    /// reopened.
    pub fn out_of_time(&self) -> Option<OutOfTime> {
        self.out_of_time
    }

    /// Returns the number of incomplete attempts to revoke in which a call failed.
    pub fn failed_revocations(&self) -> u32 {
        self.failed_revocations
    }

    /// Returns when the request was approved: see [`Intent::approved_at`].
    pub fn approved_at(&self) -> Timestamp {
        self.intent.approved_at
    }

    /// Returns when the share expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.intent.expires_at
    }

    /// Returns when the share ends: at its expiry, or earlier if its approval was withdrawn.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let ends = self.withdrawn_at.into_iter().chain(self.intent.expires_at);
        ends.min()
    }

    /// Whether the share has ended at `now`. If so, the request shares nothing more, even if it is
    /// unfinished.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.ends_at().is_some_and(|end| end <= now)
    }

    /// The request's phase.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Returns the status for an answer: `pending` until the request is closed or denied. A
    /// revocation does not change the status.
    pub fn status(&self) -> Status {
        match (&self.phase, self.status) {
            (Phase::Denied, _) => Status::Denied,
            (_, Some(status)) => status,
            (_, None) => Status::Pending,
        }
    }

    /// Returns the newest wake-up that the records need. A sweep may have replaced it in the index.
    pub fn wake_up(&self) -> Option<WakeUp> {
        self.wake_up
    }

    /// Returns the worker that has the turn.
    pub fn holder(&self) -> Option<&Worker> {
        match &self.phase {
            Phase::Working { worker, .. } | Phase::Revoking { worker, .. } => Some(worker),
            _ => None,
        }
    }

    /// Whether the worker that has the turn has died. If so, another worker need not wait for the
    /// end of the lease. No record contains this fact: the journal finds it out when it reads the
    /// request.
    pub fn holder_gone(&self) -> bool {
        self.holder_gone
    }

    pub(in crate::journal) fn note_holder_gone(&mut self) {
        self.holder_gone = self.holder().is_some();
    }

    /// Returns the image that the accounts of the request see. For a chain, this is the blueprint
    /// once it is known.
    pub fn subject(&self) -> ImageRef {
        match (&self.intent.request.target, &self.blueprint) {
            (Target::Chain { .. }, Some(blueprint)) => ImageRef::Blueprint(blueprint.clone()),
            (target, _) => target.image(),
        }
    }

    /// Returns the blueprint that was created from a CVM image, if it is known.
    pub fn blueprint(&self) -> Option<&BlueprintId> {
        self.blueprint.as_ref()
    }

    /// Returns the root account that owns the image. If the request shared something, this is the
    /// account whose key it used. If a share gave nothing, it is the account in its record 0. For a
    /// cancel, it is the account whose key first read the cloud. `None` if that account is in doubt
    /// or not on record.
    pub fn owner(&self) -> Option<&AccountId> {
        self.owner.as_ref()
    }

    /// Whether the records show the state of the cloud before the request's first call. If they do
    /// not, an item that is found shared may have been shared before the request.
    pub fn looked_before(&self) -> bool {
        self.looked_before
    }

    /// Returns when the newest record was written.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// Returns the number of the newest record.
    pub fn newest(&self) -> u64 {
        self.head.newest()
    }

    /// Returns the end of the stream: the newest record's hash, and the number of the next record.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
