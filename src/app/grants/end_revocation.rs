//! Records the end of an attempt to revoke: what is left of the share, the reason, and when the
//! next attempt may begin. Takes the results of the attempt and the items that other grants cover.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::requests::{ClaimWriter, Failure, OUT_OF_TIME_PAUSE, Stop, doubled};
use crate::domain::{Item, ItemResult, ResultKind, Timestamp};
use crate::journal::{Event, FailedAttempt};

use super::cover::Cover;
use super::ownership::image_missing;

/// The pause after the first failed attempt. Each further failure doubles it, up to `MAX_PAUSE`.
/// There is no limit on the number of attempts.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3_600);
/// The longest pause after a failure that may pass by itself: how long an expired share may outlast
/// an outage of the cloud.
const MAX_PAUSE_IN_OUTAGE: Duration = Duration::from_secs(3_600);
/// After this number of failures, which take a week of an outage, each cause counts as one that an
/// operator must correct: each attempt writes two records and reads all earlier ones.
const MAX_FAILURES_OF_OUTAGE: u32 = 200;
/// The pause after an attempt that made no call. It does not double, because the state counts only
/// attempts with a failed call.
const PAUSE_WITHOUT_CALL: Duration = Duration::from_secs(600);

impl ClaimWriter<'_> {
    /// Records the result of an attempt to revoke. `covers` are the items that stay because another
    /// grant covers them. If that grant inherits an item, this share no longer has to revoke it.
    pub(super) async fn end_revocation(
        &mut self,
        mut results: Vec<ItemResult>,
        covers: Vec<Cover>,
    ) -> Result<(), Stop> {
        let covers = settle_inherited(covers, &mut results);
        results.extend(self.without_result(&results, &covers));
        let (open, done): (Vec<_>, Vec<_>) = results.into_iter().partition(still_shared);
        let calls = self.unwritten.calls.clone();
        let covered_until = covers.iter().map(|cover| cover.until).min();
        let failure = (!open.is_empty()).then(|| self.why_still_shared(&open));
        let (why, not_before) = match (failure, covered_until) {
            (None, None) => {
                let results = done;
                return self.end_attempt(Event::Revoked { results, calls }).await;
            }
            (None, Some(until)) => (explained(&covers), until),
            (Some((why, pause)), covered_until) => {
                let next = self.clock.now().checked_add(pause);
                let next = next.unwrap_or(Timestamp::MAX);
                tracing::warn!(identity = %self.state().identity(), %why, "a share could not be revoked completely; a later sweep tries again");
                (why, covered_until.map_or(next, |until| until.min(next)))
            }
        };
        self.end_attempt(Event::NotRevoked(FailedAttempt {
            results: done,
            calls,
            why,
            not_before,
            covered: covers.into_iter().map(|cover| cover.item).collect(),
        }))
        .await
    }

    /// Returns a pending result for each item of this revocation that has neither a result nor a
    /// cover. Such an item stays overdue, because the share counts as revoked only after a success
    /// for each item.
    fn without_result(&self, results: &[ItemResult], covers: &[Cover]) -> Vec<ItemResult> {
        let mut left = self.state().given();
        left.retain(|item| {
            self.state().is_revoking(item)
                && !results.iter().any(|result| result.item == *item)
                && !covers.iter().any(|cover| cover.item == *item)
        });
        let open = |item| ItemResult::new(item, ResultKind::Pending, None);
        left.into_iter().map(open).collect()
    }

    /// Records the end of the attempt. If other items of the share were called off during the
    /// attempt, records it nevertheless; the next attempt revokes those items.
    async fn end_attempt(&mut self, event: Event) -> Result<(), Stop> {
        match self.end(event.clone()).await {
            Err(Stop::CalledOff) => self.end(event).await,
            end => end,
        }
    }

    fn why_still_shared(&self, open: &[ItemResult]) -> (String, Duration) {
        match Failure::of(open) {
            Some(failure) => {
                let failures = self.state().failed_revocations();
                let pause = match self.unwritten.calls.is_empty() {
                    true if failure.may_pass() => PAUSE_WITHOUT_CALL,
                    true => self.pause_without_call(),
                    false => pause_after(&failure, failures),
                };
                (failure.to_string(), pause)
            }
            None => (self.why_out_of_time(), OUT_OF_TIME_PAUSE),
        }
    }
}

impl ClaimWriter<'_> {
    /// Returns the pause after an attempt without a call that only an operator can help. The state
    /// does not count such attempts, so the pause grows with the lateness of the revocation.
    fn pause_without_call(&self) -> Duration {
        let now = self.clock.now();
        let late = self.state().ends_at().map(|end| now.duration_since(end));
        match late.and_then(|late| Duration::try_from(late).ok()) {
            Some(late) => late.clamp(PAUSE_WITHOUT_CALL, MAX_PAUSE),
            // What was called off has no end that has passed.
            None => MAX_PAUSE_IN_OUTAGE,
        }
    }
}

fn pause_after(failure: &Failure<'_>, failures: u32) -> Duration {
    let outage = failure.may_pass() && failures < MAX_FAILURES_OF_OUTAGE;
    let longest = if outage {
        MAX_PAUSE_IN_OUTAGE
    } else {
        MAX_PAUSE
    };
    doubled(MIN_PAUSE, longest, failures)
}

/// Whether the item may still be shared. If the result says that the image is missing, the item
/// counts as gone: [`Ownership::judge`](super::Ownership::judge) has already replaced such results
/// for images that may still exist.
fn still_shared(result: &ItemResult) -> bool {
    match result.kind {
        ResultKind::Pending => true,
        ResultKind::Failed { .. } => !image_missing(result),
        _ => false,
    }
}

/// Adds a final result for each item that another share inherits, because this share leaves the
/// item to the other. Returns the covers of the remaining items.
fn settle_inherited(mut covers: Vec<Cover>, results: &mut Vec<ItemResult>) -> Vec<Cover> {
    let heirs = covers.iter().filter(|cover| cover.inherits);
    let inherited: BTreeSet<Item> = heirs.map(|cover| cover.item.clone()).collect();
    covers.retain(|cover| !inherited.contains(&cover.item));
    results.extend(inherited.into_iter().map(|item| {
        let kind = match item {
            Item::Account(_) => ResultKind::AlreadyShared,
            Item::Lighthouse(_) => ResultKind::Available {
                blueprint: None,
                already: true,
            },
        };
        ItemResult {
            renewed: true,
            ..ItemResult::new(item, kind, None)
        }
    }));
    covers
}

fn explained(covers: &[Cover]) -> String {
    let each = covers.iter().map(|cover| {
        let Cover {
            item, by, until, ..
        } = cover;
        format!("{by} covers {item} until {until:.0}")
    });
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
#[path = "end_revocation_tests.rs"]
mod tests;
