//! The errors of commands: the message and the exit code of each. Also prints clap's errors.

use std::fmt::Display;
use std::io;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};

use crate::app::{Reply, RevokeNowError, SealError, StartError};
use crate::domain::{Problem, Problems};
use crate::entrypoints::outcome::Exit;
use crate::journal::JournalError;

use super::print::{self, errln, note};

/// The error of a command, which `print_failure` prints.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// An argument, or something that an argument names, is invalid. Or two arguments exclude each
    /// other.
    #[error("sharehook: {0}")]
    Usage(String),
    /// A configuration, map, policy or scheme is invalid. Each problem is printed on a line that
    /// begins with the problem's location.
    #[error("{0}")]
    Invalid(Problems),
    #[error("sharehook: {0}")]
    Failed(String),
    /// The command refused its input, such as a delivery or a proof.
    #[error("sharehook: {0}")]
    Refused(String),
}

impl Failure {
    pub(super) fn usage(problem: impl Display) -> Self {
        Self::Usage(problem.to_string())
    }

    /// Returns the failure for an option with an invalid value. The message names the option
    /// instead of the problem's field.
    pub(super) fn option(option: &str, problem: &Problem) -> Self {
        let Problem {
            problem, remedy, ..
        } = problem;
        Self::Usage(format!("{option}: {problem}; {remedy}"))
    }

    pub(super) fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Returns a function that turns the error of an operation on a file or folder into a failure.
    /// `done` names the operation by its participle, such as "written".
    pub(super) fn file(path: &Path, done: &str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Failed(format!("{} cannot be {done}: {error}", path.display()))
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

impl From<RevokeNowError> for Failure {
    fn from(error: RevokeNowError) -> Self {
        match &error {
            RevokeNowError::Journal(_) => Self::failed(error),
            RevokeNowError::NotTaken { reply, .. } if matches!(**reply, Reply::NotNow) => {
                Self::failed(error)
            }
            _ => Self::usage(error),
        }
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

/// Prints clap's help, version or error. Hides the value of a wrong `--key`, because the user may
/// have given the private key by mistake.
///
/// A private key in PEM begins with hyphens. The option `--key` accepts such values, because clap
/// would otherwise print the private key in an error about an unknown option.
pub(super) fn print_usage(mut error: clap::Error) -> Exit {
    let of_key = |value: &ContextValue| value.to_string().starts_with("--key ");
    if error.get(ContextKind::InvalidArg).is_some_and(of_key) {
        let hidden = ContextValue::String("…".to_owned());
        error.insert(ContextKind::InvalidValue, hidden);
    }
    let printed = error.print();
    if error.use_stderr() {
        return Exit::Usage;
    }
    note(printed);
    Exit::Done
}

/// Returns `exit` if all output was written. Otherwise prints the error, and turns a success into a
/// failure.
pub(super) fn unless_output_is_lost(exit: Exit) -> Exit {
    let Some(error) = print::failed() else {
        return exit;
    };
    errln!("sharehook: the output is not complete: {error}");
    match exit {
        Exit::Done => Exit::Failed,
        other => other,
    }
}
