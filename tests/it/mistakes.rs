//! Checks the message of `check` for each mistake in `mistakes/mistakes.toml`: place, problem,
//! remedy, and at most 80 columns. `mistakes/messages.txt` lists the messages.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::support::process::{Finish as _, program};

#[derive(Deserialize)]
struct Book {
    variables: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    mistake: Vec<Mistake>,
}

#[derive(Deserialize)]
struct Mistake {
    name: String,
    #[serde(flatten)]
    change: Option<Change>,
    #[serde(default)]
    also: Vec<Change>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// Replaces `from` by `to` in a file. If `from` is `*`, it replaces the whole file, or creates it.
#[derive(Deserialize)]
struct Change {
    file: String,
    from: String,
    to: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mistakes")
}

fn book() -> Book {
    toml::from_str(&fs::read_to_string(folder().join("mistakes.toml")).unwrap()).unwrap()
}

/// Writes the book's files with the mistake to a folder. Returns the folder and its variables.
fn made(book: &Book, mistake: Option<&Mistake>) -> (tempfile::TempDir, BTreeMap<String, String>) {
    let mut files = book.files.clone();
    let mut variables = book.variables.clone();
    if let Some(mistake) = mistake {
        for change in mistake.change.iter().chain(&mistake.also) {
            let text = files.entry(change.file.clone()).or_default();
            *text = match change.from.as_str() {
                "*" => change.to.clone(),
                from => {
                    assert!(text.contains(from), "{}: {from}", mistake.name);
                    text.replacen(from, &change.to, 1)
                }
            };
        }
        variables.extend(mistake.variables.clone());
    }
    let made = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = made.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (made, variables)
}

fn check(book: &Book, mistake: Option<&Mistake>, arguments: &[&str]) -> (Option<i32>, String) {
    let (folder, variables) = made(book, mistake);
    let mut command = program(folder.path());
    // This variable would replace the addresses in the configuration.
    command.env_remove("SHAREHOOK_FETCH_ENDPOINT");
    let output = command.arg("check").args(arguments).envs(variables);
    let output = output.finish();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// Returns what `check` prints about the mistake, without the lines that end every report.
fn message(book: &Book, mistake: &Mistake) -> String {
    let (code, said) = check(book, Some(mistake), &[]);
    let expected = if said.contains("error: ") { 3 } else { 0 };
    assert_eq!(code, Some(expected), "{}: {said}", mistake.name);
    let end = said.find("sharehook.toml: valid\n");
    let end = end.or_else(|| said.rfind("\n\n").map(|at| at + 1));
    said[..end.unwrap_or(said.len())].trim_end().to_owned()
}

#[test]
fn each_mistake_has_a_message_with_place_problem_and_remedy() {
    let book = book();
    assert!(book.mistake.len() >= 60, "{}", book.mistake.len());
    let mut messages = String::new();
    let halves = book.mistake.split_at(book.mistake.len() / 2);
    let all = |mistakes: &[Mistake]| -> Vec<String> {
        mistakes.iter().map(|one| message(&book, one)).collect()
    };
    let said = std::thread::scope(|scope| {
        let first = scope.spawn(|| all(halves.0));
        let second = all(halves.1);
        [first.join().unwrap(), second].concat()
    });
    for (mistake, said) in book.mistake.iter().zip(&said) {
        let name = &mistake.name;
        for line in said.lines().filter(|line| line.contains(' ')) {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
        assert!(
            !said.contains(&book.variables["JIRA_SECRET"]),
            "{name}: {said}"
        );
        messages += &format!("## {name}\n\n{said}\n\n");
    }
    let file = folder().join("messages.txt");
    if std::env::var_os("SHAREHOOK_WRITE_MESSAGES").is_some() {
        fs::write(&file, &messages).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    for (kept, said) in kept.split("## ").zip(messages.split("## ")) {
        assert_eq!(
            kept, said,
            "messages.txt; SHAREHOOK_WRITE_MESSAGES=1 writes it"
        );
    }
    assert_eq!(kept.len(), messages.len());
}

#[test]
fn the_folder_without_a_mistake_has_none() {
    let (code, said) = check(&book(), None, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("sharehook.toml: valid\n"), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn every_problem_has_its_piece_of_a_file_in_json() {
    let book = book();
    let (mut errors, mut warnings) = (0, 0);
    for mistake in book.mistake.iter().step_by(5) {
        let (_, said) = check(&book, Some(mistake), &["--json"]);
        let said: Value = serde_json::from_str(&said).unwrap();
        let found = |list: &str| said[list].as_array().unwrap().clone();
        for one in found("problems").iter().chain(&found("warnings")) {
            assert_eq!(one["line"].is_u64(), one["file"].is_string(), "{one}");
            assert!(one["field"].as_str().unwrap().len() > 3, "{one}");
            assert!(one["remedy"].as_str().unwrap().len() > 5, "{one}");
        }
        errors += found("problems").len();
        warnings += found("warnings").len();
    }
    assert!(errors > 10 && warnings > 2, "{errors} {warnings}");
}
