//! The native filters that a program can call. They are the filters of the engine's libraries, jq
//! filters that the libraries lack or implement differently, and filters that read tickets.

use std::rc::Rc;

use jaq_core::data::JustLut;
use jaq_core::native::{self, Fun, bome, unary, v};
use jaq_core::path::Opt;
use jaq_core::{Error, Exn, RunPtr, ValR, ValT as _};

use crate::domain::read_json;

use super::bound::{spend, text_units};
use super::expressions::search;
use super::number::Number;
use super::ticket_fields::ticket_fields;
use super::value::Value;
use super::visible_text::visible_text;

type Data = JustLut<Value>;

/// Filters of the engine's libraries that programs cannot call, because they do more than read the
/// event, or because their work is not limited. `own` and `defs.jq` replace some of these filters.
const LEFT_OUT: [&str; 16] = [
    "env",
    "now",
    "halt",
    "debug_empty",
    "stderr_empty",
    "localtime",
    "strflocaltime",
    "jn",
    "yn",
    "ltrimstr",
    "rtrimstr",
    "matches",
    "split_matches",
    "split_",
    "escape_html",
    "unescape_html",
];

pub(super) fn functions() -> impl Iterator<Item = Fun<Data>> {
    jaq_core::funs()
        .chain(jaq_std::funs())
        .filter(|(name, ..)| !LEFT_OUT.contains(name))
        .chain(
            own()
                .into_vec()
                .into_iter()
                .map(|filter| native::run::<Data>(filter)),
        )
}

fn own() -> Box<[native::Filter<RunPtr<Data>>]> {
    Box::new([
        ("type", v(0), |cv| bome(Ok(Value::text(cv.1.kind())))),
        ("infinite", v(0), |_| bome(Ok(Value::from(f64::INFINITY)))),
        ("nan", v(0), |_| bome(Ok(Value::from(f64::NAN)))),
        ("length", v(0), |cv| bome(length(&cv.1))),
        ("tojson", v(0), |cv| bome(Ok(Value::text(cv.1.written())))),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("tonumber", v(0), |cv| bome(to_number(cv.1))),
        ("join_list", v(1), |cv| {
            unary(cv, |list, text| join(&list, &text))
        }),
        ("has", v(1), |cv| unary(cv, |value, key| has(&value, &key))),
        ("contains", v(1), |cv| {
            unary(cv, |one, other| contains(&one, &other).map(Value::from))
        }),
        ("indices", v(1), |cv| {
            unary(cv, |one, other| one.indices(&other))
        }),
        ("delete_path", v(1), |cv| {
            bome(match cv.0.clone().pop_var() {
                Value::List(path, _) => delete(cv.1, &path),
                path => Err(path.fail(format!("cannot use {path} as a path: it is no array"))),
            })
        }),
        ("visible_text", v(0), |cv| bome(visible(&cv.1))),
        ("ticket_fields", v(1), |cv| {
            unary(cv, |text, keys| fields(&text, &keys))
        }),
        ("matches", v(2), |cv| search(cv, false, true)),
        ("split_matches", v(2), |cv| search(cv, true, true)),
        ("split_", v(2), |cv| search(cv, true, false)),
    ])
}

fn visible(value: &Value) -> ValR<Value> {
    let text = markdown(value)?;
    if !spend(8 * text_units(text.len())) {
        return Ok(Value::Null);
    }
    Ok(Value::text(visible_text(text)))
}

fn markdown(value: &Value) -> Result<&str, Error<Value>> {
    match value {
        Value::Null => Ok(""),
        Value::Text(text) => Ok(text.as_str()),
        other => Err(other.fail(format!("cannot read {other} as Markdown: {}", other.kind()))),
    }
}

fn fields(value: &Value, keys: &Value) -> ValR<Value> {
    let text = markdown(value)?;
    let Value::List(keys, _) = keys else {
        return Err(keys.fail(format!("cannot use {keys} as keys: it is no array")));
    };
    let keys: Vec<&str> = keys
        .iter()
        .filter_map(|key| match key {
            Value::Text(key) => Some(key.as_str()),
            _ => None,
        })
        .collect();
    if !spend(8 * text_units(text.len()) * (1 + keys.len() as u64)) {
        return Ok(Value::Null);
    }
    let fields = ticket_fields(text, &keys).map_err(|problem| Error::new(Value::text(problem)))?;
    let field = |(key, value): (&str, String)| (Rc::new(key.to_owned()), Value::text(value));
    Ok(Value::object(fields.into_iter().map(field).collect()))
}

