//! Reads the fields of a JSON object. Collects the problems of all fields, each with its remedy, so
//! that the sender learns about all of them at once.

use serde_json::{Map, Value};

use super::Timestamp;
use super::person::PersonName;
use super::problem::{Problem, shown};

pub(super) struct Fields<'a> {
    pub(super) map: &'a Map<String, Value>,
    pub(super) problems: Vec<Problem>,
}

impl Fields<'_> {
    pub(super) fn problem(
        &mut self,
        field: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem::new(field, problem, remedy));
    }

    pub(super) fn ok_or_report<T>(&mut self, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// Reports that `value` has the wrong type. Always returns `None`, for use as the result of a
    /// read.
    pub(super) fn wrong_type<T>(&mut self, field: &str, value: &Value, remedy: &str) -> Option<T> {
        self.problem(field, format!("is {}", kind_of(value)), remedy);
        None
    }

    pub(super) fn present(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Reads a text of at most `most` characters. Reports a problem if the field is absent.
    pub(super) fn required(&mut self, field: &str, most: usize, remedy: &str) -> Option<String> {
        if self.present(field).is_none() {
            self.problem(field, "is missing", remedy);
        }
        self.text_or(field, most, remedy)
    }

    pub(super) fn text(&mut self, field: &str, most: usize) -> Option<String> {
        self.text_or(field, most, "write it, or leave the field out")
    }

    pub(super) fn text_or(&mut self, field: &str, most: usize, remedy: &str) -> Option<String> {
        match self.present(field)?.clone() {
            Value::String(text) if text.trim().is_empty() => {
                self.problem(field, "is empty", remedy);
                None
            }
            Value::String(text) if text.chars().count() > most => {
                self.problem(
                    field,
                    format!("is longer than {most} characters"),
                    "shorten it",
                );
                None
            }
            Value::String(text)
                if text
                    .chars()
                    .any(|c| c.is_control() && !(field == "reason" && c.is_whitespace())) =>
            {
                self.problem(field, "contains control characters", "remove them");
                None
            }
            Value::String(text) => Some(text),
            other => self.wrong_type(field, &other, "write it as a JSON string"),
        }
    }

    /// Reads an array. Returns an empty array if the field is absent.
    pub(super) fn array(&mut self, field: &str) -> Option<Vec<Value>> {
        match self.present(field).cloned() {
            None => Some(Vec::new()),
            Some(Value::Array(list)) => Some(list),
            Some(other) => self.wrong_type(field, &other, "write a JSON array of strings"),
        }
    }

    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        match self.present(field).cloned() {
            None => Some(false),
            Some(Value::Bool(flag)) => Some(flag),
            Some(other) => self.wrong_type(field, &other, "write true or false"),
        }
    }

    pub(super) fn instant(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.text(field, 64)?;
        let instant = Some(&text).filter(|text| is_date_time(text));
        let instant = instant.and_then(|text| text.parse().ok()).ok_or_else(|| {
            let problem = format!("{} is not an RFC 3339 instant", shown(&text));
            let remedy = "write date, time and offset, as in \"2026-12-31T00:00:00Z\"";
            Problem::new(field, problem, remedy)
        });
        self.ok_or_report(instant)
    }

    /// Checks a person's name and returns it as the sender wrote it, because the digest of the
    /// request covers the sender's text. `policy` normalises names before it compares them.
    pub(super) fn person(&mut self, field: &str, value: &Value) -> Option<String> {
        let Value::String(text) = value else {
            let remedy = "write a person's user id or address as a JSON string";
            return self.wrong_type(field, value, remedy);
        };
        let field = field.to_owned();
        let name = text.parse::<PersonName>();
        let name = name.map_err(|problem| Problem { field, ..problem });
        self.ok_or_report(name.map(|_| text.clone()))
    }
}

/// Whether `text` is a `date-time` of RFC 3339, section 5.6. The RFC also permits lower case, and a
/// space instead of the `T`. This check is needed because [`Timestamp`] accepts more formats, such
/// as `20261231T000000Z`.
fn is_date_time(text: &str) -> bool {
    let is_like = |text: &str, form: &str| {
        let fits = |(byte, form): (u8, u8)| match form {
            b'0' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            _ => byte == form,
        };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
    };
    let Some((local, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        _ => rest,
    };
    let is_offset = || {
        let hour = offset.get(1..3);
        (is_like(offset, "+00:00") || is_like(offset, "-00:00"))
            && hour.is_some_and(|hour| hour < "24")
    };
    is_like(local, "0000-00-00T00:00:00") && (matches!(offset, "Z" | "z") || is_offset())
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
