//! `try` and `test` on a laptop without secrets: they print the request, the decision and the calls
//! for a body, and run the user's own policy test cases.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::process::{Finish as _, program};

/// The configuration to which each test adds its source. The secrets that it names do not exist.
const CONFIGURATION: &str = r#"
journal = "s3://no-such-bucket/journal"
policy = "POLICY"
[seal]
key = "env:NOT_SET"
[cloud]
site = "intl"
[cloud.accounts.owner]
secret_id = "env:NOT_SET"
secret_key = "file:not-there"
images = ["lhbp-"]
"#;

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program(folder).args(arguments).finish();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn try_jira(body: &str) -> (Option<i32>, Value) {
    let arguments = [
        "try",
        "--config",
        "sharehook.local.toml",
        "--source",
        "jira",
        "--json",
        "--now",
        "2026-11-02T08:00:00Z",
        "--body",
        body,
    ];
    let (code, out, err) = run(repository(), &arguments);
    assert_eq!(err, "");
    (code, serde_json::from_str(&out).expect(&out))
}

#[test]
fn a_body_shows_its_request_decision_and_calls_without_any_secret() {
    let (code, shown) = try_jira("events/body-jira-approved.json");
    assert_eq!(code, Some(0));
    assert_eq!(shown["request"]["id"], "SHARE-101/31001");
    assert_eq!(
        shown["request"]["accounts"],
        json!(["700000164995", "1038493875"])
    );
    assert_eq!(shown["decision"], "allow");
    assert_eq!(shown["policies"], json!(["golden-images-to-staging"]));
    assert_eq!(
        shown["plan"],
        json!(["lighthouse ShareBlueprintAcrossAccounts lhbp-6jc6l8yb: 700000164995, 1038493875"])
    );

    let (code, shown) = try_jira("events/body-jira-denied.json");
    assert_eq!((code, &shown["decision"]), (Some(2), &json!("deny")));
    assert!(
        shown["why"][0]
            .as_str()
            .unwrap()
            .contains("account 909999999")
    );
    assert_eq!(shown["plan"], json!([]));

    let (code, shown) = try_jira("events/body-jira-edited.json");
    assert_eq!((code, &shown["decision"]), (Some(0), &json!("ignored")));
    assert_eq!(shown["request"], Value::Null);
}

#[test]
fn a_body_that_is_no_request_names_its_problems() {
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body.json");
    let sample = std::fs::read_to_string(repository().join("events/body-jira-approved.json"));
    std::fs::write(&body, sample.unwrap().replace("lhbp-6jc6l8yb", "lhbp")).unwrap();
    let (code, shown) = try_jira(body.to_str().unwrap());
    assert_eq!((code, &shown["decision"]), (Some(2), &json!("invalid")));
    assert!(shown["why"][0].as_str().unwrap().starts_with("image: "));

    std::fs::write(&body, "{").unwrap();
    let (code, shown) = try_jira(body.to_str().unwrap());
    assert_eq!((code, &shown["decision"]), (Some(2), &json!("invalid")));
    assert!(shown["why"][0].as_str().unwrap().contains("is not JSON"));
}

