//! A failed attempt to send a notification: its reason, and whether and when another attempt is
//! worth while. Also counts the failures of each target.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::NotifyName;

/// After this many failures of a target, a sweep leaves the target's remaining notifications to the
/// next sweep.
const MAX_FAILURES: u32 = 2;

/// The number of failures of each target, during one sweep or during the delivery of one stream.
#[derive(Debug, Default)]
pub(in crate::app) struct Failures(Mutex<BTreeMap<NotifyName, u32>>);

impl Failures {
    pub(super) fn gave_up_on(&self, notify: &NotifyName) -> bool {
        self.0
            .lock()
            .get(notify)
            .is_some_and(|n| *n >= MAX_FAILURES)
    }

    pub(super) fn count(&self, notify: &NotifyName) {
        *self.0.lock().entry(notify.clone()).or_default() += 1;
    }
}

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
