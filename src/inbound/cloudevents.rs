//! Reads CloudEvents 1.0 over HTTP in binary, structured and batched content mode
//! (cloudevents/spec, bindings/http-protocol-binding.md and formats/json-format.md).
//! [`claimed_sources`] returns the sources that an unverified request claims. [`open`] splits a
//! verified request into one delivery per event. The body of each delivery is a JSON object with
//! the event's attributes and `data`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::body;
use super::delivery::Headers;
use super::verify::VerifiedDelivery;
use crate::domain::{Problem, shown};

const MAX_EVENTS: usize = 50;
const MAX_CHARS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Binary,
    Structured,
    Batch,
}

#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: String,
    source: String,
    object: Map<String, Value>,
}

/// Returns the `source` attributes that an unverified request claims. They decide which configured
/// source must verify the request.
///
/// # Errors
/// Fails if the request cannot be read.
pub fn claimed_sources(headers: &Headers, body: &[u8]) -> Result<Vec<String>, Problem> {
    Ok(read(headers, body)?
        .into_iter()
        .map(|event| event.source)
        .collect())
}

/// Splits a verified request into one delivery per event. The id of a delivery combines the event's
/// `source` and `id`, which together identify the event. Both are as authentic as the request.
///
/// # Errors
/// Fails if the request cannot be read. Also fails if the request is signed and in binary mode,
/// because the signature does not cover the headers, which contain the attributes.
pub fn open(
    verified: &VerifiedDelivery,
    headers: &Headers,
) -> Result<Vec<VerifiedDelivery>, Problem> {
    if verified.signed() && mode_of(headers)? == Mode::Binary {
        let remedy = "send structured mode (application/cloudevents+json)";
        return Err(Problem::new(
            "content-type",
            "the signature does not cover the ce- headers",
            remedy,
        ));
    }
    let events = read(headers, verified.body())?;
    Ok(events
        .into_iter()
        .map(|event| {
            let id = format!("{}#{}", event.source, event.id);
            verified.part(Value::Object(event.object).to_string().into(), id)
        })
        .collect())
}

fn read(headers: &Headers, bytes: &[u8]) -> Result<Vec<Event>, Problem> {
    let json = || body::json(bytes, "body");
    match mode_of(headers)? {
        Mode::Binary => Ok(vec![event(binary(headers, bytes)?, "")?]),
        Mode::Structured => Ok(vec![event(json()?, "")?]),
        Mode::Batch => {
            let Value::Array(list) = json()? else {
                let remedy = "send a JSON array of events";
                return Err(Problem::new("body", "is not an array", remedy));
            };
            if list.len() > MAX_EVENTS {
                let problem = format!("has {} events", list.len());
                let remedy = format!("send at most {MAX_EVENTS} at once");
                return Err(Problem::new("body", problem, remedy));
            }
            list.into_iter()
                .enumerate()
                .map(|(index, item)| event(item, &format!("[{index}].")))
                .collect()
        }
    }
}

/// Returns the content mode. The beginning of the media type determines it, and upper and lower
/// case are equal. The media type of a batch is compared first, because it begins with that of
/// structured mode.
fn mode_of(headers: &Headers) -> Result<Mode, Problem> {
    let text = one(headers, "content-type")?
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mode = match text.as_str() {
        text if text.starts_with("application/cloudevents-batch") => Mode::Batch,
        text if text.starts_with("application/cloudevents") => Mode::Structured,
        _ => return Ok(Mode::Binary),
    };
    let name = text.split(';').next().unwrap_or_default().trim();
    if matches!(
        name,
        "application/cloudevents+json" | "application/cloudevents-batch+json"
    ) {
        return Ok(mode);
    }
    Err(Problem::new(
        "content-type",
        format!("{} is not supported", shown(name)),
        "send application/cloudevents+json or application/cloudevents-batch+json",
    ))
}

fn one<'a>(headers: &'a Headers, name: &str) -> Result<Option<&'a str>, Problem> {
    let twice = |error: super::delivery::DuplicateHeader| {
        Problem::new(name, error.to_string(), "send it once")
    };
    headers.one(name).map_err(twice)
}

