//! The entries of lists of requests, grants, notifications, announcements and rejected deliveries.
//! They are built from the states and grants of the journal, and printed as tables or written as
//! JSON.

use serde::Serialize;

use crate::app::grants::receiver;
use crate::domain::{
    Action, Fault, Item, NoticeKind, NoticeRules, NotifyName, Problem, SourceName, Status,
    Timestamp, spelled,
};
use crate::journal::{
    Announcement, Grant, Incident, NotificationState, Owed, Phase, Received, Standing, State,
    StreamState, Subject,
};

use super::super::answer::Answer;

spelled! {
    /// The state of a request.
    RequestState {
        /// Recorded and allowed. The request waits for its `not_before` or for a slot.
        Waiting = "waiting",
        /// A worker is executing the request, or died while it did so.
        Working = "working",
        /// Unfinished. The backlog, a sweep or a repeated delivery continues the request.
        Unfinished = "unfinished",
        /// Unfinished for a reason that only the operator can change.
        Blocked = "blocked",
        /// Every item succeeded.
        Completed = "completed",
        /// Some items succeeded, and the others failed and are not retried.
        Partial = "partial",
        /// No item succeeded.
        Failed = "failed",
        /// The policy denied it.
        Denied = "denied",
        /// A worker has begun to revoke items of a share that has expired or was called off, but
        /// the revocation is not complete. Until a worker begins, the request keeps its earlier
        /// state.
        Revoking = "revoking",
        /// The share expired or was called off, and is completely revoked.
        Revoked = "revoked",
    }
}

impl RequestState {
    /// Whether a filter for `self` lists a request in this state. `unfinished` lists all work under
    /// way, as the metric of unfinished requests counts it: also what waits for the operator.
    pub(super) fn lists(self, state: Self) -> bool {
        let under_way = matches!(state, Self::Working | Self::Blocked | Self::Revoking);
        self == state || (self == Self::Unfinished && under_way)
    }

    pub(super) fn of(state: &State) -> Self {
        match state.phase() {
            Phase::Waiting { .. } => Self::Waiting,
            Phase::Working { .. } => Self::Working,
            Phase::Deferred {
                fault: Some(Fault::Operator),
                ..
            } => Self::Blocked,
            Phase::Deferred { .. } => Self::Unfinished,
            Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => Self::Revoking,
            Phase::Revoked => Self::Revoked,
            Phase::Denied => Self::Denied,
            Phase::Closed => match state.status() {
                Status::Completed => Self::Completed,
                Status::Partial => Self::Partial,
                Status::Denied => Self::Denied,
                // A closed request is never `Ignored`, `Pending` or `Planned`.
                Status::Failed | Status::Ignored | Status::Pending | Status::Planned => {
                    Self::Failed
                }
            },
        }
    }
}

/// One request of the journal.
#[derive(Debug, Clone, Serialize)]
pub struct RequestEntry {
    /// The request's identity, as `source/id`.
    pub identity: String,
    /// The request's state.
    pub state: RequestState,
    /// When the request needs work next. For example, when its share expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What the request does: share or cancel.
    pub action: Action,
    /// The image or blueprint that the request names.
    pub image: String,
    /// The region of the image.
    pub region: String,
    /// The accounts. Empty if the request only concerns Lighthouse.
    pub accounts: Vec<String>,
    /// Who requested the share or cancel.
    pub requester: String,
    /// The ticket that the request names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When the policies first decided the request. This counts as the time of its approval.
    pub at: Timestamp,
    /// The request's recorded state, in the form of an answer to its sender.
    pub answer: Answer,
}

impl RequestEntry {
    pub(super) fn of(state: &State) -> Self {
        let request = state.request();
        let accounts = request.target.accounts().iter().map(ToString::to_string);
        Self {
            identity: state.identity().to_string(),
            state: RequestState::of(state),
            due: state.due_at(),
            action: request.action,
            image: request.target.image().to_string(),
            region: request.region.to_string(),
            accounts: accounts.collect(),
            requester: request.requester.clone(),
            ticket: request.ticket.clone(),
            at: state.approved_at(),
            answer: Answer::of_state(state),
        }
    }

