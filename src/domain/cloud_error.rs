//! A failed call to the cloud, with the class that decides the next step. `cloud::codes` maps codes
//! to classes; this file only names the classes.

use std::fmt;

use super::fault::Fault;
use super::result_code::ResultCode;

/// What a failed call means for the work at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The state may already be as wanted: confirm by reading back.
    AsWanted,
    /// Will pass: wait and repeat.
    Transient,
    /// The call rate is exceeded: wait, slow down, repeat.
    Throttled,
    /// One of the accounts is wrong and makes the batch fail.
    Account,
    /// A quota is used up.
    Quota,
    /// An operator must act: permission, role, key.
    Operator,
    /// The credentials have expired: refresh once and repeat.
    Refresh,
    /// This machine's clock is wrong: correct it once by the answer's `Date` and repeat.
    Clock,
    /// The same call can never succeed.
    Permanent,
    /// Sent, without a usable answer: the cloud may have carried the call out. Read back before
    /// repeating.
    Ambiguous,
    /// Not sent (no connection, no credentials in time): safe to repeat.
    NotSent,
    /// A code that the table does not list. It may concern one account of the request. Its family
    /// decides how the call for a single account ends.
    Unlisted(Family),
}

/// The meaning of an unlisted code's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Like [`ErrorClass::Transient`].
    Passing,
    /// Like [`ErrorClass::Operator`].
    Operator,
    /// Like [`ErrorClass::Permanent`].
    Final,
}

impl ErrorClass {
    /// Whose fault a code of this class is. [`ErrorClass::NotSent`] also has codes of the operator's:
    /// `cloud::error::fault_of` knows each code.
    pub fn fault(self) -> Fault {
        match self {
            Self::AsWanted
            | Self::Transient
            | Self::Throttled
            | Self::Ambiguous
            | Self::NotSent
            | Self::Unlisted(Family::Passing) => Fault::Cloud,
            Self::Operator | Self::Refresh | Self::Clock | Self::Unlisted(Family::Operator) => {
                Fault::Operator
            }
            Self::Account | Self::Quota | Self::Permanent | Self::Unlisted(Family::Final) => {
                Fault::Request
            }
        }
    }

    /// Whether the same call may succeed later without anyone's action.
    pub fn passing(self) -> bool {
        self.fault() == Fault::Cloud && self != Self::AsWanted
    }

    /// Whether one account may be the reason of the refusal, so that the others must be tried
    /// without it.
    pub fn may_be_one_account(self) -> bool {
        match self {
            Self::AsWanted | Self::Account | Self::Quota | Self::Unlisted(_) => true,
            Self::Transient
            | Self::Throttled
            | Self::Operator
            | Self::Refresh
            | Self::Clock
            | Self::Permanent
            | Self::Ambiguous
            | Self::NotSent => false,
        }
    }
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CloudError {
    /// The cloud's complete code, or our own without an answer: `Timeout`, `ConnectFailed`,
    /// `BadAnswer`, `HttpStatus`, `NoCredentials`.
    pub code: String,
    /// The cloud's message, or what was attempted, how often and for how long.
    pub message: String,
    /// The class, which decides how the work continues.
    pub class: ErrorClass,
    /// The next action for the operator, from the table.
    pub remedy: String,
    /// The cloud's `RequestId`, when the call reached it.
    pub request_id: Option<String>,
}

impl CloudError {
    /// An error of our own, for a call that got no answer.
    pub fn own(
        code: ResultCode,
        class: ErrorClass,
        message: impl Into<String>,
        remedy: &str,
    ) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            class,
            remedy: remedy.to_owned(),
            request_id: None,
        }
    }

    /// Our own code, when the API did not answer.
    pub fn own_code(&self) -> Option<ResultCode> {
        ResultCode::read(&self.code)
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}
