//! What a record can say. A closed set: a type that this program does not know was written by a
//! newer one.

use serde::{Deserialize, Serialize};

use super::Received;
use crate::domain::{
    AccountId, Identity, Item, ItemResult, ShareRequest, Status, Timestamp, Verdict,
};

/// One step. Its JSON has the variant's name as `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Record 0 of a request: the claim and the intent in one. Nothing has been called yet.
    Opened(Box<Intent>),
    /// A worker takes its turn: after a lease ended, when a waiting request became due, or to
    /// prolong its own lease.
    Taken {
        /// The new end of the lease.
        until: Timestamp,
        /// Of a share that goes on: the verdict of the present policies, which allows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
    },
    /// Something was found out or done: written before the next call, or before a wait. What the last
    /// call brought is in the record that ends the turn.
    Progress(Progress),
    /// The worker gives its turn back unfinished.
    Deferred(Deferral),
    /// The request is finished: every item has its final result.
    Closed {
        /// `completed`, `partial` or `failed`.
        status: Status,
        /// The results that the answer shows.
        results: Vec<ItemResult>,
        /// The calls that no record before it names, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallNote>,
    },
    /// A later cancel calls off items of a share that is not closed. Any worker may write it: a call-off
    /// never waits for the share's worker, whose next record then collides with this one.
    CalledOff(CallOff),
    /// A later cancel has taken away items that this closed share held. Any worker may write it, after
    /// its call and before it closes the cancel.
    Cancelled(CallOff),
    /// The policies of the present refuse a share that they allowed when it was opened: the request is
    /// closed as denied.
    Refused {
        /// The new verdict; the first one is in record 0.
        verdict: Verdict,
        /// The results that the answer shows. What an interrupted worker had shared already is among
        /// them.
        results: Vec<ItemResult>,
    },
    /// The share has expired or was called off; this worker takes back what the request gave.
    Revoking {
        /// The end of its lease.
        until: Timestamp,
        /// From whom. Only accounts that got the image from this very request.
        accounts: Vec<AccountId>,
        /// Whether the image leaves Lighthouse too. Only when this very request put it there.
        lighthouse: bool,
    },
    /// An attempt to take back failed, in part or as a whole: the only record of that attempt.
    NotRevoked(FailedAttempt),
    /// What was to be taken back is taken back.
    Revoked {
        /// The results of taking back.
        results: Vec<ItemResult>,
        /// The calls of this attempt, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallNote>,
    },
    /// Record 0, and the only one, of a conflict's stream: a known identity came with other
    /// content.
    Conflict(Conflict),
}

impl Event {
    /// The results that it tells.
    pub fn results(&self) -> &[ItemResult] {
        match self {
            Self::Progress(Progress { results, .. })
            | Self::Deferred(Deferral { results, .. })
            | Self::Closed { results, .. }
            | Self::Refused { results, .. }
            | Self::NotRevoked(FailedAttempt { results, .. })
            | Self::Revoked { results, .. } => results,
            Self::Opened(_)
            | Self::Taken { .. }
            | Self::CalledOff(_)
            | Self::Cancelled(_)
            | Self::Revoking { .. }
            | Self::Conflict(_) => &[],
        }
    }

    /// The calls that it names, in order.
    pub fn calls(&self) -> &[CallNote] {
        match self {
            Self::Progress(Progress { calls, .. })
            | Self::Deferred(Deferral { calls, .. })
            | Self::Closed { calls, .. }
            | Self::NotRevoked(FailedAttempt { calls, .. })
            | Self::Revoked { calls, .. } => calls,
            Self::Opened(_)
            | Self::Taken { .. }
            | Self::CalledOff(_)
            | Self::Cancelled(_)
            | Self::Refused { .. }
            | Self::Revoking { .. }
            | Self::Conflict(_) => &[],
        }
    }

    /// Whether its writer writes no further record without another claim.
    pub fn ends_turn(&self) -> bool {
        match self {
            Self::Opened(intent) => intent.lease.is_none(),
            Self::Taken { .. } | Self::Progress(_) | Self::Revoking { .. } => false,
            Self::Deferred(_)
            | Self::Closed { .. }
            | Self::CalledOff(_)
            | Self::Cancelled(_)
            | Self::Refused { .. }
            | Self::NotRevoked(_)
            | Self::Revoked { .. }
            | Self::Conflict(_) => true,
        }
    }
}

/// The names in `type` that this program reads.
pub(super) const TYPES: [&str; 12] = [
    "opened",
    "taken",
    "progress",
    "deferred",
    "closed",
    "called_off",
    "cancelled",
    "refused",
    "revoking",
    "not_revoked",
    "revoked",
    "conflict",
];

/// Who asked for what, who approved, and what the policy said, before anything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What the request is; the stream is named after it.
    pub identity: Identity,
    /// SHA-256, hex, of the content that this identity is bound to.
    pub digest: String,
    /// The sender's own id of the delivery, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// Which of the configured secrets verified it: a digest's first digits, never the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_fingerprint: Option<String>,
    /// The scheme that authenticated the delivery.
    pub scheme: String,
    /// What was received, and what it was read with.
    #[serde(flatten)]
    pub received: Received,
    /// The request as it was mapped.
    pub request: ShareRequest,
    /// When the approved request was first verified here.
    pub approved_at: Timestamp,
    /// When the share ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The policy's verdict. A denial ends the request here.
    pub verdict: Verdict,
    /// A read of the cloud just before this record found none of the request's items shared. So what
    /// a later turn finds shared may come from this request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// The first worker's lease; none for a denial and for a request that starts later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// The right to work on a request alone, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Others may take over from this instant on.
    pub until: Timestamp,
}

/// What a call, or a look at the cloud's state, brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// New results; items that are not named keep theirs.
    pub results: Vec<ItemResult>,
    /// The calls behind it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
}

/// One call to the cloud as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallNote {
    /// The API action, as in `ShareBlueprintAcrossAccounts`.
    pub action: String,
    /// The cloud's `RequestId`, when an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The error code, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Why a turn ended before the work did, and when the next may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    /// What was reached so far; items that are not named keep their result.
    pub results: Vec<ItemResult>,
    /// The calls that no record before it names, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// The reason, for people.
    pub why: String,
    /// The earliest next turn.
    pub not_before: Timestamp,
    /// The turn ended before its first call, to let another worker finish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

/// Which items of a share a later cancel calls off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOff {
    /// The items. The others go on.
    pub items: Vec<Item>,
    /// The request that cancels.
    pub by: Identity,
    /// Its ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl CallOff {
    /// The cancel as people know it: its ticket, else `source/id`.
    pub fn name(&self) -> String {
        self.ticket.clone().unwrap_or_else(|| self.by.to_string())
    }
}

/// An attempt to take back that did not succeed, and when the next may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// What was taken back; items that are not named still stand.
    pub results: Vec<ItemResult>,
    /// The calls of this attempt, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// The reason, for people.
    pub why: String,
    /// The earliest next attempt.
    pub not_before: Timestamp,
}

/// The same identity with other content: never carried out, but kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The identity that was taken already.
    pub identity: Identity,
    /// SHA-256, hex, of the content that was refused.
    pub digest: String,
    /// What was received, and what it was read with.
    #[serde(flatten)]
    pub received: Received,
    /// The sender's own id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
}