    /// Returns the receivers with whom the request shares the image or stops sharing it.
    pub fn receivers(&self) -> Vec<String> {
        let items = self.answer.results.iter();
        items.map(|result| receiver(&result.item)).collect()
    }
}

/// One line of the list of grants: an image and one of its receivers.
#[derive(Debug, Clone, Serialize)]
pub struct GrantEntry {
    /// The image as the request names it.
    pub image: String,
    /// The blueprint that a chain created from the image. The chain's accounts see this blueprint
    /// in Lighthouse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blueprint: Option<String>,
    /// The region of the image.
    pub region: String,
    /// The receiver: an account, or Lighthouse.
    pub to: String,
    /// The time of the first record that shows the share.
    pub since: Timestamp,
    /// When the share expires, or when its approval was withdrawn. `None` if the share has no end.
    pub until: Option<Timestamp>,
    /// Whether the share is active, overdue, or expired but covered by another grant.
    pub state: Standing,
    /// The ticket, or the request's id if it names no ticket.
    pub ticket: String,
    /// The request that gave the share, as `source/id`.
    pub request: String,
    /// Who asked for the share.
    pub requester: String,
    /// Who approved the share.
    pub approvers: Vec<String>,
    /// The policies that allowed the share.
    pub policies: Vec<String>,
}

impl GrantEntry {
    /// Whether this grant shares `image`: as its image, or as the blueprint that was created from
    /// its image.
    pub(in super::super) fn is_of(&self, image: &str) -> bool {
        self.image == image || self.blueprint.as_deref() == Some(image)
    }

    /// Returns one line for each receiver of a grant.
    pub(in super::super) fn all_of(grant: &Grant, now: Timestamp) -> Vec<Self> {
        let ticket = grant.ticket.as_ref().unwrap_or(&grant.identity.id);
        let line = |item: Item| Self {
            image: grant.image.to_string(),
            blueprint: grant.blueprint.as_ref().map(ToString::to_string),
            region: grant.region.to_string(),
            state: grant.standing(&item, now),
            to: receiver(&item),
            since: grant.since,
            until: grant.until,
            ticket: ticket.clone(),
            request: grant.identity.to_string(),
            requester: grant.requester.clone(),
            approvers: grant.approvers.clone(),
            policies: grant.policies.clone(),
        };
        grant.items().into_iter().map(line).collect()
    }
}

/// Whether a notification was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationStatus {
    /// Due at the entry's instant.
    Owed,
    /// Delivered at the entry's instant.
    Sent,
    /// Given up at the entry's instant.
    GivenUp,
    /// Would have been due at the entry's instant, but no `[[notify]]` has this name with this
    /// outcome and source any more.
    TargetRemoved,
}

impl NotificationStatus {
    /// The status as tables print it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Sent => "sent",
            Self::GivenUp => "given up",
            Self::TargetRemoved => "target removed",
        }
    }
}

/// One notification of a request or an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotificationEntry {
    /// The name of the `[[notify]]`.
    pub notify: NotifyName,
    /// The request as `source/id`, or the incident's stream.
    pub request: String,
    /// The outcome that the notification reports.
    pub on: NoticeKind,
    /// Whether the notification was delivered.
    pub state: NotificationStatus,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the notification was delivered, was given up or is due. `state` says which of them.
    pub at: Timestamp,
    /// Why the latest attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl NotificationEntry {
    /// Returns the notifications of a stream: those that were attempted, and those that are still
    /// owed under `rules`.
    pub(super) fn all_of(state: &StreamState, rules: &NoticeRules, now: Timestamp) -> Vec<Self> {
        let attempted = state.attempted_notifications().iter();
        let attempted = attempted.map(|known| {
            let mut entry = Self::of(state, known);
            // Without any target, the configuration may be unknown to the reader.
            let known_rules = !rules.subscriptions.is_empty();
            let is_owed = entry.state == NotificationStatus::Owed;
            if is_owed && known_rules && !state.is_wanted(&known.notice, rules) {
                entry.state = NotificationStatus::TargetRemoved;
            }
            entry
        });
        let owed = state.owed(rules, now);
        let new = owed.into_iter().filter(|owed| owed.attempt == 1);
        let new = new.map(|Owed { notice, at, .. }| Self {
            notify: notice.notify,
            request: name(state),
            on: notice.on,
            state: NotificationStatus::Owed,
            attempts: 0,
            at,
            why: None,
        });
        attempted.chain(new).collect()
    }

    pub(in super::super) fn of(state: &StreamState, known: &NotificationState) -> Self {
        let (status, at) = match (known.delivered, known.not_before) {
            (true, _) => (NotificationStatus::Sent, known.at),
            (false, Some(next)) => (NotificationStatus::Owed, next),
            (false, None) => (NotificationStatus::GivenUp, known.at),
        };
        Self {
            notify: known.notice.notify.clone(),
            request: name(state),
            on: known.notice.on,
            state: status,
            attempts: known.attempts,
            at,
            why: known.why.clone(),
        }
    }
}

