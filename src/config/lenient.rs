//! Reads the raw tables even if some values do not fit the types of their fields. Leaves out each
//! such value, reports why, and reads the rest, so that the user sees all mistakes at once. Takes a
//! text. Returns the raw tables, the problems and the values left out. If the text is not TOML,
//! returns the syntax errors.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use crate::domain::{Mark, Problem, Problems};

use super::left_out::{DOCUMENTED, LeftOut, quoted, worded};
use super::raw::RawConfig;

/// Maximum number of values that are left out. Each one costs another pass over the tables.
const MAX_LEFT_OUT: usize = 100;
const SYNTAX: &str =
    "write TOML: name = \"text\", name = 1, name = [\"a\", \"b\"], [table], [[table]]";

#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Paths of the values left out, without array indices, as in `source.name`. For a misspelt
    /// field, also the path of the field that was probably meant.
    paths: BTreeSet<String>,
    /// Spans of the tables and arrays around the values left out.
    tables: Vec<Range<usize>>,
}

/// Returns the span of the stand-in for the `n`th missing field. No part of a text has this span.
fn stand_in(n: usize) -> Range<usize> {
    usize::MAX - n..usize::MAX - n
}

/// Returns true if the span is that of a stand-in. The field for which it stands in is already
/// reported as missing.
pub(super) fn is_stand_in(span: &Range<usize>) -> bool {
    span.start >= usize::MAX - MAX_LEFT_OUT
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
/// The syntax errors if the text is not TOML. The problems found so far if a value that does not
/// fit cannot be left out, or if [`MAX_LEFT_OUT`] values do not fit.
pub(super) fn read(file: &str, text: &str) -> Result<(RawConfig, Vec<Problem>, Unread), Problems> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(Problems(syntax(file, text, &errors)));
    }
    let (mut problems, mut unread) = (Vec::new(), Unread::default());
    let mut past = Past::default();
    for _ in 0..MAX_LEFT_OUT {
        let error = match RawConfig::deserialize(Deserializer::from(table.clone())) {
            Ok(raw) => return Ok((raw, problems, unread)),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let incomplete = past.incomplete(&span);
        let missing = missing_field(&error);
        let is_emptied = missing.is_none() && past.emptied.contains(&span);
        let follows = incomplete.is_some() || is_emptied;
        let mut search = Search {
            span: incomplete.clone().unwrap_or_else(|| span.clone()),
            missing,
            past: &past,
            path: Vec::new(),
            tables: Vec::new(),
        };
        let Some(left_out) = search.table(table.get_mut()) else {
            // The text after the colon may be a secret.
            let problem = error.message().split(": ").next().unwrap_or_default();
            problems.push(Problem::at(Mark::of(file, text, span), problem, DOCUMENTED));
            return Err(Problems(problems));
        };
        let (name, table) = (search.name(), search.tables.first().cloned());
        let meant = left_out.meant(&error, &name);
        // Remember which field was left out. If the next pass reports that it is missing, that is
        // not a new problem.
        let field = |name: &str| (table.clone(), name.to_owned());
        let is_known = past.fields.contains(&field(search.field())) && search.missing.is_some();
        let fields: Vec<_> = [search.field()]
            .into_iter()
            .chain(meant)
            .map(field)
            .collect();
        unread
            .paths
            .extend(meant.map(|meant| search.setting_of(meant)));
        unread.paths.insert(search.setting());
        let element = search.element();
        unread.tables.extend(search.tables);
        past.fields.extend(fields);
        past.elements.extend(element);
        match &left_out {
            LeftOut::Missing => past.completed.push(span.clone()),
            LeftOut::Value(_) if incomplete.is_some() => past.emptied.extend(table),
            LeftOut::Value(_) | LeftOut::Key => {}
        }
        if !follows && !is_known {
            let mark = Mark::of(file, text, span);
            problems.push(worded(mark, &error, &name, left_out, meant));
        }
    }
    Err(Problems(problems))
}

