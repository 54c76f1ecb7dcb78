//! `check`: shows every problem and every danger of the configuration, with its place and remedy.
//! Opens no journal and makes no cloud call.

use serde_json::{Value, json};

use crate::app::{Examination, Prepared};
use crate::clock;
use crate::domain::{Mark, Problem, Warning};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::host;
use crate::entrypoints::outcome::Exit;

use super::Context;
use super::excerpt::Files;

pub(super) fn run(context: &Context) -> Exit {
    let path = context.config_path();
    let mut found = Examination::of(&path, &context.vars, &context.secrets, clock::system_now());
    found.problems.extend(host::detect(&context.vars).err());
    if context.json {
        outln!("{}", as_json(&found));
    } else {
        print(&found);
    }
    match found.problems.is_empty() {
        true => Exit::Done,
        false => Exit::BadConfiguration,
    }
}

fn print(found: &Examination) {
    let mut files = Files::default();
    for problem in &found.problems {
        outln!("{}\n", files.show("error: ", problem));
    }
    for Warning { danger, problem } in &found.warnings {
        outln!("{}\n", files.show(&format!("warning[{danger}]: "), problem));
    }
    if let Some(prepared) = found
        .prepared
        .as_ref()
        .filter(|_| found.problems.is_empty())
    {
        print_valid(prepared);
    }
    let (errors, warnings) = (found.problems.len(), found.warnings.len());
    if errors + warnings > 0 {
        outln!(
            "{}, {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        );
    }
    if warnings > 0 {
        outln!("To accept a warning, write its name: [check] allow = [\"NAME\"]");
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn print_valid(prepared: &Prepared) {
    let config = prepared.config();
    outln!("{}: valid", config.file);
    outln!("  journal  {}", config.journal);
    outln!(
        "  policy   {} (approvals {}, digest {})",
        config.policy.display(),
        config.approvals,
        prepared.policy_digest().get(..12).unwrap_or_default()
    );
    for source in prepared.sources() {
        outln!("  source   {source}");
    }
    for one in &config.notify {
        outln!("  notify   {} ({})", one.subscription.name, one.preset);
    }
    let allowed: Vec<&str> = config
        .allowed
        .iter()
        .map(|danger| danger.as_str())
        .collect();
    if !allowed.is_empty() {
        outln!("  allowed  {}", allowed.join(", "));
    }
}

fn as_json(found: &Examination) -> Value {
    let warning = |Warning { danger, problem }: &Warning| {
        let name = json!({ "name": danger.as_str() });
        joined([located(problem), name])
    };
    let problems: Vec<Value> = found.problems.iter().map(located).collect();
    let warnings: Vec<Value> = found.warnings.iter().map(warning).collect();
    let whole = found.prepared.as_ref().filter(|_| problems.is_empty());
    let valid = whole.map_or_else(
        || json!({}),
        |prepared| {
            let config = prepared.config();
            let notify = config.notify.iter().map(|one| &one.subscription.name);
            json!({
                "policy_digest": prepared.policy_digest(),
                "approvals": config.approvals,
                "sources": prepared.sources(),
                "notify": notify.collect::<Vec<_>>(),
                "allowed": config.allowed,
            })
        },
    );
    joined([json!({ "problems": problems, "warnings": warnings }), valid])
}

/// A problem with file, line, column and length where it is about a piece of a file.
fn located(problem: &Problem) -> Value {
    let place = problem.mark.as_ref().map_or_else(
        || json!({}),
        |mark| {
            let Mark {
                file,
                line,
                column,
                length,
            } = mark.as_ref();
            json!({ "file": file, "line": line, "column": column, "length": length })
        },
    );
    joined([json!(problem), place])
}

/// One object with the fields of all.
fn joined<const N: usize>(objects: [Value; N]) -> Value {
    let fields = objects.into_iter().filter_map(|object| match object {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    Value::Object(fields.flatten().collect())
}
