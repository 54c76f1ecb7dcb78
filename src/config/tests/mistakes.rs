//! Tests that all mistakes are reported together, and that one mistake causes no second report.

use secrecy::SecretString;

use super::*;
use crate::domain::Problem;

const HEAD: &str = "journal = \"file:journal\"\n[cloud]\nsite = \"intl\"\n";

/// Returns the problems of a configuration that begins with `HEAD`, as `line problem` or `variable
/// problem`.
fn problems_of(more: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mut known = vars(&[("K", "0123456789abcdef0123456789abcdef")]);
    known.extend(vars(variables));
    let text = format!("{HEAD}{more}\n");
    let read = Config::read("c.toml", &text, &known, &AwsSecrets::new());
    let Problems(problems) = read.err().unwrap_or(Problems(Vec::new()));
    let shown = |one: &Problem| {
        let field = one.field.trim_start_matches("c.toml:");
        format!("{field} {}", one.problem)
    };
    let mut shown: Vec<String> = problems.iter().map(shown).collect();
    shown.sort();
    shown
}

/// Asserts that there are exactly as many problems as `wanted`, and that each begins with the text
/// in `wanted`.
fn assert_problems(more: &str, variables: &[(&str, &str)], wanted: &[&str]) {
    let found = problems_of(more, variables);
    let same = found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted)
            .all(|(one, begin)| one.starts_with(begin));
    assert!(same, "{more} {variables:?}: {found:#?}");
}

#[test]
fn a_table_without_a_required_field_hides_no_other_mistake() {
    // Line 4 is the first line after the head.
    for (more, wanted) in [
        (
            "lighthouse_per_second = 50.0\n[[source]]\nname = \"lark\"\nscheme = \"lark\"\nsecrets = [\"env:NOT_SET\"]\n\
             map = \"feishu\"\nfetch = { app_id = \"cli_a\", app_secret = \"env:NOT_SET\", definitions = [\"D\"] }",
            &[
                "10 source[0].fetch.preset is missing",
                "4 cloud.lighthouse_per_second is not",
                "8 source \"lark\": the variable NOT_SET is not set",
            ][..],
        ),
        (
            "[[source]]\nscheme = \"jira\"\nsecrets = [\"env:NOT_SET\"]\nmap = \"missing.jq\"\n\
             [[source]]\nname = \"b\"\nsecrets = [\"env:NOT_SET\"]",
            &[
                "4 source[0].name is missing",
                "6 source \"\": the variable NOT_SET is not set",
                "7 map missing.jq cannot be read",
                "8 source[1].scheme is missing",
            ],
        ),
        (
            "[[notify]]\npreset = \"webhook\"\nurl = \"http://desk.example\"\nsecret = \"env:NOT_SET\"\n\
             [[source]]\nname = \"b\"\nsecrets = [\"env:NOT_SET\"]",
            &[
                "4 notify[0].name is missing",
                "6 url: is plain http",
                "7 notify \"\": the variable NOT_SET is not set",
                "8 source[0].scheme is missing",
            ],
        ),
        (
            "[[source]]\nname = \"a\"\n[[source]]\nname = \"b\"\n[[source]]\nname = \"c\"",
            &[
                "4 source[0].scheme is missing",
                "6 source[1].scheme is missing",
                "8 source[2].scheme is missing",
            ],
        ),
        (
            "[[source]]\nname = \"a\"\nscheme = \"trusted\"\nfrom = [17, \"invoke\", 18]",
            &[
                "7 source[0].from[0] is an integer",
                "7 source[0].from[2] is an integer",
            ],
        ),
        (
            "lighthouse_per_second = 50.0\n[[source]]\nname = \"a\"\nscheme = \"trusted\"\nfrom = [\"invoke\"]\n\
             handshake = { cloudevents = {} }",
            &[
                "4 cloud.lighthouse_per_second is not",
                "9 source[0].handshake.cloudevents.origins is missing",
            ],
        ),
    ] {
        assert_problems(more, &[], wanted);
    }
}

