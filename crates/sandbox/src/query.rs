//! Turns the query of a GET request into the JSON object that a POST request would have.
//! `AccountIds.0=1` becomes the first entry of an array, `Filters.0.Values.0=x` the first entry of
//! a nested one. Values stay text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{ApiError, clip, refuse};

/// The largest query of a GET request; the real gateway answers a larger one with an HTML page and
/// status 414.
pub(super) const MAX_QUERY_BYTES: usize = 32 * 1024;

const MAX_DEPTH: usize = 6;

#[derive(Default)]
struct Node {
    text: Option<String>,
    below: BTreeMap<String, Node>,
}

/// Decodes a query.
///
/// Errors: `InvalidParameter` for a key that repeats or contradicts another key, a list that does
/// not count from 0 without a gap, or a query that is not percent-encoded UTF-8; `UnknownParameter`
/// for a key with more than [`MAX_DEPTH`] parts.
pub(super) fn decode(query: &str) -> Result<Map<String, Value>, ApiError> {
    let mut root = Node::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (unescape(key)?, unescape(value)?);
        let mut node = &mut root;
        if key.split('.').count() > MAX_DEPTH {
            return Err(ApiError::unknown(&key));
        }
        for word in key.split('.') {
            node = node.below.entry(word.to_owned()).or_default();
        }
        if node.text.replace(value).is_some() {
            let message = format!("The parameter `{}` appears twice.", clip(&key));
            return refuse("InvalidParameter", message);
        }
    }
    root.below
        .into_iter()
        .map(|(name, node)| Ok((name.clone(), value_of(&name, node)?)))
        .collect()
}

fn value_of(name: &str, node: Node) -> Result<Value, ApiError> {
    match node.text {
        Some(text) if node.below.is_empty() => Ok(Value::String(text)),
        Some(_) => Err(ApiError::wrong_type(name, "either a value or a list")),
        None => branch_of(name, node.below),
    }
}

fn branch_of(name: &str, below: BTreeMap<String, Node>) -> Result<Value, ApiError> {
    let count = below.len();
    if !below.keys().all(|key| key.parse::<u32>().is_ok()) {
        let fields = below
            .into_iter()
            .map(|(key, node)| Ok((key.clone(), value_of(&key, node)?)));
        return fields.collect::<Result<Map<_, _>, _>>().map(Value::Object);
    }
    let entries = below.into_iter();
    let entries = entries.filter_map(|(key, node)| Some((key.parse().ok()?, node)));
    let entries: BTreeMap<u32, Node> = entries.collect();
    if !entries.keys().copied().eq(0..count as u32) {
        let wanted = "a list counted from 0 without a gap";
        return Err(ApiError::wrong_type(name, wanted));
    }
    let values = entries.into_values().map(|node| value_of(name, node));
    values.collect::<Result<_, _>>().map(Value::Array)
}

/// Decodes percent-encoding. A `+` is a space, because the official SDKs encode spaces in this way.
fn unescape(text: &str) -> Result<String, ApiError> {
    let broken = || {
        ApiError::new(
            "InvalidParameter",
            "The query is not percent-encoded UTF-8.",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [
                    rest.next().ok_or_else(broken)?,
                    rest.next().ok_or_else(broken)?,
                ];
                let mut one = [0_u8];
                hex::decode_to_slice(pair, &mut one).map_err(|_| broken())?;
                let [decoded] = one;
                decoded
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_and_nesting_are_spelled_with_dots() {
        let cases = [
            ("", json!({})),
            (
                "ImageId=img-6pb6lrmy&AccountIds.0=1038493875&AccountIds.1=100022975249&Permission=SHARE",
                json!({"ImageId": "img-6pb6lrmy", "AccountIds": ["1038493875", "100022975249"], "Permission": "SHARE"}),
            ),
            (
                "Filters.0.Name=image-name&Filters.0.Values.0=a+b&Filters.0.Values.1=%E6%9C%AA",
                json!({"Filters": [{"Name": "image-name", "Values": ["a b", "未"]}]}),
            ),
            ("A.1=b&A.0=a", json!({"A": ["a", "b"]})),
            (
                "A.10=k&A.9=j&A.8=i&A.7=h&A.6=g&A.5=f&A.4=e&A.3=d&A.2=c&A.1=b&A.0=a",
                json!({"A": ["a","b","c","d","e","f","g","h","i","j","k"]}),
            ),
        ];
        for (query, value) in cases {
            assert_eq!(Value::Object(decode(query).unwrap()), value, "{query}");
        }
    }

    #[test]
    fn contradictions_and_bad_encoding_are_refused() {
        for query in [
            "A=1&A=2",
            "A=1&A.0=2",
            "A.0=1&A.2=3",
            "A.0=1&A.00=2",
            "A=%",
            "A=%4",
            "A=%zz",
            "A=%ff",
            "A.0.0.0.0.0.0.0=1",
            "A.4294967295=1",
        ] {
            let code = decode(query).unwrap_err().code;
            assert!(
                code == "InvalidParameter" || code == "UnknownParameter",
                "{query}: {code}"
            );
        }
    }
}
