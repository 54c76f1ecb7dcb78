//! Tests which configurations are accepted, and which are refused with file and line.

mod mistakes;
mod notify;

use super::*;
use crate::inbound::Replies;

fn vars(pairs: &[(&str, &str)]) -> Vars {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

const GOOD: &str = r#"
journal = "file:journal"

[cloud]
site = "intl"

[[source]]
name    = "jira"
scheme  = "jira"
secrets = ["env:JIRA_WEBHOOK_SECRET"]
map     = "jira"

[[source]]
name   = "queue"
scheme = "trusted"
from   = ["env:SHARE_QUEUE_ARN"]
"#;

fn good_vars() -> Vars {
    vars(&[
        ("JIRA_WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef"),
        ("SHARE_QUEUE_ARN", "arn:aws:sqs:r:1:q"),
    ])
}

#[test]
fn paths_are_relative_to_the_file() {
    let config = Config::read(
        "deploy/prod/sharehook.toml",
        GOOD,
        &good_vars(),
        &AwsSecrets::new(),
    )
    .unwrap();
    assert_eq!(config.journal.to_string(), "file:deploy/prod/journal");
    assert_eq!(config.policy, Path::new("deploy/prod/policy"));
    assert_eq!(config.sources[1].from, ["arn:aws:sqs:r:1:q"]);
    assert_eq!(config.sources[1].map, MapRef::Builtin("native".to_owned()));
    assert_eq!(
        (
            config.cloud.lighthouse_per_second,
            config.cloud.cvm_per_second
        ),
        (20.0, 10.0)
    );
}

const NOTIFY: &str = r#"
[[notify]]
name = "desk"
preset = "webhook"
url = "https://desk.example/hooks"
secret = "env:NOTIFY_SECRET"
"#;

#[test]
fn three_variables_override_the_file() {
    let mut vars = good_vars();
    vars.insert("SHAREHOOK_JOURNAL".into(), "s3://bucket/prefix".into());
    vars.insert(
        "SHAREHOOK_CLOUD_ENDPOINT".into(),
        "http://127.0.0.1:18300".into(),
    );
    vars.insert("SHAREHOOK_CLOUD_SITE".into(), "cn".into());
    let config = Config::read("sharehook.toml", GOOD, &vars, &AwsSecrets::new()).unwrap();
    assert_eq!(config.journal.to_string(), "s3://bucket/prefix");
    assert_eq!(
        config.cloud.endpoint.as_deref(),
        Some("http://127.0.0.1:18300")
    );
    assert_eq!(config.cloud.site, Site::Cn);
}

#[test]
fn the_index_may_have_a_place_of_its_own() {
    let with = |journal: &str| GOOD.replacen("journal = \"file:journal\"", journal, 1);
    let read = |text: &str, vars: &Vars| {
        let config = Config::read("etc/sharehook.toml", text, vars, &AwsSecrets::new()).unwrap();
        let index = config.index.map(|index| index.to_string());
        (config.journal.to_string(), index.unwrap_or_default())
    };
    let text = with("journal = { place = \"s3://acme-evidence/x\", index = \"file:index\" }");
    let both = (
        "s3://acme-evidence/x".to_owned(),
        "file:etc/index".to_owned(),
    );
    assert_eq!(read(&text, &good_vars()), both);
    // SHAREHOOK_JOURNAL also drops the file's index, which belongs to the file's journal.
    let mut vars = good_vars();
    vars.insert("SHAREHOOK_JOURNAL".into(), "file:j".into());
    assert_eq!(read(&text, &vars), ("file:j".to_owned(), String::new()));
    vars.insert("SHAREHOOK_JOURNAL_INDEX".into(), "file:i".into());
    assert_eq!(
        read(&text, &vars),
        ("file:j".to_owned(), "file:i".to_owned())
    );
    for good in [
        "{ place = \"file:j\", index = \"file:j\" }",
        "{ place = \"file:j\", index = \"file:j/logs\" }",
        "{ place = \"s3://acme-j/x\", index = \"s3://acme-k/x/log\" }",
    ] {
        let text = with(&format!("journal = {good}"));
        read(&text, &good_vars());
    }
    for (bad, field) in [
        ("{ index = \"file:i\" }", "journal.place is missing"),
        ("{ place = \"file:j\", index = \"x\" }", "journal.index"),
        (
            "{ place = \"file:j\", index = \"memory:\" }",
            "journal.index",
        ),
        (
            "{ place = \"file:j\", index = \"file:j/requests\" }",
            "the journal's folder requests",
        ),
        (
            "{ place = \"file:j\", index = \"file:x/../j/log/x\" }",
            "the journal's folder log",
        ),
        (
            "{ place = \"s3://acme-j/x\", index = \"s3://acme-j/x/log\" }",
            "the journal's folder log",
        ),
        (
            "{ place = \"file:j/index\", index = \"file:j\" }",
            "in the folder `index` of the index's place file:j",
        ),
        (
            "{ place = \"s3://acme-j/index/x\", index = \"s3://acme-j\" }",
            "in the folder `index` of the index's place s3://acme-j",
        ),
        ("{ place = \"file:j\", idx = \"file:i\" }", "idx"),
        (
            "7",
            "write a place in quotes, or a table with `place` and, if needed, `index`",
        ),
    ] {
        let text = with(&format!("journal = {bad}"));
        let problems =
            Config::read("sharehook.toml", &text, &good_vars(), &AwsSecrets::new()).unwrap_err();
        assert!(problems.to_string().contains(field), "{bad}: {problems}");
    }
}

#[test]
fn all_mistakes_are_reported_together_with_their_lines() {
    let text = r#"journal = "ftp://x"
[cloud]
site = "intl"
lighthouse_per_second = 50.0
cvm_accounts_per_call = 0
cvm_accounts_per_image = 0
regions = ["Mars"]
[limits]
body_bytes = 1
[[source]]
name = "Jira!"
scheme = "jira"
secrets = ["env:NOT_SET", "plain-text-secret"]
map = "maps/none.jq"
[[source]]
name = "a"
scheme = "trusted"
from = ["env:NO_ARN"]
[[source]]
name = "a"
scheme = "trusted"
"#;
    let Problems(problems) =
        Config::read("c.toml", text, &vars(&[]), &AwsSecrets::new()).unwrap_err();
    let places: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
    let wanted = [
        "c.toml:1",
        "c.toml:4",
        "c.toml:5",
        "c.toml:6",
        "c.toml:7",
        "c.toml:9",
        "c.toml:11",
        "c.toml:13",
        "c.toml:13",
        "c.toml:14",
        "c.toml:18",
        "c.toml:20",
    ];
    assert_eq!(places, wanted, "{problems:#?}");
    assert!(
        !format!("{problems:?}").contains("plain-text-secret"),
        "a pasted secret is shown"
    );
}

#[test]
fn unknown_fields_and_schemes_are_refused_by_name() {
    for (text, word) in [
        ("journal = \"memory:\"\njurnal = 1\n", "jurnal"),
        ("[[source]]\nname = \"x\"\nscheme = \"sns-v9\"\n", "sns-v9"),
        ("[cloud]\nsite = \"moon\"\n", "moon"),
        ("journal = [\n", "TOML"),
    ] {
        let Problems(problems) =
            Config::read("c.toml", text, &vars(&[]), &AwsSecrets::new()).unwrap_err();
        let told = format!("{}", Problems(problems.clone()));
        assert!(told.contains("c.toml:"), "{told}");
        assert!(word == "TOML" || told.contains(word), "{told}");
    }
}

#[test]
fn a_sender_is_answered_as_fits_its_scheme_or_as_written() {
    let read = |scheme: &str, settings: &str, limits: &str| {
        let proof = match scheme {
            "\"trusted\"" => "from = [\"invoke\"]",
            _ => "secrets = [\"env:SECRET\"]",
        };
        let text = format!(
            "journal = \"memory:\"\n{limits}\n[cloud]\nsite = \"intl\"\n[[source]]\nname = \"a\"\n\
             scheme = {scheme}\n{proof}\n{settings}\n"
        );
        let vars = vars(&[("SECRET", "a-secret-for-tests-only-0123456789")]);
        Config::read("c.toml", &text, &vars, &AwsSecrets::new()).map(|config| {
            let rules = config.sources[0].replies;
            (
                rules.replies,
                rules.answer_within.map(|within| within.as_secs()),
            )
        })
    };
    use Replies::{Accepted, Status};
    let short = "[limits]\nseconds = 3";
    for (scheme, settings, limits, wanted) in [
        ("\"slack\"", "", "", (Accepted, Some(2))),
        ("\"pagerduty\"", "", "", (Accepted, Some(4))),
        ("\"pagerduty\"", "", short, (Accepted, Some(3))),
        ("\"jira\"", "", "", (Status, None)),
        (
            "{ like = \"gitlab\", window = 60 }",
            "",
            "",
            (Accepted, Some(8)),
        ),
        (
            "{ header = \"x\", signed = [\"body\"] }",
            "",
            "",
            (Status, None),
        ),
        ("\"slack\"", "replies = \"status\"", "", (Status, Some(2))),
        (
            "\"jira\"",
            "replies = \"accepted\"\nanswer_within = \"25s\"",
            "",
            (Accepted, Some(25)),
        ),
        ("\"trusted\"", "", "", (Status, None)),
    ] {
        assert_eq!(
            read(scheme, settings, limits).unwrap(),
            wanted,
            "{scheme} {settings}"
        );
    }
    for (scheme, settings, says) in [
        (
            "\"jira\"",
            "replies = \"always\"",
            "one of status, accepted",
        ),
        (
            "\"jira\"",
            "answer_within = \"26s\"",
            "more than the 25 seconds",
        ),
        (
            "\"jira\"",
            "answer_within = \"2\"",
            "is not a length of time",
        ),
        ("\"trusted\"", "replies = \"accepted\"", "no effect"),
        ("\"trusted\"", "answer_within = \"2s\"", "no effect"),
    ] {
        let problems = read(scheme, settings, "").unwrap_err();
        assert!(
            problems.to_string().contains(says),
            "{settings}: {problems}"
        );
        assert!(problems.0[0].field.starts_with("c.toml:"), "{problems}");
    }
}

#[test]
fn the_site_is_never_guessed() {
    for vars in [vars(&[]), vars(&[("SHAREHOOK_CLOUD_SITE", "")])] {
        let text = "journal = \"memory:\"\n";
        let read = Config::read("c.toml", text, &vars, &AwsSecrets::new());
        let Problems(problems) = read.unwrap_err();
        assert!(problems[0].problem.contains("cloud.site"), "{vars:?}");
    }
}

#[test]
fn a_secret_in_a_file_loses_one_line_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), "secret\r\n").unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    let read = |text: &str| {
        SecretRef::parse(text)
            .unwrap()
            .resolve(folder.path(), &vars(&[]), &AwsSecrets::new())
    };
    assert_eq!(read("file:s").unwrap().expose_secret(), "secret");
    assert!(matches!(read("file:empty"), Err(SecretError::Empty(_))));
    assert!(matches!(
        read("file:gone"),
        Err(SecretError::UnreadableFile(..))
    ));
}

