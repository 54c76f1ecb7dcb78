//! Checks docs/senders.md and the pages in docs/senders/: configurations load, bodies are JSON, and
//! the overview's table agrees with the schemes and maps.

use sharehook::app::Prepared;
use sharehook::config::{AwsSecrets, Config, Vars};
use sharehook::inbound::{Delivery, Headers, Map, Replies, SchemeName, SchemeSpec, Verifier, Via};

use crate::support::docs::{blocks, pages};

const OVERVIEW: &str = include_str!("../../../docs/senders.md");

fn of_senders(language: &str) -> Vec<String> {
    let pages = pages("docs/senders").into_iter();
    let blocks: Vec<String> = pages
        .flat_map(|page| blocks(&page.text, language))
        .collect();
    assert!(!blocks.is_empty());
    blocks
}

/// The inline scheme in the documentation whose signature is in the header `header`.
pub(super) fn example(header: &str) -> SchemeSpec {
    #[derive(serde::Deserialize)]
    struct Block {
        source: Source,
    }
    #[derive(serde::Deserialize)]
    struct Source {
        scheme: SchemeSpec,
    }
    let block = of_senders("toml")
        .into_iter()
        .find(|block| block.contains(&format!("header    = \"{header}\"")))
        .unwrap_or_else(|| panic!("no example with the header {header}"));
    let block: Block = toml::from_str(&block).unwrap();
    block.source.scheme
}

/// A delivery as Microsoft documents it. The header has `HMAC` and the base64 of the body's
/// HMAC-SHA256, whose key is the decoded security token. vectors.rs tests the examples of Stripe
/// and Zoom.
#[test]
fn the_teams_example_verifies_what_teams_sends() {
    let spec = example("Authorization");
    let secret = "dGhpcyBpcyBhIHNlY3VyaXR5IHRva2VuIG9mIHRlYW1zIQ==";
    // The signature was computed with Python: base64(hmac(b64decode(secret), body, sha256)).
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
    let vectors = super::sns::file();
    let pem = vectors["shared"]["sns_cert_pem"].as_str().unwrap();
    std::fs::write(folder.path().join("amazon.pem"), pem).unwrap();
    for map in ["dingtalk.jq", "wecom.jq", "zendesk-ticket.jq"] {
        std::fs::write(folder.path().join(map), "empty").unwrap();
    }
    for block in of_senders("toml") {
        let block = match block.contains("[[source]]") {
            true => block,
            false => format!("[[source]]\nname = \"custom\"\nsecrets = [\"env:CUSTOM\"]\n{block}"),
        };
        let names = block
            .split("env:")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap());
        // The program calls Step Functions with the credentials of the function's role.
        let role = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"];
        let vars: Vars = names
            .chain(role)
            .map(|name| {
                if matches!(name, "DINGTALK_SECRET" | "WECOM_SECRET") {
                    let key = "k".repeat(43);
                    return (name.to_owned(), format!("aTokenOfTheDocs00001:{key}"));
                }
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
    }
}

#[test]
fn every_json_block_is_json() {
    for block in of_senders("json") {
        serde_json::from_str::<serde_json::Value>(&block)
            .unwrap_or_else(|error| panic!("{error}: {block}"));
    }
}

#[test]
fn the_table_of_senders_is_what_the_schemes_have() {
    let rows = OVERVIEW.lines().filter(|line| line.starts_with("| ["));
    let mut documented = std::collections::BTreeMap::new();
    let mut maps = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        maps.extend(cells[4].split('`').skip(1).step_by(2));
        documented.insert(cells[2].trim_matches('`'), (cells[3], cells[5], cells[6]));
    }
    for &name in SchemeName::ALL {
        let spec = SchemeSpec::preset(name);
        let signs = match (name, spec.signed()) {
            (SchemeName::Trusted, _) => "the host",
            (_, true) => "yes",
            (_, false) => "no",
        };
        let rules = spec.reply_rules();
        let replies = match rules.replies {
            Replies::Status => "`status`",
            Replies::Accepted => "`accepted`",
        };
        let within = rules
            .answer_within
            .map(|within| format!("{}s", within.as_secs()));
        let within = within.as_deref().unwrap_or("-");
        assert_eq!(
            documented.get(name.as_str()),
            Some(&(signs, replies, within)),
            "{name:?}"
        );
    }
    for name in Map::builtin_names() {
        assert!(maps.contains(&name), "no sender has the map {name}");
    }
}
