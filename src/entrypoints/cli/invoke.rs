//! `invoke`: one event file through the same code that a host's invocation takes.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::app::StartError;
use crate::clock::Clock;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;
use crate::entrypoints::{lambda, scf};

use super::{Context, cannot_start};

pub(super) async fn run(context: &Context, path: &Path, plan: bool) -> Exit {
    let event = match read(path) {
        Ok(event) => event,
        Err(problem) => {
            eprintln!("sharehook: {problem}");
            return Exit::Failed;
        }
    };
    let app = match start(context, plan).await {
        Ok(app) => Arc::new(app),
        Err(error) => return cannot_start(&error),
    };
    let deadline = app.budget();
    // The same file again is the same invocation: its content is its id, as a host's retry keeps
    // the request id.
    let request_id = format!(
        "invoke-{}",
        crate::app::short_digest(event.to_string().as_bytes())
    );
    let answered = if scf::is_of_scf(&event) {
        let error = |refused: scf::NamedError| (refused.name.to_owned(), refused.text);
        scf::answer(&app, &event, deadline).await.map_err(error)
    } else {
        let error =
            |refused: lambda_runtime::Diagnostic| (refused.error_type, refused.error_message);
        lambda::answer(&app, event, &request_id, deadline)
            .await
            .map_err(error)
    };
    if !plan && let Some(problem) = app.seal_when_due().await {
        eprintln!("sharehook: {problem}");
    }
    match answered {
        Ok(answer) => {
            outln!(
                "{}",
                if context.json {
                    answer.to_string()
                } else {
                    readable(&answer)
                }
            );
            exit_of(&answer)
        }
        Err((name, text)) => {
            outln!("{name}: {text}");
            if matches!(name.as_str(), "Denied" | "Unauthorised") {
                Exit::Refused
            } else {
                Exit::Failed
            }
        }
    }
}

async fn start(context: &Context, plan: bool) -> Result<crate::app::App, StartError> {
    let prepared = context.prepare()?;
    let prepared = if plan { prepared.planning() } else { prepared };
    prepared.open(&context.vars, Clock::System).await
}

fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    serde_json::from_slice(&text)
        .map_err(|error| format!("{} is not JSON: {error}", path.display()))
}

/// An HTTP answer's body is JSON inside JSON: unfolded, people can read it.
fn readable(answer: &Value) -> String {
    let mut shown = answer.clone();
    if let Some(body) = shown
        .get("body")
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        && let Some(map) = shown.as_object_mut()
    {
        map.insert("body".to_owned(), body);
    }
    serde_json::to_string_pretty(&shown).unwrap_or_else(|_| shown.to_string())
}

fn exit_of(answer: &Value) -> Exit {
    if let Some(failures) = answer.get("batchItemFailures").and_then(Value::as_array) {
        return if failures.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        };
    }
    let body = answer
        .get("body")
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let failed = |body: &Value| {
        matches!(
            body.get("status").and_then(Value::as_str),
            Some("failed" | "partial")
        )
    };
    match answer.get("statusCode").and_then(Value::as_u64) {
        Some(401 | 403 | 404) => Exit::Refused,
        Some(200 | 202) if body.as_ref().is_some_and(failed) => Exit::Failed,
        Some(200 | 202) => Exit::Done,
        Some(_) => Exit::Failed,
        None if failed(answer) => Exit::Failed,
        None => Exit::Done,
    }
}
