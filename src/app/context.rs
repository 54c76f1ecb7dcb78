//! [`ExecutionContext`]: what is needed to execute a plan, besides the plan. It has the cloud
//! client of one owner account, the queues that coalesce calls and reads, the limits and the
//! deadline. This file makes no calls itself.

use std::mem::Discriminant;
use std::time::Duration;

use jiff::SignedDuration;

use crate::clock;
use crate::cloud::error::known_code;
use crate::cloud::{Deadline, RegionalCloud};
use crate::domain::{
    AccountId, Action, CloudError, ErrorClass, ImageRef, Region, Target, Timestamp,
};
use crate::plan::{Observation, Patience, wait_before};
use crate::telemetry::{Metric, Metrics};

use super::calls::Queues;

/// The key of a call: owner account, region, image and action. Calls with the same key can be
/// coalesced. The key includes the account because the image does not determine it: a blueprint that was created from
/// a CVM image belongs to the account of that image.
pub(super) type CallKey = (Option<String>, Region, ImageRef, Action);

/// The accounts that one request adds to a call.
#[derive(Debug)]
pub(super) struct CallPart {
    pub(super) accounts: Vec<AccountId>,
    /// When the request stops waiting for the call to end.
    pub(super) deadline: Deadline,
    pub(super) merging: Merging,
}

/// Which requests may be coalesced into one call. Two requests can share a call only if their
/// `Merging` is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merging {
    /// All requests whose calls have not failed.
    All,
    /// About half of the requests whose calls failed for a passing reason. One of these requests
    /// may have caused the failure. Each request chooses its half at random before each call, so
    /// that the other requests are soon separated from it. If the cloud is down, it gets only two
    /// calls instead of one.
    Half(bool),
    /// No other request, because the error may have been caused by another request in the batch.
    Alone,
}

/// The result of a call: the request id that the cloud returned, if any, or the error.
pub(super) type CallEnd = Result<Option<String>, CloudError>;

/// Coalesces calls that share an image or cancel its sharing. Making one call at a time costs
/// little, because the cloud refuses concurrent changes of one blueprint
/// (`ResourceInUse.BlueprintModifyingSharePermission`).
pub(super) type CallQueues = Queues<CallKey, CallPart, CallEnd>;

/// The key of a read: owner account, region, image, kind of target and action. Reads with the same
/// key can be coalesced.
pub(super) type ReadKey = (
    Option<String>,
    Region,
    ImageRef,
    Discriminant<Target>,
    Action,
);

/// Coalesces reads. A read begins after all of its waiters have joined, so its result is current
/// for each of them.
pub(super) type ReadQueues = Queues<ReadKey, (), Observation>;

pub(super) struct ExecutionContext<'a> {
    pub(super) cloud: RegionalCloud<'a>,
    /// The name of the owner account; `None` if no accounts are configured.
    pub(super) account: Option<&'a str>,
    pub(super) calls: &'a CallQueues,
    pub(super) reads: &'a ReadQueues,
    pub(super) metrics: &'a Metrics,
    pub(super) cvm_accounts_per_call: usize,
    pub(super) cvm_accounts_per_image: usize,
    pub(super) deadline: Deadline,
    pub(super) patience: Patience,
}

impl ExecutionContext<'_> {
    /// Returns the name under which the journal records `call`. It includes the owner account if
    /// accounts are configured.
    pub(super) fn named(&self, call: String) -> String {
        match self.account {
            Some(account) => format!("{call} as {account}"),
            None => call,
        }
    }

    /// Counts a call that changes sharing, with the label that [`counted_as`] returns. Does not
    /// count a call that could not be sent before its deadline.
    pub(super) fn count_call<T>(&self, action: &'static str, end: &Result<T, CloudError>) {
        if let Some(code) = counted_as(end) {
            self.metrics.count(Metric::CloudCalls, &[action, code]);
        }
    }

    /// Waits before the next attempt, after `tries` attempts have failed. `class` is the class of
    /// the last error. Returns false if the deadline leaves no time for another attempt.
    pub(super) async fn wait(&self, tries: u32, class: ErrorClass) -> bool {
        let wait = wait_before(self.patience.backoff, tries, class, clock::chance());
        pause(self.deadline, wait).await
    }
}

