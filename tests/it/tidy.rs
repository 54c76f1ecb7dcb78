//! The house rules that a machine can hold: who may know whom, how long a file may be, what each
//! file begins with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our modules a module may import. A new arrow fails here until somebody argues for it.
const MAY_KNOW: [(&str, &[&str]); 11] = [
    ("domain", &[]),
    ("inbound", &["domain"]),
    ("policy", &["domain"]),
    ("plan", &["domain", "policy"]),
    ("journal", &["domain"]),
    ("clock", &["domain"]),
    ("telemetry", &["domain"]),
    ("config", &["domain", "inbound", "journal"]),
    ("cloud", &["domain"]),
    (
        "app",
        &[
            "domain",
            "inbound",
            "policy",
            "plan",
            "journal",
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

/// `cli` shows offline parts too: signatures, policies, the journal's verification.
const CLI_MAY_ALSO: [&str; 4] = ["inbound", "policy", "journal", "entrypoints"];

const MOST_LINES: usize = 470;
const MOST_MOD_LINES: usize = 160;

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file's path below `src/` as a module path: `cloud::actions::paging`.
fn module_of(path: &Path) -> String {
    let inner = path.strip_prefix(source()).unwrap().with_extension("");
    let parts: Vec<_> = inner
        .iter()
        .map(|p| p.to_str().unwrap())
        .filter(|p| *p != "mod")
        .collect();
    parts.join("::")
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| {
        let stem = stem.to_str().unwrap();
        stem == "tests" || stem == "testing" || stem.ends_with("_tests")
    }) || path
        .parent()
        .is_some_and(|folder| folder.ends_with("tests") || folder.ends_with("testing"))
}

/// The lines before the file's tests.
fn code_of(text: &str) -> Vec<&str> {
    let test_mark = |line: &&str| line.trim() == "#[cfg(test)]";
    text.lines().take_while(|line| !test_mark(line)).collect()
}

/// Every `crate::name` of a line, where it is code.
fn arrows(line: &str) -> BTreeSet<String> {
    let code = line.split("//").next().unwrap_or_default();
    let names = code
        .split("crate::")
        .skip(1)
        .filter(|_| !code.trim_start().starts_with("\""));
    names
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn arrows_point_downward_only() {
    let mut wrong = Vec::new();
    for path in rust_files(&source()) {
        let module = module_of(&path);
        if is_test_file(&path) || module == "lib" || module == "main" {
            continue;
        }
        let rule = MAY_KNOW
            .iter()
            .filter(|(name, _)| module == *name || module.starts_with(&format!("{name}::")))
            .max_by_key(|(name, _)| name.len())
            .unwrap_or_else(|| panic!("{module} has no layer: add it to this table"));
        let own = rule.0.split("::").next().unwrap();
        for line in code_of(&fs::read_to_string(&path).unwrap()) {
            for arrow in arrows(line) {
                let cli = module.starts_with("entrypoints::cli")
                    && CLI_MAY_ALSO.contains(&arrow.as_str());
                let inside = arrow == own;
                if !arrow.is_empty() && !inside && !cli && !rule.1.contains(&arrow.as_str()) {
                    wrong.push(format!("{module} imports {arrow}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "new arrows:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    for path in rust_files(&source()) {
        if is_test_file(&path) {
            continue;
        }
        let lines = code_of(&fs::read_to_string(&path).unwrap()).len();
        let most = if path.ends_with("mod.rs") {
            MOST_MOD_LINES
        } else {
            MOST_LINES
        };
        if lines > most {
            long.push(format!("{}: {lines} lines, {most} at most", path.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = rust_files(&source())
        .into_iter()
        .chain(rust_files(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"),
        ))
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//! "))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! line at the top: {silent:?}");
}

/// The one file with an HTTP client, and the one reader of the clock.
#[test]
fn the_edges_are_where_they_are_said_to_be() {
    let mut clients = Vec::new();
    let mut clocks = Vec::new();
    for path in rust_files(&source()) {
        if is_test_file(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = code_of(&text).join("\n");
        if code.contains("Client::builder()") || code.contains("ClientBuilder::new()") {
            clients.push(module_of(&path));
        }
        if code.contains("Timestamp::now()") || code.contains("SystemTime::now()") {
            clocks.push(module_of(&path));
        }
    }
    assert_eq!(clients, ["cloud::client"]);
    assert_eq!(clocks, ["clock"]);
}
