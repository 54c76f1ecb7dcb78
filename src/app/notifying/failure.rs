//! A failed attempt to send a notification: its reason, and whether and when another attempt is
//! worth while.

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    /// If true, no further attempt is made.
    pub(super) is_final: bool,
    /// The receiver's `Retry-After`, in seconds.
    pub(super) retry_after: Option<i64>,
    /// Whether the target refused the request, with a 4xx status other than 429 or in the body of a
    /// 2xx answer. Also true if the message could not be addressed, for example because its ticket
    /// was not found.
    pub(super) refused: bool,
    /// Whether the template failed, so nothing was sent.
    pub(super) is_unwritten: bool,
}

impl Failure {
    /// Returns a failure after which no further attempt is made.
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self {
            is_final: true,
            ..Self::passing(why)
        }
    }

    /// Returns a failure that would recur with the same message. If the message is optional, it is
    /// left out.
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self {
            refused: true,
            ..Self::passing(why)
        }
    }

    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_final: false,
            retry_after: None,
            refused: false,
            is_unwritten: false,
        }
    }
}
