//! What is wrong with an input, for its author to correct: the field, the problem, the remedy.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where, as a path: `accounts[1]`.
    pub field: String,
    /// What is wrong, with the offending value, shortened.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
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
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.problem, self.remedy)
    }
}

/// Every problem of one input, never just the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for problem in &self.0 {
            if !first {
                f.write_str("\n")?;
            }
            first = false;
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// A value as it may be shown in an error: quoted, escaped, at most 60 characters.
pub(crate) fn shown(text: &str) -> String {
    const MAX_SHOWN: usize = 60;
    let mut cut: String = text.chars().take(MAX_SHOWN).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}
