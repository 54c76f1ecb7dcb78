//! Implements jq's filters for regular expressions with the `regex` crate. Each match takes time
//! linear in the length of the text. There is no look-around, and there are no back references.

use jaq_core::data::JustLut;
use jaq_core::native::bome;
use jaq_core::{Cv, ValR};
use regex::{Regex, RegexBuilder};

use super::bound::{self, spend, text_units};
use super::value::Value;

/// Maximum size of a compiled regular expression, in bytes.
const MAX_EXPRESSION: usize = 1024 * 1024;
/// Maximum length of a text to search, in bytes. A limit is needed because finding all matches can
/// take quadratic time.
const MAX_TEXT: usize = 64 * 1024;

pub(super) fn compile_expression(pattern: &str, flags: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(MAX_EXPRESSION);
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'x' => builder.ignore_whitespace(true),
            'p' => builder.dot_matches_new_line(true),
            // `parts` handles `g` and `n`. In jq, `s` makes ^ and $ match only at the ends of the
            // text. The `regex` crate does so by default, unless the expression contains `(?m)`.
            'g' | 'n' | 's' => &mut builder,
            other => return Err(format!("has no flag {other:?}")),
        };
    }
    builder.build().map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        format!(
            "is not a regular expression here: {}",
            reason.trim_start_matches("error: ")
        )
    })
}

/// Searches a text for a regular expression. If `between` is true, the result contains the parts of
/// the text between the matches. If `matches` is true, it contains each match as a list of groups.
/// Without the flag `g`, finds at most one match.
pub(super) fn search(
    mut cv: Cv<'_, JustLut<Value>>,
    between: bool,
    matches: bool,
) -> jaq_core::ValXs<'_, Value> {
    let flags = cv.0.pop_var();
    let pattern = cv.0.pop_var();
    bome(parts(&cv.1, &pattern, &flags, between, matches))
}

fn parts(
    value: &Value,
    pattern: &Value,
    flags: &Value,
    between: bool,
    matches: bool,
) -> ValR<Value> {
    let flags = match flags {
        Value::Null => "",
        Value::Text(flags) => flags.as_str(),
        other => return Err(other.fail(format!("cannot use {other} as flags: it is no string"))),
    };
    let (Value::Text(text), Value::Text(expression)) = (value, pattern) else {
        return Err(value.fail(format!(
            "cannot match {value} with {pattern}: not both are strings"
        )));
    };
    if text.len() > MAX_TEXT {
        return Err(value.fail(format!("cannot match a text of more than {MAX_TEXT} bytes")));
    }
    if !spend(20 + text_units(expression.len())) {
        return Ok(Value::Null);
    }
    let expression = bound::expression(expression, flags, || compile_expression(expression, flags))
        .map_err(|problem| pattern.fail(format!("{pattern} {problem}")))?;
    let mut parts = Vec::new();
    let mut characters = Characters {
        text,
        byte: 0,
        character: 0,
    };
    let mut end = 0;
    for groups in expression.captures_iter(text) {
        let Some(whole) = groups.get(0) else { break };
        if flags.contains('n') && whole.is_empty() {
            continue;
        }
        if !spend(8 + text_units(whole.end() - end) + 40 * groups.len() as u64) {
            break;
        }
        if between {
            parts.push(Value::text(
                text.get(end..whole.start()).unwrap_or_default(),
            ));
            end = whole.end();
        }
        if matches {
            let names = expression.capture_names().enumerate();
            let group = |(at, name)| characters.group(groups.get(at), (at > 0).then_some(name));
            parts.push(names.map(group).collect());
        }
        if !flags.contains('g') {
            break;
        }
    }
    if between && spend(text_units(text.len() - end)) {
        parts.push(Value::text(text.get(end..).unwrap_or_default()));
    }
    Ok(parts.into_iter().collect())
}

/// Converts byte positions in a text to character positions. Counts from the last position, so a
/// series of ascending positions, such as those of matches, is converted in one pass.
struct Characters<'a> {
    text: &'a str,
    byte: usize,
    character: usize,
}

impl Characters<'_> {
    fn at(&mut self, byte: usize) -> usize {
        let count = |from: usize, to: usize| {
            spend(text_units(to - from));
            let part = self.text.get(from..to).unwrap_or_default();
            part.chars().count()
        };
        self.character = match byte >= self.byte {
            true => self.character + count(self.byte, byte),
            false => self.character - count(byte, self.byte),
        };
        self.byte = byte;
        self.character
    }

    /// Returns a group as jq's object with offset, length, string and name. `name` is `None` for
    /// the whole match, which has no field for the name.
    fn group(&mut self, found: Option<regex::Match<'_>>, name: Option<Option<&str>>) -> Value {
        let (offset, length, string) = match found {
            Some(found) => {
                let length = found.as_str().chars().count();
                (
                    Value::from(self.at(found.start())),
                    length,
                    Value::text(found.as_str()),
                )
            }
            None => (Value::from(-1isize), 0, Value::Null),
        };
        Value::record([
            ("offset", Some(offset)),
            ("length", Some(Value::from(length))),
            ("string", Some(string)),
            (
                "name",
                name.map(|name| name.map_or(Value::Null, Value::text)),
            ),
        ])
    }
}
