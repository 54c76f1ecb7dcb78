//! The events that a record can hold: a closed set. A newer program wrote a type that this one does
//! not know.

use serde::{Deserialize, Serialize};

use super::Received;
use super::announcement::{Announcement, Confirmed, FailedFetch, Settled};
use super::drift::Drift;
use super::rejection::Rejection;
use super::reopening::Reopening;
use crate::domain::{
    AccountId, Fault, Identity, Item, ItemResult, Notice, ShareRequest, Status, Timestamp, Verdict,
};

/// One step. Its JSON has the variant's name as `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Record 0 of a request: claim and intent in one. No call was made before it.
    Opened(Box<Intent>),
    /// A worker takes a turn: after a lease ended or its worker died, when a waiting request is due,
    /// or to prolong its own lease.
    Taken {
        /// The new end of the lease.
        until: Timestamp,
        /// For a share that continues: the verdict of the current policies, which allows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
        /// The worker before it was gone, so that its lease was not waited for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        holder_gone: bool,
    },
    /// A result of a call or of a look at the cloud, written before the next call or a wait. The
    /// results of the last call are in the record that ends the turn.
    Progress(Progress),
    /// The worker ends its turn with the request unfinished.
    Deferred(Deferral),
    /// The request is finished: every item has its final result.
    Closed {
        /// `completed`, `partial` or `failed`.
        status: Status,
        /// The results that the answer shows.
        results: Vec<ItemResult>,
        /// The calls that no earlier record names, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallNote>,
    },
    /// A later cancel calls off items of an open share, or a withdrawal those of any share. Any worker
    /// may write this record: a cancel never waits for the share's worker, whose next record then
    /// collides with it.
    CalledOff(CallOff),
    /// A later cancel has taken away items of this closed share. Any worker may write this record,
    /// after its call and before it closes the cancel.
    Cancelled(CallOff),
    /// The current policies refuse a share that was allowed when it was opened. Closes the request
    /// as denied.
    Refused {
        /// The new verdict. The first one is in record 0.
        verdict: Verdict,
        /// The results that the answer shows, including what an interrupted worker had shared.
        results: Vec<ItemResult>,
    },
    /// The share has expired or was called off: this worker revokes what the request gave.
    Revoking {
        /// The end of its lease.
        until: Timestamp,
        /// The accounts to revoke. Only those that got the image from this request.
        accounts: Vec<AccountId>,
        /// Whether to remove the image from Lighthouse. Only if this request made it available
        /// there.
        lighthouse: bool,
    },
    /// An attempt to revoke failed, in part or completely.
    NotRevoked(FailedAttempt),
    /// The revocation is complete.
    Revoked {
        /// The results of the revocation.
        results: Vec<ItemResult>,
        /// The calls of this attempt, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallNote>,
    },
    /// An operator has an ended request decided again. Only this record reopens a request.
    Reopened(Reopening),
    /// A notification was delivered. The process that delivers it writes this, without a claim.
    Notified(Notified),
    /// An attempt to deliver a notification failed; likewise.
    NotificationFailed(FailedNotification),
    /// Record 0 of an incident: a known identity came with other content.
    Conflict(Conflict),
    /// Record 0 of an incident: an authenticated delivery is no valid request.
    Rejected(Rejection),
    /// Record 0 of an incident: a scheduled comparison found differences.
    Drifted(Drift),
    /// Record 0 of an announcement: a verified event names an instance, which is then fetched.
    Received(Box<Announcement>),
    /// An attempt to fetch that instance failed. Its writer needs no claim.
    FetchFailed(FailedFetch),
    /// The instance confirms the announcement; likewise.
    Confirmed(Confirmed),
    /// The announcement is worked off; likewise.
    Settled(Settled),
}

impl Event {
    /// The results and the calls that the event names, in order.
    pub fn parts(&self) -> (&[ItemResult], &[CallNote]) {
        match self {
            Self::Progress(Progress { results, calls, .. })
            | Self::Deferred(Deferral { results, calls, .. })
            | Self::Closed { results, calls, .. }
            | Self::NotRevoked(FailedAttempt { results, calls, .. })
            | Self::Revoked { results, calls } => (results, calls),
            Self::Refused { results, .. } => (results, &[]),
            Self::Opened(_)
            | Self::Taken { .. }
            | Self::CalledOff(_)
            | Self::Cancelled(_)
            | Self::Revoking { .. }
            | Self::Reopened(_)
            | Self::Notified(_)
            | Self::NotificationFailed(_)
            | Self::Conflict(_)
            | Self::Rejected(_)
            | Self::Drifted(_)
            | Self::Received(_)
            | Self::FetchFailed(_)
            | Self::Confirmed(_)
            | Self::Settled(_) => (&[], &[]),
        }
    }

    /// Whether a worker's turn goes on behind it as if it were not there. A call-off may come between
    /// two records of a turn too, but its worker must plan anew.
    pub fn leaves_turn_unchanged(&self) -> bool {
        matches!(
            self,
            Self::Cancelled(_) | Self::Notified(_) | Self::NotificationFailed(_)
        )
    }

