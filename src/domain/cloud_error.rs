//! A failed call to the cloud, and the [`ErrorClass`] that decides what happens next. This file
//! only defines the classes. `cloud::error` assigns a class to each failure.

use std::fmt;

use super::fault::Fault;
use super::result_code::ResultCode;

/// The class of a failed call. It decides how the work continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The image may already be in the state that the call asks for. Read the state back to
    /// confirm.
    AsWanted,
    /// The failure is temporary: wait and repeat the call.
    Transient,
    /// The cloud refused the call because of the image's current state, and changed nothing. Wait
    /// and repeat the call.
    Busy,
    /// The rate limit was exceeded: wait, then repeat the call at a lower rate.
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
    /// A call that changes something got no usable answer, so the cloud may have carried it out.
    /// Read the state back before repeating the call.
    Ambiguous,
    /// The call was not sent, for example because there was no connection. Repeating the call is
    /// safe.
    NotSent,
    /// `cloud::codes` does not list the error code, or lists it without a precise meaning. A single
    /// account may have caused the error. If the call was for one account only, the [`Family`]
    /// decides how to continue.
    Unlisted(Family),
}

/// How to treat an [`ErrorClass::Unlisted`] error. The prefix of the error code decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Treated like [`ErrorClass::Operator`].
    Operator,
    /// Treated like [`ErrorClass::Permanent`].
    Final,
}

impl ErrorClass {
    /// Returns who must act on an error of this class. If the error has a [`ResultCode`],
    /// `cloud::error::fault_of` may return someone else.
    pub fn fault(self) -> Fault {
        match self {
            Self::AsWanted
            | Self::Transient
            | Self::Busy
            | Self::Throttled
            | Self::Ambiguous
            | Self::NotSent => Fault::Cloud,
            Self::Operator | Self::Refresh | Self::Clock | Self::Unlisted(Family::Operator) => {
                Fault::Operator
            }
            Self::Account | Self::Quota | Self::Permanent | Self::Unlisted(Family::Final) => {
                Fault::Request
            }
        }
    }

    /// Whether the call may succeed later although no one does anything about the error.
    pub fn passing(self) -> bool {
        self.fault() == Fault::Cloud && self != Self::AsWanted
    }

    /// Whether the cloud may have carried out the call, or a part of it, despite the error.
    pub fn may_be_done(self) -> bool {
        match self {
            // If one account caused the error, the call may have taken effect for the others.
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

    /// Whether a single account may have caused the failure. If so, the call must be repeated for
    /// the other accounts without it.
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
    /// How to continue after the failure.
    pub class: ErrorClass,
    /// What the operator can do. May be empty.
    pub remedy: String,
    /// The cloud's `RequestId`, if the answer had one.
    pub request_id: Option<String>,
}

impl CloudError {
    /// Creates an error with one of this program's own codes. It has no request id.
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

    /// Whether the call was not sent because too little time was left before the deadline.
    pub fn is_out_of_time(&self) -> bool {
        let code = self.own_code();
        let late = matches!(
            code,
            Some(ResultCode::DeadlinePassed | ResultCode::Throttled)
        );
        self.class == ErrorClass::NotSent && late
    }

    /// Returns the code as a [`ResultCode`], or `None` if it is a code of the cloud.
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
