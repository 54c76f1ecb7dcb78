//! `sharehook.schema.json` against the program: the sample configurations, the field names, the
//! closed lists, and what it refuses. The checker knows the words of JSON Schema that the schema
//! uses, and fails on any other.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sharehook::inbound::{Map, SchemeName};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("sharehook.schema.json")).unwrap())
        .unwrap()
}

/// Every mismatch, as a path and a word of the schema.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        let each = |rules: &Value| {
            let rules = rules.as_array().unwrap().clone();
            rules
                .into_iter()
                .map(|rule| check(root, &rule, value, at))
                .collect::<Vec<_>>()
        };
        let text = value.as_str();
        let number = value.as_f64();
        let fits = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" => true,
            "$ref" => {
                let target = root
                    .pointer(rule.as_str().unwrap().strip_prefix('#').unwrap())
                    .unwrap();
                wrong.extend(check(root, target, value, at));
                true
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "number" => value.is_number(),
                "integer" => value.is_i64(),
                other => panic!("type {other}"),
            },
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    let known = rule.get(name).into_iter();
                    wrong.extend(
                        known.flat_map(|known| check(root, known, field, &format!("{at}.{name}"))),
                    );
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                for (name, field) in value.as_object().into_iter().flatten() {
                    let here = format!("{at}.{name}");
                    match rule {
                        _ if known.is_some_and(|known| known.get(name).is_some()) => {}
                        Value::Bool(false) => wrong.push(format!("{here}: unknown")),
                        rule => wrong.extend(check(root, rule, field, &here)),
                    }
                }
                true
            }
            "propertyNames" => {
                let names = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| json!(name));
                wrong.extend(names.flat_map(|name| check(root, rule, &name, at)));
                true
            }
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            "dependentRequired" => rule.as_object().unwrap().iter().all(|(name, needed)| {
                let needed = needed.as_array().unwrap();
                value.get(name).is_none()
                    || needed
                        .iter()
                        .all(|n| value.get(n.as_str().unwrap()).is_some())
            }),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    wrong.extend(check(root, rule, item, &format!("{at}[{index}]")));
                }
                true
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "not" => !check(root, rule, value, at).is_empty(),
            "anyOf" => each(rule).iter().any(Vec::is_empty),
            "allOf" => each(rule).iter().all(Vec::is_empty),
            "pattern" => text.is_none_or(|t| {
                regex::Regex::new(rule.as_str().unwrap())
                    .unwrap()
                    .is_match(t)
            }),
            "minLength" => text.is_none_or(|t| t.chars().count() as u64 >= rule.as_u64().unwrap()),
            "minimum" => number.is_none_or(|n| n >= rule.as_f64().unwrap()),
            "maximum" => number.is_none_or(|n| n <= rule.as_f64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap()),
            "minProperties" => value
                .as_object()
                .is_none_or(|o| o.len() as u64 >= rule.as_u64().unwrap()),
            "maxProperties" => value
                .as_object()
                .is_none_or(|o| o.len() as u64 <= rule.as_u64().unwrap()),
            other => panic!("this checker does not know {other}"),
        };
        if !fits {
            wrong.push(format!("{at}: {word}"));
        }
    }
    wrong
}

fn mismatches(toml_text: &str) -> Vec<String> {
    let value = serde_json::to_value(toml_text.parse::<toml::Table>().unwrap()).unwrap();
    let schema = schema();
    check(&schema, &schema, &value, "")
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

/// The examples of the documentation are configurations too.
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

/// Field names as the source declares them: `name: Type,` within the named structures.
fn fields(file: &str, structures: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(root().join("src").join(file)).unwrap();
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(rest) = line
            .trim_start_matches("pub(super) ")
            .strip_prefix("struct ")
        {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            inside = structures.is_empty() || structures.contains(&name.as_str());
        } else if line == "}" {
            inside = false;
        } else if let (true, Some((name, _))) = (inside, line.trim().split_once(": ")) {
            found.push(name.trim_start_matches("pub(super) ").to_owned());
        }
    }
    found
}

