//! Reads JSON from senders and hosts. Refuses an object that contains a key twice, because JSON
//! parsers disagree about which of the two values applies (RFC 8259, section 4). `serde_json`
//! itself refuses 128 or more levels of nesting.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::problem::{Problem, shown};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The first bytes of every gzip stream (RFC 1952, section 2.3.1).
const GZIP: &[u8] = b"\x1f\x8b";

/// Why a text was refused as JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonFlaw {
    /// The text is not JSON, or is nested too deep.
    #[error("is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The text begins with a byte order mark, which RFC 8259 forbids to senders.
    #[error("begins with a byte order mark (U+FEFF)")]
    ByteOrderMark,
    /// The text begins as gzip does.
    #[error("is compressed with gzip (Content-Encoding)")]
    Compressed,
    /// An object names this key twice.
    #[error("names the key {} twice in one object", shown(.0))]
    DuplicateKey(String),
}

impl JsonFlaw {
    pub(crate) fn into_problem(self, field: impl Into<String>) -> Problem {
        let remedy = match &self {
            Self::Syntax(_) => "send one JSON value, nested at most 127 deep",
            Self::ByteOrderMark => "send it without",
            Self::Compressed => "send it uncompressed",
            Self::DuplicateKey(_) => "name each key once",
        };
        Problem::new(field, self.to_string(), remedy)
    }
}

/// Reads one JSON value.
///
/// # Errors
/// The text is not JSON, is nested too deep, or names a key twice in one object.
pub fn read_json(text: &[u8]) -> Result<Value, JsonFlaw> {
    if text.starts_with(BYTE_ORDER_MARK) {
        return Err(JsonFlaw::ByteOrderMark);
    }
    if text.starts_with(GZIP) {
        return Err(JsonFlaw::Compressed);
    }
    serde_json::from_slice::<UniqueKeys>(text)?.0
}

/// A JSON value for callers that deserialise through `serde`, such as the Lambda runtime. If an
/// object contains a key twice, deserialising succeeds, and the field contains the flaw.
#[derive(Debug)]
pub struct UniqueKeys(pub Result<Value, JsonFlaw>);

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let repeated = RefCell::new(None);
        let value = Reading(&repeated).deserialize(deserializer)?;
        Ok(Self(match repeated.into_inner() {
            None => Ok(value),
            Some(key) => Err(JsonFlaw::DuplicateKey(key)),
        }))
    }
}

/// Builds a [`Value`], and stores the first repeated key in the cell.
#[derive(Clone, Copy)]
struct Reading<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self)?;
            match object.entry(key) {
                Entry::Vacant(place) => drop(place.insert(value)),
                Entry::Occupied(place) => {
                    let mut repeated = self.0.borrow_mut();
                    repeated.get_or_insert_with(|| place.key().clone());
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [
            "null",
            " [1, -2, 18446744073709551615, 1.5e3, true, \"\\u00e9\\n\"] ",
            r#"{"b": {"x": []}, "a": {"x": {}}, "": ""}"#,
            "700000164995.0",
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            let read = read_json(text.as_bytes()).unwrap();
            assert_eq!(read.to_string(), plain.to_string());
        }
        for bad in ["", "{", "{} {}", "nul", "1e999", "[1,]"] {
            let flaw = read_json(bad.as_bytes()).unwrap_err();
            assert!(matches!(flaw, JsonFlaw::Syntax(_)), "{bad:?}");
        }
        for (bad, why) in [
            (&b"\xef\xbb\xbf{}"[..], "byte order mark"),
            (b"\x1f\x8b\x08\0", "compressed with gzip"),
        ] {
            let flaw = read_json(bad).unwrap_err().to_string();
            assert!(flaw.contains(why), "{flaw}");
        }
        assert!(read_json("[".repeat(200_000).as_bytes()).is_err());
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read_json(nested(127).as_bytes()).is_ok());
        let problem = read_json(nested(128).as_bytes())
            .unwrap_err()
            .into_problem("body");
        assert!(problem.remedy.contains("at most 127 deep"), "{problem}");
    }

    #[test]
    fn a_key_that_stands_twice_in_one_object_is_named() {
        for text in [
            r#"{"accounts": 1, "accounts": 1}"#,
            r#"[{"a": {"accounts": 1, "b": 2, "acc\u006funts": 3}}]"#,
            r#"{"accounts": null, "accounts": {"x": 1, "x": 2}, "x": 1}"#,
        ] {
            let flaw = read_json(text.as_bytes()).unwrap_err();
            assert!(matches!(&flaw, JsonFlaw::DuplicateKey(_)), "{text}");
        }
        let flaw = read_json(br#"{"a": 1, "a": 2}"#).unwrap_err();
        assert_eq!(
            flaw.into_problem("body").to_string(),
            r#"body: names the key "a" twice in one object; name each key once"#
        );
        assert!(read_json(br#"{"a": {"a": 1}, "A": 2}"#).is_ok());
    }
}
