//! Reopening: after a denial or a failure, an operator can have the policies decide the request
//! again. Says whether a request can be reopened, and applies a `reopened` record to its state.

use crate::domain::{ItemResult, ResultKind, Status, Timestamp};

use super::super::record::{Record, Reopening};
use super::broken_record::{BrokenRecord, broken};
use super::{Phase, State};

impl State {
    /// Returns why the request cannot be reopened at `now`. `None` if it can be reopened.
    pub fn stays_closed(&self, now: Timestamp) -> Option<&'static str> {
        match &self.phase {
            Phase::Waiting { .. } | Phase::Working { .. } | Phase::Deferred { .. } => Some(
                "it is not finished; `sharehook sweep` continues it, unless a worker has it or its start has not come",
            ),
            Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => {
                Some("its share is being revoked")
            }
            Phase::Revoked => Some("its share was revoked"),
            Phase::Denied | Phase::Closed if self.withdrawn_at.is_some() => {
                Some("the withdrawal of its approval called it off")
            }
            Phase::Denied | Phase::Closed if self.expired(now) => Some("its expiry has passed"),
            Phase::Denied => None,
            Phase::Closed if self.status == Some(Status::Completed) => Some("it was completed"),
            Phase::Closed if self.due_at().is_some_and(|due| due <= now) => {
                Some("a sweep must finish due work for it first; run `sharehook sweep`")
            }
            Phase::Closed => (!self.has_failed_items())
                .then_some("a later cancel or withdrawal called off what is left of it"),
        }
    }

    /// Whether an item failed and was not called off.
    pub(super) fn has_failed_items(&self) -> bool {
        self.results.iter().any(|result| {
            let failed = matches!(result.kind, ResultKind::Failed { .. });
            failed && self.call_off_of(&result.item).is_none()
        })
    }

    /// Applies a `reopened` record. If the record's verdict denies the request, the request stays
    /// as it was. Otherwise, the failed items are open again, and either the record's worker has
    /// the turn or the request waits for its start.
    pub(super) fn reopen(
        &mut self,
        record: &Record,
        reopening: &Reopening,
    ) -> Result<(), BrokenRecord> {
        if let Some(why) = self.stays_closed(record.at) {
            return broken(format!("it reopens the request, but {why}"));
        }
        let begin = self.intent.request.begins_after(record.at);
        let phase = match (reopening.verdict.allowed, reopening.until, begin) {
            (false, None, _) => return Ok(()),
            // Version 0.2.0 did not wait for `not_before` again.
            (true, Some(lease_until), _) => Phase::Working {
                lease_until,
                worker: record.worker.clone(),
            },
            (true, None, Some(until)) => Phase::Waiting { until },
            (false, Some(_), _) => {
                return broken("it has a lease, but its verdict denies the request");
            }
            (true, None, None) => {
                return broken("it has no lease, but the reopened request need not wait");
            }
        };
        let failed = |result: &ItemResult| matches!(result.kind, ResultKind::Failed { .. });
        self.results
            .retain(|result| !failed(result) || result.maybe_done);
        for result in self.results.iter_mut().filter(|result| failed(result)) {
            result.kind = ResultKind::Pending;
        }
        self.status = None;
        self.refusal = None;
        self.decided_again = Some(reopening.verdict.clone());
        self.reopened_at = Some(record.at);
        self.failed_turns = 0;
        self.out_of_time = None;
        // If the request has made no call, its earlier read of the cloud no longer counts, because
        // another request may have shared what the next turn finds shared. Records of version 0.2.0
        // do not set `looks_again`: after such a record, the earlier read still counts.
        self.looked_before &= self.called_at.is_some() || !reopening.looks_again;
        self.phase = phase;
        Ok(())
    }
}
