//! Exports every kind of record: checks OCSF against the published schema, and CSV against what
//! spreadsheets do.

mod ends;
mod rows;

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::*;
use crate::domain::{NoticeKind, ResultKind, Status};
use crate::journal::record::{Event, Stored};
use crate::journal::testing::*;

fn origin() -> Origin {
    Origin {
        site: Some("intl".into()),
        version: "0.1.0".into(),
    }
}

/// Streams with every type of event, including a denial and a conflict.
fn streams() -> Vec<Vec<Stored>> {
    let id = identity("CHG0030192");
    let mut denied = intent(identity("denied"), request(json!({"ticket": null})), None);
    denied.verdict = verdict(false);
    denied.verdict.policies.clear();
    vec![
        StreamBuilder::full().records,
        StreamBuilder::empty(&identity("denied"))
            .then(0, 1, Event::Opened(Box::new(denied)))
            .records,
        StreamBuilder::full()
            .then(EXPIRY + 70, 5, notified("desk", NoticeKind::Partial, 7, 1))
            .then(
                EXPIRY + 71,
                5,
                notification_failed("ops", NoticeKind::Revoked, 11, 1, None),
            )
            .records,
        StreamBuilder::empty(&id).then(0, 1, conflict()).records,
        StreamBuilder::empty(&id).then(0, 1, rejected()).records,
        StreamBuilder::empty(&id).then(0, 1, drifted()).records,
        announcement()
            .into_iter()
            .fold(StreamBuilder::empty(&id), |stream, event| {
                stream.then(0, 1, event)
            })
            .records,
        StreamBuilder::opened()
            .then(
                1,
                1,
                closed(
                    Status::Failed,
                    vec![
                        result(lighthouse(), failed()),
                        result(account(0), failed()),
                        result(account(1), failed()),
                        result(account(2), failed()),
                    ],
                ),
            )
            .then(9_000, 2, reopened(true))
            .records,
        StreamBuilder::opened()
            .then(
                1,
                1,
                closed(Status::Failed, vec![result(account(0), failed())]),
            )
            .records,
        // A closed share that a later cancel revoked.
        StreamBuilder::opened()
            .then(
                1,
                1,
                closed(Status::Failed, vec![result(account(0), ResultKind::Shared)]),
            )
            .then(2, 2, cancelled(vec![account(0)]))
            .records,
        // A share that was called off during its turn. The first attempt to revoke it failed.
        StreamBuilder::opened()
            .then(1, 2, called_off(vec![account(0)]))
            .then(
                2,
                1,
                closed(Status::Failed, vec![result(account(0), ResultKind::Shared)]),
            )
            .then(3, 1, revoking(60, &[0], false))
            .then(4, 1, not_revoked(120))
            .records,
        StreamBuilder::opened()
            .then(
                1,
                1,
                Event::Refused {
                    verdict: verdict(false),
                    results: vec![result(account(0), failed())],
                    calls: vec![],
                },
            )
            .records,
    ]
}

fn flaws(event: &Value) -> Vec<String> {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        let file = include_str!("../../../tests/vectors/ocsf-1.8.0-api_activity.schema.json");
        jsonschema::validator_for(&serde_json::from_str(file).unwrap()).unwrap()
    });
    let errors = VALIDATOR.iter_errors(event);
    errors.map(|error| error.to_string()).collect()
}

fn events() -> Vec<Value> {
    let streams = streams();
    let entries = streams.iter().flat_map(|records| Entry::all(records));
    entries
        .map(|entry| serde_json::from_str(&entry.ocsf(&origin())).unwrap())
        .collect()
}

#[test]
fn every_record_is_a_valid_event_of_the_schema() {
    let mut kinds = std::collections::BTreeSet::new();
    for event in events() {
        assert_eq!(flaws(&event), Vec::<String>::new(), "{event:#}");
        assert_eq!(
            event["type_uid"],
            json!(600_300 + event["activity_id"].as_u64().unwrap())
        );
        kinds.insert(event["metadata"]["event_code"].as_str().unwrap().to_owned());
    }
    let all = event_of_every_type().len();
    assert_eq!(kinds.len(), all, "every type of event: {kinds:?}");
}

/// Three requests: a share that was closed after one call failed and another succeeded, a request
/// that the policies denied at once, and a request that they denied when its time came.
fn exact_streams() -> [Vec<Stored>; 3] {
    let share = request(json!({"reason": "the July base image", "lighthouse": false,
        "image": "lhbp-6jc6l8yb", "accounts": [account_id(0), account_id(1)]}));
    let shared = vec![
        result(account(0), ResultKind::Shared),
        result(account(1), ResultKind::AlreadyShared),
    ];
    let calls = json!([
        {"action": "ShareBlueprintAcrossAccounts", "request_id": "r-0", "code": "InternalError"},
        {"action": "ShareBlueprintAcrossAccounts", "request_id": "r-1"},
    ]);
    let closed =
        json!({"type": "closed", "status": "completed", "results": shared, "calls": calls});
    let mut opened = intent(identity("CHG0030192"), share, Some(60));
    opened.verdict.approvals = serde_json::from_value(json!([
        {"approver": "jira/bob@example.com", "policies": ["approve-for-own-accounts"]}]))
    .unwrap();
    let (mut denied, mut waits) = (opened.clone(), opened.clone());
    denied.identity = identity("CHG0030193");
    denied.request = request(json!({"ticket": null, "accounts": ["100000000001"]}));
    denied.verdict = serde_json::from_value(json!({"allowed": false, "policies": [],
        "refused": [{"account": "100000000001", "why": "no policy allows it"}], "policy_digest": "00"}))
    .unwrap();
    denied.lease = None;
    waits.identity = identity("CHG0030194");
    waits.lease = None;
    let later = refused(false, vec![result(account(0), failed())]);
    let owner = Some("100000000007");
    [
        StreamBuilder::empty(&opened.identity)
            .then(0, 1, Event::Opened(Box::new(opened.clone())))
            .then_of(owner, 3, 1, serde_json::from_value(closed).unwrap())
            .records,
        StreamBuilder::empty(&denied.identity)
            .then(5, 1, Event::Opened(Box::new(denied.clone())))
            .records,
        StreamBuilder::empty(&waits.identity)
            .then(7, 1, Event::Opened(Box::new(waits.clone())))
            .then(3_600, 2, later)
            .records,
    ]
}

