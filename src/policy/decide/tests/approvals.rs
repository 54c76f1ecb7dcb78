//! Tests how many approvers a share needs, which items each may approve, and by which policies.

use super::*;

/// Loads the sample with this number of required approvals and with two more approvers: carol, who
/// may approve shares with staging accounts, and dave, who may approve shares with partners.
fn wanting(approvals: usize) -> PolicySet {
    let mut files = sample_files();
    let rules = |name: &str, group: &str| {
        format!(
            "@id(\"{name}-approves\") permit (principal == Share::Requester::\"jira/{name}@example.com\", \
                 action == Share::Action::\"approve\", resource) \
                 when {{ context has account && context.account in Share::AccountGroup::\"{group}\" }};"
        )
    };
    let text = rules("carol", "staging") + &rules("dave", "partners");
    files.policies.push(("more.cedar".to_owned(), text));
    PolicySet::load(&files, &sources(), approvals).unwrap()
}

fn approved_by(names: &[&str]) -> Value {
    native(json!({"approvers": names, "expires_in": "7d",
            "accounts": ["700000164995", "700000000101"]}))
}

fn approval(approver: &str, policies: &[&str], accounts: &[&str]) -> Approval {
    Approval {
        approver: approver.to_owned(),
        policies: policies.iter().map(|&id| id.to_owned()).collect(),
        items: accounts.iter().filter_map(|id| account(id)).collect(),
    }
}

#[test]
fn the_verdict_names_who_counted_for_what_and_by_which_policies() {
    let bob = ["approve-for-own-accounts", "approve-for-partners"];
    let carol = || {
        approval(
            "jira/carol@example.com",
            &["carol-approves"],
            &["700000164995"],
        )
    };
    let dave = || {
        approval(
            "jira/dave@example.com",
            &["dave-approves"],
            &["700000000101"],
        )
    };
    for (wanted, names, counted) in [
        (
            1,
            &["Bob@Example.com "][..],
            vec![approval("jira/bob@example.com", &bob, &[])],
        ),
        (
            1,
            &["nobody@example.com", "bob@example.com"],
            vec![approval("jira/bob@example.com", &bob, &[])],
        ),
        (
            1,
            &["dave@example.com", "carol@example.com"],
            vec![carol(), dave()],
        ),
        (
            2,
            &["bob@example.com", "carol@example.com", "dave@example.com"],
            vec![approval("jira/bob@example.com", &bob, &[]), carol(), dave()],
        ),
        (0, &["nobody@example.com"], vec![]),
    ] {
        let verdict = verdict(decide_for(&wanting(wanted), "jira", &approved_by(names)));
        assert!(verdict.allowed, "{wanted} {names:?}: {verdict:?}");
        assert_eq!(verdict.approvals, counted, "{wanted} {names:?}");
    }
}

#[test]
fn too_few_approvers_refuse_the_item_and_say_who_was_asked() {
    for (wanted, names, refused, why) in [
        (
            1,
            &["carol@example.com"][..],
            "700000000101",
            "needs 1 approver who may approve it, and 0 of 1 named approvers may; not counted: \
                 jira/carol@example.com (no policy allows it; nearest: ",
        ),
        (
            2,
            &["bob@example.com", "BOB@example.com", "dave@example.com"],
            "700000164995",
            "needs 2 approvers who may approve it, and 1 of 2 named approvers may; not counted: \
                 jira/dave@example.com (no policy allows it; nearest: ",
        ),
    ] {
        let verdict = verdict(decide_for(&wanting(wanted), "jira", &approved_by(names)));
        assert!(!verdict.allowed);
        assert!(verdict.approvals.is_empty(), "{verdict:?}");
        assert_eq!(verdict.refused.len(), 1, "{verdict:?}");
        assert_eq!(verdict.refused[0].item, account(refused));
        assert!(verdict.refused[0].why.starts_with(why), "{verdict:?}");
    }
    let question = approved_by(&["bob@example.com"]);
    let one_of_two = verdict(decide_for(&wanting(2), "jira", &question));
    assert!(
        one_of_two
            .refused
            .iter()
            .all(|refused| refused.why.ends_with("1 of 1 named approvers may")),
        "{one_of_two:?}"
    );
    let all = "@id(\"all\") permit (principal, action, resource);";
    let nobody = native(json!({"approvers": []}));
    let refused = verdict(decide_for(&with_rules(all).unwrap(), "jira", &nobody)).refused;
    assert_eq!(
        refused[0].why,
        "needs 1 approver who may approve it, and the request names none"
    );
}

#[test]
fn an_approval_that_cannot_be_evaluated_does_not_count() {
    let text = "@id(\"all\") permit (principal, action, resource);
             @id(\"broken\") forbid (principal, action == Share::Action::\"approve\", resource)
             when { 9223372036854775807 + context.now.toTime().toMilliseconds() > 0 };";
    let verdict = verdict(decide_for(
        &with_rules(text).unwrap(),
        "jira",
        &native(json!({})),
    ));
    assert!(!verdict.allowed);
    assert!(verdict.refused[0].why.contains("broken"), "{verdict:?}");
}

#[test]
fn an_approval_can_depend_on_requester_action_account_ticket_and_time() {
    let text = "@id(\"share\") permit (principal, action in [Share::Action::\"share\", Share::Action::\"publish\"], resource);
             @id(\"approve\") permit (principal, action == Share::Action::\"approve\", resource in Share::ImageSet::\"golden\")
             when { context.requester != principal && context.requester in Share::Team::\"platform\" &&
                    context.ticket.id like \"CHG*\" && context.now > datetime(\"2026-11-01T00:00:00Z\") }
             when { context has account && context.action == \"share\" && context.account in Share::AccountGroup::\"staging\" };";
    let policies = with_rules(text).unwrap();
    for (value, allowed) in [
        (native(json!({})), true),
        (native(json!({"ticket": "INC1"})), false),
        (native(json!({"accounts": ["700000000101"]})), false),
        (native(json!({"requester": "mallory@example.com"})), false),
        (native(json!({"approvers": ["alice@example.com"]})), false),
        (cvm(json!({"lighthouse": true})), false),
    ] {
        let verdict = verdict(decide_for(&policies, "jira", &value));
        assert_eq!(verdict.allowed, allowed, "{value}: {verdict:?}");
    }
}
