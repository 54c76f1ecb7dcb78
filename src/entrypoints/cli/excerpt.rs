//! Formats a problem for people, at 80 columns: its place, what is wrong, the marked piece of the
//! file, and the remedy. Hides text that may be a secret.

use std::collections::BTreeMap;
use std::fs;

use crate::config::SecretRef;
use crate::domain::{Mark, Problem, visible};

use super::terminal::text::{width, wrapped};

/// The fields of the configuration that take references to secrets. Someone may have pasted a
/// secret there instead of a reference.
const SECRET_FIELDS: [&str; 12] = [
    "secrets",
    "secret",
    "secret_id",
    "secret_key",
    "app_secret",
    "basic",
    "bearer",
    "value",
    "auth",
    "key",
    "metrics",
    "report",
];

/// Maximum number of characters that are shown of a line.
const MAX_SHOWN: usize = 70;

/// The texts of the files in which the problems are, so that each file is read only once.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<String, String>);

impl Files {
    /// Formats a problem. The text consists of `head`, the place of the problem, what is wrong, the
    /// excerpt and the remedy.
    pub(super) fn show(&mut self, head: &str, problem: &Problem) -> String {
        let place = format!("{head}{}: ", problem.field);
        let mut text = wrapped(0, &format!("{place}{}", problem.problem));
        if let Some(mark) = &problem.mark
            && let Some(excerpt) = self.excerpt(mark)
        {
            text.push('\n');
            text.push_str(&excerpt);
        }
        text.push_str("\n  ");
        text.push_str(&wrapped(2, &problem.remedy));
        text
    }

    /// Returns the marked line, with carets below the marked piece. Returns `None` if there is
    /// nothing to show, or if the line may contain a secret.
    fn excerpt(&mut self, mark: &Mark) -> Option<String> {
        if mark.length == 0 {
            return None;
        }
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let text = self.0.entry(mark.file.clone());
        let text = text.or_insert_with(|| read(&mark.file));
        let line = text.lines().nth(mark.line - 1)?;
        let toml = mark.file.ends_with(".toml");
        let line = match toml {
            true => without_other_values(line, mark.column - 1 + mark.length),
            false => line.to_owned(),
        };
        if toml && shows_secret(&line, text.lines().take(mark.line - 1)) {
            return None;
        }
        // If the line is long, show only the part that ends with the mark.
        let first = (mark.column - 1 + mark.length.min(MAX_SHOWN)).saturating_sub(MAX_SHOWN);
        let shown: String = line.chars().skip(first).take(MAX_SHOWN).collect();
        if shown.trim().is_empty() {
            return None;
        }
        // Replace tabs and invisible characters by blanks, so that the carets stay below the mark.
        let shown: String = shown
            .chars()
            .map(|c| {
                if c == '\t' || visible(&c.to_string(), &[]).len() > 1 + c.len_utf8() {
                    ' '
                } else {
                    c
                }
            })
            .collect();
        let before = mark.column - 1 - first;
        // Count columns instead of characters, because an East Asian character takes two columns.
        let columns = |from: usize, count: usize| {
            let piece: String = shown.chars().skip(from).take(count).collect();
            width(&piece)
        };
        let number = mark.line;
        Some(format!(
            "{number:>5} | {}\n      | {}{}",
            shown.trim_end(),
            " ".repeat(columns(0, before)),
            "^".repeat(columns(before, mark.length).max(1))
        ))
    }
}

/// Cuts off the rest of the line after the mark if the rest contains a quote. If the mark is on a
/// misspelt field, the text in quotes may be a secret.
fn without_other_values(line: &str, end: usize) -> String {
    let marked: String = line.chars().take(end).collect();
    let rest: String = line.chars().skip(end).collect();
    if rest.contains(['"', '\'']) {
        marked + " …"
    } else {
        marked + &rest
    }
}

/// Whether a line may contain a secret, that is, a text in a field of `SECRET_FIELDS` that is not a
/// reference to a secret. `earlier` are the lines before it.
///
/// A text belongs to the nearest field before it. A text in double quotes also belongs to the outer
/// fields. Usually, the outer field is the first field of the line. If the line continues an array
/// or a table, the outer fields are all fields of the line on which the array or table began.
///
/// A line with a single quote counts as secret if any of its own or outer fields is one of
/// `SECRET_FIELDS`.
fn shows_secret<'t>(line: &str, earlier: impl Iterator<Item = &'t str>) -> bool {
    let own = names(line);
    let continues = own.is_empty() || !line.trim_start().starts_with(is_plain);
    let begins = |line: &&str| line.trim_start().starts_with(|c| is_plain(c) || c == '"');
    let begun = earlier.filter(begins).map(names);
    let begun = begun.filter(|names| !names.is_empty());
    let begun = begun.last().filter(|_| continues);
    let outer: Vec<_> = begun.unwrap_or_else(|| own.iter().take(1).copied().collect());
    let secret = |names: &[(usize, &str)]| {
        let mut last_parts = names.iter().map(|(_, name)| name.rsplit('.').next());
        last_parts.any(|part| part.is_some_and(|part| SECRET_FIELDS.contains(&part)))
    };
    if !secret(&outer) && !secret(&own) {
        return false;
    }
    // A text in double quotes may be a pasted secret, unless it is the name of a field or a
    // reference to a secret.
    let quotes: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
    let pasted = |pair: &[usize]| {
        let (Some(begin), Some(end)) = (pair.first(), pair.get(1)) else {
            return true;
        };
        let value = line.get(begin + 1..*end).unwrap_or_default();
        let rest = line.get(end + 1..).unwrap_or_default();
        let before = own.iter().rev().find(|(at, _)| at < begin);
        !rest.trim_start().starts_with('=')
            && SecretRef::parse(value).is_err()
            && (secret(&outer) || before.is_some_and(|name| secret(&[*name])))
    };
    // A text without quotes may be a pasted secret too.
    let bare = |(at, name): &(usize, &str)| {
        let rest = line.get(at + 1..).unwrap_or_default();
        let text = rest.split(['"', '=', '#', ',']).next().unwrap_or_default();
        secret(&[(*at, name)]) && !text.contains('{') && text.contains(char::is_alphabetic)
    };
    line.contains('\'') || quotes.chunks(2).any(pasted) || own.iter().any(bare)
}

