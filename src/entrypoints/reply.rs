//! Builds the JSON body of a reply, for all hosts.

use serde_json::{Value, json};

use crate::app::{Reply, ReplyBody};

/// The one text for all authentication failures, so that an attacker cannot tell the causes apart.
const UNAUTHORISED: &str = "unauthorised: the delivery could not be authenticated";

/// Returns the body of a reply. A single answer is the whole body; several are a list in `answers`.
pub(crate) fn body_of(reply: &Reply) -> Value {
    match reply {
        Reply::Answers(answers) => match answers.as_slice() {
            [(_, only)] => json!(only),
            many => {
                json!({ "answers": many.iter().map(|(_, answer)| answer).collect::<Vec<_>>() })
            }
        },
        Reply::Handshake(reply) => match &reply.body {
            ReplyBody::Json(body) => body.clone(),
            ReplyBody::Text(text) => json!(text),
        },
        Reply::Unauthorised => error(UNAUTHORISED),
        Reply::NotNow => error("the service cannot handle the delivery now; send it again later"),
        Reply::UnknownSource => error("no source of this name is configured"),
        Reply::UnsupportedType => error(
            "wrong content type for this source; send one that its scheme accepts, usually application/json",
        ),
        Reply::Unreadable(problem) => {
            json!({ "error": problem.to_string(), "problems": [problem] })
        }
        Reply::Invalid(problems) => {
            json!({ "error": problems.to_string(), "problems": problems.0 })
        }
    }
}

pub(crate) fn error(text: impl Into<String>) -> Value {
    json!({ "error": text.into() })
}
