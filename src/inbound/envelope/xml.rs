//! Reads WeCom's XML and returns the content of the element `<xml>` as a JSON object. An element
//! that contains elements becomes an object, any other element becomes a string, and a repeated
//! element becomes an array.
//!
//! quick-xml does not expand anything by itself, and the journal's object stores need that crate
//! anyway. This reader also refuses what WeCom does not write: document types, entities, processing
//! instructions, comments, attributes, and text between elements.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use crate::inbound::refusal::Refusal;

/// Maximum nesting of elements. WeCom's events have 7 levels.
const MAX_DEPTH: usize = 32;

/// An element that is not closed yet.
#[derive(Default)]
struct Open {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

pub(super) fn read(bytes: &[u8]) -> Result<Value, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    // The first entry is the document itself.
    let mut open = vec![Open::default()];
    loop {
        let event = reader.read_event().map_err(|_| refused("it is not XML"))?;
        match event {
            Event::Start(start) if open.len() <= MAX_DEPTH => open.push(Open {
                name: name(&start)?,
                ..Open::default()
            }),
            Event::Start(_) => return Err(refused("it is nested too deeply")),
            Event::End(_) => close(&mut open)?,
            Event::Empty(start) => {
                let name = name(&start)?;
                add(&mut open, name, Value::String(String::new()));
            }
            Event::Text(text) => append(&mut open, text.decode().ok().as_deref())?,
            Event::CData(text) => append(&mut open, text.decode().ok().as_deref())?,
            Event::Decl(_) => {}
            Event::Eof => break,
            Event::DocType(_) | Event::GeneralRef(_) => {
                return Err(refused("it has a document type or an entity"));
            }
            Event::PI(_) | Event::Comment(_) => {
                return Err(refused("it has a processing instruction or a comment"));
            }
        }
    }
    let [document] = open.as_mut_slice() else {
        return Err(refused("an element is not closed"));
    };
    let root = document.fields.remove("xml").filter(Value::is_object);
    let alone = document.fields.is_empty() && document.text.trim().is_empty();
    root.filter(|_| alone)
        .ok_or_else(|| refused("it is not a single element `xml` that contains elements"))
}

fn name(start: &BytesStart<'_>) -> Result<String, Refusal> {
    if !start.attributes_raw().trim_ascii().is_empty() {
        return Err(refused("an element has attributes"));
    }
    String::from_utf8(start.name().as_ref().to_vec())
        .map_err(|_| refused("the name of an element is not UTF-8"))
}

fn append(open: &mut [Open], text: Option<&str>) -> Result<(), Refusal> {
    let text = text.ok_or_else(|| refused("the text of an element is not UTF-8"))?;
    if let Some(last) = open.last_mut() {
        last.text.push_str(text);
    }
    Ok(())
}

fn close(open: &mut Vec<Open>) -> Result<(), Refusal> {
    let Some(Open { name, fields, text }) = open.pop().filter(|_| !open.is_empty()) else {
        return Err(refused("it closes an element that is not open"));
    };
    let value = match fields.is_empty() {
        true => Value::String(text),
        false if text.trim().is_empty() => Value::Object(fields),
        false => return Err(refused("an element contains both text and elements")),
    };
    add(open, name, value);
    Ok(())
}

fn add(open: &mut [Open], name: String, value: Value) {
    let Some(last) = open.last_mut() else { return };
    match last.fields.get_mut(&name) {
        Some(Value::Array(values)) => values.push(value),
        Some(first) => {
            let values = vec![first.take(), value];
            *first = Value::Array(values);
        }
        None => drop(last.fields.insert(name, value)),
    }
}

fn refused(why: &'static str) -> Refusal {
    Refusal::malformed("the XML", why)
}