#[test]
fn the_policy_is_a_directory_or_a_table() {
    let read = |policy: &str| {
        let text = GOOD.replace("[cloud]", &format!("{policy}\n[cloud]"));
        Config::read(
            "prod/sharehook.toml",
            &text,
            &good_vars(),
            &AwsSecrets::new(),
        )
    };
    for (policy, dir, approvals) in [
        ("", "prod/policy", 1),
        ("policy = \"rules\"", "prod/rules", 1),
        ("[policy]\napprovals = 0", "prod/policy", 0),
        ("[policy]\ndir = \"rules\"\napprovals = 2", "prod/rules", 2),
        ("policy = { dir = \"rules\" }", "prod/rules", 1),
    ] {
        let config = read(policy).unwrap();
        assert_eq!(
            (config.policy.as_path(), config.approvals),
            (Path::new(dir), approvals),
            "{policy}"
        );
    }
    for (policy, says) in [
        ("[policy]\napprovals = 51", "between 0 and 50"),
        ("[policy]\napprovals = -1", "is out of range"),
        ("[policy]\napprovers = 1", "is not a field"),
        ("policy = 7", "is an integer"),
    ] {
        let problems = read(policy).unwrap_err();
        assert!(problems.0[0].problem.contains(says), "{policy}: {problems}");
        assert!(
            problems.0[0].field.starts_with("prod/sharehook.toml:"),
            "{problems}"
        );
    }
}