    /// Whether both are record 0 of an incident that says the same.
    pub fn same_incident(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rejected(one), Self::Rejected(other)) => {
                one.received.body_digest == other.received.body_digest
            }
            (Self::Drifted(one), Self::Drifted(other)) => one.digest == other.digest,
            _ => false,
        }
    }

    /// Whether its writer needs a new claim before it writes again.
    pub fn ends_turn(&self) -> bool {
        match self {
            Self::Opened(intent) => intent.lease.is_none(),
            Self::Reopened(reopening) => reopening.until.is_none(),
            Self::Taken { .. } | Self::Progress(_) | Self::Revoking { .. } => false,
            Self::Deferred(_)
            | Self::Closed { .. }
            | Self::CalledOff(_)
            | Self::Cancelled(_)
            | Self::Refused { .. }
            | Self::NotRevoked(_)
            | Self::Revoked { .. }
            | Self::Notified(_)
            | Self::NotificationFailed(_)
            | Self::Conflict(_)
            | Self::Rejected(_)
            | Self::Drifted(_)
            | Self::Received(_)
            | Self::FetchFailed(_)
            | Self::Confirmed(_)
            | Self::Settled(_) => true,
        }
    }
}

/// Who requested what, who approved it, and the verdict; written before any call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What the request is; the stream is named after it.
    pub identity: Identity,
    /// SHA-256, hex, of the content to which this identity is bound.
    pub digest: String,
    /// The sender's own id of the delivery, for the sender's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// The configured secret that verified the delivery, and its version: a reference and a keyed
    /// fingerprint, never the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_fingerprint: Option<String>,
    /// The scheme that authenticated the delivery.
    pub scheme: String,
    /// Digests of what was received and of what read it.
    #[serde(flatten)]
    pub received: Received,
    /// The request as it was mapped.
    pub request: ShareRequest,
    /// When the approved request was first verified here.
    pub approved_at: Timestamp,
    /// Its place in the order of shares and cancels, if it follows a request on record that a clock
    /// which was ahead gave a later instant than `approved_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// When the share expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The verdict. A denial ends the request here.
    pub verdict: Verdict,
    /// A look at the cloud before this record found no item of the request shared. So an item that
    /// a later turn finds shared may come from this request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// An operator adopts shares: what the request finds shared counts as given by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopts: bool,
    /// An operator confirms that the image is deleted: an item of this cancel whose image the cloud does not
    /// have counts as not shared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// The first worker's lease; `None` for a denial and for a request that starts later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// The exclusive right to work on a request, for a limited time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// From this instant on, another worker may take over.
    pub until: Timestamp,
}

/// The results of a call or of a look at the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// New results. Items without one keep theirs.
    pub results: Vec<ItemResult>,
    /// The calls that gave the results, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// Only names the blueprint of a chain, under which the index then lists the request. What its
    /// accounts had before the request is not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_only: bool,
}

/// A call to the cloud, as evidence.
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

/// Why a turn ended with work left, and when the next one may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    /// The results so far. Items without one keep theirs.
    pub results: Vec<ItemResult>,
    /// The calls that no earlier record names, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// The reason, for human readers.
    pub why: String,
    /// The earliest next turn.
    pub not_before: Timestamp,
    /// Whether the turn ended before its first call, to let another worker finish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// Whose fault it is that the work failed; none when nothing failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// The items of a share that a later cancel, or the withdrawal of its approval, calls off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOff {
    /// The items. The others continue.
    pub items: Vec<Item>,
    /// The request that cancels them.
    pub by: Identity,
    /// Its ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The share's own approval was withdrawn, and `by` is the announcement that says so. Then a share
    /// that is finished is called off too, and what it gave is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl CallOff {
    /// The cancel's ticket, or the `source/id` of what called it off, for human readers.
    pub fn name(&self) -> String {
        self.ticket.clone().unwrap_or_else(|| self.by.to_string())
    }
}

/// A failed attempt to revoke, and when the next may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// What was revoked. Items without a result are still shared.
    pub results: Vec<ItemResult>,
    /// The calls of this attempt, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// The reason, for human readers.
    pub why: String,
    /// The earliest next attempt.
    pub not_before: Timestamp,
    /// Items that stay for now, because another grant covers them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covered: Vec<Item>,
}

/// A delivered notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// Which.
    #[serde(flatten)]
    pub notice: Notice,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Its map made no message of it, so nothing was sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// An attempt to deliver a notification that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedNotification {
    /// Which.
    #[serde(flatten)]
    pub notice: Notice,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The reason, for people.
    pub why: String,
    /// The earliest next attempt; none: it is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// The same identity with other content: recorded as evidence, never carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The identity that is in use.
    pub identity: Identity,
    /// SHA-256, hex, of the refused content.
    pub digest: String,
    /// Digests of what was received and of what read it.
    #[serde(flatten)]
    pub received: Received,
    /// The sender's own id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
}
