//! Ends a turn that leaves work for another one: writes the results so far, the reason, and when the
//! next turn may begin.

use std::time::Duration;

use crate::domain::{Fault, Item, ItemResult, ResultKind, Timestamp};
use crate::journal::{Deferral, Event, OutOfTime};

use super::claim_writer::ClaimWriter;
use super::failed_items::{Failure, doubled};
use super::stop::Stop;

pub(in crate::app) const OUT_OF_TIME_PAUSE: Duration = Duration::from_secs(1);
/// The pause after the first failed turn. Each further failed turn doubles it, up to `MAX_PAUSE`.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);

impl ClaimWriter<'_> {
    /// Records the results so far, and why the other items are open. Also records every open item
    /// that is or was in doubt, and whether it still is. Otherwise the doubt would be lost if a
    /// later turn fails for another reason.
    pub(super) async fn defer(
        &mut self,
        mut results: Vec<ItemResult>,
        open: &[ItemResult],
        out_of_time: Option<OutOfTime>,
    ) -> Result<(), Stop> {
        let (known, now) = (self.state().results(), self.clock.now());
        let was_in_doubt = |item: &Item| known.iter().any(|r| r.item == *item && r.maybe_done);
        let doubts = (open.iter()).filter(|r| r.maybe_done || was_in_doubt(&r.item));
        results.extend(doubts.map(|result| ItemResult {
            kind: ResultKind::Pending,
            ..result.clone()
        }));
        // A call may have been made for an item in doubt although no record names the call.
        let doubt = results.iter().chain(&known).any(|r| r.maybe_done);
        let calls = self.unwritten.calls.clone();
        let after = |pause| now.checked_add(pause).unwrap_or(Timestamp::MAX);
        let (why, not_before, fault) = match Failure::of(open) {
            None if self.is_thorough() && self.last_failure.is_some() => {
                // If no fault were recorded, the next turn would also be thorough and would begin
                // at once.
                let pause = doubled(MIN_PAUSE, MAX_PAUSE, self.state().failed_turns());
                (self.why_out_of_time(), after(pause), Some(Fault::Cloud))
            }
            None => (self.why_out_of_time(), after(OUT_OF_TIME_PAUSE), None),
            Some(failure) => {
                let until = self.retried_until();
                let next = after(doubled(MIN_PAUSE, MAX_PAUSE, self.state().failed_turns()));
                let why = match failure.fault {
                    Fault::Operator => {
                        format!(
                            "the request waits for the operator and is retried until {until:.0}: {failure}"
                        )
                    }
                    Fault::Cloud | Fault::Request => failure.to_string(),
                };
                (why, next.min(until), Some(failure.fault))
            }
        };
        tracing::warn!(identity = %self.state().identity(), %why, "a request is unfinished; the program continues it later");
        self.end(Event::Deferred(Deferral {
            results,
            calls,
            why,
            not_before,
            waits: !doubt,
            fault,
            out_of_time,
        }))
        .await
    }

    /// Defers the request until another worker has finished. Also records the items in doubt. If a
    /// call-off ended an earlier attempt, also records the calls of that attempt that are not
    /// recorded yet.
    pub(super) async fn wait(
        &mut self,
        why: String,
        not_before: Timestamp,
        out_of_time: Option<OutOfTime>,
    ) -> Result<(), Stop> {
        let doubt = |item: &Item| ItemResult::new(item.clone(), ResultKind::Pending, None);
        let doubts = self.doubts.iter().map(|item| doubt(item).in_doubt(true));
        self.end(Event::Deferred(Deferral {
            results: doubts.collect(),
            calls: self.unwritten.calls.clone(),
            why,
            not_before,
            waits: true,
            fault: None,
            out_of_time,
        }))
        .await
    }
}
