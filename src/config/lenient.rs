//! Reads the raw tables even if some values do not fit. Leaves out each such value, reports why,
//! and reads the rest, so that the user sees all mistakes at once. Takes a text. Returns the raw
//! tables, the problems and the values left out; or the syntax errors if the text is not TOML.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize as _;
use strsim::levenshtein;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use crate::domain::{Mark, Problem, Problems};

use super::raw::RawConfig;

/// The span of a stand-in for a missing field. No part of a text has this span.
pub(super) const MISSING: Range<usize> = usize::MAX..usize::MAX;
/// Maximum number of values that are left out. Each one costs another pass over the text.
const MAX_LEFT_OUT: usize = 100;
const SYNTAX: &str =
    "write TOML: name = \"text\", name = 1, name = [\"a\", \"b\"], [table], [[table]]";
const DOCUMENTED: &str = "docs/configuration.md lists every field";

/// The values that were left out.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Paths of the values left out, as in `source[0].name`.
    names: BTreeSet<String>,
    /// Paths of the values left out, without array indices, as in `source.name`. For a misspelt
    /// field, also the path of the field that was probably meant.
    paths: BTreeSet<String>,
    /// Spans of the tables and arrays around the values left out.
    tables: Vec<Range<usize>>,
}

impl Unread {
    /// Whether the setting, or a table around it, was left out.
    pub(super) fn has(&self, setting: &str) -> bool {
        let around = |path: &String| {
            let rest = setting.strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.paths.iter().any(around)
    }

    /// Whether a value inside the table with this span was left out.
    pub(super) fn within(&self, table: &Range<usize>) -> bool {
        self.tables.contains(table)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Returns the raw tables, the problems of the values that do not fit, and the values left out.
///
/// # Errors
/// Every syntax error; or the problems so far, if a value that does not fit cannot be left out.
pub(super) fn read(file: &str, text: &str) -> Result<(RawConfig, Vec<Problem>, Unread), Problems> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(Problems(syntax(file, text, &errors)));
    }
    let (mut problems, mut unread) = (Vec::new(), Unread::default());
    for _ in 0..MAX_LEFT_OUT {
        let error = match RawConfig::deserialize(Deserializer::from(table.clone())) {
            Ok(raw) => return Ok((raw, problems, unread)),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let mut search = Search {
            span: span.clone(),
            missing: missing_field(&error),
            path: Vec::new(),
            tables: Vec::new(),
        };
        let Some(left_out) = search.table(table.get_mut()) else {
            // The text after the colon may be a secret.
            let problem = error.message().split(": ").next().unwrap_or_default();
            problems.push(Problem::at(Mark::of(file, text, span), problem, DOCUMENTED));
            return Err(Problems(problems));
        };
        let name = search.name();
        // A value that was left out is missing in the next pass; its problem is already reported.
        if span != MISSING && unread.names.insert(name.clone()) {
            let mark = Mark::of(file, text, span);
            let meant = left_out.meant(&error, &name);
            problems.push(worded(mark, &error, &name, left_out, meant));
            unread
                .paths
                .extend(meant.map(|meant| search.setting_of(meant)));
        }
        unread.paths.insert(search.setting());
        unread.tables.extend(search.tables);
    }
    Err(Problems(problems))
}

/// Returns one problem per line, because one incomplete line can cause several errors.
fn syntax(file: &str, text: &str, errors: &[Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    // An unclosed table makes later keys duplicates: drop these errors if there are others.
    let follows = |error: &&Error| error.message().starts_with("duplicate key");
    let only_duplicates = errors.iter().all(|error| follows(&error));
    let mut errors: Vec<&Error> = errors
        .iter()
        .filter(|error| only_duplicates || !follows(error))
        .collect();
    errors.sort_by_key(|error| error.span().map_or(usize::MAX, |span| span.start));
    for error in errors {
        // Show an error without a place at the end of the text.
        let span = error.span().unwrap_or(text.len()..text.len());
        let written = text.get(span.clone()).unwrap_or_default();
        let mark = Mark::of(file, text, span.start..span.end.max(span.start + 1));
        let problem = if is_word(written) && error.message().starts_with("invalid ") {
            // Do not quote the word: it may be a secret.
            Problem::at(mark, "a text without quotes", "put it in quotes")
        } else {
            Problem::at(mark, error.message().trim().replace('\n', ", "), SYNTAX)
        };
        if problems
            .last()
            .is_none_or(|last| last.field != problem.field)
        {
            problems.push(problem);
        }
    }
    problems
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn missing_field(error: &Error) -> Option<String> {
    quoted(error.message().strip_prefix("missing field ")?).map(str::to_owned)
}

/// The search for the value at which reading failed.
struct Search {
    span: Range<usize>,
    /// The field that the table at `span` lacks.
    missing: Option<String>,
    path: Vec<String>,
    tables: Vec<Range<usize>>,
}

/// What the search did about the value that does not fit.
enum LeftOut {
    /// A value was removed; the text is its TOML type.
    Value(&'static str),
    /// A key that is not a field was removed.
    Key,
    /// A stand-in for a missing field was added, or a table whose stand-in did not fit was removed.
    Missing,
}

impl LeftOut {
    /// Returns the field that a misspelt key probably means.
    fn meant<'e>(&self, error: &'e Error, name: &str) -> Option<&'e str> {
        let Self::Key = self else { return None };
        let (_, expected) = error.message().split_once(", expected ")?;
        nearest(name.rsplit('.').next()?, &names_in(expected))
    }
}

impl Search {
    /// Removes the value at `span` from the table, or adds a stand-in for the missing field.
    fn table(&mut self, table: &mut DeTable<'_>) -> Option<LeftOut> {
        let found = table.iter_mut().find_map(|(key, value)| {
            self.path.push(key.get_ref().to_string());
            let inner = self.value(value);
            let found = match inner {
                Some(done) => Some(Err(done)),
                None if key.span() == self.span => Some(Ok((key.get_ref().clone(), None))),
                None if value.span() == self.span => Some(Ok((
                    key.get_ref().clone(),
                    Some(value.get_ref().type_str()),
                ))),
                None => None,
            };
            if found.is_none() {
                self.path.pop();
            }
            found
        })?;
        match found {
            Err(done) => Some(done),
            Ok((key, kind)) => {
                table.remove(key.as_ref());
                Some(kind.map_or(LeftOut::Key, LeftOut::Value))
            }
        }
    }

    fn value(&mut self, value: &mut Spanned<DeValue<'_>>) -> Option<LeftOut> {
        let span = value.span();
        let found = match value.get_mut() {
            DeValue::Table(inner) => match &self.missing {
                Some(missing) if span == self.span => {
                    self.path.push(missing.clone());
                    let stand_in = DeValue::String(Cow::Borrowed(""));
                    inner.insert(
                        Spanned::new(MISSING, Cow::Owned(missing.clone())),
                        Spanned::new(MISSING, stand_in),
                    );
                    Some(LeftOut::Missing)
                }
                _ => self.table(inner),
            },
            DeValue::Array(items) => self.array(items),
            _ => None,
        };
        if found.is_some() {
            self.tables.push(span);
        }
        found
    }

    /// Searches inside the elements. Removes a table in which a stand-in did not fit.
    fn array(&mut self, items: &mut DeArray<'_>) -> Option<LeftOut> {
        let has_stand_in = |item: &Spanned<DeValue<'_>>| {
            let table = item.get_ref().as_table();
            table.is_some_and(|table| table.values().any(|value| value.span() == MISSING))
        };
        if self.span == MISSING && items.iter().any(has_stand_in) {
            keep(items, |item| !has_stand_in(item));
            return Some(LeftOut::Missing);
        }
        for (index, item) in items.iter_mut().enumerate() {
            let number = format!("[{index}]");
            self.path.push(number);
            if let Some(done) = self.value(item) {
                return Some(done);
            }
            self.path.pop();
        }
        let index = items.iter().position(|item| item.span() == self.span)?;
        self.path.push(format!("[{index}]"));
        let kind = items
            .get(index)
            .map_or("value", |item| item.get_ref().type_str());
        keep(items, |item| item.span() != self.span);
        Some(LeftOut::Value(kind))
    }

    /// Returns the path of the found value, as in `source[0].name`.
    fn name(&self) -> String {
        self.path.join(".").replace(".[", "[")
    }

    /// Returns the path of `field` in the table of the found value, without array indices.
    fn setting_of(&self, field: &str) -> String {
        let setting = self.setting();
        match setting.rsplit_once('.') {
            Some((table, _)) => format!("{table}.{field}"),
            None => field.to_owned(),
        }
    }

    /// Returns the path of the found value without array indices, as in `source.name`.
    fn setting(&self) -> String {
        let names = self.path.iter().filter(|part| !part.starts_with('['));
        names.cloned().collect::<Vec<_>>().join(".")
    }
}

fn keep<'i>(items: &mut DeArray<'i>, wanted: impl Fn(&Spanned<DeValue<'i>>) -> bool) {
    let mut kept = DeArray::new();
    let wanted = items.iter().filter(|item| wanted(item));
    wanted.for_each(|item| kept.push(item.clone()));
    *items = kept;
}

/// Rewords the error for users. Does not quote a value of the wrong type, which may be a secret.
fn worded(
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
        "usize" | "u64" | "i64" => "a whole number that is not negative, without quotes",
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

/// Returns the first text in backquotes.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// Returns every text in backquotes.
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

    #[test]
    fn every_mistake_is_found_in_one_pass_and_the_rest_is_read() {
        let text = "jurnal = 1\n[cloud]\nsite = \"moon\"\nregions = [\"ap-x\", 7]\n\
                    [[source]]\nname = \"a\"\nsecrets = \"plain-secret\"\n[[source]]\nname = \"b\"\nscheme = \"jira\"\n";
        let (raw, problems, unread) = read("c.toml", text).unwrap();
        let lines: Vec<usize> = problems
            .iter()
            .map(|problem| problem.mark.as_ref().unwrap().line)
            .collect();
        assert_eq!(lines.len(), 5, "{problems:#?}");
        for line in [1, 3, 4, 5, 7] {
            assert!(lines.contains(&line), "{line}: {problems:#?}");
        }
        assert!(!format!("{problems:?}").contains("plain-secret"));
        let bare = read("c.toml", "secrets = [plain-secret]").err();
        let bare = bare
            .map(|problems| problems.to_string())
            .unwrap_or_default();
        assert!(
            bare.contains("quoted") && !bare.contains("plain-secret"),
            "{bare}"
        );
        // The source without a scheme is left out.
        assert_eq!(raw.source.len(), 1);
        assert!(unread.has("jurnal") && unread.has("cloud.site"));
        assert!(!unread.within(&raw.source[0].span()));
    }

    #[test]
    fn each_syntax_error_has_its_line() {
        let Err(Problems(problems)) = read("c.toml", "a = \"x\nb = 1\n[cloud\nc = 3 4\n") else {
            panic!("it is read");
        };
        let lines: Vec<&str> = problems.iter().map(|one| one.field.as_str()).collect();
        for line in ["c.toml:1", "c.toml:3"] {
            assert!(lines.contains(&line), "{line}: {problems:#?}");
        }
    }
}
