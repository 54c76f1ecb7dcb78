//! The events that a record can hold. The set is closed: if a record has any other type, a newer
//! program wrote it.

use serde::{Deserialize, Serialize};

use super::Received;
use super::announcement::{Announcement, Confirmed, FailedFetch, Settled};
use super::call_note::CallNote;
use super::deferral::Deferral;
use super::drift::Drift;
use super::rejection::Rejection;
use super::reopening::Reopening;
use crate::domain::{
    AccountId, Identity, Item, ItemResult, Notice, ShareRequest, Status, Timestamp, Verdict,
};

/// The content of a record. The JSON field `type` has the variant's name in snake case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Record 0 of a request. It claims the request and stores the intent before any call that
    /// changes the cloud.
    Opened(Box<Intent>),
    /// A worker starts a turn, because the request is due, its last worker has died, an operator
    /// ends a pause, or the grant that postponed a revocation may have ended. A worker also writes
    /// this event to prolong its own lease.
    Taken {
        /// The end of the new lease.
        until: Timestamp,
        /// The verdict of the current policies, if they decided the share again before this turn.
        /// The verdict allows what is left of the share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
        /// True if the last worker was dead. This worker then did not wait for the end of the last
        /// worker's lease.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        holder_gone: bool,
    },
    /// Results of a call or of a read of the cloud, written before the next call or a wait. The
    /// results of the last call are in the record that ends the turn.
    Progress(Progress),
    /// The worker ends its turn, but the request is unfinished.
    Deferred(Deferral),
    /// The request is finished: no item is pending.
    Closed {
        /// `completed`, `partial` or `failed`.
        status: Status,
        /// The results of the request, as its answer shows them.
        results: Vec<ItemResult>,
        /// The calls that no earlier record names, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallNote>,
    },
    /// Items of this request are called off. A later cancel calls off items of an open share. The
    /// withdrawal of an approval calls off items of a share that is not completely revoked, or
    /// those items of a cancel that are not cancelled yet. Neither waits for the request's worker,
    /// so any worker may write this record without a claim. When the request's worker then writes
    /// its next record, that write collides with this one.
    CalledOff(CallOff),
    /// A later cancel revoked items of this closed share, or found that they are not shared. The
    /// cancel's worker writes this record without a claim, after its calls and before it closes the
    /// cancel.
    Cancelled(CallOff),
    /// The current policies refuse a share that an earlier verdict allowed. Closes the request as
    /// denied.
    Refused {
        /// The new verdict. The first verdict is in record 0.
        verdict: Verdict,
        /// The results of the request, as its answer shows them. They include what an interrupted
        /// worker had shared.
        results: Vec<ItemResult>,
        /// The calls that no earlier record names, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallNote>,
    },
    /// A worker starts to revoke. If the share has ended, the worker revokes everything that the
    /// request shared; otherwise, it revokes the items that were called off.
    Revoking {
        /// The end of the worker's lease.
        until: Timestamp,
        /// The accounts to revoke. Each of them counts as an account with which this request shared
        /// the image.
        accounts: Vec<AccountId>,
        /// Whether to remove the image from Lighthouse. True only if this request counts as the one
        /// that made the image available there.
        lighthouse: bool,
    },
    /// An attempt to revoke did not revoke every item.
    NotRevoked(FailedAttempt),
    /// The revocation is complete.
    Revoked {
        /// The results of the revocation.
        results: Vec<ItemResult>,
        /// The calls of this attempt, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallNote>,
    },
    /// An operator asked for a new decision on an ended request. No other record can reopen a
    /// request.
    Reopened(Reopening),
    /// A notification was delivered, or there was nothing to send. The process that made the
    /// attempt writes this record without a claim.
    Notified(Notified),
    /// An attempt to deliver a notification failed. The process that made the attempt writes this
    /// record without a claim.
    NotificationFailed(FailedNotification),
    /// Record 0 of an incident: a delivery has the identity of a recorded request, but different
    /// content.
    Conflict(Conflict),
    /// Record 0 of an incident: an authenticated delivery is not a valid request.
    Rejected(Rejection),
    /// Record 0 of an incident: a comparison of the cloud with the journal found differences.
    Drifted(Drift),
    /// Record 0 of an announcement: a verified event, or a list of the approval system, names an
    /// instance, which is then fetched. If the announcement leads to no request, a later event
    /// about the instance is also recorded with this event.
    Received(Box<Announcement>),
    /// An attempt to fetch the announced instance failed. Written without a claim.
    FetchFailed(FailedFetch),
    /// The announcement is confirmed: see [`Confirmed`]. Written without a claim.
    Confirmed(Confirmed),
    /// The work on the announcement has ended. Written without a claim.
    Settled(Settled),
}

impl Event {
    /// Returns the results and the calls in the event, in order.
    pub fn parts(&self) -> (&[ItemResult], &[CallNote]) {
        match self {
            Self::Progress(Progress { results, calls, .. })
            | Self::Deferred(Deferral { results, calls, .. })
            | Self::Closed { results, calls, .. }
            | Self::Refused { results, calls, .. }
            | Self::NotRevoked(FailedAttempt { results, calls, .. })
            | Self::Revoked { results, calls } => (results, calls),
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

    /// Whether a worker can continue its turn after another process wrote this event into the
    /// stream. It cannot after a call-off, for example, because it must plan again.
    pub fn leaves_turn_unchanged(&self) -> bool {
        matches!(
            self,
            Self::Cancelled(_) | Self::Notified(_) | Self::NotificationFailed(_)
        )
    }

    /// Whether both events reject deliveries with the same body, or both report the same
    /// differences.
    pub fn same_incident(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rejected(one), Self::Rejected(other)) => {
                one.received.body_digest == other.received.body_digest
            }
            (Self::Drifted(one), Self::Drifted(other)) => one.digest == other.digest,
            _ => false,
        }
    }

