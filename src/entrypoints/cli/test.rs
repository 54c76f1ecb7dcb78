//! `test`: runs the user's test cases. Signs each event as its source does, with a random secret, and
//! processes it up to the plan. Writes no journal and makes no cloud call.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{CaseError, CaseInput, CaseOutcome, Prepared};
use crate::clock;
use crate::domain::Timestamp;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;

use super::{Context, Failure};

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<Case>,
}

/// One case: an event, and its expected result.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The case's name.
    name: String,
    /// The configured source that receives it.
    source: String,
    /// The body's file, relative to the case file.
    event: PathBuf,
    /// The instant of receipt [default: now].
    now: Option<Timestamp>,
    expect: Expect,
}

/// The expected result. Absent fields are not compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// `allow`, `deny`, `ignored` or `invalid`.
    decision: String,
    /// Determining policies, in any order.
    policies: Option<Vec<String>>,
    /// Fields of the request as in the journal.
    request: Option<Value>,
    /// The calls of the plan, for an image that is not shared yet.
    plan: Option<Vec<String>>,
}

/// How a case ended.
enum Ended {
    Passed,
    /// Its source is not configured.
    Skipped(CaseError),
    /// How it differs from the expectation.
    Failed(Vec<String>),
}

pub(super) fn run(context: &Context, dir: Option<PathBuf>) -> Result<Exit, Failure> {
    let prepared = context.prepare_without_secrets()?;
    let dir = dir.unwrap_or_else(|| prepared.config().policy.join("cases"));
    let shown = dir.display();
    let files = case_files(&dir).map_err(|error| {
        Failure::Failed(format!(
            "cannot read {shown}: {error}; name the folder of your cases"
        ))
    })?;
    if files.is_empty() {
        return Err(Failure::Failed(format!(
            "{shown} has no *.toml case file; name the folder of your cases"
        )));
    }
    let mut results = Vec::new();
    for file in files {
        match read(&file) {
            Ok(cases) => results.extend(cases.into_iter().map(|case| {
                let ended = run_case(&prepared, &file, &case);
                (case.name, ended)
            })),
            Err(error) => results.push((
                file.display().to_string(),
                Ended::Failed(vec![error.to_string()]),
            )),
        }
    }
    Ok(report(context.json, &results))
}

fn report(as_json: bool, results: &[(String, Ended)]) -> Exit {
    let count = |wanted: fn(&Ended) -> bool| results.iter().filter(|(_, e)| wanted(e)).count();
    let passed = count(|ended| matches!(ended, Ended::Passed));
    let skipped = count(|ended| matches!(ended, Ended::Skipped(_)));
    let failed = results.len() - passed - skipped;
    if as_json {
        let list: Vec<Value> = results.iter().map(|(name, e)| as_value(name, e)).collect();
        outln!("{}", json!(list));
    } else {
        for (name, ended) in results {
            match ended {
                Ended::Passed => outln!("ok      {name}"),
                Ended::Skipped(why) => outln!("skipped {name}\n         {why}"),
                Ended::Failed(differences) => {
                    outln!(
                        "FAILED  {name}\n         {}",
                        differences.join("\n         ")
                    );
                }
            }
        }
        match skipped {
            0 => outln!("{passed} passed, {failed} failed"),
            _ => outln!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
    if failed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    }
}

fn as_value(name: &str, ended: &Ended) -> Value {
    match ended {
        Ended::Passed => json!({ "case": name, "ok": true, "differences": [] }),
        Ended::Skipped(why) => json!({ "case": name, "ok": null, "skipped": why.to_string() }),
        Ended::Failed(found) => json!({ "case": name, "ok": false, "differences": found }),
    }
}

fn case_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> std::io::Result<Vec<Case>> {
    let text = std::fs::read_to_string(file)?;
    let cases: CaseFile = toml::from_str(&text).map_err(std::io::Error::other)?;
    Ok(cases.case)
}

fn run_case(prepared: &Prepared, file: &Path, case: &Case) -> Ended {
    let path = file.parent().unwrap_or(Path::new("")).join(&case.event);
    let body = match std::fs::read(&path) {
        Ok(body) => body,
        Err(error) => return Ended::Failed(vec![format!("event {}: {error}", path.display())]),
    };
    let now = case.now.unwrap_or_else(clock::system_now);
    match prepared.try_case(CaseInput {
        source: &case.source,
        body,
        now,
    }) {
        Ok(outcomes) => match compare(&case.expect, &outcomes) {
            same if same.is_empty() => Ended::Passed,
            differences => Ended::Failed(differences),
        },
        Err(error @ CaseError::UnknownSource(_)) => Ended::Skipped(error),
        Err(error) => Ended::Failed(vec![error.to_string()]),
    }
}

fn compare(expect: &Expect, outcomes: &[CaseOutcome]) -> Vec<String> {
    let mut differences = Vec::new();
    let decision = outcomes.first().map_or("ignored", |o| o.decision.as_str());
    if expect.decision != decision {
        let why = outcomes
            .iter()
            .flat_map(|o| &o.why)
            .cloned()
            .collect::<Vec<_>>()
            .join("; ");
        differences.push(format!(
            "decision: expected {}, got {decision}{}",
            expect.decision,
            if why.is_empty() {
                why
            } else {
                format!(" ({why})")
            }
        ));
    }
    let Some(outcome) = outcomes.first() else {
        return differences;
    };
    if let Some(wanted) = &expect.policies {
        let mut wanted = wanted.clone();
        wanted.sort();
        if wanted != outcome.policies {
            differences.push(format!(
                "policies: expected {wanted:?}, got {:?}",
                outcome.policies
            ));
        }
    }
    if let Some(Value::Object(fields)) = &expect.request {
        for (name, wanted) in fields {
            let got = outcome.request.get(name).unwrap_or(&Value::Null);
            if got != wanted {
                differences.push(format!("request.{name}: expected {wanted}, got {got}"));
            }
        }
    }
    if let Some(wanted) = &expect.plan
        && *wanted != outcome.plan
    {
        differences.push(format!("plan: expected {wanted:?}, got {:?}", outcome.plan));
    }
    differences
}
