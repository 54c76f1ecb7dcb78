//! `try`: runs one body through map, policy and plan. In: a configured source and a file. Out: the
//! requests that the map returns for the body, the decisions, and the planned calls. Needs no
//! secret and no server, makes no call and writes nothing.

use serde_json::{Value, json};

use crate::app::{CaseError, CaseInput, CaseOutcome};
use crate::clock;
use crate::config::Config;
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::outcome::Exit;
use crate::inbound::Refusal;

use super::args::TryOptions;
use super::signature::{read, unknown_source};
use super::terminal::Screen;
use super::terminal::text::indented;
use super::{Context, Failure};

pub(super) fn run(context: &Context, options: &TryOptions) -> Result<Exit, Failure> {
    let prepared = context.prepare_without_secrets()?;
    let outcomes = prepared
        .try_case(CaseInput {
            source: &options.source,
            body: read(&options.body)?,
            now: options.now.unwrap_or_else(clock::system_now),
        })
        .map_err(|error| unusable(error, prepared.config()))?;
    if context.json {
        print_json(&outcomes);
    } else {
        print_text(&outcomes, Screen::of_stdout(&context.vars).width);
    }
    let allowed = |outcome: &CaseOutcome| outcome.decision == "allow";
    Ok(if outcomes.iter().all(allowed) {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Returns the failure to report if a body cannot be used as a delivery of the source.
pub(super) fn unusable(error: CaseError, config: &Config) -> Failure {
    match error {
        CaseError::UnknownSource(name) => unknown_source(name.as_str(), config),
        CaseError::Refused(refusal) => {
            let remedy = match refusal {
                Refusal::Stale { .. } => "; --now sets the instant of its arrival",
                _ => "",
            };
            Failure::Usage(format!("the source refuses the body: {refusal}{remedy}"))
        }
        unconfirmed @ CaseError::Unconfirmed(_) => Failure::Refused(unconfirmed.to_string()),
        other => Failure::usage(other),
    }
}

/// Prints a line of JSON for each request. If the event is ignored, prints one line without a
/// request.
fn print_json(outcomes: &[CaseOutcome]) {
    for outcome in outcomes {
        out(json!(outcome));
    }
    if outcomes.is_empty() {
        out(
            json!({ "request": null, "decision": "ignored", "policies": [], "plan": [], "why": [] }),
        );
    }
}

fn print_text(outcomes: &[CaseOutcome], width: usize) {
    if outcomes.is_empty() {
        outln!("ignored: the map returns no request for this body");
    }
    for (index, outcome) in outcomes.iter().enumerate() {
        if index > 0 {
            outln!("");
        }
        if let Value::Object(fields) = &outcome.request {
            outln!("request");
            // Leave out the fields that this request does not use.
            let written =
                |(_, value): &(&String, &Value)| !value.is_null() && **value != json!(false);
            for (name, value) in fields.iter().filter(written) {
                outln!("  {name:<12} {}", indented(15, &shown(value), width));
            }
        }
        outln!("decision");
        match outcome.policies.as_slice() {
            [] => outln!("  {}", outcome.decision),
            policies => {
                let text = format!("{} by {}", outcome.decision, policies.join(", "));
                outln!("  {}", indented(4, &text, width));
            }
        }
        for why in &outcome.why {
            outln!("  {}", indented(2, why, width));
        }
        if outcome.decision == "allow" {
            outln!("plan, for an image without receivers");
            for call in &outcome.plan {
                outln!("  {}", indented(4, call, width));
            }
        }
    }
}

/// Formats the value of a field, without the quotes of JSON.
fn shown(value: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => text(other),
    }
}