/// Reads an event in binary mode: attributes from `ce-` headers, data from the body.
fn binary(headers: &Headers, bytes: &[u8]) -> Result<Value, Problem> {
    let mut object = Map::new();
    let attribute = |header| Some((header, str::strip_prefix(header, "ce-")?));
    for (header, name) in headers.names().filter_map(attribute) {
        if !is_attribute(name) || matches!(name, "data" | "datacontenttype" | "data_base64") {
            return Err(Problem::new(
                header,
                "is not a CloudEvents attribute",
                "use 1 to 64 lower-case letters and digits, and send data in the body and its type as content-type",
            ));
        }
        let text = one(headers, header)?.unwrap_or_default();
        let value = decoded(text).ok_or_else(|| {
            Problem::new(
                header,
                "is not percent-encoded UTF-8, or its quotes are wrong",
                "percent-encode the UTF-8 bytes, and escape \" and \\ inside quotes",
            )
        })?;
        object.insert(name.to_owned(), Value::String(value));
    }
    if let Some(kind) = one(headers, "content-type")? {
        object.insert("datacontenttype".to_owned(), Value::String(kind.to_owned()));
    }
    if !bytes.is_empty() {
        object.insert("data".to_owned(), body::json(bytes, "body")?);
    }
    Ok(Value::Object(object))
}

