//! Ends a request whose turns only run out of time, for example because the host's limit is too
//! short for them. Counts these turns in the records; returns whether there were enough, and the
//! results with which the request then ends.

use crate::domain::{Action, ItemResult, ResultCode, ResultKind};
use crate::journal::OutOfTime;

use super::claim_writer::ClaimWriter;

/// The least number of such turns, even if `retry_for` is over. After an outage, the first turns of
/// a request may lack time only because many others were before it.
const MIN_TURNS: u32 = 10;

impl ClaimWriter<'_> {
    /// Returns the turns in a row that only ran out of time, including this one.
    pub(super) fn turns_out_of_time(&self) -> OutOfTime {
        let known = self.state().out_of_time();
        OutOfTime {
            since: known.map_or_else(|| self.clock.now(), |known| known.since),
            turns: known.map_or(1, |known| known.turns.saturating_add(1)),
        }
    }

    /// Whether the time for retries is over for a request with these turns. It counts from the
    /// first of them.
    pub(super) fn are_enough(&self, out_of_time: OutOfTime) -> bool {
        let end = out_of_time.since.checked_add(self.retry_for);
        out_of_time.turns >= MIN_TURNS && end.is_ok_and(|end| end <= self.clock.now())
    }

    /// Returns the final result of an open item. An earlier worker, or an earlier turn that made a
    /// call, may have shared the item without a record.
    pub(super) fn failed_out_of_time(&self, result: ItemResult) -> ItemResult {
        let shares = self.state().request().action == Action::Share;
        let called = self.looked_before_turn || self.may_have_shared;
        let unrecorded = called || result.called_off_by.is_some();
        let maybe = result.maybe_done || shares && unrecorded;
        let code = match maybe {
            true => ResultCode::Timeout,
            false => ResultCode::DeadlinePassed,
        };
        let OutOfTime { since, turns } = self.turns_out_of_time();
        let why = format!(
            "{turns} turns since {since:.0} ended without a result: {} — give each turn more time ([limits] seconds, and the host's own limit), then use `sharehook retry`",
            self.why_out_of_time()
        );
        let kind = ResultKind::failed(code, why, true);
        ItemResult { kind, ..result }.in_doubt(maybe)
    }

    pub(in crate::app) fn why_out_of_time(&self) -> String {
        match &self.last_failure {
            Some(why) => format!("the time ran out; the last call failed: {why}"),
            None => "the time ran out".to_owned(),
        }
    }
}
