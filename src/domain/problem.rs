//! A problem with an input. Tells the author of the input which field is wrong, why, and what to
//! write instead.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::mark::Mark;

/// A problem with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The path of the field, such as `accounts[1]`, or a place in a file, such as
    /// `sharehook.toml:11`.
    pub field: String,
    /// What is wrong. Long values are shortened.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
    /// The place in a file, if the problem is about a file. Not written to records and answers.
    #[serde(skip)]
    pub mark: Option<Box<Mark>>,
}

impl Problem {
    /// Creates a problem of `field` that has no place in a file.
    pub fn new(
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            remedy: remedy.into(),
            mark: None,
        }
    }

    /// Creates a problem at a place in a file. The field of the problem is `file:line`.
    pub fn at(mark: Mark, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(mark.to_string(), problem, remedy).marked(mark)
    }

    /// Sets the place in a file, and keeps the field.
    #[must_use]
    pub fn marked(self, mark: Mark) -> Self {
        Self {
            mark: Some(Box::new(mark)),
            ..self
        }
    }

    /// Puts `folder` before the name of the problem's file. If the problem has no place in a file,
    /// it is returned unchanged.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self.mark {
            Some(mark) => Self::at(mark.within(folder), self.problem, self.remedy),
            None => self,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.problem, self.remedy)
    }
}

/// All problems of one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Problems {
    /// Returns `problems` as an error unless the list is empty.
    pub(crate) fn refuse_any(problems: Vec<Problem>) -> Result<(), Self> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Self(problems)),
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Joins texts with `; ` on one line. If there are several, they are numbered, because a text may
/// itself contain `; `.
pub(crate) fn numbered(texts: impl IntoIterator<Item = impl ToString>) -> String {
    let mut texts: Vec<String> = texts.into_iter().map(|text| text.to_string()).collect();
    if texts.len() > 1 {
        for (number, text) in (1..).zip(&mut texts) {
            *text = format!("({number}) {text}");
        }
    }
    texts.join("; ")
}

/// Shortens a value to 60 characters, quotes it and escapes it, for an error message.
pub(crate) fn shown(text: &str) -> String {
    const MAX_SHOWN: usize = 60;
    let mut cut: String = text.chars().take(MAX_SHOWN).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn several_texts_on_one_line_are_numbered() {
        assert_eq!(numbered(["a: b; c"]), "a: b; c");
        assert_eq!(numbered(["a: b; c", "d: e"]), "(1) a: b; c; (2) d: e");
        assert_eq!(numbered([""; 0]), "");
    }
}
