//! What a delivery is answered with, before a host puts it into its own form. The field names are
//! the contract.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Approval, Identity, Item, ItemResult, Problem, Problems, Refused, ResultCode, ResultKind,
    ShareRequest, Status, Verdict,
};
use crate::inbound::{HandshakeReply, MapRefusal};
use crate::journal::{JournalError, Phase, State};

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's id: its own, else the delivery's, else a digest of its content.
    pub id: String,
    /// What became of it.
    pub status: Status,
    /// One entry per account, and one for Lighthouse where it was asked for.
    pub results: Vec<ItemResult>,
    /// Determining policies; empty when no policy allowed it.
    pub policy: Vec<String>,
    /// The approvers who counted, each with the policies that let them approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Where the journal holds it, and the record's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Present and true when this is the recorded answer of an earlier delivery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    /// When the share ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<crate::domain::Timestamp>,
    /// A dry run: the calls that would be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// A denial: what was refused, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// What is wrong with the request, each with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// One sentence for people, where the rest does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Answer {
    /// An answer with nothing but its id and status.
    pub fn new(id: impl Into<String>, status: Status) -> Self {
        Self {
            id: id.into(),
            status,
            results: Vec::new(),
            policy: Vec::new(),
            approvals: Vec::new(),
            record: None,
            duplicate: false,
            expires_at: None,
            plan: Vec::new(),
            refused: Vec::new(),
            problems: Vec::new(),
            message: None,
        }
    }

    /// The same with the policy's verdict.
    #[must_use]
    pub(super) fn with_verdict(self, verdict: &Verdict) -> Self {
        Self {
            policy: verdict.policies.clone(),
            approvals: verdict.approvals.clone(),
            refused: verdict.refused.clone(),
            ..self
        }
    }

    /// What the journal says of a request.
    pub(super) fn of_state(state: &State) -> Self {
        let head = state.head();
        let newest = head.next_seq.saturating_sub(1);
        let record = format!(
            "requests/{}/{newest:06}.json sha256:{}",
            state.stream(),
            head.hash
        );
        Self {
            results: results_of(state),
            record: Some(record),
            // What was never given does not end.
            expires_at: state.expires_at().filter(|_| state.verdict().allowed),
            message: message_of(state),
            ..Self::new(&state.identity().id, state.status())
                .with_verdict(state.refusal().unwrap_or(state.verdict()))
        }
    }
}

/// One result per item, also for a denial: each item then says that it was refused, or with whom it
/// fell.
fn results_of(state: &State) -> Vec<ItemResult> {
    match state.phase() {
        Phase::Denied => refused_items(state.request(), state.verdict()),
        _ => state.results(),
    }
}

/// The items of a denied request as results.
pub(super) fn refused_items(request: &ShareRequest, verdict: &Verdict) -> Vec<ItemResult> {
    let result = |item: Item| {
        let own = verdict
            .refused
            .iter()
            .find(|refused| refused.item.as_ref() == Some(&item));
        let with_others = "not carried out: a request is carried out only if all of it is allowed";
        let message = own.map_or_else(|| with_others.to_owned(), |refused| refused.why.clone());
        ItemResult::new(
            item,
            ResultKind::Failed {
                code: ResultCode::Denied.into(),
                message,
                retryable: false,
            },
            None,
        )
    };
    request.target.items().into_iter().map(result).collect()
}

/// Why a request is not finished, for people.
fn message_of(state: &State) -> Option<String> {
    match state.phase() {
        Phase::Waiting { until } => Some(format!("it is carried out from {until} on")),
        Phase::Deferred { why, .. } | Phase::RevokeDeferred { why, .. } => Some(why.clone()),
        _ => state
            .refusal()
            .map(|_| "it was allowed when it came; the policies of today deny it".to_owned()),
    }
}

/// The answer to a known identity with other content.
pub(super) fn conflict(identity: &Identity) -> Answer {
    let problem = Problem::new(
        "id",
        format!("{} was used before, for other content", identity.id),
        "send changed content under a new id; what was recorded under this one stands",
    );
    Answer {
        problems: vec![problem],
        ..Answer::new(&identity.id, Status::Failed)
    }
}

/// The answer when the journal cannot be used: nothing more is done.
pub(super) fn unavailable(identity: &Identity, error: &JournalError) -> Answer {
    let message = format!(
        "the journal cannot be used now, so nothing more was done: {error}; send it again later"
    );
    Answer {
        message: Some(message),
        ..Answer::new(&identity.id, Status::Failed)
    }
}

/// How one request ended, for the tables that turn it into a status code, an exit code or a batch
/// failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Processed; the body tells how. Also a dry run and an event that asks for nothing.
    Done,
    /// Journalled, and waiting for its time: nothing has to be sent again.
    Waiting,
    /// Journalled, not finished: a repetition of the delivery, or the next sweep, goes on.
    Pending,
    /// Refused by the policy.
    Denied,
    /// Invalid, or the same identity with other content.
    Invalid,
    /// The journal cannot be written or read now: nothing was done.
    Unavailable,
}

/// The answer to a whole delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Verified and mapped: one answer per request.
    Answers(Vec<(Ending, Answer)>),
    /// A handshake, and no event: nothing is asked for.
    Handshake(HandshakeReply),
    /// Any failure of authentication; the reason is in the log only.
    Unauthorised,
    /// No source of this name.
    UnknownSource,
    /// What is needed to verify could not be fetched; nothing was done, and the sender is to send
    /// it again.
    NotNow,
    /// The body's type is not one that the source's scheme sends.
    UnsupportedType,
    /// Verified, yet not JSON or nested too deeply.
    Unreadable(Problem),
    /// Verified, yet the map finds no valid request in it.
    Invalid(Problems),
}

impl From<MapRefusal> for Reply {
    fn from(refusal: MapRefusal) -> Self {
        match refusal {
            MapRefusal::Unreadable(problem) => Self::Unreadable(problem),
            MapRefusal::Invalid(problems) => Self::Invalid(problems),
        }
    }
}