fn is_attribute(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Decodes a header's value: removes quotes, then decodes percent signs once (HTTP binding,
/// 3.1.3.2). Keeps a percent sign without two hex digits, because the JavaScript SDK does not
/// encode values.
fn decoded(text: &str) -> Option<String> {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let unquoted = match inner {
        None => text.to_owned(),
        Some(inner) => {
            let mut unquoted = String::with_capacity(inner.len());
            let mut rest = inner.chars();
            while let Some(c) = rest.next() {
                unquoted.push(if c == '\\' { rest.next()? } else { c });
            }
            unquoted
        }
    };
    let decoded = percent_decode_str(&unquoted).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// Checks the required attributes of an event. Turns `data_base64` into `data`, so that maps find
/// the data in one place.
fn event(value: Value, place: &str) -> Result<Event, Problem> {
    let problem = |name: &str, problem: String, remedy: &str| {
        Problem::new(format!("{place}{name}"), problem, remedy)
    };
    let wrong =
        |name: &str, flaw: &str| problem(name, flaw.to_owned(), "send a CloudEvent of version 1.0");
    let Value::Object(mut object) = value else {
        return Err(wrong("event", "is not an object"));
    };
    let text = |name: &str| match object.get(name) {
        Some(Value::String(text)) if text.is_empty() => Err(wrong(name, "is empty")),
        Some(Value::String(text)) if text.chars().count() > MAX_CHARS => {
            let flaw = format!("is longer than {MAX_CHARS} characters");
            Err(problem(name, flaw, "shorten it"))
        }
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            let flaw = "has control characters".to_owned();
            Err(problem(name, flaw, "leave them out"))
        }
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(wrong(name, "is not a text")),
        None => Err(wrong(name, "is missing")),
    };
    if text("specversion")? != "1.0" {
        return Err(wrong("specversion", "is not 1.0"));
    }
    let (id, source) = (text("id")?, text("source")?);
    text("type")?;
    if let Some(encoded) = object.remove("data_base64") {
        let bytes = encoded.as_str().and_then(|text| STANDARD.decode(text).ok());
        let binary = |flaw: &str, remedy: &str| problem("data_base64", flaw.to_owned(), remedy);
        let bytes = bytes.ok_or_else(|| binary("is not base64", "encode the data in base64"))?;
        if object.contains_key("data") {
            return Err(binary("is sent together with data", "send one of the two"));
        }
        object.insert("data".to_owned(), body::json(&bytes, "data_base64")?);
    }
    Ok(Event { id, source, object })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        Headers::new(pairs.iter().copied())
    }

    const BINARY: [(&str, &str); 5] = [
        ("ce-specversion", "1.0"),
        ("ce-id", "a-1"),
        ("ce-source", "/desk"),
        ("ce-type", "t"),
        ("content-type", "application/json"),
    ];

    #[test]
    fn both_sdks_write_the_same_subject() {
        for (written, meant) in [
            ("%C3%A9%20%22q%22%20%25%20%E2%82%AC", "é \"q\" % €"),
            ("é \"q\" % €", "é \"q\" % €"),
            ("%c3%a9", "é"),
            ("Euro%20%E2%82%AC", "Euro €"),
            ("\"a \\\"b\\\" c\"", "a \"b\" c"),
            ("%2520", "%20"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%41", "A"),
        ] {
            assert_eq!(decoded(written).as_deref(), Some(meant), "{written}");
        }
        for bad in ["%C0%A0", "%ff", "\"a\\\"", "%ED%A0%80"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_mode_is_the_media_types_prefix() {
        for (kind, mode) in [
            ("application/cloudevents+json", Mode::Structured),
            (
                "Application/CloudEvents+JSON; charset=UTF-8",
                Mode::Structured,
            ),
            ("application/cloudevents-batch+json", Mode::Batch),
            ("application/json", Mode::Binary),
            ("text/plain; x=application/cloudevents+json", Mode::Binary),
        ] {
            assert_eq!(
                mode_of(&headers(&[("content-type", kind)])),
                Ok(mode),
                "{kind}"
            );
        }
        for kind in [
            "application/cloudevents",
            "application/cloudevents+avro",
            "application/cloudeventsx+json",
        ] {
            assert!(
                mode_of(&headers(&[("content-type", kind)])).is_err(),
                "{kind}"
            );
        }
        assert_eq!(mode_of(&headers(&[])), Ok(Mode::Binary));
    }

    #[test]
    fn a_binary_event_becomes_the_structured_one() {
        let read = read(&headers(&BINARY), b"{\"a\":1}").unwrap();
        let object = json!({"specversion": "1.0", "id": "a-1", "source": "/desk", "type": "t",
                            "datacontenttype": "application/json", "data": {"a": 1}});
        assert_eq!(Value::Object(read[0].object.clone()), object);
        assert_eq!(
            (read[0].id.as_str(), read[0].source.as_str()),
            ("a-1", "/desk")
        );
    }

    #[test]
    fn what_is_no_event_is_a_problem() {
        for missing in ["ce-specversion", "ce-id", "ce-source", "ce-type"] {
            let rest: Vec<_> = BINARY
                .into_iter()
                .filter(|(name, _)| *name != missing)
                .collect();
            assert!(read(&headers(&rest), b"{}").is_err(), "{missing}");
        }
        for (name, value) in [
            ("ce-id", "other"),
            ("ce-data", "{}"),
            ("ce-a-b", "1"),
            ("ce-ce-x", "1"),
            ("ce-", "1"),
            ("ce-x", "%ff"),
            ("ce-datacontenttype", "text/plain"),
        ] {
            let mut more = BINARY.to_vec();
            more.push((name, value));
            assert!(read(&headers(&more), b"{}").is_err(), "{name}");
        }
        assert!(read(&headers(&BINARY), b"<a/>").is_err());
        let kind = headers(&[("content-type", "application/cloudevents+json")]);
        for bad in [
            json!([]),
            json!(null),
            json!({}),
            json!({"specversion": "0.3", "id": "1", "source": "s", "type": "t"}),
            json!({"specversion": "1.0", "id": 1, "source": "s", "type": "t"}),
            json!({"specversion": "1.0", "id": "", "source": "s", "type": "t"}),
            json!({"specversion": "1.0", "id": "a\n", "source": "s", "type": "t"}),
            json!({"specversion": "1.0", "id": "a".repeat(257), "source": "s", "type": "t"}),
            json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": 1, "data_base64": "MQ=="}),
            json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "%"}),
        ] {
            assert!(read(&kind, bad.to_string().as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_batch_is_bounded_and_may_be_empty() {
        let kind = headers(&[("content-type", "application/cloudevents-batch+json")]);
        let one = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "eyJhIjoxfQ=="});
        let batch = |n: usize| read(&kind, json!(vec![one.clone(); n]).to_string().as_bytes());
        assert_eq!(batch(0), Ok(vec![]));
        let events = batch(MAX_EVENTS).unwrap();
        assert_eq!(
            (events.len(), &events[0].object["data"]),
            (MAX_EVENTS, &json!({"a": 1}))
        );
        assert!(batch(MAX_EVENTS + 1).is_err());
        let bad = json!([one, {}]).to_string();
        assert!(
            read(&kind, bad.as_bytes())
                .unwrap_err()
                .field
                .starts_with("[1].")
        );
    }
}