#[test]
fn a_mistake_in_one_table_causes_no_report_in_another() {
    const LARK: &str = "[[source]]\nname = \"lark\"\nscheme = \"lark\"\nsecrets = [\"env:K\"]\nmap = \"missing.jq\"\n\
        fetch = { preset = \"lark\", app_id = \"cli_a\", app_secret = \"env:K\", definitions = [\"D\"] }\n";
    const BACK: &str = "[[notify]]\nname = \"back\"\npreset = \"feishu\"\nuser = \"ou_1\"\n";
    const DESK: &str =
        "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"https://desk.example\"\n";
    let no_map = "8 map missing.jq cannot be read";
    let named = format!("{DESK}secret = \"env:K\"\nsources = [\"b\"]\n[[source]]\n");
    for (more, wanted) in [
        (format!("{LARK}{BACK}sources = [\"lark\"]"), &[no_map][..]),
        (format!("{LARK}{BACK}"), &[no_map]),
        (
            format!("{named}name = \"b\""),
            &["10 source[0].scheme is missing"],
        ),
        (
            format!("{named}scheme = \"jira\"\nsecrets = [\"env:K\"]"),
            &["10 source[0].name is missing"],
        ),
        (
            format!("[limits]\nnotice = \"3d\"\n{DESK}secret = \"env:NOT_SET\""),
            &["10 notify \"desk\": the variable NOT_SET is not set"],
        ),
        (
            format!("[limits]\nnotice = \"3d\"\n{DESK}secret = \"env:K\"\non = [\"expirng\"]"),
            &["11 on: \"expirng\" is not known"],
        ),
        (
            "[limits]\nnotice = \"3d\"\n[[notify]]\nname = \"desk\"".to_owned(),
            &["6 notify[0].preset is missing"],
        ),
        // A field whose value cannot be read is not also reported as missing.
        (format!("{DESK}secret = 7"), &["8 notify[0].secret is an"]),
        (
            DESK.replace("\"https://desk.example\"", "7") + "secret = \"env:K\"",
            &["7 notify[0].url is an integer"],
        ),
        (
            LARK.replace("missing.jq", "feishu")
                .replace("\"cli_a\"", "7"),
            &["9 source[0].fetch.app_id is an integer"],
        ),
        (
            "[report]\nto = 7\nevery = \"1d\"".to_owned(),
            &["5 report.to is an integer"],
        ),
    ] {
        assert_problems(&more, &[], wanted);
    }
}

#[test]
fn a_place_in_a_variable_is_checked_as_one_in_the_file() {
    const JOURNAL: &str = "SHAREHOOK_JOURNAL";
    const INDEX: &str = "SHAREHOOK_JOURNAL_INDEX";
    let place = (JOURNAL, "s3://acme-journal/x");
    for (variables, wanted) in [
        (
            vec![(INDEX, "file:i")],
            "SHAREHOOK_JOURNAL_INDEX names the index of SHAREHOOK_JOURNAL, which is not set",
        ),
        (
            vec![(INDEX, "nonsense")],
            "SHAREHOOK_JOURNAL_INDEX names the index of SHAREHOOK_JOURNAL, which is not set",
        ),
        (
            vec![place, (INDEX, "nonsense")],
            "SHAREHOOK_JOURNAL_INDEX \"nonsense\"",
        ),
        (
            vec![place, (INDEX, "memory:")],
            "SHAREHOOK_JOURNAL_INDEX is in memory",
        ),
        (
            vec![(JOURNAL, "memory:"), (INDEX, "file:i")],
            "SHAREHOOK_JOURNAL_INDEX file:i outlives the journal, which is in memory",
        ),
        (
            vec![place, (INDEX, "file:Cargo.toml")],
            "SHAREHOOK_JOURNAL_INDEX Cargo.toml is a file",
        ),
        (
            vec![(JOURNAL, "file:Cargo.toml/x")],
            "SHAREHOOK_JOURNAL Cargo.toml is a file",
        ),
    ] {
        assert_problems("", &variables, &[wanted]);
    }
    assert_problems("", &[place, (INDEX, "file:i")], &[]);
    let text = GOOD.replacen(
        "\"file:journal\"",
        "{ place = \"file:j\", index = \"x\" }",
        1,
    );
    let read = Config::read("c.toml", &text, &good_vars(), &AwsSecrets::new());
    assert_eq!(read.unwrap_err().0.len(), 1);
}

#[test]
fn an_origin_is_not_a_reference_to_a_secret() {
    let source = "[[source]]\nname = \"queue\"\nscheme = \"trusted\"\n";
    let is_none = "7 from: an origin is not a secret";
    let from_variable = format!("{source}from = [\"env:Q\"]");
    assert_problems(&from_variable, &[("Q", "aws-ssm:/queue")], &[is_none]);
    assert_problems(
        &format!("{source}from = [\"aws-ssm:/queue\"]"),
        &[],
        &[is_none],
    );
    assert_problems(&from_variable, &[("Q", "arn:aws:sqs:r:1:q")], &[]);
}