/// Returns one problem per line, because one incomplete line can cause several errors.
fn syntax(file: &str, text: &str, errors: &[Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    // An unclosed table makes later keys duplicates, so errors about duplicates are dropped if
    // there are other errors.
    let follows = |error: &&Error| error.message().starts_with("duplicate key");
    let only_duplicates = errors.iter().all(|error| follows(&error));
    let mut errors: Vec<&Error> = errors
        .iter()
        .filter(|error| only_duplicates || !follows(error))
        .collect();
    errors.sort_by_key(|error| error.span().map_or(usize::MAX, |span| span.start));
    for error in errors {
        // If an error has no place, show it at the end of the text.
        let span = error.span().unwrap_or(text.len()..text.len());
        let written = text.get(span.clone()).unwrap_or_default();
        let mark = Mark::of(file, text, span.start..span.end.max(span.start + 1));
        let problem = if is_word(written) && error.message().starts_with("invalid ") {
            // Do not quote the word: it may be a secret.
            Problem::at(
                mark,
                "the value is a text without quotes",
                "put it in quotes",
            )
        } else {
            let remedy = match follows(&error) {
                true => "keep one of the two",
                false => SYNTAX,
            };
            Problem::at(mark, error.message().trim().replace('\n', ", "), remedy)
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

/// What the earlier passes did.
#[derive(Default)]
struct Past {
    /// The tables with a stand-in for a missing field. The stand-in in the table at index `n` has
    /// the span `stand_in(n)`.
    completed: Vec<Range<usize>>,
    /// The tables and arrays from which an incomplete table was left out.
    emptied: Vec<Range<usize>>,
    /// The fields that were left out, and those that were probably meant, each with its table.
    fields: HashSet<(Option<Range<usize>>, String)>,
    /// The array elements that were left out, each as the array's path and the element's start.
    elements: Vec<(String, usize)>,
}

impl Past {
    /// Returns the table whose stand-in has this span. An error at a stand-in means that the
    /// stand-in does not fit the type of the missing field. The caller then leaves out the table.
    fn incomplete(&self, span: &Range<usize>) -> Option<Range<usize>> {
        let n = usize::MAX - span.start;
        self.completed
            .get(n)
            .filter(|_| *span == stand_in(n))
            .cloned()
    }
}

/// The search for the value at which reading failed.
struct Search<'p> {
    span: Range<usize>,
    /// The field that the table at `span` lacks.
    missing: Option<String>,
    past: &'p Past,
    path: Vec<String>,
    tables: Vec<Range<usize>>,
}

impl Search<'_> {
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
                    let at = stand_in(self.past.completed.len());
                    inner.insert(
                        Spanned::new(at.clone(), Cow::Owned(missing.clone())),
                        Spanned::new(at, DeValue::String(Cow::Borrowed(""))),
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

    /// Removes the element at `span`, or searches inside the elements.
    fn array(&mut self, items: &mut DeArray<'_>) -> Option<LeftOut> {
        for (index, item) in items.iter_mut().enumerate() {
            self.path.push(self.number(index, &item.span()));
            if let Some(done) = self.value(item) {
                return Some(done);
            }
            self.path.pop();
        }
        let index = items.iter().position(|item| item.span() == self.span)?;
        self.path.push(self.number(index, &self.span));
        let kind = items
            .get(index)
            .map_or("value", |item| item.get_ref().type_str());
        keep(items, |item| item.span() != self.span);
        Some(LeftOut::Value(kind))
    }

    /// Returns the number that an element of the current array has in the text, as in `[0]`.
    fn number(&self, index: usize, element: &Range<usize>) -> String {
        let array = self.name();
        let before = |(of, start): &&(String, usize)| *of == array && *start < element.start;
        let before = self.past.elements.iter().filter(before).count();
        format!("[{}]", index + before)
    }

    /// If the found value is an element of an array, returns the array's path and the start of the
    /// element.
    fn element(&self) -> Option<(String, usize)> {
        let (number, array) = self.path.split_last()?;
        let is_element = number.starts_with('[');
        is_element.then(|| (joined(array), self.span.start))
    }

    fn field(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// Returns the path of the found value, as in `source[0].name`.
    fn name(&self) -> String {
        joined(&self.path)
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

fn joined(path: &[String]) -> String {
    path.join(".").replace(".[", "[")
}

fn keep<'i>(items: &mut DeArray<'i>, wanted: impl Fn(&Spanned<DeValue<'i>>) -> bool) {
    let mut kept = DeArray::new();
    let wanted = items.iter().filter(|item| wanted(item));
    wanted.for_each(|item| kept.push(item.clone()));
    *items = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

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
