//! Reads policy test cases (docs/cases.md has their format), runs them, and compares each outcome
//! with the expected one. Writes nothing.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use crate::app::{CaseError, CaseInput, CaseOutcome, Prepared};
use crate::clock;
use crate::config::read_at_most;
use crate::domain::{Mark, Timestamp, numbered};

use super::super::signature::MAX_BODY_BYTES;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Spanned<String>,
    /// The configured source that receives the event.
    source: String,
    /// The file of the event, relative to the case file.
    event: PathBuf,
    /// The instant at which the event arrives [default: now].
    now: Option<Timestamp>,
    expect: Expect,
}

/// The expected result of the event's first request. A field that is absent here is not compared.
/// If the event is ignored, its policies and plan are empty, and its request has no field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    decision: Decision,
    /// The determining policies, in any order.
    policies: Option<Vec<String>>,
    /// Some fields of the request, named as in a native request.
    request: Option<Map<String, Value>>,
    /// The calls of the plan, if the image is not shared yet.
    plan: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Allow,
    Deny,
    Ignored,
    Invalid,
}

impl Decision {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Ignored => "ignored",
            Self::Invalid => "invalid",
        }
    }
}

#[derive(Debug)]
pub(super) enum CaseResult {
    Passed,
    /// The case's source is not configured.
    Skipped(String),
    Failed(Vec<Difference>),
}

/// A field that is not as expected, or the reason why the case could not run.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) expected: Vec<String>,
    pub(super) got: Vec<String>,
    /// The reasons of a denial or an invalid request.
    pub(super) why: Vec<String>,
}

impl Difference {
    fn broken(field: &str, why: String) -> Self {
        Self {
            field: field.to_owned(),
            expected: Vec::new(),
            got: Vec::new(),
            why: vec![why],
        }
    }

    /// Formats the difference as one line, such as `decision: expected deny, got allow`.
    pub(super) fn line(&self) -> String {
        let list = |values: &[String]| match values {
            [] => "nothing".to_owned(),
            values => values.join(", "),
        };
        let mut text = match self.expected.is_empty() && self.got.is_empty() {
            true => format!("{}:", self.field),
            false => format!(
                "{}: expected {}, got {}",
                self.field,
                list(&self.expected),
                list(&self.got)
            ),
        };
        match self.why.as_slice() {
            [] => {}
            why if text.ends_with(':') => text.push_str(&format!(" {}", numbered(why))),
            why => text.push_str(&format!(", because {}", numbered(why))),
        }
        text
    }
}

/// A case that was run, with its result.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) name: String,
    /// Where the case is, as `file:line`.
    pub(super) place: String,
    pub(super) ended: CaseResult,
    /// The determining policies of the case's requests, and the policies that allowed the approvers
    /// of these requests to approve.
    pub(super) touched: Vec<String>,
}

/// Runs the cases of a file. If the file cannot be read, returns one failed case.
pub(super) fn run_file(prepared: &Prepared, file: &Path) -> Vec<Ran> {
    let shown = file.display().to_string();
    let read = std::fs::read_to_string(file).map_err(|error| (None, error.to_string()));
    let cases = read.and_then(|text| {
        let cases = toml::from_str::<CaseFile>(&text);
        let cases = cases.map_err(|error| {
            let mark = error.span().map(|span| Mark::of(&shown, &text, span));
            (mark, error.message().trim().replace('\n', ", "))
        });
        cases.map(|cases| (text, cases.case))
    });
    match cases {
        Ok((text, cases)) => {
            let run = |case: Case| {
                let place = Mark::of(&shown, &text, case.name.span()).to_string();
                run_case(prepared, file, place, case)
            };
            cases.into_iter().map(run).collect()
        }
        Err((mark, problem)) => vec![Ran {
            name: shown.clone(),
            place: mark.map_or(shown, |mark| mark.to_string()),
            ended: CaseResult::Failed(vec![Difference::broken(
                "the file cannot be read",
                format!("{problem}; docs/cases.md has the format"),
            )]),
            touched: Vec::new(),
        }],
    }
}

fn run_case(prepared: &Prepared, file: &Path, place: String, case: Case) -> Ran {
    let mut ran = Ran {
        name: case.name.get_ref().clone(),
        place,
        ended: CaseResult::Passed,
        touched: Vec::new(),
    };
    let path = file.parent().unwrap_or(Path::new("")).join(&case.event);
    let body = match read_at_most(&path, MAX_BODY_BYTES) {
        Ok(body) => body,
        Err(error) => {
            let why = format!("{} cannot be read: {error}", path.display());
            ran.ended = CaseResult::Failed(vec![Difference::broken("event", why)]);
            return ran;
        }
    };
    let outcomes = prepared.try_case(CaseInput {
        source: &case.source,
        body,
        now: case.now.unwrap_or_else(clock::system_now),
    });
    ran.ended = match outcomes {
        Ok(outcomes) => {
            ran.touched = outcomes.iter().flat_map(|o| o.touched.clone()).collect();
            match compare(&case.expect, &outcomes) {
                same if same.is_empty() => CaseResult::Passed,
                differences => CaseResult::Failed(differences),
            }
        }
        Err(error @ CaseError::UnknownSource(_)) => CaseResult::Skipped(error.to_string()),
        Err(error) => CaseResult::Failed(vec![Difference::broken("event", error.to_string())]),
    };
    ran
}

fn compare(expect: &Expect, outcomes: &[CaseOutcome]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut note = |field: &str, expected: Vec<String>, got: Vec<String>, why: Vec<String>| {
        if expected != got {
            differences.push(Difference {
                field: field.to_owned(),
                expected,
                got,
                why,
            });
        }
    };
    let ignored = CaseOutcome {
        decision: "ignored".to_owned(),
        ..CaseOutcome::default()
    };
    let outcome = outcomes.first().unwrap_or(&ignored);
    let why = outcomes.iter().flat_map(|o| o.why.clone()).collect();
    note(
        "decision",
        vec![expect.decision.as_str().to_owned()],
        vec![outcome.decision.clone()],
        why,
    );
    if let Some(wanted) = &expect.policies {
        let mut wanted = wanted.clone();
        wanted.sort();
        note("policies", wanted, outcome.policies.clone(), Vec::new());
    }
    for (name, wanted) in expect.request.iter().flatten() {
        let got = outcome.request.get(name).unwrap_or(&Value::Null);
        let (wanted, got) = (vec![wanted.to_string()], vec![got.to_string()]);
        note(&format!("request.{name}"), wanted, got, Vec::new());
    }
    if let Some(wanted) = &expect.plan {
        note("plan", wanted.clone(), outcome.plan.clone(), Vec::new());
    }
    differences
}
