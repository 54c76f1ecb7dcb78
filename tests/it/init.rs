//! `init`: for each sample source the new folder passes `check` and `test`, and serves with the stand-in
//! cloud.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::http::send;
use crate::support::process::{Process, program};

/// The sources of the sample configuration.
const SOURCES: [&str; 16] = [
    "jira",
    "github",
    "native",
    "helpdesk",
    "queue",
    "invoke",
    "servicenow",
    "zendesk",
    "freshservice",
    "gitlab",
    "slack",
    "pagerduty",
    "linear",
    "opsgenie",
    "stepfunctions",
    "eventbridge",
];

/// The variables in the folder's `.env`; none when there is no folder yet.
fn env_of(folder: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join(".env")).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program(folder);
    let output = command.args(arguments).envs(env_of(folder)).output();
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn init(folder: &Path, sources: &[&str]) -> (Option<i32>, String) {
    let sources = sources.iter().flat_map(|name| ["--source", name]);
    let arguments: Vec<&str> = ["init", "new"].into_iter().chain(sources).collect();
    run(folder, &arguments)
}

fn works(folder: &Path, sources: &[&str]) {
    let (code, out) = init(folder, sources);
    assert_eq!(code, Some(0), "{sources:?}: {out}");
    let new = folder.join("new");
    let (code, out) = run(&new, &["check"]);
    assert_eq!(code, Some(0), "{sources:?}: {out}");
    let (code, out) = run(&new, &["test"]);
    let last = out.lines().last().unwrap_or_default();
    assert_eq!(code, Some(0), "{sources:?}: {out}");
    let passed: usize = last.split_once(' ').unwrap().0.parse().unwrap();
    assert!(passed >= sources.len(), "{sources:?}: {last}");
    assert!(last.ends_with(" 0 failed"), "{sources:?}: {last}");
}

#[test]
fn the_folder_of_each_source_passes_its_check_and_its_cases() {
    for source in SOURCES {
        let folder = tempfile::tempdir().unwrap();
        works(folder.path(), &[source]);
    }
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &SOURCES);
}

#[cfg(unix)]
#[test]
fn the_secrets_are_random_and_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let secrets: Vec<_> = (0..2)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            works(folder.path(), &["jira", "freshservice", "native"]);
            let path = folder.path().join("new/.env");
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            env_of(&folder.path().join("new"))
        })
        .collect();
    assert_eq!(secrets[0].len(), 3);
    assert!(secrets[0].values().all(|value| value.len() > 40));
    for (name, value) in &secrets[0] {
        assert_ne!(secrets[1].get(name), Some(value), "{name}");
    }
}

#[test]
fn existing_files_and_unknown_sources_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out) = init(folder.path(), &["jira", "trello"]);
    assert_eq!(code, Some(64));
    assert!(
        out.contains("\"trello\"") && out.contains("zendesk"),
        "{out}"
    );
    assert!(!folder.path().join("new").exists());
    std::fs::create_dir(folder.path().join("new")).unwrap();
    std::fs::write(folder.path().join("new/policy"), "mine").unwrap();
    let (code, out) = init(folder.path(), &["jira"]);
    assert_eq!(code, Some(64));
    assert!(out.contains("is not empty"), "{out}");
    let kept = std::fs::read_to_string(folder.path().join("new/policy"));
    assert_eq!(kept.unwrap(), "mine");
}

#[tokio::test]
async fn the_steps_of_its_readme_end_in_a_share() {
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &["jira", "servicenow"]);
    let new = folder.path().join("new");
    let readme = std::fs::read_to_string(new.join("README.md")).unwrap();
    let body = "policy/cases/events/body-jira-approved.json";
    let tried = format!("sharehook try --source jira --body {body}");
    assert!(readme.contains(&tried), "{readme}");
    let arguments: Vec<&str> = tried.split(' ').skip(1).collect();
    let (code, out) = run(&new, &arguments);
    assert_eq!(code, Some(0), "{out}");

    let mut command = program(&new);
    command.args(["serve", "--sandbox", "--listen", "127.0.0.1:0"]);
    let server = Process::serving(command.envs(env_of(&new)));
    let signed = ["sign", "--json", "--source", "jira", "--body", body];
    assert!(readme.contains(&format!("sharehook sign --source jira --body {body}")));
    let (_, headers) = run(&new, &signed);
    let headers: BTreeMap<String, String> = serde_json::from_str(&headers).unwrap();
    let headers: Vec<_> = headers.into_iter().collect();
    let sent = std::fs::read(new.join(body)).unwrap();
    let answer = send(&server.url, "POST", "/hooks/jira", &headers, sent).await;
    let answer: Value = answer.unwrap().body;
    assert_eq!(answer["status"], "completed", "{answer}");
}