fn length(value: &Value) -> ValR<Value> {
    Ok(match value {
        Value::Null => Value::from(0usize),
        Value::Number(number) if number.cmp(&Number::Int(0)).is_lt() => {
            Value::number(number.negated())
        }
        Value::Number(_) => value.clone(),
        Value::Text(text) => {
            spend(text_units(text.len()));
            Value::from(text.chars().count())
        }
        Value::List(items, _) => Value::from(items.len()),
        Value::Object(fields, _) => Value::from(fields.len()),
        Value::Bool(_) => return Err(value.fail(format!("{value} has no length"))),
    })
}

/// Parses a text as JSON. Refuses 128 or more levels of nesting. Unlike jq, also refuses an object
/// that contains a key twice.
fn from_json(value: &Value) -> ValR<Value> {
    let Value::Text(text) = value else {
        return Err(value.fail(format!("cannot parse {value} as JSON: {}", value.kind())));
    };
    if !spend(1 + text.len() as u64 / 2) {
        return Ok(Value::Null);
    }
    read_json(text.as_bytes())
        .map(|json| Value::from_json(&json))
        .map_err(|flaw| value.fail(format!("cannot parse {value} as JSON: it {flaw}")))
}

fn to_number(value: Value) -> ValR<Value> {
    match &value {
        Value::Number(_) => Ok(value),
        Value::Text(text) if text.len() <= 100 => match serde_json::from_str(text) {
            Ok(serde_json::Value::Number(number)) => Ok(Value::number(Number::from_json(&number))),
            _ => Err(value.fail(format!("cannot parse {value} as a number"))),
        },
        _ => Err(value.fail(format!("cannot parse {value} as a number"))),
    }
}

fn join(list: &Value, separator: &Value) -> ValR<Value> {
    let mut joined = String::new();
    for (at, item) in list.clone().values().enumerate() {
        let item = item?;
        let mut push = |value: &Value| match value {
            Value::Null => Ok(()),
            Value::Text(text) => {
                if spend(text_units(text.len())) {
                    joined.push_str(text);
                }
                Ok(())
            }
            Value::Bool(_) | Value::Number(_) => {
                joined.push_str(&value.written());
                Ok(())
            }
            other => Err(other.fail(format!("cannot join {other}: {}", other.kind()))),
        };
        if at > 0 {
            push(separator)?;
        }
        push(&item)?;
    }
    Ok(Value::text(joined))
}

fn has(value: &Value, key: &Value) -> ValR<Value> {
    match (value, key) {
        (Value::Object(fields, _), Value::Text(key)) => Ok(fields.contains_key(key).into()),
        (Value::List(items, _), Value::Number(number)) => {
            let at = number.as_index().and_then(|at| usize::try_from(at).ok());
            Ok(at.is_some_and(|at| at < items.len()).into())
        }
        _ => Err(value.fail(format!("cannot check whether {value} has the key {key}"))),
    }
}

fn contains(one: &Value, other: &Value) -> Result<bool, Error<Value>> {
    if !spend(1) {
        return Ok(false);
    }
    match (one, other) {
        (Value::Object(one, _), Value::Object(wanted, _)) => {
            for (key, wanted) in &**wanted {
                match one.get(key) {
                    Some(value) if contains(value, wanted)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::List(items, _), Value::List(wanted, _)) => {
            let alike = |wanted: &Value| {
                let found = items
                    .iter()
                    .filter(|item| spend(1) && item.kind() == wanted.kind());
                found
                    .map(|item| contains(item, wanted))
                    .find(|found| !matches!(found, Ok(false)))
            };
            for wanted in &**wanted {
                match alike(wanted) {
                    None => return Ok(false),
                    Some(found) => found.map(drop)?,
                }
            }
            Ok(true)
        }
        (Value::Text(one), Value::Text(other)) => {
            spend(text_units(one.len() + other.len()));
            Ok(one.contains(other.as_str()))
        }
        _ if one.kind() == other.kind() => Ok(one == other),
        _ => Err(one.fail(format!("cannot check whether {one} contains {other}"))),
    }
}

/// Removes what is at `path` in `value`. If nothing is there, returns `value` unchanged. If the
/// path is empty, returns null.
///
/// # Errors
/// Returns an error if a step of the path does not fit the value, for example a key for a list, or
/// if an index lies before the first item.
fn delete(value: Value, path: &[Value]) -> ValR<Value> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(Value::Null);
    };
    if matches!(value, Value::Null)
        || (!rest.is_empty() && value.clone().index(first)? == Value::Null)
    {
        return Ok(value);
    }
    let changed = value.map_index(first, Opt::Essential, |child| {
        let kept = (!rest.is_empty()).then(|| delete(child, rest).map_err(Exn::from));
        kept.into_iter()
    });
    changed.map_err(|exception| match exception.get_err() {
        Ok(error) => error,
        Err(_) => Value::Null.fail("cannot delete here".into()),
    })
}
