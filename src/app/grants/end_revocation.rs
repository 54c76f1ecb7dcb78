//! Records the end of an attempt to revoke: what is left of the share, why, and when the next
//! attempt may begin. In: the results of the attempt, and the items that other grants cover. Out:
//! the record.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::requests::{ClaimWriter, Failure, OUT_OF_TIME_PAUSE, Stop, doubled};
use crate::domain::{Item, ItemResult, ResultKind, Timestamp};
use crate::journal::{Event, FailedAttempt};

use super::cover::Cover;
use super::ownership::image_missing;

/// The pause after the first failed attempt. Each further failure doubles it, up to `MAX_PAUSE`.
/// The attempts continue until one succeeds.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3_600);
/// The pause after an attempt that made no call. The state counts only attempts with a failed call,
/// so this pause cannot double.
const PAUSE_WITHOUT_CALL: Duration = Duration::from_secs(600);

impl ClaimWriter<'_> {
    /// Records what an attempt to revoke has reached. `covers`: the items that stay, because
    /// another grant covers them. This share is done with those that another share inherits.
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
    /// cover. The item stays overdue: `revoked` needs a success for each item.
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

    /// Records the end of the attempt, also if more of the share was called off during it. The next
    /// attempt revokes those items.
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
                    true => PAUSE_WITHOUT_CALL,
                    false => doubled(MIN_PAUSE, MAX_PAUSE, failures),
                };
                (failure.to_string(), pause)
            }
            None => (self.why_out_of_time(), OUT_OF_TIME_PAUSE),
        }
    }
}

/// Whether the item may still be shared. A missing image counts as gone:
/// [`Ownership::judge`](super::Ownership::judge) has replaced the results of images that may still
/// exist.
fn still_shared(result: &ItemResult) -> bool {
    match result.kind {
        ResultKind::Pending => true,
        ResultKind::Failed { .. } => !image_missing(result),
        _ => false,
    }
}

/// Adds a final result for each item that another share inherits: this share leaves the item to it.
/// Returns the covers of the other items.
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
