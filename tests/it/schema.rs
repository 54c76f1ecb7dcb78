//! Validates the sample configurations, the documentation's examples and some mistakes against
//! `sharehook.schema.json`, with a third-party validator. A test of `config::schema`, which
//! generates that file, compares it with the program.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sharehook::inbound::{Map, SchemeName};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("sharehook.schema.json")).unwrap())
        .unwrap()
}

/// Returns, for each mismatch, the place in the configuration and the violated keyword of the
/// schema.
fn mismatches(toml_text: &str) -> Vec<String> {
    let value = serde_json::to_value(toml_text.parse::<toml::Table>().unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    validator
        .iter_errors(&value)
        .map(|error| {
            let word = error.schema_path().to_string();
            let word = word.rsplit('/').find(|part| part.parse::<usize>().is_err());
            format!("{}: {}", error.instance_path(), word.unwrap_or_default())
        })
        .collect()
}

#[test]
fn every_sample_configuration_fits_and_names_the_schema() {
    let samples: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("sharehook") && name.ends_with(".toml")
        })
        .collect();
    assert!(samples.len() >= 2, "{samples:?}");
    for sample in samples {
        let text = fs::read_to_string(&sample).unwrap();
        assert_eq!(mismatches(&text), [""; 0], "{}", sample.display());
        assert!(
            text.starts_with("#:schema ./sharehook.schema.json\n"),
            "{}",
            sample.display()
        );
    }
}

#[test]
fn every_example_of_the_documentation_fits() {
    let mut seen = 0;
    for file in [
        "docs/credentials.md",
        "docs/secrets.md",
        "docs/configuration.md",
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert_eq!(mismatches(block), [""; 0], "{file}: {block}");
            seen += 1;
        }
    }
    assert!(seen >= 3);
}

#[test]
fn the_schema_is_valid_and_knows_every_preset_and_map() {
    jsonschema::meta::validate(&schema()).unwrap();
    let source = |scheme: &str, map: &str| {
        format!("[[source]]\nname = \"a\"\nscheme = \"{scheme}\"\nmap = \"{map}\"\n")
    };
    for &name in SchemeName::ALL {
        assert_eq!(mismatches(&source(name.as_str(), "x.jq")), [""; 0]);
    }
    let text = schema().to_string();
    for map in Map::builtin_names() {
        assert_eq!(mismatches(&source("jira", map)), [""; 0]);
        assert!(
            text.contains(&format!("\"{map}\"")),
            "an editor offers {map}"
        );
    }
}

#[test]
fn mistakes_are_found() {
    for (text, expected) in [
        ("jurnal = \"memory:\"", ": additionalProperties"),
        ("journal = \"ftp://x\"", "/journal: anyOf"),
        ("[cloud]\nsite = \"moon\"", "/cloud/site: oneOf"),
        (
            "[cloud]\ncvm_per_second = 50",
            "/cloud/cvm_per_second: maximum",
        ),
        (
            "[cloud.accounts.default]\nrole_arn = \"qcs::cam::uin/1:roleName/x\"\nregions = []",
            "/cloud/accounts: not",
        ),
        (
            "[cloud.accounts.a]\nregions = []",
            "/cloud/accounts/a: anyOf",
        ),
        (
            "[cloud.accounts.a]\nrole_arn = \"qcs::cam::uin/1:roleName/x\"",
            "/cloud/accounts/a: anyOf",
        ),
        ("[policy]\napprovals = 51", "/policy: anyOf"),
        ("[policy]\napprovers = 1", "/policy: anyOf"),
        ("[[source]]\nname = \"a\"", "/source/0: required"),
        (
            "[[source]]\nname = \"a\"\nscheme = \"sns-v9\"",
            "/source/0/scheme: anyOf",
        ),
        (
            "[[source]]\nname = \"a\"\nscheme = { like = \"jira\", colour = 1 }",
            "/source/0/scheme: anyOf",
        ),
        (
            "[[source]]\nname = \"a\"\nscheme = \"jira\"\nsecrets = [\"plain\"]",
            "/source/0/secrets/0: pattern",
        ),
    ] {
        let found = mismatches(text);
        assert!(found.contains(&expected.to_owned()), "{text}: {found:?}");
    }
    let good = "[[source]]\nname = \"a\"\nscheme = { header = \"X\", signed = [{ header = \"I\" }, { text = \".\" }, \"time\", \"body\"], time = { unix_header = \"T\" } }";
    assert_eq!(mismatches(good), [""; 0]);
}
