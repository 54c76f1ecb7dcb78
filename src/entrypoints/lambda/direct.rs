//! Processes direct invocations, by callers that IAM allows to invoke the function. Returns the
//! answer, or an error with a name.

use std::sync::Arc;

use serde_json::Value;

use crate::app::{App, Deadline};
use crate::domain::{Problem, TriggerOrigin};
use crate::entrypoints::invocation::Invocation;
use crate::entrypoints::message::{self, Message, Received};
use crate::entrypoints::outcome::Outcome;

/// The boolean field with which a caller requests the error `Denied` for a denial, instead of an
/// answer with the status `denied`.
const NAMED_ERRORS: &str = "named_errors";

/// Processes a direct invocation for the source that lists `invoke` in `from`. IAM controls who may
/// invoke.
pub(super) async fn direct(
    app: &Arc<App>,
    mut body: Value,
    request_id: &str,
    deadline: Deadline,
) -> Invocation {
    let asked = body
        .as_object_mut()
        .and_then(|fields| fields.remove(NAMED_ERRORS));
    let named_errors = match asked {
        None => false,
        Some(Value::Bool(asked)) => asked,
        Some(_) => {
            let problem = Problem::new(NAMED_ERRORS, "is not a boolean", "write true or false");
            return Invocation::failed(Outcome::Invalid, problem.to_string());
        }
    };
    let message = Message {
        origin: TriggerOrigin::Invocation.to_string(),
        id: Some(request_id.to_owned()),
        body: body.to_string().into(),
    };
    let Received { outcome, body } = message::receive(app, message, deadline).await;
    match outcome {
        Outcome::Denied if !named_errors => Invocation::answered(outcome, body),
        _ if outcome.row().error_name.is_some() => Invocation::failed(outcome, body.to_string()),
        _ => Invocation::answered(outcome, body),
    }
}
