//! Why there are no credentials, and what that means for a call.

use crate::domain::{CloudError, ErrorClass, ResultCode};

/// How the headers of SCF's invocations are named among the places that have nothing.
pub(super) const NO_INVOCATION: &str = "the headers of SCF's invocations";

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// No place has any.
    #[error("no credentials; looked at {}", looked.join(", "))]
    Missing {
        /// Every place, in order.
        looked: Vec<String>,
    },
    /// A place has some that cannot be used. The places after it are not asked: somebody meant this
    /// one.
    #[error("the credentials in {place} cannot be used: {problem}")]
    Unusable {
        /// A variable or a file.
        place: String,
        /// What is wrong, without any value.
        problem: String,
    },
    /// A place that gives temporary ones did not answer now. Waiting may help.
    #[error("credentials of {place} could not be had: {problem}")]
    Unreachable {
        /// Whom was asked, for what.
        place: String,
        /// What happened.
        problem: String,
    },
    /// The caller's time ended first.
    #[error("the deadline passed before there were credentials")]
    OutOfTime,
}

impl From<CredentialsError> for CloudError {
    fn from(error: CredentialsError) -> Self {
        let (code, class, remedy) = match &error {
            CredentialsError::Missing { looked }
                if looked.iter().any(|place| place == NO_INVOCATION) =>
            {
                (
                    ResultCode::NoCredentials,
                    ErrorClass::Operator,
                    "give the function an execution role: SCF then brings its keys by itself",
                )
            }
            CredentialsError::Missing { .. } => (
                ResultCode::NoCredentials,
                ErrorClass::Operator,
                "set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or write one of the files",
            ),
            CredentialsError::Unusable { .. } => (
                ResultCode::NoCredentials,
                ErrorClass::Operator,
                "correct it, or remove it so that the next place is asked",
            ),
            CredentialsError::Unreachable { .. } => (
                ResultCode::NoCredentials,
                ErrorClass::NotSent,
                "none at once: it is repeated; if it persists, check the way to it",
            ),
            CredentialsError::OutOfTime => (
                ResultCode::DeadlinePassed,
                ErrorClass::NotSent,
                "none at once: it is repeated later",
            ),
        };
        CloudError {
            code: code.into(),
            message: error.to_string(),
            class,
            remedy: remedy.to_owned(),
            request_id: None,
        }
    }
}

pub(super) fn unusable(place: &str, problem: impl Into<String>) -> CredentialsError {
    CredentialsError::Unusable {
        place: place.to_owned(),
        problem: problem.into(),
    }
}
