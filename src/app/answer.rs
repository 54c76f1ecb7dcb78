//! The answer to a delivery, before a host puts it into its own form. Its field names are a public
//! contract.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Approval, Item, ItemResult, Problem, Problems, Refused, ResultCode, ResultKind, ShareRequest,
    Status, Verdict,
};
use crate::inbound::{HandshakeReply, MapRefusal};
use crate::journal::{Phase, State};

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's id. If the request does not contain one, it is derived from the delivery's id
    /// or, if the delivery has none, from a digest of the request.
    pub id: String,
    /// The outcome so far.
    pub status: Status,
    /// One entry per account, and one for Lighthouse if the request names it. Empty in an answer
    /// without a decision, such as one to an invalid request.
    pub results: Vec<ItemResult>,
    /// The determining policies: those that allowed the request or, in a denial, those that forbade
    /// it. Empty if none did.
    pub policy: Vec<String>,
    /// The approvers whom the decision accepted, each with the policies that let them approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The path of the newest journal record and its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// True if an earlier delivery made the same request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    /// When the share expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<crate::domain::Timestamp>,
    /// The lines of the plan. Empty except in a dry run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// The reasons for a denial. A reason that concerns only one item names that item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// The request's problems, each with its remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The ticket that the log shows.
    #[serde(skip)]
    pub ticket: Option<String>,
    /// A note for human readers about something that the other fields do not show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Answer {
    /// Creates an answer in which all fields but `id` and `status` are empty.
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
            ticket: None,
            message: None,
        }
    }

    /// The answer to a request whose work stopped or did not begin. `message` gives the reason.
    pub(super) fn failed(id: impl Into<String>, message: String) -> Self {
        Self {
            message: Some(message),
            ..Self::new(id, Status::Failed)
        }
    }

    /// The answer to a request that is not carried out because of these problems.
    pub(super) fn invalid(id: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self {
            problems,
            ..Self::new(id, Status::Failed)
        }
    }

    pub(super) fn denied(id: impl Into<String>, request: &ShareRequest, verdict: &Verdict) -> Self {
        Self {
            results: refused_items(request, verdict),
            ..Self::new(id, Status::Denied).with_verdict(verdict)
        }
    }

    #[must_use]
    pub(super) fn with_verdict(self, verdict: &Verdict) -> Self {
        Self {
            policy: verdict.policies.clone(),
            approvals: verdict.approvals.clone(),
            refused: verdict.refused.clone(),
            ..self
        }
    }

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
            // A request that was denied when it was received shows no expiry.
            expires_at: state.expires_at().filter(|_| state.verdict().allowed),
            ticket: state.request().ticket.clone(),
            message: message_of(state),
            ..Self::new(&state.identity().id, state.status())
                .with_verdict(state.refusal().unwrap_or(state.verdict()))
        }
    }
}

/// Returns one result per item. If the request is denied, each result says why its item is refused.
/// For items that were not refused themselves, the reason is that a request is carried out only if
/// all of it is allowed.
fn results_of(state: &State) -> Vec<ItemResult> {
    match state.phase() {
        Phase::Denied => refused_items(state.request(), state.verdict()),
        _ => state.results(),
    }
}

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
            ResultKind::failed(ResultCode::Denied, message, false),
            None,
        )
    };
    request.target.items().into_iter().map(result).collect()
}

/// Returns the text for [`Answer::message`]. It says why the request waits, was deferred, or was
/// denied after it had been allowed. For a finished share that expires, it says which results the
/// expiry does not revoke.
fn message_of(state: &State) -> Option<String> {
    match state.phase() {
        Phase::Waiting { until } => Some(format!(
            "the request waits until {until:.0}; then the policies decide it again"
        )),
        Phase::Deferred { why, .. } | Phase::RevokeDeferred { why, .. } => Some(why.clone()),
        Phase::Closed if state.refusal().is_none() && state.expires_at().is_some() => {
            let results = state.results();
            let renewed = results.iter().filter(|result| result.renewed);
            let of_all = |(number, why): (usize, &str)| {
                (number > 0).then(|| format!("{number} of {} results: {why}", results.len()))
            };
            let parts = [
                (
                    state.kept().len(),
                    "the image was shared before this request, so the expiry of this request does not revoke it",
                ),
                (
                    renewed.count(),
                    "another request shared the image, too, so it is revoked when the last of these shares ends",
                ),
            ];
            let parts: Vec<String> = parts.into_iter().filter_map(of_all).collect();
            (!parts.is_empty()).then(|| parts.join("; "))
        }
        _ => state.refusal().map(|_| {
            "the request was allowed when it was received, but a later decision denied it"
                .to_owned()
        }),
    }
}

/// How one request ended. The table in `entrypoints/outcome.rs` turns it into a status code, a
/// batch failure, an error name and an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The request was processed, and the body has the result. Also used for an allowed dry run and
    /// for an event that maps to no request.
    Done,
    /// The request was recorded, and waits for its `not_before` or for a slot. The sender need not
    /// repeat the delivery.
    Waiting,
    /// The request was recorded but is unfinished. The backlog, a sweep or a repeated delivery
    /// continues it.
    Pending,
    /// The policies deny the request.
    Denied,
    /// The request is not valid.
    Invalid,
    /// The journal has a request with the same identity but other content.
    Conflict,
    /// The request was not recorded, because its source has too many unfinished requests or they
    /// have too many bytes.
    Busy,
    /// The journal cannot be written or read, so the work stopped.
    Unavailable,
}

/// The answer to a whole delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The delivery was verified. There is one answer per request, and one for each bad event of a
    /// batch. An event that requests nothing or only names an instance also gets one answer.
    Answers(Vec<(Ending, Answer)>),
    /// The answer to a handshake or to a message about a subscription.
    Handshake(HandshakeReply),
    /// Authentication failed. The reply does not say why; the log may.
    Unauthorised,
    /// No source has the name, or none lists the origin, that the delivery gives.
    UnknownSource,
    /// The delivery could not be verified or handled now. The sender must repeat it.
    NotNow,
    /// The body has a content type that the source's scheme does not send.
    UnsupportedType,
    /// The delivery was verified, but its body is not JSON or is nested too deeply.
    Unreadable(Problem),
    /// The delivery was verified, but the map failed or returned a request that is not valid.
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
