//! Formats a problem for people, at 80 columns: its place, what is wrong, the marked piece of the
//! file, and the remedy. Never shows a value that may be a secret.

use std::collections::BTreeMap;
use std::fs;

use crate::config::SecretRef;
use crate::domain::{Mark, Problem, visible};

use super::terminal::text::wrapped;

/// The fields of the configuration that hold references to secrets, where someone may have pasted
/// the secret itself.
const SECRET_FIELDS: [&str; 9] = [
    "secrets",
    "secret",
    "secret_id",
    "secret_key",
    "basic",
    "bearer",
    "value",
    "auth",
    "key",
];

/// Maximum number of characters of a line that are shown beside its number.
const MAX_SHOWN: usize = 70;

/// The texts of the files in which the problems are. Each file is read once.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<String, String>);

impl Files {
    /// Formats a problem: `head`, its place, what is wrong, the excerpt and the remedy.
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

    /// The marked line, with carets below the marked piece. `None` if there is nothing to show, or
    /// if the line may contain a secret.
    fn excerpt(&mut self, mark: &Mark) -> Option<String> {
        if mark.length == 0 {
            return None;
        }
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let text = self.0.entry(mark.file.clone());
        let text = text.or_insert_with(|| read(&mark.file));
        let line = text.lines().nth(mark.line - 1)?;
        let toml = mark.file.ends_with(".toml");
        if toml && hides_secret(text, mark.line) {
            return None;
        }
        let line = match toml {
            true => without_other_values(line, mark.column - 1 + mark.length),
            false => line.to_owned(),
        };
        // Of a long line, show the part around the mark.
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
        let carets = mark
            .length
            .min(shown.chars().count().saturating_sub(before))
            .max(1);
        let number = mark.line;
        Some(format!(
            "{number:>5} | {}\n      | {}{}",
            shown.trim_end(),
            " ".repeat(before),
            "^".repeat(carets)
        ))
    }
}

/// Cuts the line after the mark if a text in quotes follows. Behind a misspelt field this text may
/// be a secret.
fn without_other_values(line: &str, end: usize) -> String {
    let marked: String = line.chars().take(end).collect();
    let rest: String = line.chars().skip(end).collect();
    if rest.contains(['"', '\'']) {
        marked + " …"
    } else {
        marked + &rest
    }
}

/// Whether the line, or the field that it continues, may contain a secret instead of a reference to
/// one. Looks only at the name before a line's first `=`.
fn hides_secret(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let field_of = |line: &&str| {
        let (name, _) = line.split_once('=')?;
        let name = name.trim().trim_matches('"');
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        name.chars().all(plain).then(|| name.to_owned())
    };
    let field = lines.iter().rev().find_map(field_of);
    let secret = |name: String| SECRET_FIELDS.contains(&name.rsplit('.').next().unwrap_or(&name));
    let Some(last) = lines.last().filter(|_| field.is_some_and(secret)) else {
        return false;
    };
    // Each text in quotes must be a reference to a secret.
    let quoted = last.split('"').skip(1).step_by(2);
    let mut values = quoted.filter(|value| SecretRef::parse(value).is_err());
    last.contains('\'') || last.matches('"').count() % 2 == 1 || values.next().is_some()
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
            ("name = \"plain\"", 1, false),
            ("secrets = [\"env:A\"]\nname = \"jira\"", 2, false),
        ] {
            assert_eq!(hides_secret(text, line), hidden, "{text}");
        }
    }
}
