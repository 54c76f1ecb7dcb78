//! A failed call to the cloud, with the class that decides the next step. This file only names the
//! classes: `cloud::error` assigns a class to each failure.

use std::fmt;

use super::fault::Fault;
use super::result_code::ResultCode;

/// The class of a failed call. It decides how the work continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The cloud may already have the wanted state: read the state back to confirm.
    AsWanted,
    /// The failure is temporary: wait and repeat the call.
    Transient,
    /// The state of the image does not allow the call now. The cloud refused the call before it
    /// changed anything: wait and repeat it.
    Busy,
    /// The calls exceed the rate limit: wait, then repeat the call at a lower rate.
    Throttled,
    /// One account in the call is wrong and makes the whole call fail.
    Account,
    /// A quota is used up.
    Quota,
    /// An operator must act, for example correct a permission, a role or a key.
    Operator,
    /// The credentials are wrong, have expired or no longer exist: look them up once more and, if
    /// they have changed, repeat the call.
    Refresh,
    /// This machine's clock is wrong: correct the time once from the answer's `Date` header and
    /// repeat the call.
    Clock,
    /// The call can never succeed, however often it is repeated.
    Permanent,
    /// A call that changes something got no usable answer. The cloud may have carried it out: read
    /// the state back before repeating the call.
    Ambiguous,
    /// The call was not sent, for example because there was no connection. Repeating the call is
    /// safe.
    NotSent,
    /// `cloud::codes` does not list the error code, or lists it without a precise meaning. The
    /// error may concern a single account of the call. The [`Family`] decides how a call for one
    /// account continues.
    Unlisted(Family),
}

/// How to treat an [`ErrorClass::Unlisted`] error, judged by the beginning of its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Treated like [`ErrorClass::Transient`].
    Passing,
    /// Treated like [`ErrorClass::Operator`].
    Operator,
    /// Treated like [`ErrorClass::Permanent`].
    Final,
}

impl ErrorClass {
    /// Returns who must act on an error of this class. For a [`ResultCode`], the answer may differ:
    /// see `cloud::error::fault_of`.
    pub fn fault(self) -> Fault {
        match self {
            Self::AsWanted
            | Self::Transient
            | Self::Busy
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

    /// Whether the call may succeed later without anyone's action.
    pub fn passing(self) -> bool {
        self.fault() == Fault::Cloud && self != Self::AsWanted
    }

    /// Whether the cloud may have carried out the call nevertheless.
    pub fn may_be_done(self) -> bool {
        match self {
            // For a part of the accounts, if the class is of one account.
            Self::AsWanted
            | Self::Account
            | Self::Quota
            | Self::Transient
            | Self::Ambiguous
            | Self::Unlisted(_) => true,
            Self::Busy
            | Self::Throttled
            | Self::Operator
            | Self::Refresh
            | Self::Clock
            | Self::Permanent
            | Self::NotSent => false,
        }
    }

    /// Whether a single account may have caused the failure. The other accounts must then be tried
    /// without it.
    pub fn may_be_one_account(self) -> bool {
        match self {
            Self::AsWanted | Self::Account | Self::Quota | Self::Unlisted(_) => true,
            Self::Transient
            | Self::Busy
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

/// A failed call to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CloudError {
    /// The cloud's complete error code, or the text of a [`ResultCode`], such as `Timeout`.
    pub code: String,
    /// The cloud's message, or this program's description of the attempt and its failure.
    pub message: String,
    /// The class of the failure.
    pub class: ErrorClass,
    /// What the operator can do. May be empty.
    pub remedy: String,
    /// The cloud's `RequestId`, if the answer had one.
    pub request_id: Option<String>,
}

impl CloudError {
    /// Creates an error with a code of this program and without a request id.
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

    /// Whether the call was not sent because the caller has no time left.
    pub fn is_out_of_time(&self) -> bool {
        let code = self.own_code();
        let late = matches!(
            code,
            Some(ResultCode::DeadlinePassed | ResultCode::Throttled)
        );
        self.class == ErrorClass::NotSent && late
    }

    /// Returns the code as a [`ResultCode`]. `None` for a code of the cloud.
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
