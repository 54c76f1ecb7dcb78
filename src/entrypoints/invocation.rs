//! The result of one invocation of a function, before a host converts it to its own form. Also runs
//! the invocations that all function hosts have: the sweep and the comparison.

use serde_json::{Value, json};

use crate::app::{App, Deadline};
use crate::domain::{JsonFlaw, Problem, read_json, visible};

use super::http::HttpResponse;
use super::http::event::{self, Form};
use super::outcome::Outcome;

/// How many characters of a timer's text the log shows.
const MAX_SHOWN: usize = 80;

/// The answer or the named error of an invocation, and the outcome from which it follows.
pub(crate) struct Invocation {
    pub(crate) outcome: Outcome,
    pub(crate) answer: Result<Value, NamedError>,
    /// When an HTTP sender must have the answer. `Deadline::NEVER` for other events.
    pub(crate) answer_by: Deadline,
}

/// The error of a failed invocation. The host may repeat the event, and a state machine can match
/// the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {text}")]
pub(crate) struct NamedError {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

impl Invocation {
    pub(crate) fn answered(outcome: Outcome, answer: Value) -> Self {
        Self {
            outcome,
            answer: Ok(answer),
            answer_by: Deadline::NEVER,
        }
    }

    /// The result for an HTTP request that the host passed as an event of this form.
    pub(crate) fn of_http(form: Form, response: HttpResponse) -> Self {
        let (outcome, answer_by) = (response.outcome, response.answer_by);
        Self {
            answer_by,
            ..Self::answered(outcome, event::response(form, response))
        }
    }

    pub(crate) fn failed(outcome: Outcome, text: String) -> Self {
        let name = outcome.row().error_name.unwrap_or("Failed");
        Self {
            outcome,
            answer: Err(NamedError { name, text }),
            answer_by: Deadline::NEVER,
        }
    }

    /// The result for an event that is not JSON, or that contains a key twice.
    pub(crate) fn unreadable(flaw: JsonFlaw) -> Self {
        Self::failed(Outcome::Unreadable, flaw.into_problem("event").to_string())
    }

    pub(crate) fn unknown_event(problem: &Problem) -> Self {
        tracing::error!(%problem, "refused an event that no supported trigger sends");
        Self::failed(Outcome::UnknownEvent, problem.to_string())
    }
}

/// Refuses an event that has fields of two triggers, because it could be read in two ways.
pub(crate) fn of_one_trigger(event: &Value, marks: &[&str]) -> Result<(), Problem> {
    let mut found = marks.iter().filter(|mark| event.get(**mark).is_some());
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(Problem::new(
            "event",
            format!("has {one:?} and {other:?}, the fields of two triggers"),
            "send the event of one trigger",
        )),
        _ => Ok(()),
    }
}

/// Whether a timer's text is `{"task":"drift"}`, which requests a comparison of the cloud with the
/// journal. Every other text requests a sweep. Logs a text that requests neither, because it may be
/// a misspelt request for a comparison.
pub(crate) fn asks_for_drift(text: &str) -> bool {
    let task = read_json(text.as_bytes()).ok();
    let requests = |name: &str| task == Some(json!({ "task": name }));
    if !text.trim().is_empty() && !requests("sweep") && !requests("drift") {
        let shown: String = text.chars().take(MAX_SHOWN).collect();
        let text = visible(&shown, &[]);
        tracing::warn!(%text, r#"swept for a timer whose text is neither {{"task":"sweep"}} nor {{"task":"drift"}}; correct it"#);
    }
    requests("drift")
}

/// Runs one sweep for a schedule or timer of any function host.
pub(crate) async fn sweep(app: &App, deadline: Deadline) -> Invocation {
    let swept = app.sweep(deadline).await;
    // A request for `/metrics` updates the gauges, but by default a function does not serve
    // `/metrics`. So update them here, for CloudWatch and the collector.
    app.look_at_gauges().await;
    match swept {
        // Only an error makes the failure of a schedule visible on every host.
        Ok(report) if report.failed() => {
            Invocation::failed(Outcome::SweepFailed, json!(report.shorten()).to_string())
        }
        Ok(report) => Invocation::answered(Outcome::Done, json!(report.shorten())),
        Err(error) => Invocation::failed(Outcome::Unavailable, error.to_string()),
    }
}

/// Compares the cloud with the journal for a schedule. Returns an error if something differs or
/// could not be compared, so that the host shows it.
pub(crate) async fn drift(app: &App, deadline: Deadline) -> Invocation {
    match Box::pin(app.drift_task(deadline)).await {
        Ok(mut report) => {
            let agrees = report.agrees();
            report.shorten();
            match agrees {
                true => Invocation::answered(Outcome::Done, json!(report)),
                false => Invocation::failed(Outcome::Drifted, json!(report).to_string()),
            }
        }
        Err(error) => Invocation::failed(Outcome::Unavailable, error.to_string()),
    }
}
