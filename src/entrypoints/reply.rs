//! The JSON body of a reply, the same on every host.

use serde_json::{Value, json};

use crate::app::Reply;

/// The one text for every failure of authentication, so that a stranger learns nothing from it.
const UNAUTHORISED: &str = "unauthorised: the delivery could not be authenticated";

/// One request has its answer as the body; several stand in `answers`.
pub(crate) fn body_of(reply: &Reply) -> Value {
    match reply {
        Reply::Answers(answers) => match answers.as_slice() {
            [(_, only)] => json!(only),
            many => {
                json!({ "answers": many.iter().map(|(_, answer)| answer).collect::<Vec<_>>() })
            }
        },
        Reply::Handshake(reply) => reply.body.clone(),
        Reply::Unauthorised => error(UNAUTHORISED),
        Reply::NotNow => error("the delivery cannot be checked now; send it again later"),
        Reply::UnknownSource => error("no source of this name is configured"),
        Reply::UnsupportedType => {
            error("this source's deliveries have another content type; send application/json")
        }
        Reply::Unreadable(problem) => {
            json!({ "error": problem.to_string(), "problems": [problem] })
        }
        Reply::Invalid(problems) => {
            json!({ "error": problems.to_string(), "problems": problems.0 })
        }
    }
}

/// A body that says what is wrong.
pub(crate) fn error(text: impl Into<String>) -> Value {
    json!({ "error": text.into() })
}
