//! The event that templates read. In: a request's state and the notification. Out: JSON with the
//! request, its outcome, and the notification's ids. Contains no secret except the token of a
//! waiting task.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::domain::{Notice, NoticeKind};
use crate::journal::{Owed, Phase, State, StreamId};

/// The id of a notification, the same at every attempt.
pub fn webhook_id(stream: StreamId, notice: &Notice) -> String {
    let Notice { notify, on, about } = notice;
    format!("{stream}-{about:06}-{on}-{notify}")
}

/// A word that occurs only in the text of this message, to find the message again.
pub fn marker(webhook_id: &str) -> String {
    let digest = hex::encode(Sha256::digest(webhook_id));
    format!("sharehook-{}", digest.get(..16).unwrap_or_default())
}

/// What the configuration and the delivery add to an event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras<'a> {
    /// The contact for the requester.
    pub contact: Option<&'a str>,
    /// The transition of this outcome, for Jira.
    pub transition: Option<&'a str>,
    /// The program's user at the target.
    pub user: Option<&'a str>,
    /// Whether a `response_url` is known.
    pub response_url: bool,
    /// The token of a waiting task.
    pub task_token: Option<&'a str>,
}

/// The event.
pub fn outcome_event(state: &State, owed: &Owed, extras: Extras<'_>) -> Value {
    let notice = &owed.notice;
    let id = webhook_id(state.stream(), notice);
    let request = state.request();
    let verdict = state.refusal().unwrap_or(state.verdict());
    let results = match notice.on {
        NoticeKind::Revoked => state.revoked().to_vec(),
        _ => state.results(),
    };
    let overdue = match (notice.on, state.phase()) {
        (NoticeKind::Overdue, Phase::RevokeDeferred { why, .. }) => Some(why),
        _ => None,
    };
    json!({
        "id": id,
        "marker": marker(&id),
        "type": notice.on,
        "time": owed.since,
        "contact": extras.contact,
        "transition": extras.transition,
        "user": extras.user,
        "callback": { "response_url": extras.response_url, "task_token": extras.task_token },
        "request": {
            "id": state.identity().id,
            "source": state.identity().source,
            "action": request.action,
            "image": request.target.image(),
            "blueprint": state.blueprint(),
            "region": request.region,
            "accounts": request.target.accounts(),
            "lighthouse": request.target.lighthouse(),
            "requester": request.requester,
            "approvers": request.approvers,
            "ticket": request.ticket,
            "reason": request.reason,
        },
        "status": state.status(),
        "results": results,
        "expires_at": state.expires_at(),
        "policy": verdict.policies,
        "refused": verdict.refused,
        "why": overdue,
    })
}