#[test]
fn an_unknown_source_and_a_missing_body_are_usage_errors() {
    let config = ["try", "--config", "sharehook.local.toml"];
    let with = |rest: &[&'static str]| run(repository(), &[&config[..], rest].concat());
    let (code, _, err) = with(&[
        "--source",
        "nix",
        "--body",
        "events/body-jira-approved.json",
    ]);
    assert_eq!(code, Some(64));
    assert!(
        err.contains("\"nix\"") && err.contains("the configuration has jira"),
        "{err}"
    );
    let (code, _, err) = with(&["--source", "jira", "--body", "not-there.json"]);
    assert_eq!(code, Some(64));
    assert!(err.contains("not-there.json cannot be read"), "{err}");
}

#[test]
fn every_scheme_is_tried_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let schemes = [
        "standard-webhooks",
        "svix",
        "gitlab",
        "github",
        "jira",
        "zendesk",
        "slack",
        "pagerduty",
        "linear",
        "asana",
        "token",
        "basic",
        "bearer",
        "trusted",
        "sns",
    ];
    let mut text = CONFIGURATION.replace("POLICY", repository().join("policy").to_str().unwrap());
    for scheme in schemes {
        let place = match scheme {
            "trusted" => "from = [\"env:NOT_SET\"]",
            "sns" => "from = [\"arn:aws:sns:us-east-1:000000000000:share-requests\"]",
            "github" => "secrets = [\"file:not-there\"]",
            "svix" => "secrets = [\"aws-ssm:/not/there\", \"env:NOT_SET\"]",
            _ => "secrets = [\"env:NOT_SET\"]",
        };
        text += &format!(
            "[[source]]\nname = \"{scheme}\"\nscheme = \"{scheme}\"\nmap = \"native\"\n{place}\n"
        );
    }
    std::fs::write(folder.path().join("sharehook.toml"), text).unwrap();
    let body = folder.path().join("body.json");
    // Linear signs the time in its body.
    let sample = std::fs::read(repository().join("events/invoke-native.json")).unwrap();
    let mut event: Value = serde_json::from_slice(&sample).unwrap();
    event["webhookTimestamp"] = json!(1_793_606_400_000_u64);
    std::fs::write(&body, event.to_string()).unwrap();
    let stale = [
        "try",
        "--source",
        "linear",
        "--body",
        body.to_str().unwrap(),
    ];
    let (code, _, err) = run(
        folder.path(),
        &[&stale[..], &["--now", "2026-11-03T00:00:00Z"]].concat(),
    );
    assert!(code == Some(64) && err.contains("--now"), "{err}");
    for scheme in schemes {
        let now = ["--now", "2026-11-02T08:00:00Z"];
        let arguments = ["try", "--source", scheme, "--body", body.to_str().unwrap()];
        let arguments = [&arguments[..], &now].concat();
        let (code, out, err) = run(folder.path(), &arguments);
        assert!(out.contains("decision\n"), "{scheme}: {out}{err}");
        assert!(matches!(code, Some(0 | 2)), "{scheme}: {out}{err}");
    }
}

#[test]
fn cases_need_no_secret_and_skip_sources_that_are_not_configured() {
    for config in ["sharehook.toml", "sharehook.local.toml"] {
        let (code, out, err) = run(repository(), &["test", "--config", config]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{config}: {out}");
        let last = out.lines().last().unwrap();
        assert!(last.contains(" passed, 0 failed"), "{config}: {last}");
        assert!(!last.starts_with("0 passed"), "{config}: {last}");
    }
    let (_, out, _) = run(repository(), &["test", "--config", "sharehook.toml"]);
    assert!(
        out.contains("skipped ") && out.contains("is not configured"),
        "{out}"
    );
}

#[test]
fn the_shipped_configurations_have_no_problem_and_no_danger_but_the_samples_ids() {
    let variables = std::fs::read_to_string(repository().join("events/local.env")).unwrap();
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    for config in ["sharehook.toml", "sharehook.local.toml"] {
        let mut command = program(repository());
        command.args(["check", "--config", config]);
        let output = command.envs(variables.clone()).finish();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let warned = said.matches("warning[").count();
        match config {
            "sharehook.toml" => assert!(
                warned == 1 && said.contains("warning[sample-entity]: policy/entities.json:1: "),
                "{said}"
            ),
            _ => assert!(said.starts_with(&format!("{config}: valid\n")), "{said}"),
        }
    }
}

/// If a policy file were not read, the program would allow what its `forbid` forbids.
#[test]
fn a_policy_that_would_not_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy");
    for dir in ["cases", "..data", "sub"] {
        std::fs::create_dir_all(policy.join(dir)).unwrap();
    }
    for file in std::fs::read_dir(repository().join("policy")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, policy.join(path.file_name().unwrap())).unwrap();
        }
    }
    // Kubernetes keeps the files of a ConfigMap in such a folder.
    std::fs::write(policy.join("..data/x.cedar"), "").unwrap();
    let text = CONFIGURATION.replace("POLICY", policy.to_str().unwrap());
    let source = "[[source]]\nname = \"invoke\"\nscheme = \"trusted\"\nmap = \"native\"\nfrom = [\"invoke\"]\n";
    std::fs::write(folder.path().join("sharehook.toml"), text + source).unwrap();
    let body = repository().join("events/invoke-native.json");
    let arguments = [
        "try",
        "--source",
        "invoke",
        "--body",
        body.to_str().unwrap(),
    ];
    let (code, out, err) = run(folder.path(), &arguments);
    assert!(matches!(code, Some(0 | 2)), "{out}{err}");
    #[cfg(unix)]
    {
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, policy.join(name));
        link("..data", "..2026").unwrap();
        std::fs::create_dir(folder.path().join("shared")).unwrap();
        link("../shared", "company").unwrap();
    }
    for file in [
        "sub/x.cedar",
        "sub/deeper/x.cedar",
        "X.CEDAR",
        ".sub/x.cedar",
        ".sub/.x.cedar",
        #[cfg(unix)]
        "company/x.cedar",
    ] {
        std::fs::create_dir_all(policy.join(file).parent().unwrap()).unwrap();
        std::fs::write(policy.join(file), "").unwrap();
        let (code, out, err) = run(folder.path(), &arguments);
        assert_eq!(code, Some(3), "{out}{err}");
        let expected = format!("{file}:1: is a policy that is not read");
        assert!(err.replace("\n    ", " ").contains(&expected), "{err}");
        std::fs::remove_file(policy.join(file)).unwrap();
    }
}

