//! The state of a request, and the questions that it answers. In: what `apply` made of the records.
//! Out: phase, results and grants.

use crate::domain::{
    AccountId, BlueprintId, Identity, ImageRef, ItemResult, ShareRequest, Status, Target,
    Timestamp, Verdict,
};

use super::super::record::{CallOff, Conflict, Intent, StreamId, Worker};
use super::WakeUp;

/// What a stream is about.
#[derive(Debug, Clone)]
pub enum StreamState {
    /// A request, from its claim to its end.
    Request(Box<State>),
    /// A known identity that came with other content.
    Conflict(Conflict),
}

impl StreamState {
    /// The request's state; none for a conflict.
    pub fn state(&self) -> Option<&State> {
        match self {
            Self::Request(state) => Some(state),
            Self::Conflict(_) => None,
        }
    }
}

/// The end of a stream: where the next record goes and what it hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: StreamId,
    /// The number of the next record.
    pub next_seq: u64,
    /// SHA-256, hex, of the newest record's file.
    pub hash: String,
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The policy refused; this is the end.
    Denied,
    /// Allowed, and to be started at `until`.
    Waiting {
        /// The request's `not_before`.
        until: Timestamp,
    },
    /// A worker has it.
    Working {
        /// Others may take over from then on.
        lease_until: Timestamp,
        /// Whose turn it is.
        worker: Worker,
    },
    /// Unfinished, and no worker holds it.
    Deferred {
        /// The reason, for people.
        why: String,
        /// The next turn may begin then.
        not_before: Timestamp,
    },
    /// Finished; a share may still be running.
    Closed,
    /// A worker takes back what expired.
    Revoking {
        /// Others may take over from then on.
        lease_until: Timestamp,
        /// Whose turn it is.
        worker: Worker,
    },
    /// The revocation is unfinished, and no worker holds it.
    RevokeDeferred {
        /// The reason, for people.
        why: String,
        /// The next turn may begin then.
        not_before: Timestamp,
    },
    /// The expiry has been carried out; this is the end.
    Revoked,
}

/// A request as its records tell it.
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
    pub(super) refusal: Option<Verdict>,
    pub(super) decided_again: Option<Verdict>,
    pub(super) failed_revocations: u32,
    pub(super) blueprint: Option<BlueprintId>,
    pub(super) observed: bool,
    pub(super) given_at: Option<Timestamp>,
    pub(super) updated_at: Timestamp,
    pub(super) head: Head,
    pub(super) wake_up: Option<WakeUp>,
}

/// What is being taken back.
#[derive(Debug, Clone)]
pub(super) struct Revoking {
    pub(super) accounts: Vec<AccountId>,
    pub(super) lighthouse: bool,
    /// Whether the share's end had come; else these items were called off.
    pub(super) expired: bool,
}

impl State {
    /// The stream's name.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Record 0: who asked for what, and the verdict.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// What the request is.
    pub fn identity(&self) -> &Identity {
        &self.intent.identity
    }

    /// The request as it was mapped.
    pub fn request(&self) -> &ShareRequest {
        &self.intent.request
    }

    /// The verdict that allows the request, or denied it at once: record 0's, or that of the newest
    /// turn in which a share was decided again.
    pub fn verdict(&self) -> &Verdict {
        self.decided_again.as_ref().unwrap_or(&self.intent.verdict)
    }

    /// The verdict that refused the request when its work was to go on: a later one than
    /// [`State::verdict`], which allowed it.
    pub fn refusal(&self) -> Option<&Verdict> {
        self.refusal.as_ref()
    }

    /// How many attempts to take back have failed.
    pub fn failed_revocations(&self) -> u32 {
        self.failed_revocations
    }

    /// When the approved request was first verified.
    pub fn approved_at(&self) -> Timestamp {
        self.intent.approved_at
    }

    /// When the share ends by itself.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.intent.expires_at
    }

    /// Whether the share's end has come. Nothing may be shared any more then, however unfinished
    /// the request is.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.intent.expires_at.is_some_and(|end| end <= now)
    }

    /// Where the request stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The status that an answer shows: the recorded one once the request is closed.
    pub fn status(&self) -> Status {
        match (&self.phase, self.status) {
            (Phase::Denied, _) => Status::Denied,
            (_, Some(status)) => status,
            (_, None) => Status::Pending,
        }
    }

    /// The newest wake-up that its records announced. A sweep may have looked since and put another
    /// one in its place.
    pub fn wake_up(&self) -> Option<WakeUp> {
        self.wake_up
    }

    /// What the accounts of the request see: of a chain the blueprint, once it is known.
    pub fn subject(&self) -> ImageRef {
        match (&self.intent.request.target, &self.blueprint) {
            (Target::Chain { .. }, Some(blueprint)) => ImageRef::Blueprint(blueprint.clone()),
            (target, _) => target.image(),
        }
    }

    /// The blueprint that came of a CVM image, as far as it is known.
    pub fn blueprint(&self) -> Option<&BlueprintId> {
        self.blueprint.as_ref()
    }

    /// Whether any look at the cloud or any call has been recorded. As long as this is false
    /// nothing is known of what the cloud had before this request.
    pub fn observed(&self) -> bool {
        self.observed
    }

    /// When the request's last step was written.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// The newest record's number.
    pub fn newest(&self) -> u64 {
        self.head.next_seq.saturating_sub(1)
    }

    /// The end of the stream: the newest record's hash and the next one's number.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
