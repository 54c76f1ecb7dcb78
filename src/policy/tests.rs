//! Tests loading whole policy directories and deciding with them.

use super::*;
use crate::domain::{Danger, Identity, Problems, ServedRegions, ShareRequest, Timestamp, Warning};

fn jira() -> Vec<SourceFacts> {
    vec![SourceFacts {
        name: "jira".parse().unwrap(),
        scheme: "jira".to_owned(),
        signed: true,
    }]
}

fn with_policy(text: &str) -> PolicyFiles {
    PolicyFiles {
        policies: vec![("a.cedar".to_owned(), text.to_owned())],
        ..sample_files()
    }
}

fn fields(problems: &Problems) -> Vec<&str> {
    problems
        .0
        .iter()
        .map(|problem| problem.field.as_str())
        .collect()
}

fn ask(policies: &PolicySet) -> Decision {
    let native = serde_json::json!({"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
            "accounts": ["700000164995"], "requester": "alice@example.com", "approvers": ["bob@example.com"]});
    let request = ShareRequest::from_json(&native, &ServedRegions::default()).unwrap();
    let identity = Identity {
        source: "jira".parse().unwrap(),
        id: "1".to_owned(),
    };
    let now: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
    policies.decide(Question {
        identity: &identity,
        request: &request,
        now,
        approved_at: now,
    })
}

#[test]
fn policies_and_entities_are_told_together() {
    let mut files = with_policy("permit (principal, action, resource);");
    files.entities = Some("[\n{}]".to_owned());
    let problems = PolicySet::load(&files, &jira(), 1).unwrap_err();
    assert_eq!(fields(&problems), ["a.cedar:1", "entities.json:2"]);
}

#[test]
fn a_misspelt_field_of_an_entity_is_refused() {
    for field in ["tag", "parent", "Parents", "attr"] {
        let mut files = sample_files();
        let image = r#"{"uid": {"type": "Share::Image", "id": "lhbp-6jc6l8yb"}, "FIELD": []}"#;
        files.entities = Some(format!("[\n{}]", image.replace("FIELD", field)));
        let problems = PolicySet::load(&files, &jira(), 1).unwrap_err();
        assert_eq!(fields(&problems), ["entities.json:2"], "{field}");
        let problem = &problems.0[0].problem;
        assert!(
            problem.contains(&format!("the unknown field {field:?}")),
            "{problem}"
        );
    }
}

#[test]
fn deep_nesting_is_refused_before_the_parser_sees_it() {
    let deep = format!(
        "@id(\"x\") permit (principal, action, resource) when {{ {}1",
        "(".repeat(200_000)
    );
    let problems = PolicySet::load(&with_policy(&deep), &jira(), 1).unwrap_err();
    assert_eq!(fields(&problems), ["a.cedar:1"]);
    assert!(problems.0[0].problem.contains("nest"));
}

/// A text that `source_text` accepts must not overflow the stack of any caller. The test loads and
/// decides on threads with a stack of only 256 KiB. It includes invalid policies, because Cedar's
/// validator misses errors if it has too little stack.
#[test]
fn the_deepest_text_that_passes_is_judged_in_full_from_a_small_stack() {
    let parens = |open: &str, n: usize| format!("{}true{}", open.repeat(n), ")".repeat(n));
    let valid = [
        parens("(", 49),
        parens("(if true then true else ", 49),
        parens(
            "(resource.kind == \"x\" || resource.region == \"x\" || ",
            46,
        ),
        format!("{} true", "if true then true else ".repeat(298)),
        format!("true{}", " && true".repeat(298)),
        format!(
            "{}resource.kind == \"blueprint\"",
            "resource.kind == \"x\" || ".repeat(98)
        ),
        format!(
            "{}1{}{} > 0",
            "(".repeat(49),
            " + 1)".repeat(49),
            " + 1".repeat(240)
        ),
    ];
    let invalid = [
        format!("context{}", ".a".repeat(298)),
        format!(
            "{}principal{}.contains(principal)",
            "[".repeat(49),
            "]".repeat(49)
        ),
    ];
    let all = valid
        .into_iter()
        .map(|text| (text, true))
        .chain(invalid.map(|text| (text, false)));
    for (condition, valid) in all {
        let rule =
            format!("@id(\"x\") permit (principal, action, resource) when {{ {condition} }};");
        let small = std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || {
                let policies = PolicySet::load(&with_policy(&rule), &jira(), 1);
                policies.map(|policies| matches!(ask(&policies), Decision::Allow(_)))
            });
        let outcome = small.unwrap().join().unwrap();
        assert_eq!(
            outcome.as_ref().ok(),
            valid.then_some(&true),
            "{condition:.60}: {outcome:?}"
        );
    }
}

