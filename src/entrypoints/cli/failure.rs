//! The errors of commands: the message and the exit code of each, in one table.

use std::fmt::{self, Display, Formatter};

use crate::app::{SealError, StartError};
use crate::domain::{Problem, Problems};
use crate::entrypoints::outcome::Exit;
use crate::journal::JournalError;

/// The error of a command. `main` prints it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments exclude each other, or one of them is invalid.
    Usage(String),
    /// A configuration, map or policy that a command names is invalid.
    Invalid(Problems),
    /// The command's work failed.
    Failed(String),
    /// The command refused its input, such as a delivery or a proof.
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
            // Each problem is a line that begins with its location.
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
