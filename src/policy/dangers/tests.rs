//! Tests that a complete policy set has no danger, and that a missing rule causes its own danger.

use super::super::files::{PolicyFiles, sample_files};
use super::*;

fn facts(name: &str, scheme: &str, signed: bool) -> SourceFacts {
    SourceFacts {
        name: name.parse().unwrap(),
        scheme: scheme.to_owned(),
        signed,
    }
}

/// Returns the dangers of these policies, loaded with the sample's entities. Each danger is
/// described by its name and by the policy that causes it. If no policy causes it, the first word
/// of the problem takes the place of the policy.
fn dangers(policies: &str, approvals: usize, sources: &[SourceFacts]) -> Vec<String> {
    let files = PolicyFiles {
        policies: vec![("a.cedar".to_owned(), policies.to_owned())],
        ..sample_files()
    };
    named(&files, approvals, sources)
}

fn named(files: &PolicyFiles, approvals: usize, sources: &[SourceFacts]) -> Vec<String> {
    let policies = PolicySet::load(files, sources, approvals).unwrap();
    let now = "2026-11-01T12:00:00Z".parse().unwrap();
    let found = policies.dangers(sources, now, |_| Mark::whole("c.toml"));
    let name = |warning: &Warning| {
        let problem = warning.problem.problem.trim_start_matches("policy ");
        let first = problem.split(' ').next();
        format!("{} {}", warning.danger, first.unwrap_or_default())
    };
    found.iter().map(name).collect()
}

const SHARE: &str = "@id(\"share\") permit (principal in Share::Team::\"platform\", action == Share::Action::\"share\", resource in Share::ImageSet::\"golden\")\n\
                     when { context.account in Share::AccountGroup::\"staging\" };\n";
const APPROVE: &str = "@id(\"approve\") permit (principal in Share::Team::\"approvers\", action == Share::Action::\"approve\", resource);\n";
const ENDS: &str = "@id(\"ends\") forbid (principal, action == Share::Action::\"share\", resource) unless { context has expires };\n";
const OTHERS: &str = "@id(\"others\") forbid (principal, action == Share::Action::\"approve\", resource) when { principal == context.requester };\n";
const SIGNED: &str =
    "@id(\"signed\") forbid (principal, action, resource) unless { principal.source.signed };\n";

#[test]
fn a_whole_set_has_none() {
    let jira = [facts("jira", "jira", true)];
    let whole = [SHARE, APPROVE, ENDS, OTHERS].concat();
    assert_eq!(dangers(&whole, 1, &jira), [""; 0]);
}

/// The sum overflows when it is evaluated, but Cedar's validator accepts it.
#[test]
fn a_policy_that_cannot_be_evaluated_is_named() {
    let jira = [facts("jira", "jira", true)];
    for action in ["share", "approve"] {
        let fails = format!(
            "@id(\"fails\") forbid (principal, action == Share::Action::\"{action}\", resource)\n\
             when {{ 9223372036854775807 + 1 == 1 }};\n"
        );
        let found = dangers(&[SHARE, APPROVE, ENDS, OTHERS, &fails].concat(), 1, &jira);
        assert!(found.contains(&"odd-policy fails".to_owned()), "{found:?}");
    }
}

#[test]
fn each_missing_rule_is_named_with_its_policy() {
    let jira = [facts("jira", "jira", true)];
    let anywhere = SHARE.split("when").next().unwrap().trim_end().to_owned() + ";\n";
    let at_night = SHARE.split("when").next().unwrap().to_owned()
        + "when { context.ticket has status && context.ticket.status == \"Done\" };\n";
    // Lets approvers request shares, because the first danger needs a requester who is also an
    // approver.
    let both = SHARE.replace("platform", "approvers");
    for (policies, approvals, wanted) in [
        (
            [&both, APPROVE, ENDS].concat(),
            1,
            vec!["own-approval share"],
        ),
        ([SHARE, ENDS].concat(), 0, vec!["own-approval share"]),
        (
            [&anywhere, APPROVE, ENDS, OTHERS].concat(),
            1,
            vec!["any-account share"],
        ),
        (
            [&at_night, APPROVE, ENDS, OTHERS].concat(),
            1,
            vec!["any-account share"],
        ),
        (
            [SHARE, APPROVE, OTHERS].concat(),
            1,
            vec!["endless-share share"],
        ),
    ] {
        assert_eq!(dangers(&policies, approvals, &jira), wanted, "{policies}");
    }
}