#[test]
fn a_case_that_differs_fails_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let event = repository().join("events/body-jira-approved.json");
    let case = format!(
        "[[case]]\nname = \"wrong\"\nsource = \"jira\"\nevent = {event:?}\n[case.expect]\ndecision = \"deny\"\n"
    );
    std::fs::write(folder.path().join("cases.toml"), case).unwrap();
    let cases = folder.path().to_str().unwrap();
    let (code, out, _) = run(
        repository(),
        &["test", "--config", "sharehook.local.toml", cases],
    );
    assert_eq!(code, Some(1));
    assert!(
        out.contains("FAILED  wrong\n")
            && out.contains("        decision\n        - deny\n        + allow\n"),
        "{out}"
    );
    assert!(out.ends_with("0 passed, 1 failed\n"), "{out}");
    // Values that differ only in how often they occur, or in their order, are shown too.
    let policies = "\"golden-images-to-staging\", \"golden-images-to-staging\"";
    let case = format!(
        "[[case]]\nname = \"twice\"\nsource = \"jira\"\nevent = {event:?}\nnow = \"2026-11-02T08:00:00Z\"\n\
         [case.expect]\ndecision = \"allow\"\npolicies = [{policies}]\n"
    );
    std::fs::write(folder.path().join("cases.toml"), case).unwrap();
    let arguments = ["test", "--config", "sharehook.local.toml", cases];
    let (_, out, _) = run(repository(), &arguments);
    let (twice, once) = (
        "        - golden-images-to-staging\n",
        "        + golden-images-to-staging\n",
    );
    assert!(
        out.contains(&format!("        policies\n{twice}{twice}{once}")),
        "{out}"
    );
}

#[test]
fn a_case_names_the_fields_as_a_ticket_does() {
    let folder = tempfile::tempdir().unwrap();
    let event = repository().join("events/body-native.json");
    for (fields, code) in [
        ("expires_in = \"30d\", lighthouse = false", 0),
        ("expires_in = \"31d\"", 1),
        ("lighthouse = true", 1),
    ] {
        let case = format!(
            "[[case]]\nname = \"end\"\nsource = \"native\"\nevent = {event:?}\n\
             now = \"2026-11-02T08:00:00Z\"\n[case.expect]\ndecision = \"allow\"\n\
             request = {{ {fields} }}\n"
        );
        std::fs::write(folder.path().join("cases.toml"), case).unwrap();
        let cases = folder.path().to_str().unwrap();
        let arguments = ["test", "--config", "sharehook.local.toml", cases];
        let (ended, out, _) = run(repository(), &arguments);
        assert_eq!(ended, Some(code), "{fields}: {out}");
    }
}

