//! A problem with an input, for its author: the field, the problem, the remedy.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::mark::Mark;

/// A problem with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The path of the field, as in `accounts[1]`.
    pub field: String,
    /// What is wrong, with the offending value, shortened.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
    /// The piece of a file that it is about; no record and no answer has it.
    #[serde(skip)]
    pub mark: Option<Box<Mark>>,
}

impl Problem {
    /// A problem of `field`.
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

    /// A problem of a piece of a file, whose field is file and line.
    pub fn at(mark: Mark, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(mark.to_string(), problem, remedy).marked(mark)
    }

    /// The same with its place in a file.
    #[must_use]
    pub fn marked(self, mark: Mark) -> Self {
        Self {
            mark: Some(Box::new(mark)),
            ..self
        }
    }

    /// The same for a file that was named without its folder.
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
    /// An error unless there are none.
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

/// Quotes and escapes a value for an error message, and shortens it to 60 characters.
pub(crate) fn shown(text: &str) -> String {
    const MAX_SHOWN: usize = 60;
    let mut cut: String = text.chars().take(MAX_SHOWN).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}