fn properties(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (name, rule) in map {
                if let ("properties", Value::Object(names)) = (name.as_str(), rule) {
                    found.extend(names.keys().cloned());
                }
                properties(rule, found);
            }
        }
        Value::Array(rules) => rules.iter().for_each(|rule| properties(rule, found)),
        _ => {}
    }
}

#[test]
fn every_field_that_the_program_reads_is_in_the_schema_and_the_other_way_round() {
    let mut known = fields("config/raw.rs", &[]);
    known.extend(fields("config/accounts.rs", &["RawAccount"]));
    known.extend(fields("inbound/spec.rs", &["Table"]));
    // The variants of tables with one entry: Handshake, Part, TimeSource, IdSource.
    known.extend(
        [
            "cloudevents",
            "origins",
            "per_minute",
            "text",
            "header",
            "unix_header",
            "rfc3339_header",
            "unix_item",
            "millis_pointer",
            "pointer",
        ]
        .map(str::to_owned),
    );
    assert!(known.len() > 30, "the structures moved: {known:?}");
    let mut described = Vec::new();
    properties(&schema(), &mut described);
    for list in [&mut known, &mut described] {
        list.sort();
        list.dedup();
    }
    assert_eq!(known, described);
}

#[test]
fn the_closed_lists_are_the_programs() {
    let schema = schema();
    let names = |pointer: &str| schema.pointer(pointer).unwrap().as_array().unwrap().clone();
    assert_eq!(
        names("/$defs/preset/enum"),
        SchemeName::ALL.map(|name| json!(name.as_str()))
    );
    assert_eq!(
        names("/$defs/map/enum"),
        Map::builtin_names()
            .map(|name| json!(name))
            .collect::<Vec<_>>()
    );
}

#[test]
fn mistakes_are_found() {
    for (text, told) in [
        ("jurnal = \"memory:\"", ".jurnal: unknown"),
        ("journal = \"ftp://x\"", ".journal: pattern"),
        ("[cloud]\nsite = \"moon\"", ".cloud.site: enum"),
        (
            "[cloud]\ncvm_per_second = 50",
            ".cloud.cvm_per_second: maximum",
        ),
        (
            "[cloud.accounts.default]\nrole_arn = \"qcs::cam::uin/1:roleName/x\"\nregions = []",
            ".cloud.accounts: not",
        ),
        (
            "[cloud.accounts.a]\nregions = []",
            ".cloud.accounts.a: allOf",
        ),
        (
            "[cloud.accounts.a]\nrole_arn = \"qcs::cam::uin/1:roleName/x\"",
            ".cloud.accounts.a: allOf",
        ),
        ("[policy]\napprovals = 51", ".policy: anyOf"),
        ("[policy]\napprovers = 1", ".policy: anyOf"),
        ("[[source]]\nname = \"a\"", ".source[0]: required"),
        (
            "[[source]]\nname = \"a\"\nscheme = \"sns-v9\"",
            ".source[0].scheme: anyOf",
        ),
        (
            "[[source]]\nname = \"a\"\nscheme = { like = \"jira\", colour = 1 }",
            ".source[0].scheme: anyOf",
        ),
        (
            "[[source]]\nname = \"a\"\nscheme = \"jira\"\nsecrets = [\"plain\"]",
            ".source[0].secrets[0]: pattern",
        ),
    ] {
        assert!(
            mismatches(text).contains(&told.to_owned()),
            "{text}: {:?}",
            mismatches(text)
        );
    }
    let good = "[[source]]\nname = \"a\"\nscheme = { header = \"X\", signed = [{ header = \"I\" }, { text = \".\" }, \"time\", \"body\"], time = { unix_header = \"T\" } }";
    assert_eq!(mismatches(good), [""; 0]);
}
