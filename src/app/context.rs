//! What carrying out a plan needs besides the plan: the cloud of one owner account, the queues of
//! coalesced calls and reads, limits and the deadline. Makes no calls itself.

use std::mem::Discriminant;
use std::time::Duration;

use jiff::SignedDuration;

use crate::clock;
use crate::cloud::error::known;
use crate::cloud::{Deadline, RegionalCloud};
use crate::domain::{
    AccountId, Action, CloudError, ErrorClass, ImageRef, Region, Target, Timestamp,
};
use crate::plan::{Observation, Patience, wait_before};
use crate::telemetry::{Metric, Metrics};

use super::calls::Queues;

/// The key of calls that can be one: owner account, region, image and action. The account is not a
/// function of the image: a chain's blueprint belongs to the account of its CVM image.
pub(super) type CallKey = (Option<String>, Region, ImageRef, Action);

/// The accounts that one request adds to a call.
#[derive(Debug)]
pub(super) struct CallPart {
    pub(super) accounts: Vec<AccountId>,
    /// Until when the request waits for the call's end.
    pub(super) deadline: Deadline,
    /// Set to retry unbatched: the error may belong to another request in the batch.
    pub(super) alone: bool,
}

/// The result of a call: the cloud's request id if it gave one, or the error.
pub(super) type CallEnd = Result<Option<String>, CloudError>;

/// Coalesces calls that change who has an image. The cloud excludes concurrent changes of one image
/// anyway (`ResourceInUse.BlueprintModifyingSharePermission`), so one call at a time costs nothing.
pub(super) type CallQueues = Queues<CallKey, CallPart, CallEnd>;

/// The key of reads that can be one: owner account, region, image, and what is read of it.
pub(super) type ReadKey = (
    Option<String>,
    Region,
    ImageRef,
    Discriminant<Target>,
    Action,
);

/// Coalesces reads. A read begins after all of its waiters have joined, so it is fresh for each.
pub(super) type ReadQueues = Queues<ReadKey, (), Observation>;

/// Everything the work needs besides the plan.
pub(super) struct ExecutionContext<'a> {
    pub(super) cloud: RegionalCloud<'a>,
    /// The name of the owner account, with several configured.
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
    /// A call's name in the journal, with the owner account.
    pub(super) fn named(&self, call: String) -> String {
        match self.account {
            Some(account) => format!("{call} as {account}"),
            None => call,
        }
    }

    /// Counts a call that changes sharing, by the cloud's code; `None` for success. A code that no table
    /// lists is `other`, so that the cloud's answers cannot make labels without end.
    pub(super) fn count_call(&self, action: &'static str, code: Option<&str>) {
        let code = code.map_or("OK", |code| known(code).unwrap_or("other"));
        self.metrics.count(Metric::CloudCalls, &[action, code]);
    }

    /// Waits before try `tries + 1` after an error of `class`; false when the deadline leaves no time.
    pub(super) async fn wait(&self, tries: u32, class: ErrorClass) -> bool {
        let wait = wait_before(self.patience.backoff, tries, class, clock::chance());
        pause(self.deadline, wait).await
    }
}

/// The longest turn. Longer work continues in another turn, after another decision.
pub(super) const MAX_TURN: Duration = Duration::from_secs(180);

/// How long a lease outlasts its turn's deadline: time for the last write, for a call that the cloud
/// still carries out when its worker gave up, and for clocks that differ. A write that takes longer
/// does no harm: of two workers one creates the next record, and the other stops.
pub(super) const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// The cloud may carry out a call so long after its caller died. The worker that continues waits for so long
/// before it looks at the cloud.
pub(super) const LATE_CALL: Duration = Duration::from_secs(2);

/// Maximum time for the look at the cloud during the opening of a request. A slower one is
/// repeated, with a longer limit, once record 0 is durable.
pub(super) const FIRST_LOOK: Duration = Duration::from_secs(1);

/// An opening that takes longer continues in another turn. A cancel that finds an announced request
/// without record 0 waits this long.
pub(super) const OPENING_TIME: SignedDuration = SignedDuration::from_secs(10);

/// The deadline of a turn that begins now.
pub(super) fn turn_deadline(deadline: Deadline) -> Deadline {
    deadline.or_sooner(Deadline::after(MAX_TURN))
}

/// The deadline of calls that share: no later than the share's end.
pub(super) fn before_end(deadline: Deadline, now: Timestamp, end: Option<Timestamp>) -> Deadline {
    let Some(end) = end else { return deadline };
    let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    deadline.or_sooner(Deadline::after(left))
}

/// The remaining time; an hour without a deadline.
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
