//! Tests the decisions of the policy that ships, request by request.

use super::*;

#[test]
fn the_sample_policy_decides_as_its_readers_expect() {
    let policies = sample();
    let partner =
        |expiry: Value| native(json!({"accounts": ["700000000101"], "expires_in": expiry}));
    let lighthouse = |action: &str| {
        let mut value = cvm(json!({"lighthouse": true, "action": action}));
        value.as_object_mut().unwrap().remove("accounts");
        value
    };
    let other_image = native(json!({"image": "lhbp-00000000"}));
    let sandbox = |requester: &str| {
        native(json!({"accounts": ["700000000201"], "requester": requester, "approvers": ["bob"]}))
    };
    let desk = |accounts: &str| {
        native(json!({"accounts": [accounts], "requester": "alice", "approvers": ["bob"]}))
    };
    let table: Vec<(&str, &str, Value, bool, Vec<&str>)> = vec![
        (
            "listed",
            "jira",
            native(json!({})),
            true,
            vec!["golden-images-to-staging"],
        ),
        (
            "listed, by queue",
            "queue",
            native(json!({})),
            true,
            vec!["golden-images-to-staging"],
        ),
        (
            "a CVM image",
            "jira",
            cvm(json!({})),
            true,
            vec!["golden-images-to-staging"],
        ),
        (
            "unknown account",
            "jira",
            native(json!({"accounts": ["999999999"]})),
            false,
            vec![],
        ),
        ("other image", "jira", other_image, false, vec![]),
        (
            "unknown person",
            "jira",
            native(json!({"requester": "mallory@example.com"})),
            false,
            vec![],
        ),
        (
            "own approver",
            "jira",
            native(json!({"approvers": ["alice@example.com"]})),
            false,
            vec!["four-eyes"],
        ),
        (
            "own approver in capitals",
            "jira",
            native(json!({"approvers": ["Alice@Example.COM "]})),
            false,
            vec!["four-eyes"],
        ),
        (
            "own approver among others",
            "jira",
            native(json!({"approvers": ["bob@example.com", "alice@example.com"]})),
            false,
            vec!["four-eyes"],
        ),
        (
            "no approver",
            "jira",
            native(json!({"approvers": []})),
            false,
            vec!["four-eyes"],
        ),
        (
            "partner, 30 days",
            "jira",
            partner(json!("30d")),
            true,
            vec!["golden-images-to-partners"],
        ),
        (
            "partner, 31 days",
            "jira",
            partner(json!("31d")),
            false,
            vec!["expiry-cap"],
        ),
        (
            "partner, without an end",
            "jira",
            partner(Value::Null),
            false,
            vec!["expiry-cap"],
        ),
        (
            "other source's alice@example.com",
            "github",
            native(json!({})),
            false,
            vec![],
        ),
        (
            "source in no group",
            "stranger",
            native(json!({})),
            false,
            vec![],
        ),
        (
            "unsigned to staging",
            "desk",
            desk("700000164995"),
            false,
            vec!["unsigned-sources"],
        ),
        (
            "unsigned to a sandbox",
            "desk",
            sandbox("alice"),
            true,
            vec!["golden-images-to-sandboxes"],
        ),
        (
            "publish",
            "jira",
            lighthouse("share"),
            true,
            vec!["golden-images-into-lighthouse"],
        ),
        (
            "unpublish",
            "jira",
            lighthouse("cancel"),
            true,
            vec!["take-back-golden-images"],
        ),
        (
            "chain",
            "jira",
            cvm(json!({"lighthouse": true})),
            true,
            vec!["golden-images-into-lighthouse", "golden-images-to-staging"],
        ),
        (
            "cancel needs no second person",
            "jira",
            native(json!({"action": "cancel", "approvers": [], "accounts": ["999999999"]})),
            true,
            vec!["take-back-golden-images"],
        ),
        (
            "a queue's cancel for a partner",
            "queue",
            native(json!({"action": "cancel", "accounts": ["700000000101"]})),
            false,
            vec!["unsigned-sources"],
        ),
        (
            "a token's cancel for staging",
            "desk",
            native(json!({"action": "cancel", "requester": "alice"})),
            false,
            vec!["unsigned-sources"],
        ),
        (
            "a token's cancel for a sandbox",
            "desk",
            native(json!({"action": "cancel", "requester": "alice",
                    "accounts": ["700000000201"]})),
            true,
            vec!["take-back-golden-images"],
        ),
        (
            "a queue's unpublish",
            "queue",
            lighthouse("cancel"),
            false,
            vec!["unsigned-sources-lighthouse"],
        ),
        (
            "an approver whom no list names",
            "jira",
            native(json!({"approvers": ["nobody-knows-me"]})),
            false,
            vec![],
        ),
        (
            "a colleague who is no approver",
            "jira",
            native(json!({"requester": "bob@example.com", "approvers": ["alice@example.com"]})),
            false,
            vec![],
        ),
        (
            "an approver of another source",
            "github",
            native(json!({"requester": "alice", "approvers": ["bob@example.com"]})),
            false,
            vec![],
        ),
        (
            "cancel of another image",
            "jira",
            native(json!({"action": "cancel", "image": "lhbp-00000000"})),
            false,
            vec![],
        ),
    ];
    for (name, source, value, allowed, determining) in table {
        let verdict = verdict(decide_for(&policies, source, &value));
        assert_eq!(verdict.allowed, allowed, "{name}: {verdict:?}");
        assert_eq!(verdict.policies, determining, "{name}: {verdict:?}");
        assert_eq!(verdict.refused.is_empty(), allowed, "{name}: {verdict:?}");
        assert_eq!(verdict.policy_digest, policies.digest());
    }
    let unexpected =
        |warning: &&crate::domain::Warning| warning.danger != crate::domain::Danger::UnknownSource;
    let unexpected = policies.warnings().iter().find(unexpected);
    assert_eq!(unexpected, None);
}