    /// Whether this event ends a turn or may be written without a claim. If so, the next record of
    /// the stream needs its own entry below `index/unsealed/`.
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

/// Who requested what, who approved it, and the verdict. Written before any call that changes the
/// cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The identity of the request. The stream is named after it.
    pub identity: Identity,
    /// SHA-256 of the request's content, in hex. A later delivery with the same identity must have
    /// the same content; otherwise it is a [`Conflict`].
    pub digest: String,
    /// The sender's own id of the delivery, for questions to the sender's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// Names what verified the delivery. This is either the configured secret's reference, with the
    /// secret's version or a keyed fingerprint of the secret if either is known, or the fingerprint
    /// of a certificate. Never the secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_fingerprint: Option<String>,
    /// The scheme that authenticated the delivery.
    pub scheme: String,
    /// Digests of the received bytes and of the map and configuration that read them.
    #[serde(flatten)]
    pub received: Received,
    /// The request as the map returned it.
    pub request: ShareRequest,
    /// When the request was approved: when its delivery was verified or, of a fetched instance, the
    /// event that announced it. Of an instance that no event announced, when it ended. Of a ticket
    /// that is read with `preset = "http"`, the event whose fetch found it approved, which may have
    /// come before or after the approval. Never after this record. A duration such as `expires_in` counts from this instant.
    pub approved_at: Timestamp,
    /// The instant that orders this request among shares and cancels. `None` means `approved_at`.
    /// If a fast clock gave an earlier request a later instant, this field is set so that this
    /// request still comes after the earlier one. For an adoption, the start of its comparison
    /// counts instead of `approved_at`, so that a cancel that came after that start wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// When the share expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The verdict. A denied request ends with this record, unless an operator reopens it.
    pub verdict: Verdict,
    /// True if the program read the cloud before this record and found no item of the request
    /// shared. If a later turn finds an item shared, this request may have shared it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// True if an operator adopts shares. Items that the request finds shared then count as shared
    /// by this request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopts: bool,
    /// True if an operator confirmed that the image is deleted. An item of this cancel then counts
    /// as not shared if the cloud does not have the item's image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// True if the delivery had the token of a Step Functions task that waits for the outcome, and
    /// a notification can use the token. No record contains the token itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub task_token: bool,
    /// The first worker's lease. `None` for a denial and for a request that starts later or waits
    /// in the backlog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// The exclusive right to work on a request, for a limited time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// From this instant on, another worker may take over.
    pub until: Timestamp,
}

/// The results of a call or of a read of the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// New results. An item without a new result keeps its recorded one.
    pub results: Vec<ItemResult>,
    /// The calls that no earlier record names, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// True if the record was written only to name the blueprint of a chain, so that the index can
    /// list the request under the blueprint. It is then not known yet which accounts had the image
    /// before the request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_only: bool,
}

/// Items that a later cancel calls off or has revoked, or that the withdrawal of an approval calls
/// off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOff {
    /// The items. The request's other items are unaffected.
    pub items: Vec<Item>,
    /// The cancel, or the announcement of the withdrawal.
    pub by: Identity,
    /// The ticket of the cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// True if the approval of this request was withdrawn. If so, `by` is the announcement of the
    /// withdrawal. A withdrawal also calls off a finished share, whose items are then revoked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl CallOff {
    /// Returns the cancel's ticket, or else `by` as `source/id`, for people.
    pub fn name(&self) -> String {
        self.ticket.clone().unwrap_or_else(|| self.by.to_string())
    }
}

/// An attempt to revoke that did not revoke every item, because it failed or because another grant
/// covers an item. Says when the next attempt may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// The results of the items that are no longer shared. The other items may still be shared.
    pub results: Vec<ItemResult>,
    /// The calls of this attempt, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// The reason, for people.
    pub why: String,
    /// The next attempt may not begin before this instant.
    pub not_before: Timestamp,
    /// Items that are not revoked yet, because another grant covers them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covered: Vec<Item>,
}

/// A notification that was delivered, or for which there was nothing to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// The notification.
    #[serde(flatten)]
    pub notice: Notice,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// True if the notification's map returned no message, so that nothing was sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// A failed attempt to deliver a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedNotification {
    /// The notification.
    #[serde(flatten)]
    pub notice: Notice,
    /// The number of the attempt, from 1. It is 0 if the outcome became too old before the first
    /// attempt.
    pub attempt: u32,
    /// The reason, for people.
    pub why: String,
    /// The next attempt may not begin before this instant. `None` if the program has given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// A delivery that has the identity of a recorded request but different content. It is recorded as
/// evidence and never carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The identity, which another request already has.
    pub identity: Identity,
    /// SHA-256 of the refused content, in hex.
    pub digest: String,
    /// Digests of the received bytes and of the map and configuration that read them.
    #[serde(flatten)]
    pub received: Received,
    /// The sender's own id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
}
