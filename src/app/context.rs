//! What the execution of a plan needs besides the plan: the cloud of one owner account, the queues
//! of coalesced calls and reads, limits and the deadline. Makes no calls itself.

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

/// The key of calls that can be merged: owner account, region, image and action. The image does not
/// determine the account: a chain's blueprint belongs to the account of its CVM image.
pub(super) type CallKey = (Option<String>, Region, ImageRef, Action);

/// The accounts that one request adds to a call.
#[derive(Debug)]
pub(super) struct CallPart {
    pub(super) accounts: Vec<AccountId>,
    /// When the request stops waiting for the end of the call.
    pub(super) deadline: Deadline,
    pub(super) merging: Merging,
}

/// With which other requests a call may be merged. A call is merged only with calls of its own
/// kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merging {
    /// With all whose calls did not fail.
    All,
    /// With about half of those whose calls failed for a passing reason, perhaps because of one of
    /// them. Chance chooses the half anew for each call, so that soon every other request is
    /// without that one, and a cloud that is down gets only two calls instead of one.
    Half(bool),
    /// With none: the error may belong to another request in the batch.
    Alone,
}

/// The result of a call: the cloud's request id, if the answer has one, or the error.
pub(super) type CallEnd = Result<Option<String>, CloudError>;

/// Coalesces calls that change who has an image. The cloud refuses concurrent changes of one
/// blueprint anyway (`ResourceInUse.BlueprintModifyingSharePermission`), so one call at a time
/// costs little.
pub(super) type CallQueues = Queues<CallKey, CallPart, CallEnd>;

/// The key of reads that can be merged: owner account, region, image, kind of target and action.
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

/// The cloud, the queues and the limits with which one plan is executed.
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
    /// Returns the name of a call for the journal, with the owner account if accounts are
    /// configured.
    pub(super) fn named(&self, call: String) -> String {
        match self.account {
            Some(account) => format!("{call} as {account}"),
            None => call,
        }
    }

    /// Counts a call that changes sharing, under the label of [`counted_as`]. Does not count a call
    /// that was not sent in time.
    pub(super) fn count_call<T>(&self, action: &'static str, end: &Result<T, CloudError>) {
        if let Some(code) = counted_as(end) {
            self.metrics.count(Metric::CloudCalls, &[action, code]);
        }
    }

    /// Waits before the next try. `tries`: how many tries have failed. `class`: the class of the
    /// last error. Returns false if the deadline leaves no time.
    pub(super) async fn wait(&self, tries: u32, class: ErrorClass) -> bool {
        let wait = wait_before(self.patience.backoff, tries, class, clock::chance());
        pause(self.deadline, wait).await
    }
}

/// The label `code` of a call's end. A code that no table lists is counted as `other`, so that the
/// number of labels is limited. `None` if the time ran out before the call was sent: that is no
/// answer of the cloud, and a later turn may make the call.
fn counted_as<T>(end: &Result<T, CloudError>) -> Option<&'static str> {
    match end {
        Ok(_) => Some("OK"),
        Err(error) if error.is_out_of_time() => None,
        Err(error) => Some(known_code(&error.code).unwrap_or("other")),
    }
}

/// The longest turn. Longer work continues in another turn, before which a share is decided again.
pub(super) const MAX_TURN: Duration = Duration::from_secs(180);

/// How long a lease outlasts its turn's deadline: time for the last write, for a call that the
/// cloud still carries out after its worker gave up, and for clocks that differ. A slower write
/// does no harm: of two workers one creates the next record, and the other stops.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long the cloud may take to carry out a call whose caller died or gave up. The next worker
/// waits this long before it reads the cloud.
pub(super) const LATE_CALL: Duration = Duration::from_secs(2);

/// For this long after a call, the cloud's lists may lack what it shared. No API page says that
/// they show it at once.
pub(super) const LIST_DELAY: SignedDuration = SignedDuration::from_secs(120);

/// Maximum time for the read of the cloud while a request is opened. A slower read is repeated,
/// with a longer limit, after record 0 is durable.
pub(super) const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Maximum time for the opening of a request. If it takes longer, the request continues in another
/// turn. A cancel that finds a listed request without record 0 waits this long.
pub(super) const OPENING_TIME: SignedDuration = SignedDuration::from_secs(10);

/// The deadline of a turn that begins now: `deadline`, or the end of the longest turn if that is
/// sooner.
pub(super) fn turn_deadline(deadline: Deadline) -> Deadline {
    deadline.or_sooner(Deadline::after(MAX_TURN))
}

/// The deadline of the calls of a share: `deadline`, or the share's expiry `end` if that is sooner.
pub(super) fn before_end(deadline: Deadline, now: Timestamp, end: Option<Timestamp>) -> Deadline {
    let Some(end) = end else { return deadline };
    let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    deadline.or_sooner(Deadline::after(left))
}

/// The time until `deadline`; an hour if there is no deadline.
pub(super) fn left(deadline: Deadline) -> Duration {
    deadline
        .remaining(tokio::time::Instant::now())
        .unwrap_or(Duration::from_secs(3_600))
}

/// Sleeps and returns true, or returns false at once when the deadline leaves no time for the pause
/// and a call after it.
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
