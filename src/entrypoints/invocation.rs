//! The result of one invocation of a function, before a host converts it to its own form.

use serde_json::{Value, json};

use crate::app::{App, Deadline};
use crate::domain::Problem;

use super::outcome::Outcome;

/// The answer or the named error, and the outcome that it is derived from.
pub(crate) struct Invocation {
    pub(crate) outcome: Outcome,
    pub(crate) answer: Result<Value, NamedError>,
}

/// A failed invocation. Hosts repeat its event, and state machines match its name.
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
        }
    }

    /// An invocation that failed.
    pub(crate) fn failed(outcome: Outcome, text: String) -> Self {
        let name = outcome.error_name().unwrap_or("Failed");
        Self {
            outcome,
            answer: Err(NamedError { name, text }),
        }
    }

    /// The result for an event of an unsupported trigger.
    pub(crate) fn unknown_event(problem: &Problem) -> Self {
        tracing::error!(%problem, "refused an event of an unknown trigger");
        Self::failed(Outcome::UnknownEvent, problem.to_string())
    }
}

/// Runs one sweep for a schedule or timer of any host.
pub(crate) async fn sweep(app: &App, deadline: Deadline) -> Invocation {
    match app.sweep(deadline).await {
        Ok(report) => Invocation::answered(Outcome::Done, json!(report)),
        Err(error) => Invocation::failed(Outcome::Unavailable, error.to_string()),
    }
}
