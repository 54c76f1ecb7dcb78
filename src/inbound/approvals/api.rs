//! Describes calls of an approval system's API as data: what is sent, and what an answer means.
//! Sends nothing.

use std::fmt;

use secrecy::SecretString;
use serde_json::Value;

use crate::domain::shown;

/// A call, without the host. Its path, headers and body may contain a token or the app's secret.
#[derive(Clone)]
pub struct ApiCall {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, and the query if there is one.
    pub path: String,
    /// The headers, with lower-case names. They do not include the media type of the body.
    pub headers: Vec<(String, String)>,
    /// The body, sent as JSON.
    pub body: Option<Value>,
}

impl ApiCall {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn post(path: String, body: Value) -> Self {
        Self {
            method: "POST",
            path,
            headers: Vec::new(),
            body: Some(body),
        }
    }

    pub(super) fn with_header(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// Shows the method, and the path without its query. Everything else may contain a secret.
impl fmt::Debug for ApiCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{} {path}", self.method)
    }
}

/// A token that the API returned for the app.
#[derive(Debug)]
pub struct NewToken {
    /// The token.
    pub text: SecretString,
    /// How long the token is valid, in seconds.
    pub lasts: i64,
}

/// Why a call was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What the system did, as in `answers 1390003:`.
    pub(super) why: String,
    /// The system's own texts in full, such as `instance code not found`. They may repeat secrets.
    pub(super) quoted: Vec<String>,
    /// What the operator can do. May be empty.
    pub(super) hint: &'static str,
    /// What the caller can do.
    pub kind: Rejection,
}

impl Rejected {
    /// Returns the reason, with the beginning of each of the system's texts. `hide` removes secrets
    /// first: a secret that is cut would not be recognized any more.
    pub fn reason(&self, hide: impl Fn(&str) -> String) -> String {
        let quoted = self.quoted.iter().map(|text| shown(&hide(text)));
        let quoted: Vec<String> = quoted.collect();
        let reason = format!("{} {}", self.why, quoted.join(": "));
        format!("{}{}", reason.trim_end(), self.hint)
    }
}

/// What the caller can do after a rejected call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The token is not accepted, so a new one may help.
    BadToken,
    /// The instance does not exist.
    Gone,
    /// The same call may succeed later.
    Other,
}

/// Parses an answer. A call succeeded if the HTTP status is 200 and the body contains the numeric
/// code 0. `fields` are the names of two fields in the body: the code, and the message. `hint`
/// returns what the operator can do about a code, or an empty text.
pub(super) fn by_code(
    status: u16,
    body: &[u8],
    fields: (&str, &str),
    kind: impl Fn(i64) -> Rejection,
    hint: impl Fn(i64) -> &'static str,
) -> Result<Value, Rejected> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer.get(fields.0).and_then(Value::as_i64) {
        Some(0) if status == 200 => Ok(answer),
        Some(code) => {
            let message = answer.get(fields.1).and_then(Value::as_str);
            Err(Rejected {
                why: format!("answers {code}:"),
                quoted: vec![message.unwrap_or_default().to_owned()],
                hint: hint(code),
                kind: kind(code),
            })
        }
        None => Err(without_code(status)),
    }
}

/// Describes an answer without a code. If its status does not ask for a later call, the answer is
/// probably not the system's: a proxy, a gateway or another service sent it.
pub(super) fn without_code(status: u16) -> Rejected {
    Rejected {
        why: format!("answers HTTP {status} without a code"),
        quoted: Vec::new(),
        hint: match status {
            429 | 500.. => "",
            _ => "; check `url` of `fetch`, and proxies on the way",
        },
        kind: Rejection::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_before_the_text_is_cut() {
        let secret = "a-token-of-this-test-only-000000001";
        let body = serde_json::json!({ "code": 7, "msg": format!("{}{secret}", "x".repeat(40)) });
        let body = body.to_string();
        let fields = ("code", "msg");
        let rejected = by_code(
            200,
            body.as_bytes(),
            fields,
            |_| Rejection::Other,
            |_| "; try",
        );
        let reason = rejected
            .unwrap_err()
            .reason(|text| text.replace(secret, "*"));
        assert_eq!(reason, format!("answers 7: \"{}*\"; try", "x".repeat(40)));
    }
}
