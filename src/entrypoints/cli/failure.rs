//! Why a command ends without its result: the message for people and the exit code, in one table.

use std::fmt::{self, Display, Formatter};

use crate::app::{SealError, StartError};
use crate::domain::{Problem, Problems};
use crate::entrypoints::outcome::Exit;
use crate::journal::JournalError;

/// A command's failure. `main` prints it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments do not go together, or one of them has no meaning.
    Usage(String),
    /// A configuration, map or policy that a command names is invalid.
    Invalid(Problems),
    /// What the command does failed.
    Failed(String),
    /// The command refused what it was given.
    Refused(String),
}

impl Failure {
    pub(super) fn usage(problem: impl Display) -> Self {
        Self::Usage(problem.to_string())
    }

    pub(super) fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Invalid(_) => Exit::BadConfiguration,
            Self::Failed(_) => Exit::Failed,
            Self::Refused(_) => Exit::Refused,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) | Self::Refused(text) => {
                writeln!(f, "sharehook: {text}")
            }
            // Each problem is a line with its place.
            Self::Invalid(problems) => writeln!(f, "{problems}"),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Invalid(problems) => Self::Invalid(problems),
            StartError::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::failed(error)
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::failed(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::failed(problem)
    }
}
