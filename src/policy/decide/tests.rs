//! Tests decisions of the sample policy and of small policies.

use serde_json::{Value, json};

use super::*;
use crate::domain::{Identity, Problems, ServedRegions, ShareRequest, Timestamp};
use crate::policy::{PolicyFiles, SourceFacts, sample_files};

mod approvals;
mod sample_policy;

const NOW: &str = "2026-11-01T12:00:00Z";

fn sources() -> Vec<SourceFacts> {
    let of = |name: &str, scheme: &str, signed| SourceFacts {
        name: name.parse().unwrap(),
        scheme: scheme.to_owned(),
        signed,
    };
    vec![
        of("jira", "jira", true),
        of("github", "github", true),
        of("queue", "trusted", false),
        of("desk", "token", false),
        of("stranger", "jira", true),
    ]
}

fn sample() -> PolicySet {
    let mut files = sample_files();
    // Add a source that cannot sign and two of its people, as an operator would.
    let extra = r#", {"uid": {"type": "Share::Source", "id": "desk"}, "parents": [{"type": "Share::SourceGroup", "id": "ticketing"}]},
            {"uid": {"type": "Share::Requester", "id": "desk/alice"}, "parents": [{"type": "Share::Team", "id": "platform"}]},
            {"uid": {"type": "Share::Requester", "id": "desk/bob"}, "parents": [{"type": "Share::Team", "id": "approvers"}]}]"#;
    let entities = files.entities.take().unwrap();
    files.entities = Some(entities.trim_end().strip_suffix(']').unwrap().to_owned() + extra);
    PolicySet::load(&files, &sources(), 1).unwrap()
}

/// Loads the sample's files with `text` as the only policy file.
fn with_rules(text: &str) -> Result<PolicySet, Problems> {
    let policies = vec![("a.cedar".to_owned(), text.to_owned())];
    PolicySet::load(
        &PolicyFiles {
            policies,
            ..sample_files()
        },
        &sources(),
        1,
    )
}

fn native(extra: Value) -> Value {
    let mut value = json!({"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
            "accounts": ["700000164995"], "requester": "alice@example.com", "approvers": ["bob@example.com"]});
    for (name, field) in extra.as_object().unwrap() {
        value[name] = field.clone();
    }
    value
}

fn decide_for(policies: &PolicySet, source: &str, value: &Value) -> Decision {
    let request = ShareRequest::from_json(value, &ServedRegions::default()).unwrap();
    let identity = Identity {
        source: source.parse().unwrap(),
        id: "CHG0030192".to_owned(),
    };
    let now = NOW.parse().unwrap();
    let question = Question {
        identity: &identity,
        request: &request,
        now,
        approved_at: now,
    };
    policies.decide(question)
}

fn account(id: &str) -> Option<Item> {
    Some(Item::Account(id.parse().unwrap()))
}

fn verdict(decision: Decision) -> Verdict {
    match decision {
        Decision::Allow(approved) => approved.verdict().clone(),
        Decision::Deny(verdict) => verdict,
    }
}

fn cvm(extra: Value) -> Value {
    let mut value = native(extra);
    value["image"] = json!("img-6pb6lrmy");
    value
}

#[test]
fn a_recorded_name_that_would_be_refused_today_is_refused_again() {
    let policies = with_rules("@id(\"all\") permit (principal, action, resource);").unwrap();
    let identity = Identity {
        source: "jira".parse().unwrap(),
        id: "1".into(),
    };
    let now: Timestamp = NOW.parse().unwrap();
    let good = ShareRequest::from_json(&native(json!({})), &ServedRegions::default()).unwrap();
    for request in [
        ShareRequest {
            requester: "alice@example.com\u{200b}".to_owned(),
            ..good.clone()
        },
        ShareRequest {
            approvers: vec!["mailto:alice@example.com".to_owned()],
            ..good.clone()
        },
    ] {
        let verdict = verdict(policies.decide(Question {
            identity: &identity,
            request: &request,
            now,
            approved_at: now,
        }));
        assert!(!verdict.allowed, "{verdict:?}");
        assert_eq!(verdict.refused[0].item, None);
    }
}

#[test]
fn an_allowed_request_comes_back_whole() {
    let policies = sample();
    let value = native(json!({"expires_in": "7d"}));
    let Decision::Allow(approved) = decide_for(&policies, "jira", &value) else {
        panic!("denied")
    };
    assert_eq!(
        approved.request(),
        &ShareRequest::from_json(&value, &ServedRegions::default()).unwrap()
    );
    assert_eq!(approved.identity().to_string(), "jira/CHG0030192");
    assert_eq!(
        approved.expires_at().unwrap().to_string(),
        "2026-11-08T12:00:00Z"
    );
}

