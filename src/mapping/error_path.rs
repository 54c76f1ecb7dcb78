//! Where in the event did a map fail? In: the event, the engine's words. Out: the places that hold
//! the value which the words quote. The engine itself does not say; a value that stands everywhere,
//! or null, is nowhere.

use std::io::{self, Write};

use serde_json::Value;

/// More places than this say nothing.
const MAX_PLACES: usize = 3;
/// More values than this are not looked at.
const MAX_VALUES: usize = 100_000;
/// How the engine begins a sentence about a value.
const BEGINNINGS: [&str; 4] = [
    "cannot index ",
    "cannot use ",
    "cannot calculate ",
    "cannot parse ",
];

/// The paths in the event of the value that an error quotes, such as `.issue.fields.labels[0]`;
/// none when that is not clear.
pub(super) fn places(event: &Value, error: &str) -> Option<String> {
    let quoted = BEGINNINGS
        .iter()
        .find_map(|beginning| error.strip_prefix(beginning))?;
    let mut search = Search {
        quoted: quoted.as_bytes(),
        found: Vec::new(),
        left: MAX_VALUES,
    };
    search.walk(event, &mut String::new());
    let found = search.found;
    (!found.is_empty() && found.len() <= MAX_PLACES).then(|| found.join(" or "))
}

struct Search<'a> {
    quoted: &'a [u8],
    found: Vec<String>,
    left: usize,
}

impl Search<'_> {
    /// The event was read by `serde_json`, which bounds its depth.
    fn walk(&mut self, value: &Value, path: &mut String) {
        if self.left == 0 || self.found.len() > MAX_PLACES {
            return;
        }
        self.left -= 1;
        if self.quotes(value) {
            self.found.push(if path.is_empty() {
                ".".to_owned()
            } else {
                path.clone()
            });
        }
        let length = path.len();
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    self.walk(item, path);
                    path.truncate(length);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    path.push_str(&step(name));
                    self.walk(field, path);
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }

    /// Whether the error begins with this value, as a word of its own.
    fn quotes(&self, value: &Value) -> bool {
        let mut rest = Rest(self.quoted);
        !value.is_null()
            && serde_json::to_writer(&mut rest, value).is_ok()
            && rest.0.starts_with(b" ")
    }
}

/// A field's step in a path; a name that is no plain word is quoted, and a long one shortened.
fn step(name: &str) -> String {
    let plain = !name.is_empty()
        && name.len() <= 60
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain {
        format!(".{name}")
    } else {
        format!("[{}]", super::shortened::shortened(name))
    }
}

/// What is left of the quotation while a value is written: the first byte that differs ends it.
struct Rest<'a>(&'a [u8]);

impl Write for Rest<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .strip_prefix(written)
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_quoted_value_has_its_path() {
        let event = json!({"issue": {"fields": {"labels": ["a", 7], "due on": [true], "n": 70}}});
        for (error, place) in [
            ("cannot index 7 with \"x\"", Some(".issue.fields.labels[1]")),
            ("cannot use 70 as array", Some(".issue.fields.n")),
            (
                "cannot index [true] with \"x\"",
                Some(".issue.fields[\"due on\"]"),
            ),
            (
                "cannot index \"a\" with \"x\"",
                Some(".issue.fields.labels[0]"),
            ),
            ("cannot index 8 with \"x\"", None),
            ("cannot use null as array", None),
            ("the issue says image twice", None),
            ("cannot index 7", None),
        ] {
            assert_eq!(places(&event, error).as_deref(), place, "{error}");
        }
        let many = json!([7, 7, 7, 7, 7]);
        assert_eq!(places(&many, "cannot index 7 with 1"), None);
        assert_eq!(
            places(&json!([7, [7]]), "cannot index 7 with 1").as_deref(),
            Some("[0] or [1][0]")
        );
    }
}