/// Returns the value of the metric's label `code` for the result of a call. Error codes that no
/// table lists become `other`, which limits the number of label values. Returns `None` if the time
/// ran out before the call was sent: the cloud gave no answer, and a later turn may make the call.
fn counted_as<T>(end: &Result<T, CloudError>) -> Option<&'static str> {
    match end {
        Ok(_) => Some("OK"),
        Err(error) if error.is_out_of_time() => None,
        Err(error) => Some(known_code(&error.code).unwrap_or("other")),
    }
}

/// Maximum length of a worker's turn on a request. Longer work continues in another turn. Before
/// that turn, the policies decide a share again.
pub(super) const MAX_TURN: Duration = Duration::from_secs(180);

/// How long a lease lasts after the deadline of its turn. This leaves time for the last write, for
/// a call that the cloud carries out after the worker gave up, and for clocks that differ. A slower
/// write does no harm: if two workers try to create the next record, one succeeds and the other
/// stops.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long the cloud may take to carry out a call whose caller died or gave up. The next worker
/// waits this long before it reads the cloud.
pub(super) const LATE_CALL: Duration = Duration::from_secs(2);

/// How long the cloud's lists may lack a share after the call that made it. No API page says that
/// the lists show a share at once.
pub(super) const LIST_DELAY: SignedDuration = SignedDuration::from_secs(120);

/// Time limit for reading the cloud while a request is opened. If the read takes longer, it is
/// repeated with a longer limit once record 0 is durable.
pub(super) const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Maximum time for opening a request. If it takes longer, the request continues in another turn. A
/// cancel that finds a request in the index but no record 0 of it waits this long.
pub(super) const OPENING_TIME: SignedDuration = SignedDuration::from_secs(10);

/// Returns the deadline of a turn that begins now: `deadline`, or [`MAX_TURN`] from now if that is
/// sooner.
pub(super) fn turn_deadline(deadline: Deadline) -> Deadline {
    deadline.or_sooner(Deadline::after(MAX_TURN))
}

/// Returns the deadline for the calls that make a share: `deadline`, or the share's expiry `end` if
/// that is sooner.
pub(super) fn before_end(deadline: Deadline, now: Timestamp, end: Option<Timestamp>) -> Deadline {
    let Some(end) = end else { return deadline };
    let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    deadline.or_sooner(Deadline::after(left))
}

/// Returns the time until `deadline`, or an hour if there is no deadline.
pub(super) fn left(deadline: Deadline) -> Duration {
    deadline
        .remaining(tokio::time::Instant::now())
        .unwrap_or(Duration::from_secs(3_600))
}

/// Sleeps for `wait` and returns true. If `deadline` leaves no time for the sleep and for a call
/// after it, returns false at once.
pub(super) async fn pause(deadline: Deadline, wait: Duration) -> bool {
    if left(deadline) < wait.saturating_add(Duration::from_millis(300)) {
        return false;
    }
    tokio::time::sleep(wait).await;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::error::not_sent;
    use crate::domain::ResultCode;

    #[test]
    fn a_call_that_was_not_sent_in_time_is_not_counted() {
        let unsent = |code| Err::<(), _>(not_sent(code, String::new(), ""));
        let answered = |code: &str| {
            let mut error = not_sent(ResultCode::Timeout, String::new(), "");
            error.code = code.to_owned();
            error.class = ErrorClass::Throttled;
            Err::<(), _>(error)
        };
        for (end, code) in [
            (Ok(()), Some("OK")),
            (unsent(ResultCode::Throttled), None),
            (unsent(ResultCode::DeadlinePassed), None),
            (unsent(ResultCode::NoCredentials), Some("NoCredentials")),
            (
                answered("RequestLimitExceeded"),
                Some("RequestLimitExceeded"),
            ),
            (answered("Made.Up"), Some("other")),
        ] {
            assert_eq!(counted_as(&end), code, "{end:?}");
        }
    }
}