#[test]
fn a_schema_that_asks_for_more_than_a_request_tells_is_refused() {
    for (from, to) in [
        (
            "\"ticket\": Ticket,",
            "\"ticket\": Ticket, \"change\": String,",
        ),
        ("\"expires\"?: datetime,", "\"expires\": datetime,"),
        ("\"expires\"?: datetime,", ""),
        (
            "\"email\"?: String,",
            "\"email\"?: String, \"badge\": Long,",
        ),
        ("\"name\"?: String,", "\"name\": String,"),
        (
            "entity Account in [AccountGroup];",
            "entity Account in [AccountGroup] = { \"owner\": String };",
        ),
        ("principal: [Requester],", "principal: [Team],"),
    ] {
        let schema = builtin_schema().replacen(from, to, 1);
        assert_ne!(schema, builtin_schema());
        let files = PolicyFiles {
            schema: Some(schema),
            ..PolicyFiles::default()
        };
        let problems = PolicySet::load(&files, &jira(), 1).unwrap_err();
        assert_eq!(
            fields(&problems),
            ["schema.cedarschema:1"],
            "{to}: {problems}"
        );
        assert!(
            problems.0[0].problem.contains("cannot be met"),
            "{problems}"
        );
    }
}

#[test]
fn optional_additions_to_the_schema_reach_the_policies() {
    let mut files = with_policy(
        "@id(\"x\") permit (principal, action == Share::Action::\"share\", resource)
             when { principal has badge && principal.badge == 7 };",
    );
    files.policies.push(sample_files().policies.swap_remove(1));
    files.schema = Some(builtin_schema().replacen(
        "\"email\"?: String,",
        "\"email\"?: String, \"badge\"?: Long,",
        1,
    ));
    files.entities = Some(
            r#"[{"uid": {"type": "Share::Requester", "id": "jira/alice@example.com"}, "attrs": {"badge": 7}},
                {"uid": {"type": "Share::Requester", "id": "jira/bob@example.com"}, "parents": [{"type": "Share::Team", "id": "approvers"}]},
                {"uid": {"type": "Share::Image", "id": "lhbp-6jc6l8yb"}, "parents": [{"type": "Share::ImageSet", "id": "golden"}]},
                {"uid": {"type": "Share::Account", "id": "700000164995"}, "parents": [{"type": "Share::AccountGroup", "id": "staging"}]}]"#.into(),
        );
    assert!(matches!(
        ask(&PolicySet::load(&files, &jira(), 1).unwrap()),
        Decision::Allow(_)
    ));
}

#[test]
fn the_built_in_schema_serves_when_the_directory_has_none() {
    let files = PolicyFiles {
        schema: None,
        ..sample_files()
    };
    let policies = PolicySet::load(&files, &jira(), 1).unwrap();
    assert!(matches!(ask(&policies), Decision::Allow(_)));
    assert_eq!(
        policies.digest(),
        PolicySet::load(&sample_files(), &jira(), 1)
            .unwrap()
            .digest()
    );
}