#[test]
fn a_token_is_broad_unless_policies_tell_it_from_a_signature() {
    let both = [
        facts("jira", "jira", true),
        facts("helpdesk", "token", false),
    ];
    let whole = [SHARE, APPROVE, ENDS, OTHERS].concat();
    assert_eq!(dangers(&whole, 1, &both), ["broad-token source"]);
    let whole = whole + SIGNED;
    assert_eq!(dangers(&whole, 1, &both), [""; 0]);
    let trusted = [facts("queue", "trusted", false)];
    assert_eq!(
        dangers(&[SHARE, APPROVE, ENDS, OTHERS].concat(), 1, &trusted),
        [""; 0]
    );
}

#[test]
fn a_source_is_mentioned_by_its_people_or_their_groups() {
    let new = [facts("jira", "jira", true), facts("acme", "jira", true)];
    let whole = [SHARE, APPROVE, ENDS, OTHERS].concat();
    assert_eq!(dangers(&whole, 1, &new), ["unmentioned-source no"]);
    let named = whole
        + "@id(\"acme\") forbid (principal == Share::Requester::\"acme/a@example.com\", action, resource);";
    let text = sample_files().entities.unwrap();
    let person = "[{\"uid\":{\"type\":\"Share::Requester\",\"id\":\"acme/a@example.com\"}},";
    let files = PolicyFiles {
        policies: vec![("a.cedar".to_owned(), named)],
        entities: Some(text.replacen('[', person, 1)),
        ..sample_files()
    };
    assert_eq!(super::tests::named(&files, 1, &new), [""; 0]);
}

/// Such a person need not be in `entities.json`, and their rule has its dangers all the same.
#[test]
fn a_person_whom_only_a_policy_names_is_mentioned_and_probed() {
    let new = [facts("desk", "jira", true)];
    let whole = [SHARE, APPROVE, ENDS, OTHERS].concat();
    let rule = "@id(\"erin\") permit (principal == Share::Requester::\"desk/erin@example.com\", action == Share::Action::\"share\", resource)\n\
                when { context.account in Share::AccountGroup::\"staging\" };\n\
                @id(\"frank\") permit (principal == Share::Requester::\"desk/frank@example.com\", action == Share::Action::\"approve\", resource);\n";
    assert_eq!(dangers(&(whole + rule), 1, &new), [""; 0]);
    let endless = [SHARE, APPROVE, OTHERS, rule].concat();
    assert_eq!(dangers(&endless, 1, &new), ["endless-share erin"]);
}

/// Returns the sample's files with other policies and other entities. `people` contains the id and
/// the team of each person.
fn with_people(policies: &str, people: &[(&str, &str)]) -> PolicyFiles {
    let of = |kind: &str, id: &str, group: &str| {
        let parents = match group.split_once('/') {
            Some((kind, id)) => format!("{{\"type\":\"Share::{kind}\",\"id\":\"{id}\"}}"),
            None => String::new(),
        };
        format!(
            "{{\"uid\":{{\"type\":\"Share::{kind}\",\"id\":\"{id}\"}},\"parents\":[{parents}]}}"
        )
    };
    let mut entities = vec![
        of("Account", "700000164995", "AccountGroup/staging"),
        of("Image", "lhbp-aaaaaaaa", "ImageSet/golden"),
        of("Image", "lhbp-bbbbbbbb", "ImageSet/sandbox"),
    ];
    entities.extend(people.iter().map(|(id, team)| of("Requester", id, team)));
    PolicyFiles {
        policies: vec![("a.cedar".to_owned(), policies.to_owned())],
        entities: Some(format!("[{}]", entities.join(","))),
        ..sample_files()
    }
}

/// Removes the team from the scope of a policy, so that the policy applies to anyone.
fn by_anyone(policy: &str) -> String {
    let (before, after) = policy.split_once(" in Share::Team::").unwrap();
    let (_, after) = after.split_once(',').unwrap();
    format!("{before},{after}")
}

