//! Calls of a system's API as data: what is sent, and what an answer means.

use std::fmt;

use secrecy::SecretString;
use serde_json::Value;

use crate::domain::shown;

/// A call, without the host. Its path and headers may hold a token, and its body the app's secret.
#[derive(Clone)]
pub struct ApiCall {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, and the query if there is one.
    pub path: String,
    /// Headers by their lower-case names, but for the body's media type.
    pub headers: Vec<(String, String)>,
    /// The body, sent as JSON.
    pub body: Option<Value>,
}

impl ApiCall {
    /// A GET.
    pub(super) fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            headers: Vec::new(),
            body: None,
        }
    }

    /// A POST of JSON.
    pub(super) fn post(path: String, body: Value) -> Self {
        Self {
            method: "POST",
            path,
            headers: Vec::new(),
            body: Some(body),
        }
    }

    /// The same call with one more header.
    pub(super) fn with_header(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// Shows nothing that could be secret.
impl fmt::Debug for ApiCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{} {path}", self.method)
    }
}

/// A token that the API gave the app.
#[derive(Debug)]
pub struct NewToken {
    /// The token.
    pub text: SecretString,
    /// How long it lasts, in seconds.
    pub lasts: i64,
}

/// Why an answer has no value. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What the system did, as in `answers 1390003: instance code not found`.
    pub why: String,
    /// What follows from it.
    pub kind: Rejection,
}

/// What follows from an answer without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The token is not accepted, so a new one may help.
    BadToken,
    /// There is no such instance.
    Gone,
    /// The same call may succeed later.
    Other,
}

/// Reads the answer of a system that writes a number into each, which is 0 for success. `fields`: the names
/// of the number and of the message beside it.
pub(super) fn by_code(
    status: u16,
    body: &[u8],
    fields: (&str, &str),
    kind: impl Fn(i64) -> Rejection,
) -> Result<Value, Rejected> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let (why, kind) = match answer.get(fields.0).and_then(Value::as_i64) {
        Some(0) if status == 200 => return Ok(answer),
        Some(code) => {
            let message = answer.get(fields.1).and_then(Value::as_str);
            let message = shown(message.unwrap_or_default());
            (format!("answers {code}: {message}"), kind(code))
        }
        None => {
            let why = format!("answers HTTP {status} without a code");
            (why, Rejection::Other)
        }
    };
    Err(Rejected { why, kind })
}
