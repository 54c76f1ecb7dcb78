//! The event that templates read. Takes a stream's state and the notification; returns JSON with
//! the request and its outcome, or the incident, and the notification's ids. The event contains at
//! most one secret: the task token of a Step Functions task that waits for the callback.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::domain::{Item, ItemResult, Notice, NoticeKind, RefusalKind, ResultCode, ResultKind};
use crate::journal::{Incident, Owed, Phase, State, StreamId, StreamState, Subject};

const REFUSED: &str = "the policy refused the request";

/// Returns the id of a notification. Every attempt has the same id.
pub(crate) fn webhook_id(stream: StreamId, notice: &Notice) -> String {
    let Notice { notify, on, about } = notice;
    format!("{stream}-{about:06}-{on}-{notify}")
}

/// Returns a word that occurs only in the messages of this notification. Searching the target for
/// this word shows whether an earlier attempt delivered them.
pub(crate) fn marker(webhook_id: &str) -> String {
    let digest = hex::encode(Sha256::digest(webhook_id));
    format!("sharehook-{}", digest.get(..16).unwrap_or_default())
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extras<'a> {
    pub contact: Option<&'a str>,
    /// Jira's transition for this outcome.
    pub transition: Option<&'a str>,
    /// The target's setting `user`, such as the person in whose name the program writes.
    pub user: Option<&'a str>,
    /// Whether a `response_url` is known.
    pub response_url: bool,
    pub task_token: Option<&'a str>,
    /// The items of an expiring share that stay shared, because another share of them ends later.
    pub staying: &'a [Item],
}

pub(crate) fn notification_event(
    stream_state: &StreamState,
    owed: &Owed,
    extras: Extras<'_>,
) -> Value {
    let notice = &owed.notice;
    let id = webhook_id(stream_state.stream(), notice);
    let mut event = json!({
        "id": id,
        "marker": marker(&id),
        "type": notice.on,
        "time": owed.since,
        "contact": extras.contact,
        "transition": extras.transition,
        "user": extras.user,
        "callback": { "response_url": extras.response_url, "task_token": extras.task_token },
    });
    let outcome = match stream_state {
        StreamState::Request(state) => of_request(state, notice.on, extras.staying),
        StreamState::Incident(incident) => of_incident(incident),
    };
    if let (Some(event), Value::Object(outcome)) = (event.as_object_mut(), outcome) {
        event.extend(outcome);
    }
    event
}

fn of_request(state: &State, on: NoticeKind, staying: &[Item]) -> Value {
    let request = state.request();
    let verdict = state.refusal().unwrap_or(state.verdict());
    let overdue = match (on, state.phase()) {
        (NoticeKind::Overdue, Phase::RevokeDeferred { why, .. }) => Some(why),
        _ => None,
    };
    // The kinds of refusals, without the reasons, which can show parts of the allow-list.
    let kinds = verdict.refused.iter().filter_map(|refused| refused.kind);
    let refusals: BTreeSet<&str> = kinds.map(RefusalKind::as_str).collect();
    // A share that was called off may end before its expiry.
    let end = match on {
        NoticeKind::Overdue => state.ends_at(),
        _ => state.expires_at().filter(|_| state.verdict().allowed),
    };
    json!({
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
        "results": results_of(state, on, staying),
        "expires_at": end,
        "kept": state.kept(),
        "policy": verdict.policies,
        "refused": verdict.refused,
        "refusals": refusals,
        "why": overdue,
    })
}

fn results_of(state: &State, on: NoticeKind, staying: &[Item]) -> Vec<ItemResult> {
    let mut results = state.results();
    match on {
        NoticeKind::Revoked => return state.revoked().to_vec(),
        // Keep only items that are shared now and that no other share keeps.
        NoticeKind::Expiring | NoticeKind::Overdue => {
            let shared = state.uncovered();
            results.retain(|one| shared.contains(&one.item) && !staying.contains(&one.item));
        }
        NoticeKind::Denied => {
            if results.is_empty() {
                results = state
                    .request()
                    .target
                    .items()
                    .into_iter()
                    .map(denied)
                    .collect();
            }
            // The recorded reasons can show parts of the allow-list.
            for one in &mut results {
                if let ResultKind::Failed { code, message, .. } = &mut one.kind
                    && code == ResultCode::Denied.as_str()
                {
                    REFUSED.clone_into(message);
                }
            }
        }
        _ => {}
    }
    results
}

fn denied(item: Item) -> ItemResult {
    let kind = ResultKind::failed(ResultCode::Denied, REFUSED, false);
    ItemResult::new(item, kind, None)
}

fn of_incident(incident: &Incident) -> Value {
    let stream = incident.stream();
    match incident.subject() {
        // These incidents owe no notification.
        Subject::Conflict(_) | Subject::Received(_) => json!({ "incident": stream }),
        Subject::Rejected(rejection) => {
            let problems = rejection.problems.iter().map(ToString::to_string);
            json!({
                "incident": stream,
                "rejected": {
                    "source": rejection.source,
                    "delivery_id": rejection.delivery_id,
                    "body_digest": rejection.received.body_digest,
                    "problems": problems.collect::<Vec<_>>(),
                },
            })
        }
        Subject::Drifted(drift) => json!({
            "incident": stream,
            "drifted": { "count": drift.count, "differences": drift.differences },
        }),
    }
}