/// An announcement whose instance must still be fetched, or that led to no request.
#[derive(Debug, Clone, Serialize)]
pub struct AnnouncementEntry {
    pub at: Timestamp,
    /// The announcement's name: `source/`, then the id of its event. This id begins with the id of
    /// the instance.
    pub announcement: String,
    /// Whether the announcement comes from a list or a fetched instance instead of an event.
    pub listed: bool,
    pub attempts: u32,
    /// `None` if it is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Timestamp>,
    pub why: Option<String>,
    /// Whether it was given up after failed attempts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

impl AnnouncementEntry {
    /// Returns the entry if the incident is an announcement whose instance must still be fetched.
    /// Returns `None` for any other incident.
    pub(super) fn of(incident: &Incident) -> Option<Self> {
        let (announcement, next_attempt, _) = incident.to_fetch()?;
        Some(Self {
            next_attempt: Some(next_attempt),
            ..Self::with(incident, announcement)
        })
    }

    /// Returns the entry of an announcement that led to no request or was given up; `None` for any
    /// other incident.
    pub(super) fn settled(incident: &Incident) -> Option<Self> {
        match incident.subject() {
            Subject::Received(announcement) if incident.to_fetch().is_none() => {
                incident.why()?;
                Some(Self::with(incident, announcement))
            }
            _ => None,
        }
    }

    fn with(incident: &Incident, announcement: &Announcement) -> Self {
        Self {
            at: incident.at(),
            announcement: incident.name(),
            listed: announcement.listed,
            attempts: incident.attempts(),
            next_attempt: None,
            why: incident.why().map(str::to_owned),
            given_up: incident.given_up(),
        }
    }
}

/// A verified delivery that is not a valid request, or that has the id of an earlier request but
/// different content.
#[derive(Debug, Clone, Serialize)]
pub struct RejectionEntry {
    pub at: Timestamp,
    /// The source that authenticated the delivery.
    pub source: SourceName,
    /// The source's scheme, if it is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Digests of the received bytes, and of the map and the configuration that were in force.
    #[serde(flatten)]
    pub received: Received,
    /// The sender's own id of the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// The earlier request with the same id, as `source/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    pub problems: Vec<Problem>,
}

impl RejectionEntry {
    /// Returns the entry if the incident is a rejected delivery or a conflict. Returns `None` for
    /// any other incident.
    pub(super) fn of(incident: &Incident) -> Option<Self> {
        let at = incident.at();
        match incident.subject() {
            Subject::Rejected(rejection) => Some(Self {
                at,
                source: rejection.source.clone(),
                scheme: Some(rejection.scheme.clone()),
                received: rejection.received.clone(),
                delivery_id: rejection.delivery_id.clone(),
                request: None,
                problems: rejection.problems.clone(),
            }),
            Subject::Conflict(conflict) => Some(Self {
                at,
                source: conflict.identity.source.clone(),
                scheme: None,
                received: conflict.received.clone(),
                delivery_id: conflict.delivery_id.clone(),
                request: Some(conflict.identity.to_string()),
                problems: vec![conflict.identity.used_before()],
            }),
            Subject::Drifted(_) | Subject::Received(_) => None,
        }
    }
}

fn name(state: &StreamState) -> String {
    match state {
        StreamState::Request(state) => state.identity().to_string(),
        StreamState::Incident(incident) => incident.stream().to_string(),
    }
}