#[test]
fn people_of_the_same_groups_approve_each_other() {
    let desk = [facts("desk", "token", false)];
    let team = "Team/platform";
    let (alice, bob, carol) = (
        ("desk/alice", team),
        ("desk/bob", team),
        ("desk/carol", team),
    );
    let within_team = [
        SHARE,
        &APPROVE.replace("approvers", "platform"),
        ENDS,
        OTHERS,
    ]
    .concat();
    let by_any = [SHARE, &by_anyone(APPROVE), ENDS, OTHERS].concat();
    for (policies, approvals, people, wanted) in [
        (&within_team, 1, vec![alice], 0),
        (&within_team, 1, vec![alice, bob], 1),
        (&within_team, 2, vec![alice, bob], 0),
        (&within_team, 2, vec![alice, bob, carol], 1),
        // A sender may name approvers that entities.json does not list.
        (&by_any, 1, vec![alice], 1),
        (&by_any, 3, vec![alice], 1),
    ] {
        let found = named(&with_people(policies, &people), approvals, &desk);
        let wanted = vec!["broad-token source"; wanted];
        assert_eq!(found, wanted, "{policies} {approvals} {people:?}");
    }
}

#[test]
fn a_source_that_anyone_may_use_is_not_refused_everything() {
    let both = [facts("jira", "jira", true), facts("mail", "jira", true)];
    let policies = [&by_anyone(SHARE), &by_anyone(APPROVE), ENDS, OTHERS].concat();
    let files = with_people(&policies, &[("jira/alice", ""), ("jira/bob", "")]);
    assert_eq!(named(&files, 1, &both), [""; 0]);
}

#[test]
fn a_token_for_some_images_is_not_broad() {
    let both = [facts("jira", "jira", true), facts("desk", "token", false)];
    let desk = SHARE.replace("\"share\") permit", "\"desk\") permit");
    let desk = desk
        .replace("platform", "desk")
        .replace("golden", "sandbox");
    let any_image = SHARE.replace(" in Share::ImageSet::\"golden\"", "");
    let people = [
        ("jira/alice", "Team/platform"),
        ("jira/bob", "Team/approvers"),
        ("desk/alice", "Team/desk"),
        ("desk/bob", "Team/approvers"),
    ];
    for (jira, wanted) in [(&any_image, 0), (&String::new(), 1)] {
        let policies = [jira, &desk, APPROVE, ENDS, OTHERS].concat();
        let found = named(&with_people(&policies, &people), 1, &both);
        assert_eq!(found, vec!["broad-token source"; wanted], "{policies}");
    }
}

#[test]
fn a_permit_for_a_group_of_actions_permits_each_of_them() {
    let jira = [facts("jira", "jira", true)];
    let schema = sample_files().schema.unwrap();
    let schema = schema.replace("\"cancel\" appliesTo", "\"cancel\" in [\"all\"] appliesTo");
    let approve = "action \"all\";\n  action \"approve\" in [\"all\"] appliesTo";
    let all = "@id(\"all\") permit (principal in Share::Team::\"platform\", action in Share::Action::\"all\", resource)\n\
               when { context.ticket has status && context.ticket.status == \"Done\" };\n";
    let files = PolicyFiles {
        schema: Some(schema.replace("action \"approve\" appliesTo", approve)),
        policies: vec![("a.cedar".to_owned(), [all, ENDS, OTHERS].concat())],
        ..sample_files()
    };
    assert_eq!(named(&files, 1, &jira), ["any-account all"]);
    let policies = PolicySet::load(&files, &jira, 1).unwrap();
    let no_permit = |warning: &&Warning| warning.danger == Danger::NoPermit;
    assert_eq!(policies.warnings().iter().find(no_permit), None);
}

#[test]
fn the_sample_lets_staging_and_sandboxes_keep_an_image_and_has_no_other_danger() {
    let sources = [
        facts("jira", "jira", true),
        facts("helpdesk", "token", false),
        facts("queue", "trusted", false),
    ];
    assert_eq!(
        named(&sample_files(), 1, &sources),
        [
            "endless-share golden-images-to-sandboxes",
            "endless-share golden-images-to-staging"
        ]
    );
}
