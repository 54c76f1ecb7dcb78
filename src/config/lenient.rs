//! Reads the raw tables although some values do not fit: leaves each such value out, says why, and reads
//! the rest, so that all mistakes are reported at once. In: TOML. Out: the raw tables, the problems, and
//! what was left out. A text that is not TOML yields its syntax errors alone.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize as _;
use strsim::levenshtein;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use crate::domain::{Mark, Problem, Problems};

use super::raw::RawConfig;

/// The place of a stand-in for a field that is missing. No text has this place.
pub(super) const MISSING: Range<usize> = usize::MAX..usize::MAX;
/// Maximum number of values that are left out. Each costs one more pass.
const MAX_LEFT_OUT: usize = 100;
const SYNTAX: &str =
    "write TOML: name = \"text\", name = 1, name = [\"a\", \"b\"], [table], [[table]]";
const DOCUMENTED: &str = "docs/configuration.md lists every field";

/// The values that were left out.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Their paths, as in `source[0].name`.
    names: BTreeSet<String>,
    /// The same without the numbers of array elements, and what a misspelt field probably is.
    paths: BTreeSet<String>,
    /// The places of the tables around them.
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

    /// Whether a value of the table at this place was left out.
    pub(super) fn within(&self, table: &Range<usize>) -> bool {
        self.tables.contains(table)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Reads the text.
///
/// # Errors
/// Every syntax error.
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
            // What follows the colon may be a secret.
            let problem = error.message().split(": ").next().unwrap_or_default();
            problems.push(Problem::at(Mark::of(file, text, span), problem, DOCUMENTED));
            return Err(Problems(problems));
        };
        let name = search.name();
        // What was left out is then missing: its problem is reported already.
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

/// One problem for each line: a line that ends early causes several.
fn syntax(file: &str, text: &str, errors: &[Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    // A table that is not closed makes the next ones duplicates of each other.
    let follows = |error: &&Error| error.message().starts_with("duplicate key");
    let only_duplicates = errors.iter().all(|error| follows(&error));
    let mut errors: Vec<&Error> = errors
        .iter()
        .filter(|error| only_duplicates || !follows(error))
        .collect();
    errors.sort_by_key(|error| error.span().map_or(usize::MAX, |span| span.start));
    for error in errors {
        // An error without a place is at the end of the text.
        let span = error.span().unwrap_or(text.len()..text.len());
        let written = text.get(span.clone()).unwrap_or_default();
        let mark = Mark::of(file, text, span.start..span.end.max(span.start + 1));
        let problem = if is_word(written) && error.message().starts_with("invalid ") {
            // Without the word: it may be a secret.
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

/// What was done about a failure.
enum LeftOut {
    /// The value, of this kind, was removed.
    Value(&'static str),
    /// The key is not a field.
    Key,
    /// A stand-in was put in place of the missing field.
    Added,
}

impl LeftOut {
    /// The field that a misspelt one probably is.
    fn meant<'e>(&self, error: &'e Error, name: &str) -> Option<&'e str> {
        let Self::Key = self else { return None };
        let (_, expected) = error.message().split_once(", expected ")?;
        nearest(name.rsplit('.').next()?, &names_in(expected))
    }
}

impl Search {
    /// Removes the value from the table, or adds what it lacks.
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

    /// Searches inside a value.
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
                    Some(LeftOut::Added)
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

    /// Searches inside the elements. Leaves a table out whose stand-in does not fit either.
    fn array(&mut self, items: &mut DeArray<'_>) -> Option<LeftOut> {
        let has_stand_in = |item: &Spanned<DeValue<'_>>| {
            let table = item.get_ref().as_table();
            table.is_some_and(|table| table.values().any(|value| value.span() == MISSING))
        };
        if self.span == MISSING && items.iter().any(has_stand_in) {
            keep(items, |item| !has_stand_in(item));
            return Some(LeftOut::Added);
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

    /// The path as in `source[0].name`.
    fn name(&self) -> String {
        self.path.join(".").replace(".[", "[")
    }

    /// The path of another field of the same table, without the numbers.
    fn setting_of(&self, field: &str) -> String {
        let setting = self.setting();
        match setting.rsplit_once('.') {
            Some((table, _)) => format!("{table}.{field}"),
            None => field.to_owned(),
        }
    }

    /// The path without the numbers.
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

/// The error in the words of this program. It never quotes the value, which may be a secret.
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
        LeftOut::Added => Problem::at(
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
        LeftOut::Value("table") if expected == Some("a sequence") => {
            let problem = format!("{name} is a table, and there may be several");
            Problem::at(mark, problem, format!("write [[{name}]]"))
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
            let problem = format!("{name}: {written:?} is not one of its values");
            Problem::at(mark, problem, format!("write one of {values}"))
        }
        // The program's own types word their errors as problem and remedy.
        LeftOut::Value(_) => {
            let message = message.replace('\n', ", ");
            let (problem, remedy) = message.split_once("; ").unwrap_or((&message, DOCUMENTED));
            Problem::at(mark, format!("{name}: {problem}"), remedy)
        }
    }
}

/// What serde calls a type, as it is written in TOML.
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

/// The first word in backquotes.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// All words in backquotes.
fn names_in(list: &str) -> Vec<&str> {
    list.split('`').skip(1).step_by(2).collect()
}

/// The field that is at most two changes of a letter away.
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
