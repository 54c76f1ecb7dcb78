//! Reads credential files as the Python SDK does: by the syntax of Python's `configparser`, without
//! interpolation and without the values of `[DEFAULT]`. Takes a text; returns the names and values
//! of one section, or the line that is wrong. Unlike `configparser`, ignores a byte order mark and
//! blanks inside a section's brackets.
//!
//! Source: CPython, `Lib/configparser.py`, `RawConfigParser._read`; fixtures made with
//! `configparser` are in `tests/vectors/credential-files.json`.

use std::collections::{BTreeMap, BTreeSet};

/// The only section that may appear more than once, because `configparser` adds to it each time.
const DEFAULT_SECTION: &str = "DEFAULT";

/// The content of the lines that were read so far.
#[derive(Default)]
struct Reader {
    sections: BTreeSet<String>,
    /// Each option of each section, with the lines of its value.
    options: BTreeMap<(String, String), Vec<String>>,
    section: Option<String>,
    /// The option that an indented line continues.
    option: Option<String>,
    indent: usize,
}

/// Returns the values of the section `wanted` by their lower-case names. Empty if the file has no
/// such section. An error has the line's number but not its text, which may be a secret.
pub(super) fn section(text: &str, wanted: &str) -> Result<BTreeMap<String, String>, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        reader
            .line(line)
            .map_err(|problem| format!("line {number}: {problem}"))?;
    }
    let of_section = reader
        .options
        .into_iter()
        .filter(|((section, _), _)| section == wanted);
    Ok(of_section
        .map(|((_, name), lines)| (name, lines.join("\n").trim().to_owned()))
        .collect())
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let value = line.trim();
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            // A value may contain empty lines. `section` trims trailing ones.
            self.continue_option(value);
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if indent > self.indent && self.continue_option(value) {
            return Ok(());
        }
        self.indent = indent;
        match header(value) {
            Some(name) => self.open(name),
            None => self.set(value),
        }
    }

    /// Adds a line to the value of the current option. Returns false if there is no current option.
    fn continue_option(&mut self, value: &str) -> bool {
        let (Some(section), Some(option)) = (&self.section, &self.option) else {
            return false;
        };
        let key = (section.clone(), option.clone());
        self.options.entry(key).or_default().push(value.to_owned());
        true
    }

    fn open(&mut self, name: &str) -> Result<(), &'static str> {
        self.option = None;
        self.section = Some(name.to_owned());
        if name != DEFAULT_SECTION && !self.sections.insert(name.to_owned()) {
            return Err("the section appears twice; keep one");
        }
        Ok(())
    }

    fn set(&mut self, line: &str) -> Result<(), &'static str> {
        let Some(section) = &self.section else {
            return Err("the line comes before the first [section]");
        };
        let (name, value) = line
            .split_once(['=', ':'])
            .ok_or("the line has neither = nor :")?;
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            return Err("the name before = or : is missing");
        }
        self.option = Some(name.clone());
        let key = (section.clone(), name);
        if self
            .options
            .insert(key, vec![value.trim().to_owned()])
            .is_some()
        {
            return Err("the name appears twice; keep one");
        }
        Ok(())
    }
}

/// Returns the name between `[` and the last `]`. Ignores the rest of the line.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then(|| name.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_file_means_what_python_s_configparser_reads() {
        let vectors = include_str!("../../../tests/vectors/credential-files.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 40, "{}", cases.len());
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let read = section(text, "default");
            match &case["default"] {
                Value::Null => assert!(read.is_err(), "configparser refuses {text:?}: {read:?}"),
                values => assert_eq!(serde_json::json!(read.unwrap()), *values, "{text:?}"),
            }
        }
    }

    #[test]
    fn a_byte_order_mark_and_blanks_in_brackets_are_ignored() {
        let text = "\u{feff}# comment\r\n[other]\nsecret_id = no\n\n[ default ]\n; more\nsecret_id=yes\nsecret_key = a=b \n";
        let values = section(text, "default").unwrap();
        assert_eq!(values["secret_id"], "yes");
        assert_eq!(values["secret_key"], "a=b");
        assert!(section(text, "absent").unwrap().is_empty());
    }

    #[test]
    fn a_problem_names_the_line_and_not_its_text() {
        for (text, problem) in [
            (
                "[default\nx=1",
                "line 1: the line comes before the first [section]",
            ),
            ("[default]\nSECRET", "line 2: the line has neither = nor :"),
            (
                "[default]\n=SECRET",
                "line 2: the name before = or : is missing",
            ),
            (
                "[default]\na=1\nA=2",
                "line 3: the name appears twice; keep one",
            ),
            (
                "[default]\n[a]\n[default]",
                "line 3: the section appears twice; keep one",
            ),
        ] {
            assert_eq!(section(text, "default").unwrap_err(), problem);
        }
    }
}
