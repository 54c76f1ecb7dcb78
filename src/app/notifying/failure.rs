//! A failed attempt to send a notification: its reason, and whether and when another attempt is
//! worth while. Also counts the failures of each target.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::NotifyName;

/// After this many failures of a target, a sweep leaves the target's remaining notifications to the
/// next sweep.
const MAX_FAILURES: u32 = 2;

/// The failures of each target, during one sweep or during the delivery of one stream.
#[derive(Debug, Default)]
pub(in crate::app) struct Failures(Mutex<BTreeMap<NotifyName, OfTarget>>);

#[derive(Debug, Default)]
struct OfTarget {
    failures: u32,
    /// The notifications that were left to the next sweep after these failures.
    left: usize,
}

impl Failures {
    /// Whether the target has failed too often for another attempt. Counts the notification that
    /// is left.
    pub(super) fn leave(&self, notify: &NotifyName) -> bool {
        let mut all = self.0.lock();
        let failed = all.get_mut(notify);
        let failed = failed.filter(|target| target.failures >= MAX_FAILURES);
        failed.is_some_and(|target| {
            target.left += 1;
            true
        })
    }

    pub(super) fn count(&self, notify: &NotifyName) {
        self.0.lock().entry(notify.clone()).or_default().failures += 1;
    }

    /// Returns the number of notifications that were left, for each target with any.
    pub(in crate::app) fn left(self) -> BTreeMap<NotifyName, usize> {
        let all = self.0.into_inner().into_iter();
        let left = all.map(|(notify, target)| (notify, target.left));
        left.filter(|(_, left)| *left > 0).collect()
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
    /// Whether the cause is the message or its ticket, so that the failure does not mean that the
    /// target fails. For example, the ticket was deleted, or the template cannot handle it.
    pub(super) is_of_message: bool,
    /// Whether the request went to the delivery's `response_url`.
    pub(super) at_response_url: bool,
}

impl Failure {
    /// Whether the target, and not the message, is the cause, so that the next message of the same
    /// stream would fail, too.
    pub(super) fn is_of_target(&self) -> bool {
        !self.refused && !self.is_final && !self.is_of_message
    }

    /// Returns the failure of a message that is not sent, after which no further attempt is made.
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self {
            is_final: true,
            is_of_message: true,
            ..Self::passing(why)
        }
    }

    /// Returns a failure that would recur with the same message. If the message is optional, it is
    /// left out.
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self {
            refused: true,
            is_of_message: true,
            ..Self::passing(why)
        }
    }

    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_final: false,
            retry_after: None,
            refused: false,
            is_of_message: false,
            at_response_url: false,
        }
    }
}