/// Compares every field of these events, including fields that the schema does not name.
/// tests/peers/ocsf.py validates the expected events.
#[test]
fn a_closed_share_and_refused_requests_are_exported_field_by_field() {
    let streams = exact_streams();
    let entries = streams.iter().flat_map(|records| Entry::all(records));
    let exported: Vec<Value> = entries
        .map(|entry| serde_json::from_str(&entry.ocsf(&origin())).unwrap())
        .collect();
    for event in &exported {
        assert_eq!(flaws(event), Vec::<String>::new(), "{event:#}");
    }
    let file = include_str!("../../../tests/vectors/ocsf-export.json");
    let expected: Vec<Value> = serde_json::from_str(file).unwrap();
    assert_eq!(exported, expected, "{:#}", json!(exported));
}

#[test]
fn the_check_finds_what_the_schema_forbids() {
    let good = events().remove(0);
    for (pointer, value) in [
        ("/type_uid", json!(1)),
        ("/time", json!("2026-11-21")),
        ("/ticket", json!("x")),
        ("/cloud", json!({})),
        ("/actor/user", json!({})),
        ("/metadata/more", json!(1)),
        ("/src_endpoint", Value::Null),
    ] {
        let mut bad = good.clone();
        let (object, name) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(object)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert(name.into(), value);
        assert!(!flaws(&bad).is_empty(), "{pointer}");
    }
    for name in [
        "api",
        "actor",
        "cloud",
        "metadata",
        "src_endpoint",
        "time",
        "severity_id",
    ] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(name);
        assert!(!flaws(&bad).is_empty(), "{name}");
    }
}

#[test]
fn decisions_calls_and_expiries_are_told_apart() {
    let all = events();
    let of = |code: &str| {
        all.iter()
            .filter(move |e| e["metadata"]["event_code"] == code)
            .collect::<Vec<_>>()
    };
    let [allowed, denied, ..] = of("opened")[..] else {
        panic!()
    };
    assert_eq!(
        (
            &allowed["activity_id"],
            &allowed["action_id"],
            &allowed["status_id"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        (&denied["action_id"], &denied["disposition_id"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (&denied["status_code"], &denied["policy"]["name"]),
        (&json!("PolicyDenied"), &json!("default deny"))
    );
    assert_eq!(
        denied["metadata"]["correlation_uid"], "denied",
        "without a ticket the request's id"
    );
    assert_eq!(
        of("revoked")[0]["activity_id"],
        json!(4),
        "an expiry takes away"
    );
    assert_eq!(of("conflict")[0]["action_id"], json!(2));
    let call = &of("progress")[0]["api"];
    assert_eq!(
        (&call["operation"], &call["request"]["uid"]),
        (&json!("ShareBlueprintAcrossAccounts"), &json!("r-1"))
    );
    assert_eq!(of("closed").last().unwrap()["status_id"], json!(2));
}

#[test]
fn a_later_refusal_a_call_off_and_a_failed_revocation_are_told_apart() {
    let all = events();
    let of = |code: &str| {
        let found = all.iter().find(|e| e["metadata"]["event_code"] == code);
        found.unwrap_or_else(|| panic!("{code}"))
    };
    let refused = of("refused");
    assert_eq!(refused["action_id"], json!(2), "a decision, and a denial");
    assert_eq!(refused["status_code"], json!("PolicyDenied"));
    let called_off = of("called_off");
    assert_eq!(called_off["activity_name"], json!("Call-off"));
    assert_eq!(called_off["status_id"], json!(1));
    assert_eq!(called_off.get("action_id"), None, "it is no decision");
    let not_revoked = of("not_revoked");
    assert_eq!(not_revoked["status_id"], json!(2), "{not_revoked:#}");
    assert_eq!(not_revoked["severity_id"], json!(3));
    let reopened = of("reopened");
    let actor = &reopened["actor"];
    assert_eq!(actor["user"]["uid"], "carol@example.com", "who acted");
    assert_eq!(actor["app_name"], "jira");

    let streams = streams();
    let entries = streams.iter().flat_map(|records| Entry::all(records));
    let rows: Vec<String> = entries
        .filter(|entry| entry.meaning().name == "called_off")
        .map(|entry| entry.csv())
        .collect();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains("called off by"), "{}", rows[0]);
}

#[test]
fn every_record_of_an_announcement_names_its_sender() {
    let streams = streams();
    let ours = |entry: &Entry<'_>| entry.announcement.is_some();
    let entries = streams.iter().flat_map(|records| Entry::all(records));
    let entries: Vec<_> = entries.filter(ours).collect();
    assert_eq!(entries.len(), announcement().len());
    for entry in entries {
        let event: Value = serde_json::from_str(&entry.ocsf(&origin())).unwrap();
        let source = json!({"name": "feishu", "svc_name": "feishu"});
        assert_eq!(event["src_endpoint"], source);
        assert_eq!(event["actor"]["app_name"], "feishu");
        assert_eq!(event["unmapped"]["announcement"], "feishu/e-1");
        assert!(entry.csv().contains(",feishu/e-1,"), "{}", entry.csv());
    }
}