/// Templates and consoles show a reference, so it must not count as the secret.
#[test]
fn a_reference_in_place_of_a_secret_is_refused() {
    let source = "[[source]]\nname = \"desk\"\nscheme = \"token\"\nsecrets = [\"env:S\"]";
    for reference in [
        "aws-secretsmanager:",
        "aws-secretsmanager:prod/sharehook#",
        "aws-secretsmanager:prod/share hook#DESK",
        "aws-secretmanager:prod/sharehook#DESK",
        "AWS-SSM:/prod/sharehook/desk",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/sharehook",
        "file:/run/secrets/webhook-secret",
        "env:ANOTHER_VARIABLE_WITH_A_SECRET",
        "{{resolve:secretsmanager:prod/sharehook:SecretString:DESK}}",
        "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/desk)",
    ] {
        let wanted = "7 source \"desk\": env:S contains a reference to a secret";
        assert_problems(source, &[("S", reference)], &[wanted]);
    }
    for secret in ["aws-secret-0123456789abcdef", "arn-0123456789abcdef0123"] {
        assert_problems(source, &[("S", secret)], &[]);
    }
    let wanted = "TENCENTCLOUD_SECRET_KEY env:TENCENTCLOUD_SECRET_KEY contains a reference";
    for reference in ["aws-ssm:", "file:key"] {
        let key = [
            ("S", "0123456789abcdef0123456789abcdef"),
            ("TENCENTCLOUD_SECRET_ID", "id"),
            ("TENCENTCLOUD_SECRET_KEY", reference),
        ];
        assert_problems(source, &key, &[wanted]);
    }
    for name in [
        "TENCENTCLOUD_TOKEN",
        "TENCENTCLOUD_SESSION_TOKEN",
        "TENCENTCLOUD_SECURITY_TOKEN",
    ] {
        let secret = "0123456789abcdef0123456789abcdef";
        let token = [("S", secret), (name, "aws-ssm:/prod/token")];
        let key = [
            ("TENCENTCLOUD_SECRET_ID", "id"),
            ("TENCENTCLOUD_SECRET_KEY", "key"),
        ];
        let wanted = format!("{name} env:{name} contains a reference");
        assert_problems(source, &[&token[..], &key].concat(), &[&wanted]);
        assert_problems(source, &token, &[]);
    }
}

/// Without this check, such a secret would cause an error only when the first message is sent.
#[test]
fn a_secret_that_cannot_be_sent_is_refused() {
    let notify = |auth: &str| {
        format!(
            "[[notify]]\nname = \"jira\"\npreset = \"jira\"\nurl = \"https://jira.example\"\nauth = {auth}"
        )
    };
    let line_end = "8 notify \"jira\": env:S begins or ends with white space";
    let header = "8 notify \"jira\": the secret has characters that a header cannot have";
    let (basic, bearer) = ("{ basic = \"env:S\" }", "{ bearer = \"env:S\" }");
    let value = "{ header = \"X-Token\", value = \"env:S\" }";
    for (auth, secret, wanted) in [
        (basic, "user:password-0123456789\n", &[line_end][..]),
        (basic, "user:p\u{e4}ssword-0123456789", &[]),
        (
            basic,
            "password-0123456789",
            &["8 notify \"jira\": the secret of auth.basic has no colon"],
        ),
        (bearer, " token-0123456789abcdef", &[line_end]),
        (bearer, "t\u{f6}ken-0123456789abcdef", &[header]),
        (value, "token-0123456789\r\nabcdef", &[header]),
        (value, "Token 0123456789abcdef", &[]),
    ] {
        assert_problems(&notify(auth), &[("S", secret)], wanted);
    }
    let metrics = "[http]\nmetrics = \"env:S\"";
    let token = "0123456789abcdef0123456789abcdef0123456789";
    assert_problems(metrics, &[("S", token)], &[]);
    let line_end = "5 http.metrics: env:S begins or ends with white space";
    assert_problems(metrics, &[("S", &format!("{token}\n"))], &[line_end]);
    let fetch = "[[source]]\nname = \"lark\"\nscheme = \"lark\"\nsecrets = [\"env:K\"]\nmap = \"feishu\"\n\
        fetch = { preset = \"lark\", app_id = \"cli_a\", app_secret = \"env:S\", definitions = [\"D\"] }";
    let line_end = "9 source \"lark\": fetch: env:S begins or ends with white space";
    assert_problems(fetch, &[("S", "an-app-secret-0123456789\n")], &[line_end]);
}

