//! The tables: how a reply becomes an HTTP status, a batch failure or a named error, and the exit
//! codes.

use serde_json::{Value, json};

use crate::app::{Ending, Reply};

/// The one text for every failure of authentication: a stranger learns nothing from it.
const UNAUTHORISED: &str = "unauthorised: the delivery could not be authenticated";

/// Seconds after which a sender may try again.
const RETRY_AFTER: u32 = 30;

/// An answer in HTTP's words, for every host that speaks HTTP.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    /// Further headers, names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    /// Tells Function Compute that its event has failed, whatever the status.
    pub(crate) failed_event: bool,
}

impl HttpAnswer {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            retry_after: None,
            headers: Vec::new(),
            body,
            failed_event: false,
        }
    }

    pub(crate) fn error(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, json!({ "error": text.into() }))
    }

    /// Too many deliveries at once.
    pub(crate) fn busy() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::error(429, "too many deliveries at once; send it again")
        }
    }

    /// Another method than POST, where no handshake asks for one.
    pub(crate) fn not_post() -> Self {
        Self::error(405, "deliveries are sent with POST")
    }

    /// A body beyond the limit.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::error(
            413,
            format!("the body is larger than {limit} bytes; a share request is a few kilobytes"),
        )
    }
}

/// The HTTP status of an ending.
fn status_of(ending: Ending) -> u16 {
    match ending {
        Ending::Done => 200,
        Ending::Waiting | Ending::Pending => 202,
        Ending::Denied => 403,
        Ending::Invalid => 422,
        Ending::Unavailable => 503,
    }
}

/// A reply as an HTTP answer.
pub(crate) fn to_http(reply: &Reply) -> HttpAnswer {
    match reply {
        Reply::Answers(answers) => {
            let status = reply.ending().map_or(200, status_of);
            let body = match answers.as_slice() {
                [(_, only)] => json!(only),
                many => {
                    json!({ "answers": many.iter().map(|(_, answer)| answer).collect::<Vec<_>>() })
                }
            };
            let retry_after = (status == 503).then_some(RETRY_AFTER);
            HttpAnswer {
                retry_after,
                ..HttpAnswer::new(status, body)
            }
        }
        Reply::Handshake(reply) => HttpAnswer {
            headers: reply.headers.clone(),
            ..HttpAnswer::new(200, reply.body.clone())
        },
        Reply::Unauthorised => HttpAnswer::error(401, UNAUTHORISED),
        Reply::NotNow => HttpAnswer {
            retry_after: Some(RETRY_AFTER),
            ..HttpAnswer::error(
                503,
                "the delivery cannot be checked now; send it again later",
            )
        },
        Reply::UnknownSource => HttpAnswer::error(404, "no source of this name is configured"),
        Reply::UnsupportedType => HttpAnswer::error(
            415,
            "this source's deliveries have another content type; send application/json",
        ),
        Reply::Unreadable(problem) => HttpAnswer::new(
            400,
            json!({ "error": problem.to_string(), "problems": [problem] }),
        ),
        Reply::Invalid(problems) => HttpAnswer::new(
            422,
            json!({ "error": problems.to_string(), "problems": problems.0 }),
        ),
    }
}

/// Whether a queue should deliver the message again, and in the end put it into its dead-letter
/// queue.
///
/// What a person has to look at (unreadable, invalid, unauthenticated) goes there too: nothing is
/// lost. What was decided and journalled does not.
pub(crate) fn should_retry(reply: &Reply) -> bool {
    match reply {
        Reply::Answers(_) => reply.ending().is_some_and(|ending| match ending {
            Ending::Done | Ending::Waiting | Ending::Denied => false,
            Ending::Pending | Ending::Invalid | Ending::Unavailable => true,
        }),
        Reply::Handshake(_) => false,
        Reply::Unauthorised
        | Reply::NotNow
        | Reply::UnknownSource
        | Reply::UnsupportedType
        | Reply::Unreadable(_)
        | Reply::Invalid(_) => true,
    }
}

/// The name of a refusal, which a caller matches: `Catch` in Step Functions, the error type of an
/// asynchronous invocation. None when there is an outcome, also one that is not finished.
pub(crate) fn error_name(reply: &Reply) -> Option<&'static str> {
    match reply {
        Reply::Answers(_) => match reply.ending()? {
            Ending::Done | Ending::Waiting | Ending::Pending => None,
            Ending::Denied => Some("Denied"),
            Ending::Invalid => Some("Invalid"),
            Ending::Unavailable => Some("Unavailable"),
        },
        Reply::Handshake(_) => None,
        Reply::NotNow => Some("Unavailable"),
        Reply::Unauthorised | Reply::UnknownSource => Some("Unauthorised"),
        Reply::Unreadable(_) => Some("Unreadable"),
        Reply::UnsupportedType | Reply::Invalid(_) => Some("Invalid"),
    }
}

/// The process's exit codes. The numbers are the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Refused = 2,
    BadConfiguration = 3,
    Usage = 64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Answer;
    use crate::domain::{Problem, Status};

    fn one(ending: Ending) -> Reply {
        Reply::Answers(vec![(ending, Answer::new("x", Status::Completed))])
    }

    #[test]
    fn each_ending_has_its_codes() {
        for (reply, status, retried, name) in [
            (one(Ending::Done), 200, false, None),
            (one(Ending::Waiting), 202, false, None),
            (one(Ending::Pending), 202, true, None),
            (one(Ending::Denied), 403, false, Some("Denied")),
            (one(Ending::Invalid), 422, true, Some("Invalid")),
            (one(Ending::Unavailable), 503, true, Some("Unavailable")),
            (Reply::Unauthorised, 401, true, Some("Unauthorised")),
            (Reply::UnknownSource, 404, true, Some("Unauthorised")),
            (Reply::NotNow, 503, true, Some("Unavailable")),
            (Reply::UnsupportedType, 415, true, Some("Invalid")),
            (
                Reply::Unreadable(Problem::new("body", "p", "r")),
                400,
                true,
                Some("Unreadable"),
            ),
            (
                Reply::Invalid(Problem::new("body", "p", "r").into()),
                422,
                true,
                Some("Invalid"),
            ),
        ] {
            assert_eq!(to_http(&reply).status, status, "{reply:?}");
            assert_eq!(should_retry(&reply), retried, "{reply:?}");
            assert_eq!(error_name(&reply), name, "{reply:?}");
        }
    }

    #[test]
    fn the_most_serious_ending_decides_for_several_requests() {
        let both = Reply::Answers(vec![
            (Ending::Unavailable, Answer::new("a", Status::Failed)),
            (Ending::Done, Answer::new("b", Status::Completed)),
        ]);
        let http = to_http(&both);
        assert_eq!((http.status, http.retry_after), (503, Some(RETRY_AFTER)));
        assert_eq!(http.body["answers"].as_array().unwrap().len(), 2);
    }
}
