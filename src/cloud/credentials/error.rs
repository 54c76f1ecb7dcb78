//! The errors of a look-up of credentials, and their conversion to a `CloudError` of the call that
//! needed the credentials.

use super::super::error::TRY_LATER;
use crate::domain::{CloudError, ErrorClass, ResultCode};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    #[error("no credentials found; looked at {}", looked.join(", "))]
    Missing {
        /// The places that were searched, in order.
        looked: Vec<String>,
        /// Whether the host is SCF, which sends the keys of a function's role with each invocation.
        on_scf: bool,
    },
    /// A source has unusable credentials. The look-up ends here instead of silently using
    /// credentials of a later source.
    #[error("cannot use the credentials in {place}: {problem}")]
    Unusable {
        /// The variables, file, account, headers, address or role that have the credentials.
        place: String,
        /// The problem. Contains no secret.
        problem: String,
    },
    /// A source of temporary credentials could not be reached, did not answer, or answered with a
    /// temporary error. A later look-up may succeed.
    #[error("cannot get the credentials of {place}: {problem}")]
    Unreachable {
        /// The address or the role whose credentials were requested.
        place: String,
        problem: String,
        /// Whether there seems to be no connection to the service.
        unconnected: bool,
    },
    #[error("the deadline passed during the look-up of the credentials{}", before(unanswered.as_deref()))]
    OutOfTime {
        /// The service that had not answered yet, if the look-up was waiting for one.
        unanswered: Option<String>,
    },
}

fn before(unanswered: Option<&str>) -> String {
    unanswered.map_or_else(String::new, |peer| format!(", before {peer} answered"))
}

impl From<CredentialsError> for CloudError {
    fn from(error: CredentialsError) -> Self {
        let (class, remedy) = match &error {
            CredentialsError::Missing { on_scf: true, .. } => (
                ErrorClass::Operator,
                "give the function an execution role: SCF then sends the role's keys with each invocation",
            ),
            CredentialsError::Missing { .. } => (
                ErrorClass::Operator,
                "set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or create one of the files",
            ),
            CredentialsError::Unusable { .. } => (
                ErrorClass::Operator,
                "correct these credentials or the role's permissions; if you remove credentials from a variable or file, the program tries the next source",
            ),
            CredentialsError::Unreachable {
                unconnected: true, ..
            } => (
                ErrorClass::NotSent,
                "check the network and this address; a request is tried again, repeat any other command",
            ),
            CredentialsError::Unreachable { .. } => (
                ErrorClass::NotSent,
                "nothing to do for a request, which is tried again; repeat any other command; if the error persists, check the connection to the service",
            ),
            CredentialsError::OutOfTime { .. } => (ErrorClass::NotSent, TRY_LATER),
        };
        let code = match error {
            CredentialsError::OutOfTime { .. } => ResultCode::DeadlinePassed,
            CredentialsError::Unreachable {
                unconnected: true, ..
            } => ResultCode::ConnectFailed,
            CredentialsError::Unreachable { .. } => ResultCode::CredentialsUnreachable,
            CredentialsError::Missing { .. } | CredentialsError::Unusable { .. } => {
                ResultCode::NoCredentials
            }
        };
        Self::own(code, class, error.to_string(), remedy)
    }
}

impl CredentialsError {
    /// Returns the error of a call that the cloud refused with `refusal`, if `self` is the reason
    /// why there are no newer credentials. The call had no effect.
    pub(in crate::cloud) fn after(self, refusal: CloudError) -> CloudError {
        if matches!(self, Self::OutOfTime { .. }) {
            // The call was sent, so its error must not be `DeadlinePassed`: with that code, the
            // caller would not record the call. Newer credentials may exist, so the caller can
            // repeat the call.
            return CloudError {
                message: format!("{}; {self}", refusal.message),
                class: ErrorClass::NotSent,
                ..refusal
            };
        }
        let CloudError {
            code, request_id, ..
        } = refusal;
        let failed = CloudError::from(self);
        let message = format!(
            "{}; the cloud refused the credentials before them: {code}",
            failed.message
        );
        CloudError {
            message,
            request_id,
            ..failed
        }
    }
}

pub(super) fn unusable(place: &str, problem: impl Into<String>) -> CredentialsError {
    CredentialsError::Unusable {
        place: place.to_owned(),
        problem: problem.into(),
    }
}
