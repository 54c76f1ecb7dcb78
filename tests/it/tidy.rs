//! Checks the house rules that a machine can check: layers, import cycles, length of files and
//! functions, the first line of each file, and names in the documentation.

mod imports;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use imports::Package;
use source::rust_files;

use crate::support::docs::pages;

/// The modules that each module may import. Every other import fails this test.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("mapping", &["domain"]),
    ("inbound", &["domain", "mapping"]),
    ("policy", &["domain"]),
    ("plan", &["domain", "policy"]),
    ("journal", &["domain"]),
    ("notify", &["domain", "mapping", "journal"]),
    ("clock", &["domain"]),
    ("telemetry", &["domain"]),
    ("config", &["domain", "inbound", "journal", "notify"]),
    ("cloud", &["domain"]),
    (
        "app",
        &[
            "domain",
            "inbound",
            "policy",
            "plan",
            "journal",
            "notify",
            "cloud",
            "clock",
            "config",
            "telemetry",
        ],
    ),
    (
        "entrypoints",
        &["app", "config", "domain", "clock", "telemetry"],
    ),
];

/// `cli` also prints results of the offline parts: signatures, policies, journal verification.
const CLI_MAY_ALSO: [&str; 3] = ["inbound", "policy", "journal"];

const MAX_FILE_LINES: usize = 400;
const MAX_MOD_LINES: usize = 120;
const MAX_FUNCTION_LINES: usize = 70;

/// Files that are allowed to be part of an import cycle. Add none.
const IN_A_CYCLE: &[&str] = &[];

/// Files and functions that are allowed to exceed the limits. Add none.
const TOO_LONG: &[&str] = &[];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn packages() -> [Package; 3] {
    ["src", "crates/sandbox/src", "crates/tc3/src"].map(|src| Package::read(&root().join(src)))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// Fails if a wrong name is not known, or if a known name is no longer wrong.
#[track_caller]
fn assert_only_known(wrong: &BTreeMap<String, String>, known: &[&str]) {
    let new = wrong
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, why)| format!("{name}: {why}\n"));
    let mended = known
        .iter()
        .filter(|name| !wrong.contains_key(**name))
        .map(|name| format!("{name} is mended: take it off the list in tests/it/tidy.rs\n"));
    let problems: String = new.chain(mended).collect();
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn arrows_point_downward_only() {
    let package = Package::read(&root().join("src"));
    let mut wrong = Vec::new();
    for module in package.sources.keys().filter(|module| !module.is_empty()) {
        let own = module[0].as_str();
        let rule = MAY_IMPORT.iter().find(|(layer, _)| *layer == own);
        let (_, allowed) =
            rule.unwrap_or_else(|| panic!("{own} has no layer: add it to this table"));
        let is_cli = module.starts_with(&["entrypoints".to_owned(), "cli".to_owned()]);
        for path in package.paths(module) {
            let layer = path.first().map_or("", String::as_str);
            let is_allowed =
                layer == own || allowed.contains(&layer) || is_cli && CLI_MAY_ALSO.contains(&layer);
            if !is_allowed {
                wrong.push(format!("{} imports {}", module.join("::"), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "new arrows:\n{}", wrong.join("\n"));
}

/// The sandbox must not use the signing code that it checks.
#[test]
fn the_sandbox_does_not_use_the_signer() {
    let manifest = fs::read_to_string(root().join("crates/sandbox/Cargo.toml")).unwrap();
    let dependencies = manifest.lines().filter(|line| line.starts_with("tc3"));
    assert_eq!(dependencies.count(), 0);
}

#[test]
fn files_import_each_other_in_one_direction() {
    let mut wrong = BTreeMap::new();
    for package in packages() {
        for (module, back) in package.cycles() {
            let file = shown(&package.sources[&module].path);
            wrong.insert(
                file,
                format!("imports {}, which leads back", back.join(", ")),
            );
        }
    }
    assert_only_known(&wrong, IN_A_CYCLE);
}

#[test]
fn files_and_functions_stay_short() {
    let mut wrong = BTreeMap::new();
    for package in packages() {
        for source in package.sources.values() {
            let file = shown(&source.path);
            let most = if source.path.ends_with("mod.rs") {
                MAX_MOD_LINES
            } else {
                MAX_FILE_LINES
            };
            for (function, lines) in source.code.functions() {
                if lines > MAX_FUNCTION_LINES {
                    let why = format!("{lines} lines, {MAX_FUNCTION_LINES} at most");
                    wrong.insert(format!("{file} fn {function}"), why);
                }
            }
            if source.code.lines > most {
                wrong.insert(file, format!("{} lines, {most} at most", source.code.lines));
            }
        }
    }
    assert_only_known(&wrong, TOO_LONG);
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = ["src", "tests", "benches", "crates"]
        .into_iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//! "))
        .map(|path| shown(&path))
        .collect();
    assert!(silent.is_empty(), "no //! line at the top: {silent:?}");
}

/// Only one file builds an HTTP client, and only one file reads the wall clock.
#[test]
fn the_edges_are_where_they_are_said_to_be() {
    let package = Package::read(&root().join("src"));
    let files_with = |marks: [&str; 2]| -> Vec<String> {
        let sources = package.sources.iter();
        sources
            .filter(|(_, source)| marks.iter().any(|mark| source.code.text.contains(mark)))
            .map(|(module, _)| module.join("::"))
            .collect()
    };
    assert_eq!(
        files_with(["Client::builder()", "ClientBuilder::new()"]),
        ["cloud::client"]
    );
    assert_eq!(
        files_with(["Timestamp::now()", "SystemTime::now()"]),
        ["clock"]
    );
}

/// Every path in the guides that begins with one of `folders` must exist.
#[test]
fn the_guides_name_paths_that_exist() {
    let folders = [
        "src/", "crates/", "tests/", "maps/", "docs/", "scripts/", "policy/", "events/",
    ];
    for guide in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(guide)).unwrap();
        let named: Vec<&str> = text
            .split(|c: char| c == '`' || c.is_whitespace())
            .filter(|word| folders.iter().any(|folder| word.starts_with(folder)))
            .collect();
        assert!(!named.is_empty(), "{guide}");
        for path in named {
            assert!(root().join(path).exists(), "{guide} names {path}");
        }
    }
}

/// A name of six words or more between backticks is the name of a test.
#[test]
fn every_test_that_the_docs_name_exists() {
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    let code: String = ["src", "tests/it"]
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .map(|file| text(&file))
        .collect();
    let is_test = |word: &&str| {
        word.matches('_').count() > 4
            && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && !word.starts_with("sharehook_") // names of metrics
    };
    let mut named = 0;
    for page in pages("docs") {
        for name in page.text.split('`').filter(is_test) {
            named += 1;
            let test = format!("fn {name}()");
            assert!(code.contains(&test), "{}: {name} is no test", page.path);
        }
    }
    assert!(named > 30, "{named}");
}