#[test]
fn a_chain_needs_both_permissions() {
    let policies = sample();
    let value = cvm(json!({"lighthouse": true, "accounts": ["999999999"]}));
    let refused = verdict(decide_for(&policies, "jira", &value)).refused;
    assert_eq!(
        refused.iter().map(|r| r.item.clone()).collect::<Vec<_>>(),
        [account("999999999")]
    );

    let share_only = with_rules(
        "@id(\"s\") permit (principal, action in [Share::Action::\"share\", Share::Action::\"approve\"], resource);",
    );
    let value = cvm(json!({"lighthouse": true}));
    let refused = verdict(decide_for(&share_only.unwrap(), "jira", &value)).refused;
    let image = Item::Lighthouse("img-6pb6lrmy".parse().unwrap());
    assert_eq!(refused[0].item, Some(image));
    assert_eq!(
        refused[0].why,
        "no policy allows it; no permit is about publish"
    );
}

#[test]
fn one_bad_account_of_ten_denies_all_and_is_named() {
    let mut accounts: Vec<String> = (1..10).map(|n| format!("70000000000{n}")).collect();
    accounts.insert(4, "999999999".to_owned());
    let verdict = verdict(decide_for(
        &sample(),
        "jira",
        &native(json!({"accounts": accounts})),
    ));
    assert!(!verdict.allowed);
    assert!(
        verdict.policies.is_empty(),
        "what allowed the others did not decide: {verdict:?}"
    );
    assert_eq!(verdict.refused.len(), 1);
    assert_eq!(verdict.refused[0].item, account("999999999"));
}

#[test]
fn a_refusal_says_why() {
    let policies = sample();
    let why = |value: Value| {
        verdict(decide_for(&policies, "jira", &value)).refused[0]
            .why
            .clone()
    };
    assert_eq!(
        why(native(json!({"accounts": ["999999999"]}))),
        "no policy allows it; nearest: \
             golden-images-to-partners: context.account in Share::AccountGroup::\"partners\" is false; \
             golden-images-to-sandboxes: context.account in Share::AccountGroup::\"sandbox-accounts\" is false; \
             and 1 more"
    );
    let why_image = why(native(json!({"image": "lhbp-00000000"})));
    assert!(
        why_image.contains(
            r#"golden-images-to-staging: resource in Share::ImageSet::"golden" is false"#
        ),
        "{why_image}"
    );
    assert_eq!(
        why(native(json!({"approvers": []}))),
        "forbidden by four-eyes (A share needs an approver, and the requester may not be one of them.)"
    );
}

