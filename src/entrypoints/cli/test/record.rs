//! `test --record`: writes a case that expects the present outcome of an event. In: a configured
//! source and the event's file. Out: a copy of the event in the folder of the cases, unless the
//! event is already there, and a case at the end of `recorded.toml`. Never replaces a file.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde_json::Value;

use crate::app::{CaseInput, CaseOutcome, Prepared};
use crate::clock;
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::outcome::Exit;

use super::super::args::TestOptions;
use super::super::signature::read;
use super::super::try_body::unusable;
use super::super::{Context, Failure};

const FILE: &str = "recorded.toml";

/// The fields of a request that a recorded case expects.
const FIELDS: [&str; 6] = [
    "id",
    "action",
    "image",
    "accounts",
    "requester",
    "approvers",
];

pub(super) fn run(
    context: &Context,
    prepared: &Prepared,
    dir: &Path,
    event: &Path,
    options: &TestOptions,
) -> Result<Exit, Failure> {
    let source = options.source.as_deref().unwrap_or_default();
    let now = options.now.unwrap_or_else(clock::system_now);
    let body = read(event)?;
    let input = CaseInput {
        source,
        body: body.clone(),
        now,
    };
    let outcomes = prepared
        .try_case(input)
        .map_err(|error| unusable(error, prepared.config()))?;
    let name = event
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let copy = dir.join("events").join(&name);
    let in_place = matches!((event.canonicalize(), copy.canonicalize()), (Ok(a), Ok(b)) if a == b);
    let failed = |path: &Path, error: std::io::Error| {
        let remedy = match error.kind() {
            ErrorKind::AlreadyExists => "; rename the event, or remove the older one",
            _ => "",
        };
        let path = path.display();
        Failure::Failed(format!("{path} cannot be written: {error}{remedy}"))
    };
    if !in_place {
        let copied = write(&copy, &body, OpenOptions::new().create_new(true));
        copied.map_err(|error| failed(&copy, error))?;
    }
    let seconds = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
    let case = case_of(&name, source, &seconds.to_string(), outcomes.first());
    let file = dir.join(FILE);
    let appended = write(
        &file,
        case.as_bytes(),
        OpenOptions::new().create(true).append(true),
    );
    if let Err(error) = appended {
        // Remove the copy, because the next attempt would fail if the copy existed.
        if !in_place {
            drop(fs::remove_file(&copy));
        }
        return Err(Failure::file(&file, "written")(error));
    }
    if context.json {
        let (file, event) = (file.to_string_lossy(), copy.to_string_lossy());
        out(serde_json::json!({ "file": file, "event": event }));
    } else {
        outln!("{}", case.trim());
        outln!(
            "\nwritten to {}; rename the case after what it shows",
            file.display()
        );
    }
    Ok(Exit::Done)
}

fn write(path: &Path, bytes: &[u8], options: &mut OpenOptions) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    options.append(true).open(path)?.write_all(bytes)
}

fn case_of(event: &str, source: &str, now: &str, outcome: Option<&CaseOutcome>) -> String {
    let decision = outcome.map_or("ignored", |outcome| outcome.decision.as_str());
    let mut case = format!(
        "\n[[case]]\nname   = {}\nsource = {}\nevent  = {}\nnow    = \"{now}\"\n[case.expect]\ndecision = \"{decision}\"\n",
        quoted(&format!("{event}: {decision}")),
        quoted(source),
        quoted(&format!("events/{event}")),
    );
    let Some(outcome) = outcome.filter(|outcome| outcome.request.is_object()) else {
        return case;
    };
    case += &format!("policies = {}\n", list(&outcome.policies));
    let fields = FIELDS.iter().filter_map(|name| {
        let value = outcome.request.get(*name)?;
        Some(format!("{name} = {}", in_toml(value)?))
    });
    let fields: Vec<String> = fields.collect();
    case += &format!("request  = {{ {} }}\n", fields.join(", "));
    if !outcome.plan.is_empty() {
        case += &format!("plan     = {}\n", list(&outcome.plan));
    }
    case
}

fn in_toml(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(quoted(text)),
        Value::Array(values) => {
            let values: Option<Vec<String>> = values.iter().map(in_toml).collect();
            Some(format!("[{}]", values?.join(", ")))
        }
        _ => None,
    }
}

fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// Formats a text as a basic string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