#[test]
fn a_wrong_endpoint_in_a_variable_is_reported_once_and_under_its_name() {
    let sources = "[[source]]\nname = \"lark\"\nscheme = \"lark\"\nsecrets = [\"env:K\"]\nmap = \"feishu\"\n\
        fetch = { preset = \"lark\", app_id = \"cli_a\", app_secret = \"env:K\", definitions = [\"D\"] }\n\
        [[source]]\nname = \"desk\"\nscheme = \"zendesk\"\nsecrets = [\"env:K\"]\nmap = \"zendesk-ticket\"\n\
        fetch = { preset = \"http\", url = \"https://acme.example/{id}\", id = \".id\", instance_id = \".id\", auth = { bearer = \"env:K\" } }\n";
    let endpoint = "SHAREHOOK_FETCH_ENDPOINT";
    let wrong = ["SHAREHOOK_FETCH_ENDPOINT does not begin with https:// or http://"];
    assert_problems(sources, &[(endpoint, "nonsense")], &wrong);
    assert_problems(sources, &[(endpoint, "http://127.0.0.1:9")], &[]);
    assert_problems(sources, &[], &[]);
}

#[test]
fn commands_that_read_need_no_aws_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let target = "[[notify]]\nname = \"steps\"\npreset = \"stepfunctions\"\n";
    let stand_in = SecretString::from("a-secret-for-tests-only-0123456789");
    for url in [
        "https://states.us-east-1.amazonaws.com",
        "https://proxy.example",
    ] {
        std::fs::write(&path, format!("{HEAD}{target}url = \"{url}\"\n")).unwrap();
        let (none, fetched) = (vars(&[]), AwsSecrets::new());
        let read = Config::load_to_read(&path, &none, &fetched, &stand_in, false);
        assert_eq!(read.unwrap().notify.len(), 1);
        let read = Config::load_without_secrets(&path, &none, &stand_in);
        assert_eq!(read.unwrap().notify.len(), 1);
        assert!(Config::load(&path, &none, &fetched).is_err());
    }
}

#[test]
fn commands_that_read_need_no_secret_that_can_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let target = "[[notify]]\nname = \"jira\"\npreset = \"jira\"\nurl = \"https://jira.example\"\n\
        auth = { bearer = \"env:S\" }\n";
    std::fs::write(&path, format!("{HEAD}{target}")).unwrap();
    let stand_in = SecretString::from("a-secret-for-tests-only-0123456789");
    let fetched = AwsSecrets::new();
    for secret in ["token-0123456789abcdef\n", "t\u{f6}ken-0123456789abcdef"] {
        let vars = vars(&[("S", secret)]);
        let read = Config::load_to_read(&path, &vars, &fetched, &stand_in, false);
        assert_eq!(read.unwrap().notify.len(), 1, "{secret:?}");
        assert!(Config::load(&path, &vars, &fetched).is_err(), "{secret:?}");
    }
}

#[test]
fn a_fetched_instance_needs_a_map_that_reads_it() {
    for (preset, own) in [
        ("feishu", "feishu"),
        ("lark", "feishu"),
        ("dingtalk", "dingtalk"),
        ("wecom", "wecom"),
    ] {
        let source = |map: &str| {
            format!(
                "[[source]]\nname = \"a\"\nscheme = \"{preset}\"\nsecrets = [\"env:K\"]\n{map}\
                 fetch = {{ preset = \"{preset}\", app_id = \"a1\", app_secret = \"env:K\", definitions = [\"D\"] }}\n"
            )
        };
        assert_problems(&source(&format!("map = \"{own}\"\n")), &[], &[]);
        let missing = "8 fetch: map is missing";
        assert_problems(&source(""), &[], &[missing]);
        for other in ["native", "jira", "zendesk-ticket"] {
            let wrong = format!("8 fetch: map {other} does not read a fetched instance");
            assert_problems(&source(&format!("map = \"{other}\"\n")), &[], &[&wrong]);
        }
    }
}