/// Returns the name before each `=` that is outside quotes and comments, with the position of the
/// `=`.
fn names(line: &str) -> Vec<(usize, &str)> {
    let in_quotes = |before: &str| {
        let open = |quote| before.matches(quote).count() % 2 == 1;
        open('"') || open('\'')
    };
    let mut comments = line.match_indices('#').map(|(at, _)| at);
    let comment = comments.find(|at| line.get(..*at).is_some_and(|before| !in_quotes(before)));
    let code = line.get(..comment.unwrap_or(line.len())).unwrap_or(line);
    let named = code.match_indices('=').filter_map(|(at, _)| {
        let before = line.get(..at)?.trim_end();
        let name = before.trim_end_matches(['"', '\'']);
        let name = name.rsplit(|c: char| !is_plain(c)).next()?;
        (!in_quotes(before)).then_some((at, name))
    });
    named.collect()
}

/// Whether the name of a field may contain this character without being quoted.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_behind_a_misspelt_field_is_not_shown() {
        assert_eq!(without_other_values("secert = \"plain\"", 6), "secert …");
        assert_eq!(
            without_other_values("seconds = 7 # s", 7),
            "seconds = 7 # s"
        );
        assert_eq!(without_other_values("a = [\"é\"]", 8), "a = [\"é\"]");
    }

    // In the terminal, each East Asian character of this test takes two columns.
    #[test]
    fn carets_are_below_the_mark_in_columns() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.txt");
        fs::write(&file, "变更 = 镜像 7").unwrap();
        let mark = |column, length| Mark {
            file: file.display().to_string(),
            line: 1,
            column,
            length,
        };
        for (column, length, carets) in [
            (1, 2, "^^^^"),
            (6, 2, "       ^^^^"),
            (9, 1, "            ^"),
        ] {
            let excerpt = Files::default().excerpt(&mark(column, length)).unwrap();
            assert_eq!(excerpt.lines().nth(1).unwrap(), format!("      | {carets}"));
        }
    }

    #[test]
    fn a_line_with_a_pasted_secret_is_not_shown() {
        for (text, line, hidden) in [
            ("secrets = \"plain\"", 1, true),
            ("secrets = [\n  \"plain\",\n]", 2, true),
            ("secrets = [\"env:A\", \"plain\"]", 1, true),
            ("secrets = [\"env:A", 1, true),
            ("secrets = 'plain'", 1, true),
            ("secrets = \"env:A\"", 1, false),
            ("secrets = 7", 1, false),
            ("secrets = plain==", 1, true),
            ("secrets = [plain]", 1, true),
            ("secrets = [\n  \"cGxhaW4=\",\n]", 2, true),
            ("auth = { basic = \"env:A\" } # why", 1, false),
            ("name = \"plain\"", 1, false),
            ("secrets = [\"env:A\"]\nname = \"jira\"", 2, false),
            (
                "fetch = { preset = \"feishu\", app_id = \"x\", app_secret = \"plain\" }",
                1,
                true,
            ),
            ("fetch = { app_secret = \"env:A\" }", 1, false),
            (
                "fetch = { auth = { basic = \"plain\" }, url = \"u\" }",
                1,
                true,
            ),
            ("fetch = {\n  app_secret = \"plain\",\n}", 2, true),
            (
                "accounts = { x = { secret_id = \"env:A\", \"secret_key\" = \"plain\" } }",
                1,
                true,
            ),
            (
                "auth = { header = \"X-Token\", value = \"plain\" }",
                1,
                true,
            ),
            ("accounts.x.secret_key = \"plain\"", 1, true),
            ("[http]\nreport = \"plain\"", 2, true),
            ("metrics = \"plain\"", 1, true),
            ("metrics = \"env:A\"", 1, false),
            (
                "secrets = [\n  \"env:A\", # v = 2\n  \"plain\",\n]",
                3,
                true,
            ),
            ("secrets = [\n  { a = 1 },\n  \"plain\",\n]", 3, true),
        ] {
            let mut earlier: Vec<&str> = text.lines().take(line).collect();
            let line = earlier.pop().unwrap();
            let shown = shows_secret(line, earlier.into_iter());
            assert_eq!(shown, hidden, "{text}");
        }
    }
}