/// `policy/cases.json` contains tests for the `cedar` tool. This test runs them without the tool.
#[test]
fn the_shipped_cases_decide_as_they_say() {
    use cedar_policy::{Authorizer, Context, Decision as Answer, Entities, EntityUid, Request};
    let policies = PolicySet::load(&sample_files(), &jira(), 1).unwrap();
    let schema = Some(&policies.schema);
    let entities = Entities::from_json_str(&sample_files().entities.unwrap(), schema).unwrap();
    let cases: serde_json::Value =
        serde_json::from_str(include_str!("../../policy/cases.json")).unwrap();
    assert!(cases.as_array().unwrap().len() >= 7);
    for case in cases.as_array().unwrap() {
        let uid = |name: &str| {
            case["request"][name]
                .as_str()
                .unwrap()
                .parse::<EntityUid>()
                .unwrap()
        };
        let action = uid("action");
        let context = case["request"]["context"].clone();
        let context = Context::from_json_value(context, Some((&policies.schema, &action))).unwrap();
        let request =
            Request::new(uid("principal"), action, uid("resource"), context, schema).unwrap();
        let fitting = policies.rules.fitting(&request, &entities).unwrap();
        let answer = Authorizer::new().is_authorized(&request, &fitting, &entities);
        let decision = if answer.decision() == Answer::Allow {
            "allow"
        } else {
            "deny"
        };
        let reason: Vec<String> = answer
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            (&case["decision"], &case["reason"]),
            (&decision.into(), &reason.into()),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn a_misspelt_group_in_a_policy_is_a_warning() {
    let text = "@id(\"x\") forbid (principal, action == Share::Action::\"share\", resource)\n\
                    when { context.account in Share::AccountGroup::\"partner\" || resource == Share::Image::\"img-unlisted\" };";
    let policies = PolicySet::load(&with_policy(text), &jira(), 1).unwrap();
    let of_rules = |policies: &PolicySet| -> Vec<Warning> {
        let warnings = policies.warnings().iter();
        let warnings = warnings.filter(|warning| warning.danger != Danger::UnknownSource);
        warnings.cloned().collect()
    };
    let warnings = of_rules(&policies);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(warnings[0].problem.field, "a.cedar:1");
    assert!(warnings[0].problem.problem.contains("\"partner\""));
    assert!(
        warnings[1]
            .problem
            .problem
            .contains("no permit is about \"approve\""),
        "{warnings:?}"
    );
    let without = PolicySet::load(&with_policy(text), &jira(), 0).unwrap();
    assert_eq!(of_rules(&without).len(), 1);
}

#[test]
fn a_thousand_policies_load_and_decide() {
    let mut files = sample_files();
    let rules: String = (0..1_000)
            .map(|n| {
                format!(
                    "@id(\"rule-{n}\")\npermit (principal in Share::Team::\"t{n}\", action == Share::Action::\"share\", \
                     resource in Share::ImageSet::\"golden\")\nwhen {{ context.account in Share::AccountGroup::\"g{n}\" }};\n"
                )
            })
            .collect();
    files.policies.push(("many.cedar".to_owned(), rules));
    let policies = PolicySet::load(&files, &jira(), 1).unwrap();
    let Decision::Allow(approved) = ask(&policies) else {
        panic!("denied")
    };
    assert_eq!(approved.verdict().policies, ["golden-images-to-staging"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Loading any text returns policies, or problems of a file. It never panics.
    #[test]
    fn any_text_ends_in_policies_or_problems(
        tokens in proptest::collection::vec(proptest::sample::select(vec![
            "@id(\"x\")", "permit", "forbid", "(principal, action, resource)", "when", "unless", "{", "}", ";", "\"", "//", "\n",
            "principal", "context.account", "in", "has", "like", "if true then", "else", "&&", "!", "[", "]", "é\u{202e}",
            "entity A;", "namespace Share", "\\", "9223372036854775808", "\"uid\":", ",", "?principal", "\u{0}",
        ]), 0..40),
        place in 0..3,
    ) {
        let text = tokens.join(" ");
        let mut files = sample_files();
        match place {
            0 => files.policies.push(("z.cedar".to_owned(), text)),
            1 => files.schema = Some(text),
            _ => files.entities = Some(format!("[{{{text}}}]")),
        }
        if let Err(problems) = PolicySet::load(&files, &jira(), 1) {
            proptest::prop_assert!(problems.0.iter().all(|problem| problem.field.contains(':')), "{}", problems);
        }
    }
}

/// The policy `odd` fails strict validation. It is loaded if the directory's stamp says that these
/// texts were validated. It is refused if there is no stamp, or if the stamp is for other texts or
/// another version.
#[test]
fn policies_are_not_validated_again_when_their_package_says_so() {
    let mut files = sample_files();
    let odd = "@id(\"odd\")\nforbid (principal, action, resource) when { principal.shoe > 1 };\n";
    files
        .policies
        .push(("odd.cedar".to_owned(), odd.to_owned()));
    let load = |validated: Option<String>| {
        let files = PolicyFiles {
            validated,
            ..files.clone()
        };
        PolicySet::load(&files, &[], 1).map(|set| set.digest().to_owned())
    };
    let loads = load(Some(stamp(&files.digest())));
    assert_eq!(loads.unwrap(), files.digest());
    let of_other_texts = stamp(&sample_files().digest());
    let of_other_version = stamp(&files.digest()).replace(env!("CARGO_PKG_VERSION"), "0.0.1");
    for validated in [
        None,
        Some(of_other_texts),
        Some(of_other_version),
        Some(String::new()),
    ] {
        let problems = load(validated).unwrap_err();
        assert!(problems.to_string().contains("shoe"), "{problems}");
    }
}

/// A `forbid` is added to a finished package, and then a policy that does not parse.
#[test]
fn a_package_that_was_changed_never_allows_more() {
    let mut files = sample_files();
    files.validated = Some(stamp(&files.digest()));
    let packaged = PolicySet::load(&files, &jira(), 1).unwrap();
    assert!(matches!(ask(&packaged), Decision::Allow(_)));
    let forbid = "@id(\"no\") forbid (principal, action, resource);";
    let with = |text: String| {
        let mut changed = files.clone();
        changed.policies.push(("z.cedar".to_owned(), text));
        changed
    };
    let set = PolicySet::load(&with(forbid.to_owned()), &jira(), 1).unwrap();
    assert!(matches!(ask(&set), Decision::Deny(_)));
    // This time the stamp matches the changed texts, so the broken policy is not parsed until a
    // request needs it.
    let mut broken = with(forbid.replace("resource)", "resource) when { context. }"));
    broken.validated = Some(stamp(&broken.digest()));
    let set = PolicySet::load(&broken, &jira(), 1).unwrap();
    let Decision::Deny(verdict) = ask(&set) else {
        panic!("a policy that cannot be read was left out")
    };
    assert!(
        verdict.refused[0].why.contains("cannot be parsed"),
        "{verdict:?}"
    );
}

/// `PolicySet::load` does not rehearse the built-in schema. It relies on this test instead.
#[test]
fn the_built_in_schema_can_be_met_by_every_request() {
    let policies = PolicySet::load(&sample_files(), &[], 1).unwrap();
    policies.rehearse().unwrap();
}