#[test]
fn a_refusal_has_a_kind() {
    use RefusalKind::{Approval, Error, Expired, Forbidden, NoPermit};
    let broken = "@id(\"all\") permit (principal, action, resource);
        @id(\"broken\") forbid (principal, action, resource)
        when { 9223372036854775807 + context.now.toTime().toMilliseconds() > 0 };";
    let broken = with_rules(broken).unwrap();
    let sample = sample();
    for (policies, change, kind) in [
        (&sample, json!({"accounts": ["999999999"]}), NoPermit),
        (&sample, json!({"approvers": []}), Forbidden),
        (
            &sample,
            json!({"approvers": ["mallory@example.com"]}),
            Approval,
        ),
        (
            &sample,
            json!({"expires_at": "2026-10-31T00:00:00Z"}),
            Expired,
        ),
        (&broken, json!({}), Error),
    ] {
        let refused = verdict(decide_for(policies, "jira", &native(change))).refused;
        assert_eq!(refused[0].kind, Some(kind), "{refused:?}");
    }
}

#[test]
fn unless_and_not_are_explained_as_what_they_forbid() {
    let policies = with_rules(
            "@id(\"x\") permit (principal is Share::Requester, action, resource == Share::Image::\"lhbp-6jc6l8yb\")
             when { context.ticket has status && context.ticket.status == \"done\" && !(resource.kind == \"blueprint\") }
             unless { resource.region like \"ap-*\" || resource.region == \"eu-frankfurt\" };",
        )
        .unwrap();
    let verdict = verdict(decide_for(&policies, "jira", &native(json!({}))));
    assert_eq!(
        verdict.refused[0].why,
        "no policy allows it; nearest: x: context.ticket has status is false and \
             resource.kind == \"blueprint\" is true and resource.region like \"ap-*\" is true"
    );
}

#[test]
fn a_policy_that_cannot_be_evaluated_refuses() {
    const OVERFLOW: &str = "9223372036854775807 + context.now.toTime().toMilliseconds() > 0";
    for effect in ["forbid", "permit"] {
        let text = format!(
            "@id(\"all\") permit (principal, action, resource);
                 @id(\"broken\") {effect} (principal, action, resource) when {{ {OVERFLOW} }};"
        );
        let verdict = verdict(decide_for(
            &with_rules(&text).unwrap(),
            "jira",
            &native(json!({})),
        ));
        assert!(!verdict.allowed, "{effect}");
        assert!(verdict.policies.is_empty());
        assert!(verdict.refused[0].why.contains("broken"), "{verdict:?}");
        assert!(verdict.refused[0].why.contains("overflow"), "{verdict:?}");
    }
}

#[test]
fn nothing_is_allowed_without_a_policy() {
    let verdict = verdict(decide_for(
        &with_rules("").unwrap(),
        "jira",
        &native(json!({})),
    ));
    assert_eq!((verdict.allowed, verdict.policies.len()), (false, 0));
    assert_eq!(
        verdict.refused[0].why,
        "no policy allows it; no permit is about share"
    );
}

#[test]
fn a_foreign_identity_and_an_unknown_source_are_refused() {
    let policies = with_rules("@id(\"all\") permit (principal, action, resource);").unwrap();
    assert!(matches!(
        decide_for(&policies, "jira", &native(json!({}))),
        Decision::Allow(_)
    ));
    assert!(matches!(
        decide_for(&policies, "nowhere", &native(json!({}))),
        Decision::Deny(_)
    ));
}

#[test]
fn a_share_that_would_be_over_is_refused_and_so_is_one_beyond_the_calendar() {
    let policies = with_rules("@id(\"all\") permit (principal, action, resource);").unwrap();
    let identity = Identity {
        source: "jira".parse().unwrap(),
        id: "1".into(),
    };
    let request = ShareRequest::from_json(
        &native(json!({"expires_in": "1h"})),
        &ServedRegions::default(),
    )
    .unwrap();
    let at = |now: &str, approved_at: Timestamp| {
        let now = now.parse().unwrap();
        verdict(policies.decide(Question {
            identity: &identity,
            request: &request,
            now,
            approved_at,
        }))
    };
    let approved: Timestamp = NOW.parse().unwrap();
    assert!(at("2026-11-01T12:59:59Z", approved).allowed);
    assert!(
        at("2026-11-01T13:00:00Z", approved).refused[0]
            .why
            .contains("expired")
    );
    assert!(
        at("2026-11-01T13:00:00Z", Timestamp::MAX).refused[0]
            .why
            .contains("the last possible date")
    );
    // Cedar gets the time in whole milliseconds. If Cedar cannot read the year, the request is
    // refused.
    assert!(at("2026-11-01T12:00:00.123456789Z", approved).allowed);
    assert!(!at("-000044-03-15T12:00:00Z", approved).allowed);
}

#[test]
fn the_ticket_names_neither_region_nor_kind_of_its_own() {
    let policies = with_rules(
            "@id(\"approve\") permit (principal, action == Share::Action::\"approve\", resource);
             @id(\"tokyo\") permit (principal, action, resource)
             when { resource.region == \"ap-tokyo\" && resource has name && resource.name == \"base-july\" && resource.hasTag(\"os\")
                    && principal has email && principal.email == \"alice@example.com\" && context.ticket.id == \"CHG0030192\" };",
        )
        .unwrap();
    let listed = native(json!({"region": "ap-tokyo"}));
    assert!(
        verdict(decide_for(&policies, "jira", &listed)).allowed,
        "name and tag of the file, region of the request"
    );
    assert!(!verdict(decide_for(&policies, "jira", &native(json!({})))).allowed);
    let other = native(json!({"region": "ap-tokyo", "image": "lhbp-00000000"}));
    assert!(!verdict(decide_for(&policies, "jira", &other)).allowed);
}

#[test]
fn five_hundred_strangers_are_all_named() {
    let accounts: Vec<String> = (0..500)
        .map(|n| format!("{}", 800_000_000_000_u64 + n))
        .collect();
    let verdict = verdict(decide_for(
        &sample(),
        "jira",
        &native(json!({"accounts": accounts})),
    ));
    assert_eq!(verdict.refused.len(), 500);
    assert!(
        verdict
            .refused
            .iter()
            .all(|refused| refused.why.chars().count() <= 500)
    );
    assert!(verdict.refused[499].why.starts_with("no policy allows it"));
}
