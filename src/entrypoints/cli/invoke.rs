//! `invoke`: processes an event from a file, with the code that processes the events of a host.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::app::StartError;
use crate::clock::Clock;
use crate::config::read_at_most;
use crate::domain::read_json;
use crate::entrypoints::cli::print::{errln, outln};
use crate::entrypoints::invocation::Invocation;
use crate::entrypoints::outcome::Exit;
use crate::entrypoints::{azure, function_compute, lambda, scf};

use super::signature::MAX_BODY_BYTES;
use super::{Context, Failure};

pub(super) async fn run(context: &Context, path: &Path, plan: bool) -> Result<Exit, Failure> {
    let event = read(path)?;
    let app = Arc::new(start(context, plan).await?);
    let deadline = app.budget();
    // Derive the id from the event, so that a second run with the same event looks like a retry by
    // the host.
    let digest = crate::app::short_digest(event.to_string().as_bytes());
    let request_id = format!("invoke-{digest}");
    let Invocation {
        outcome,
        answer,
        answer_by,
    } = if scf::is_of_scf(&event) {
        scf::answer(&app, &event, deadline).await
    } else if let Some(function) = azure::function_of(&event) {
        azure::invoke(&app, function, event.to_string().as_bytes(), deadline).await
    } else if function_compute::is_timer(&event) {
        function_compute::invoke(&app, &event, deadline).await
    } else {
        lambda::answer(&app, event, &request_id, deadline).await
    };
    // `lambda::answer` and `scf::answer` have already sent the notifications. On Azure and Function
    // Compute, the handler of the HTTP server sends them, but this command runs no server.
    app.notify_before_answer(deadline.or_sooner(answer_by))
        .await;
    if let Some(problem) = app.seal_when_due().await {
        errln!("sharehook: {problem}");
    }
    match answer {
        Ok(answer) if context.json => outln!("{answer}"),
        Ok(answer) => outln!("{}", readable(answer)),
        Err(error) => match serde_json::from_str::<Value>(&error.text) {
            Ok(text) if !context.json => outln!("{}: {text:#}", error.name),
            _ => outln!("{error}"),
        },
    }
    Ok(outcome.row().exit)
}

async fn start(context: &Context, plan: bool) -> Result<crate::app::App, StartError> {
    let prepared = context.prepare()?;
    let prepared = if plan { prepared.planning() } else { prepared };
    prepared.open(&context.vars, Clock::System).await
}

fn read(path: &Path) -> Result<Value, Failure> {
    let text = read_at_most(path, MAX_BODY_BYTES).map_err(Failure::file(path, "read"))?;
    read_json(&text).map_err(|flaw| Failure::Failed(format!("{} {flaw}", path.display())))
}

/// Formats an answer for people. If the answer's `body` is a string that contains JSON, shows the
/// parsed value instead of the string.
fn readable(mut answer: Value) -> String {
    if let Some(body) = answer.get_mut("body")
        && let Some(text) = body.as_str()
        && let Ok(unfolded) = serde_json::from_str(text)
    {
        *body = unfolded;
    }
    format!("{answer:#}")
}
