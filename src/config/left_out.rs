//! Describes the problem of a value that was left out because it does not fit the type of its
//! field. Takes the error of the TOML reader and returns a [`Problem`]. The problem does not show a
//! value of the wrong type, because it may be a secret.

use strsim::levenshtein;
use toml::de::Error;

use crate::domain::{Mark, Problem};

pub(super) const DOCUMENTED: &str = "docs/configuration.md lists every field";

const WHOLE: &str = "a whole number that is not negative, without quotes";

/// What the search in `lenient.rs` did when a value did not fit.
pub(super) enum LeftOut {
    /// A value was removed; the text is its TOML type.
    Value(&'static str),
    /// A key that is not a field was removed.
    Key,
    /// A stand-in for a missing field was added.
    Missing,
}

impl LeftOut {
    /// If a key was removed, returns the field that was probably meant by it. `name` is the key's
    /// path.
    pub(super) fn meant<'e>(&self, error: &'e Error, name: &str) -> Option<&'e str> {
        let Self::Key = self else { return None };
        let (_, expected) = error.message().split_once(", expected ")?;
        nearest(name.rsplit('.').next()?, &names_in(expected))
    }
}

/// Rewords the error for users. Does not quote a value of the wrong type, because it may be a
/// secret.
pub(super) fn worded(
    mark: Mark,
    error: &Error,
    name: &str,
    left_out: LeftOut,
    meant: Option<&str>,
) -> Problem {
    let message = error.message().trim();
    let expected = message
        .split_once(", expected ")
        .map(|(_, expected)| expected);
    match left_out {
        LeftOut::Missing => Problem::at(
            mark,
            format!("{name} is missing"),
            format!("write it; {DOCUMENTED}"),
        ),
        LeftOut::Key => {
            let fields: Vec<&str> = expected.map(names_in).unwrap_or_default();
            let remedy = match meant {
                Some(field) => format!("write {field}, or remove it"),
                None if fields.is_empty() => format!("remove it; {DOCUMENTED}"),
                None => format!("remove it; the fields here are {}", fields.join(", ")),
            };
            Problem::at(mark, format!("{name} is not a field"), remedy)
        }
        LeftOut::Value("table") if expected == Some("a sequence") && !name.contains('.') => {
            let problem = format!("{name} is one table instead of a list of tables");
            let remedy = format!("write [[{name}]] instead of [{name}]");
            Problem::at(mark, problem, remedy)
        }
        // An integer that is negative or too large for its field.
        LeftOut::Value("integer") if expected.is_some_and(|kind| in_toml(kind) == WHOLE) => {
            Problem::at(
                mark,
                format!("{name} is out of range"),
                format!("write {WHOLE}"),
            )
        }
        LeftOut::Value(kind) if message.starts_with("invalid type") => {
            let expected = expected.map_or("another value", in_toml);
            let problem = format!("{name} is {}", with_article(kind));
            Problem::at(mark, problem, format!("write {expected}"))
        }
        LeftOut::Value(kind) if message == "wanted string or table" => {
            let problem = format!("{name} is {}", with_article(kind));
            Problem::at(mark, problem, "write a text in quotes")
        }
        LeftOut::Value(_) if message.starts_with("unknown variant") => {
            let values = expected.map(names_in).unwrap_or_default().join(", ");
            let written = quoted(message).unwrap_or_default();
            let problem = format!("{name}: {written:?} is not a known value");
            Problem::at(mark, problem, format!("write one of {values}"))
        }
        // The program's own types word their errors as `problem; remedy`.
        LeftOut::Value(_) => {
            let message = message.replace('\n', ", ");
            let (problem, remedy) = message.split_once("; ").unwrap_or((&message, DOCUMENTED));
            Problem::at(mark, format!("{name}: {problem}"), remedy)
        }
    }
}

/// Returns how to write in TOML the type that serde calls `expected`.
fn in_toml(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array, as in [\"…\"]",
        "a map" => "a table",
        "a string" | "string" => "a text in quotes",
        "a boolean" => "true or false",
        "usize" | "u64" | "u32" | "i64" => WHOLE,
        "f64" => "a number without quotes",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "integer" | "array" => format!("an {kind}"),
        "string" => "a text".to_owned(),
        _ => format!("a {kind}"),
    }
}

pub(super) fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

fn names_in(list: &str) -> Vec<&str> {
    list.split('`').skip(1).step_by(2).collect()
}

/// Returns the field most similar to `written`, if at most two letters differ (Levenshtein).
fn nearest<'a>(written: &str, fields: &[&'a str]) -> Option<&'a str> {
    let near = fields
        .iter()
        .map(|field| (levenshtein(written, field), *field));
    let (distance, field) = near.min()?;
    (distance <= 2).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_field_is_found() {
        assert_eq!(nearest("jurnal", &["journal", "policy"]), Some("journal"));
        assert_eq!(
            nearest("scret", &["scheme", "secrets", "secret"]),
            Some("secret")
        );
        assert_eq!(nearest("colour", &["journal", "policy"]), None);
    }
}
