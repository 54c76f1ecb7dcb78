//! Events that sharehook's own comments and transitions cause, as each sender posts them. The
//! shipped maps must ignore them, so that no notification causes a request.

use serde_json::{Value, json};
use sharehook::domain::ServedRegions;
use sharehook::inbound::Map;

use super::maps::{delivered, event, now};

/// The comment in each event: a message with sharehook's marker.
const COMMENT: &str =
    "Shared lhbp-6jc6l8yb (ap-singapore) with 700000164995.\nsharehook-0123456789abcdef";

fn requests(map: &str, event: &Value) -> usize {
    let delivery = delivered(event.to_string().into_bytes(), "application/json");
    let map = Map::builtin(map).unwrap();
    let read = map.apply(&delivery, now(), &ServedRegions::default());
    read.unwrap_or_else(|refusal| panic!("{refusal}: {event}"))
        .len()
}

/// The event with the value at `pointer` replaced.
fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    *event.pointer_mut(pointer).unwrap() = value;
    event
}

#[test]
fn no_comment_or_transition_of_ours_becomes_a_request() {
    let jira = event("jira-approved");
    let item = |from: &str, to: &str| json!([{"field": "status", "fieldtype": "jira", "from": "10042", "fromString": from, "to": "10050", "toString": to}]);
    let mut commented = with(jira.clone(), "/webhookEvent", json!("comment_created"));
    commented["comment"] = json!({"body": COMMENT});
    let mut updated = jira.clone();
    updated.as_object_mut().unwrap().remove("changelog");
    updated["comment"] = json!({"body": COMMENT});
    let moved = with(jira.clone(), "/changelog/items", item("Approved", "Done"));

    let mut github = event("github-approved");
    github["action"] = json!("created");
    github["comment"] = json!({"body": COMMENT});
    let mut gitlab = event("gitlab-approved");
    gitlab["object_kind"] = json!("note");
    gitlab["object_attributes"] =
        json!({"note": COMMENT, "noteable_type": "Issue", "action": "create"});
    let mut linear = event("linear-approved");
    linear["type"] = json!("Comment");
    linear["action"] = json!("create");
    let noted = with(
        event("pagerduty-approved"),
        "/event/event_type",
        json!("incident.annotated"),
    );
    let mut opsgenie = event("opsgenie-approved");
    opsgenie["action"] = json!("AddNote");
    for (map, ours) in [
        ("jira", commented),
        ("jira", updated),
        ("jira", moved),
        ("github", github),
        ("gitlab", gitlab),
        ("linear", linear),
        ("pagerduty", noted),
        ("opsgenie", opsgenie),
    ] {
        assert_eq!(requests(map, &ours), 0, "{map}: {ours}");
    }
    // The same kinds of events are requests if people cause them.
    for name in [
        "jira",
        "github",
        "gitlab",
        "linear",
        "pagerduty",
        "opsgenie",
        "zendesk",
    ] {
        assert_eq!(
            requests(name, &event(&format!("{name}-approved"))),
            1,
            "{name}"
        );
    }
}

/// The newest comment of a Zendesk ticket may be ours, and older than the update that approves the
/// ticket again.
#[test]
fn a_zendesk_ticket_can_be_approved_again_after_our_comment() {
    let mut again = event("zendesk-approved");
    again["ticket"]["comment"] = json!(COMMENT);
    assert_eq!(requests("zendesk", &again), 1);
}
