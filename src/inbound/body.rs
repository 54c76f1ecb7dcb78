//! Turns a verified body (JSON or a form) into one JSON value, or returns the problem that makes it
//! unreadable. Refuses 128 or more levels of nesting, because code that walks a value recurses once
//! per level.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use serde_json::Value;

use super::verify::VerifiedDelivery;
use crate::domain::{Problem, read_json, shown};

impl VerifiedDelivery {
    /// Returns the body as the JSON value that a map reads.
    ///
    /// # Errors
    /// Fails if the body does not match its media type, names a field twice, or is nested too
    /// deeply.
    pub fn event(&self) -> Result<Value, Problem> {
        read(self.body(), self.is_form())
    }
}

fn read(body: &[u8], form: bool) -> Result<Value, Problem> {
    if form {
        fields(body)
    } else {
        json(body, "body")
    }
}

/// Parses JSON. A problem refers to the text as `what`, for example `body`.
pub(super) fn json(text: &[u8], what: &str) -> Result<Value, Problem> {
    if text.is_empty() {
        return Err(Problem::new(what, "is empty", "send one JSON value"));
    }
    read_json(text).map_err(|flaw| flaw.into_problem(what))
}

/// Returns a form's fields as an object of strings. If the form has a field `payload`, returns the
/// JSON in that field instead (Slack's interactivity).
fn fields(body: &[u8]) -> Result<Value, Problem> {
    let wrong = |problem: String| {
        Problem::new(
            "body",
            problem,
            "send application/x-www-form-urlencoded, UTF-8",
        )
    };
    let mut fields = BTreeMap::new();
    for pair in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let mut half = || {
            decode(halves.next().unwrap_or_default())
                .ok_or_else(|| wrong("has a % without two hex digits, or is not UTF-8".into()))
        };
        let (name, value) = (half()?, half()?);
        if fields.contains_key(&name) {
            let problem = format!("has the field {} twice", shown(&name));
            return Err(Problem::new("body", problem, "send each field once"));
        }
        fields.insert(name, value);
    }
    match fields.get("payload") {
        Some(payload) => json(payload.as_bytes(), "body field payload"),
        None => Ok(Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, Value::String(value)))
                .collect(),
        )),
    }
}

/// Decodes `+` and escapes such as `%41`. Returns `None` if a percent sign is not followed by two
/// hex digits, or if the text is not UTF-8.
fn decode(text: &[u8]) -> Option<String> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = text.split(|byte| *byte == b'%').skip(1);
    if !escapes.all(|rest| is_hex(rest.first()) && is_hex(rest.get(1))) {
        return None;
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let decoded = percent_decode(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_is_an_object_and_its_payload_is_the_json() {
        let read = |text: &str| read(text.as_bytes(), true);
        assert_eq!(
            read("a=1&b=x+y%26%C3%A9&c").unwrap(),
            json!({"a": "1", "b": "x y&é", "c": ""})
        );
        assert_eq!(read("").unwrap(), json!({}));
        assert_eq!(
            read("payload=%7B%22type%22%3A%22block_actions%22%7D").unwrap(),
            json!({"type": "block_actions"})
        );
        for bad in [
            "a=%4",
            "a=%zz",
            "a=%+1",
            "a=%ff",
            "payload=%7B",
            "payload=",
            "payload=%7B%22a%22:1,%22a%22:2%7D",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let says = |text: &str| read(text).unwrap_err().problem;
        assert_eq!(
            says("a=%"),
            "has a % without two hex digits, or is not UTF-8"
        );
        assert_eq!(says("a=1&a=2"), "has the field \"a\" twice");
    }

    #[test]
    fn nesting_ends_in_a_problem_and_not_in_the_stack() {
        let deep = "[".repeat(200_000);
        let problem = read(deep.as_bytes(), false).unwrap_err();
        assert!(problem.problem.contains("recursion limit"), "{problem}");
        for bad in [
            "",
            "{",
            "{} {}",
            "nul",
            "\u{feff}{}",
            "{\"a\":1e999}",
            "{\"a\":1,\"a\":1}",
        ] {
            assert!(read(bad.as_bytes(), false).is_err(), "{bad:?}");
        }
        assert!(read(b"\"\xff\"", false).is_err());
    }
}