/// A delivery with such a request is answered with 422.
#[test]
fn a_case_of_a_share_that_begins_too_late_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let sample = std::fs::read(repository().join("events/body-native.json")).unwrap();
    let sample: Value = serde_json::from_slice(&sample).unwrap();
    for (changes, decision) in [
        (json!({}), "allow"),
        (
            json!({"expires_in": "4h", "not_before": "2026-12-02T08:00:00Z"}),
            "invalid",
        ),
        (
            json!({"expires_in": null, "not_before": "2029-11-02T08:00:00Z"}),
            "invalid",
        ),
        (
            json!({"expires_in": null, "expires_at": "2026-11-02T07:00:00Z"}),
            "invalid",
        ),
    ] {
        let mut event = sample.clone();
        let fields = event.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        std::fs::write(folder.path().join("event.json"), event.to_string()).unwrap();
        for (expected, code) in [(decision, 0), ("deny", 1)] {
            let case = format!(
                "[[case]]\nname = \"late\"\nsource = \"native\"\nevent = \"event.json\"\n\
                 now = \"2026-11-02T08:00:00Z\"\n[case.expect]\ndecision = {expected:?}\n"
            );
            std::fs::write(folder.path().join("cases.toml"), case).unwrap();
            let cases = folder.path().to_str().unwrap();
            let arguments = ["test", "--config", "sharehook.local.toml", cases];
            let (ended, out, _) = run(repository(), &arguments);
            assert_eq!(ended, Some(code), "{changes}: {out}");
        }
    }
}

#[test]
fn a_misspelt_decision_of_a_case_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let event = repository().join("events/body-native.json");
    let case = format!(
        "[[case]]\nname = \"a\"\nsource = \"native\"\nevent = {event:?}\n[case.expect]\n\
         decision = \"allowed\"\n"
    );
    std::fs::write(folder.path().join("cases.toml"), case).unwrap();
    let cases = folder.path().to_str().unwrap();
    let arguments = ["test", "--config", "sharehook.local.toml", cases];
    let (code, out, _) = run(repository(), &arguments);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("cases.toml:6\n") && out.contains("`invalid`"),
        "{out}"
    );
}

#[test]
fn cases_that_test_nothing_fail() {
    let folder = tempfile::tempdir().unwrap();
    let event = repository().join("events/body-jira-edited.json");
    let tested = |cases: &str| {
        std::fs::write(folder.path().join("cases.toml"), cases).unwrap();
        let dir = folder.path().to_str().unwrap();
        let arguments = ["test", "--config", "sharehook.local.toml", dir];
        let (code, out, _) = run(repository(), &arguments);
        (code, out)
    };
    let case = |source: &str, expect: &str| {
        format!(
            "[[case]]\nname = \"edited\"\nsource = \"{source}\"\nevent = {event:?}\n[case.expect]\n\
             decision = \"ignored\"\n{expect}\n"
        )
    };
    assert_eq!(tested(&case("jira", "policies = []")).0, Some(0));
    // An ignored event has no request.
    for (expect, differs) in [
        ("policies = [\"zzz\"]", "        policies\n        - zzz\n"),
        ("plan = [\"a call\"]", "        plan\n        - a call\n"),
        (
            "request = { id = \"x\" }",
            "        request.id\n        - \"x\"\n",
        ),
        ("request = \"x\"", "the file cannot be read"),
    ] {
        let (code, out) = tested(&case("jira", expect));
        assert!(code == Some(1) && out.contains(differs), "{expect}: {out}");
    }
    for cases in [case("renamed", ""), "case = []".to_owned()] {
        let (code, out) = tested(&cases);
        assert!(code == Some(1) && out.contains("no case ran"), "{out}");
    }
}

