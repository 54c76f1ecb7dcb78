//! Checks docs/senders.md: its configuration loads, its bodies are read, and the tests that it
//! names exist.

use sharehook::app::Prepared;
use sharehook::config::{AwsSecrets, Config, Vars};
use sharehook::inbound::{Delivery, Headers, Replies, SchemeName, SchemeSpec, Verifier, Via};

const TEXT: &str = include_str!("../../../docs/senders.md");

fn blocks(language: &str) -> Vec<&'static str> {
    let open = format!("```{language}\n");
    TEXT.split(open.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// The inline scheme of the documentation whose signature comes in this header.
pub(super) fn example(header: &str) -> SchemeSpec {
    #[derive(serde::Deserialize)]
    struct Block {
        source: Source,
    }
    #[derive(serde::Deserialize)]
    struct Source {
        scheme: SchemeSpec,
    }
    let block = blocks("toml")
        .into_iter()
        .find(|block| block.contains(&format!("header    = \"{header}\"")))
        .unwrap_or_else(|| panic!("no example with the header {header}"));
    let block: Block = toml::from_str(block).unwrap();
    block.source.scheme
}

/// A delivery as Microsoft documents it: `HMAC` and the base64 of HMAC-SHA256 over the body, keyed
/// with the decoded security token. Stripe's and Zoom's examples run their vectors in vectors.rs.
#[test]
fn the_teams_example_verifies_what_teams_sends() {
    let spec = example("Authorization");
    let secret = "dGhpcyBpcyBhIHNlY3VyaXR5IHRva2VuIG9mIHRlYW1zIQ==";
    // Computed with Python: base64(hmac(b64decode(secret), body, sha256)).
    let signature = "HMAC jxurghbCSNOY/XOBt+By/cPL44SRENhLphfwDlnj9Ck=";
    let verify = |body: &'static str| {
        let headers = [
            ("authorization", signature),
            ("content-type", "application/json"),
        ];
        let delivery = Delivery {
            source: "teams".parse().unwrap(),
            via: Via::Http(Headers::new(headers)),
            body: body.into(),
        };
        let verifier = Verifier::new(spec.clone(), vec![secret.into()], vec![]).unwrap();
        verifier.verify(delivery, "2026-11-02T08:00:00Z".parse().unwrap())
    };
    assert!(verify("{\"type\":\"message\",\"id\":\"1\"}").is_ok());
    assert!(verify("{\"type\":\"message\",\"id\":\"2\"}").is_err());
}

#[test]
fn every_configuration_block_loads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("amazon.pem"), "").unwrap();
    let mut loaded = 0;
    for block in blocks("toml") {
        let block = match block.contains("[[source]]") {
            true => block.to_owned(),
            false => format!("[[source]]\nname = \"custom\"\nsecrets = [\"env:CUSTOM\"]\n{block}"),
        };
        let names = block
            .split("env:")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap());
        let vars: Vars = names
            .map(|name| {
                (
                    name.to_owned(),
                    "svc:a-secret-of-the-right-length-00000000000"
                        .replace(':', if name.contains("LOGIN") { ":" } else { "0" })
                        .replace('-', "0"),
                )
            })
            .collect();
        let text = format!(
            "journal = \"memory:\"\npolicy = \"{}/policy\"\n[cloud]\nsite = \"intl\"\n{block}",
            env!("CARGO_MANIFEST_DIR")
        );
        let path = folder.path().join("sharehook.toml");
        Config::read(path.to_str().unwrap(), &text, &vars, &AwsSecrets::new())
            .and_then(Prepared::new)
            .unwrap_or_else(|problems| panic!("{block}\n{problems}"));
        loaded += 1;
    }
    assert_eq!(loaded, 11);
}

#[test]
fn every_json_block_is_json() {
    for block in blocks("json") {
        serde_json::from_str::<serde_json::Value>(block)
            .unwrap_or_else(|error| panic!("{error}: {block}"));
    }
}

/// The table of the section "Answers" against what each scheme has.
#[test]
fn the_table_of_answers_is_what_the_schemes_have() {
    let (_, section) = TEXT.split_once("## Answers\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let mut told = std::collections::BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for name in cells[1]
            .split(',')
            .filter_map(|name| name.trim().strip_prefix('`'))
        {
            told.insert(name.trim_end_matches('`'), (cells[2], cells[3]));
        }
    }
    for name in SchemeName::ALL
        .into_iter()
        .filter(|name| *name != SchemeName::Trusted)
    {
        let rules = SchemeSpec::preset(name).reply_rules();
        let replies = match rules.replies {
            Replies::Status => "`status`",
            Replies::Accepted => "`accepted`",
        };
        let within = rules
            .answer_within
            .map(|within| format!("{}s", within.as_secs()));
        let within = within.as_deref().unwrap_or("-");
        assert_eq!(
            told.get(name.as_str()),
            Some(&(replies, within)),
            "{name:?}"
        );
    }
}
