//! `check`: shows every problem and every danger of the configuration, with its place and remedy.
//! Opens no journal and makes no cloud call.

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::{Examination, Prepared};
use crate::clock;
use crate::domain::{Danger, Mark, Problem, Warning};
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
        outln!("To accept a warning, add it to the configuration: [check] allow = [\"NAME\"]");
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

/// An error or a warning as JSON. `mark` is the wrong piece of a file, if the problem is about a
/// file. `name` is the name of the warning, or `None` for an error.
#[derive(Serialize)]
struct Located<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    #[serde(flatten)]
    mark: Option<&'a Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Danger>,
}

fn as_json(found: &Examination) -> Value {
    let located = |problem, name| Located {
        problem,
        mark: Option::as_deref(&problem.mark),
        name,
    };
    let problems = found.problems.iter().map(|one| located(one, None));
    let warnings = found.warnings.iter();
    let warnings = warnings.map(|one| located(&one.problem, Some(one.danger)));
    let (problems, warnings): (Vec<_>, Vec<_>) = (problems.collect(), warnings.collect());
    let Some(prepared) = found.prepared.as_ref().filter(|_| problems.is_empty()) else {
        return json!({ "problems": problems, "warnings": warnings });
    };
    let config = prepared.config();
    let notify = config.notify.iter().map(|one| &one.subscription.name);
    json!({
        "problems": problems,
        "warnings": warnings,
        "policy_digest": prepared.policy_digest(),
        "approvals": config.approvals,
        "sources": prepared.sources(),
        "notify": notify.collect::<Vec<_>>(),
        "allowed": config.allowed,
    })
}