/// Users often save an event in the folder of the cases before they record it.
#[test]
fn an_event_that_lies_among_the_cases_is_recorded_there() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, events) = (
        folder.path().join("cases"),
        folder.path().join("cases/events"),
    );
    std::fs::create_dir_all(&events).unwrap();
    let event = events.join("approved.json");
    std::fs::copy(repository().join("events/body-jira-approved.json"), &event).unwrap();
    let (event, dir) = (event.to_str().unwrap(), cases.to_str().unwrap());
    let config = ["test", "--config", "sharehook.local.toml"];
    let record = [
        "--record",
        event,
        "--source",
        "jira",
        "--now",
        "2026-11-02T08:00:00Z",
        dir,
    ];
    // A case that cannot be written leaves no copy of its event.
    let outside = folder.path().join("outside.json");
    std::fs::copy(event, &outside).unwrap();
    let recorded = cases.join("recorded.toml");
    std::fs::create_dir(&recorded).unwrap();
    let mut failing = record;
    failing[1] = outside.to_str().unwrap();
    let (code, _, err) = run(repository(), &[&config[..], &failing].concat());
    assert!(code == Some(1) && err.contains("recorded.toml"), "{err}");
    assert!(!events.join("outside.json").exists());
    std::fs::remove_dir(&recorded).unwrap();
    for arguments in [&record[..], &failing] {
        let (code, out, err) = run(repository(), &[&config[..], arguments].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    }
    let (code, out, _) = run(repository(), &[&config[..], &[dir]].concat());
    assert!(
        code == Some(0) && out.ends_with("2 passed, 0 failed\n"),
        "{out}"
    );
}

#[test]
fn an_event_is_recorded_as_a_case_that_passes() {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases");
    let event = repository().join("events/body-jira-approved.json");
    let config = ["test", "--config", "sharehook.local.toml"];
    let record = [
        "--record",
        event.to_str().unwrap(),
        "--source",
        "jira",
        "--now",
        "2026-11-02T08:00:00Z",
    ];
    let in_cases = |rest: &[&str]| {
        let dir = [cases.to_str().unwrap()];
        run(repository(), &[&config[..], rest, &dir].concat())
    };
    let (code, out, err) = in_cases(&record);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("decision = \"allow\"\n"), "{out}");
    let (code, _, err) = in_cases(&record);
    assert!(code == Some(1) && err.contains("rename the event"), "{err}");
    let junit = folder.path().join("junit.xml");
    let (code, out, err) = in_cases(&["--json", "--junit", junit.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&said["passed"], &said["failed"]), (&json!(1), &json!(0)));
    let untouched = said["untouched_policies"].as_array().unwrap();
    assert!(untouched.contains(&json!("expiry-cap")), "{said}");
    for touched in ["golden-images-to-staging", "approve-for-own-accounts"] {
        assert!(!untouched.contains(&json!(touched)), "{said}");
    }
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(
        xml.contains("tests=\"1\" failures=\"0\"") && xml.contains("recorded.toml\""),
        "{xml}"
    );

    // A failing case reports its file and line, and the actual value.
    let file = cases.join("recorded.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("alice@example.com", "carol@example.com"),
    )
    .unwrap();
    let (code, out, _) = in_cases(&["--junit", junit.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let difference = "        request.requester\n        - \"carol@example.com\"\n        + \"alice@example.com\"\n";
    assert!(
        out.contains(difference) && out.contains("recorded.toml:3\n"),
        "{out}"
    );
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(
        xml.contains("<failure message=\"request.requester: expected "),
        "{xml}"
    );
    std::fs::write(&file, "[[case]]\nname = 7\n").unwrap();
    let (code, out, _) = in_cases(&[]);
    assert!(code == Some(1) && out.contains("docs/cases.md"), "{out}");
}
