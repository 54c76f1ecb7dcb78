//! Applies the records of a revocation to the state of a request. Returns an error if a record
//! cannot follow.

use crate::domain::{AccountId, Item, ItemResult, Timestamp};

use super::super::record::{FailedAttempt, Record};
use super::broken_record::{BrokenRecord, broken};
use super::{Phase, Revoking, State, Work};

impl State {
    /// Whether a revocation that has begun includes `item`. The revocation may be deferred.
    pub fn is_revoking(&self, item: &Item) -> bool {
        self.revoking
            .as_ref()
            .is_some_and(|tried| tried.names(item))
    }

    /// Whether there are called-off items that are still shared but that the deferred revocation
    /// does not include.
    pub(super) fn rest_is_called_off(&self) -> bool {
        let new = |item: &Item| self.is_called_off_and_shared(item) && !self.is_revoking(item);
        matches!(self.phase, Phase::RevokeDeferred { .. }) && self.given().iter().any(new)
    }

    /// Returns the work of a revocation that waits because of another grant. Call this only if that
    /// grant may have ended.
    pub fn work_without_cover(&self, now: Timestamp) -> Option<Work> {
        let waits = self.waits_for_cover() && !self.revokes_too_soon(now);
        self.work(now).filter(|_| waits)
    }

    /// Whether a revocation waits because another grant covers some of its items.
    pub fn waits_for_cover(&self) -> bool {
        matches!(&self.phase, Phase::RevokeDeferred { covered, .. } if !covered.is_empty())
    }

    pub(super) fn begin_revoking(
        &mut self,
        record: &Record,
        until: Timestamp,
        revoking: Revoking,
    ) -> Result<(), BrokenRecord> {
        if !self.revokes_anew(record.at) {
            return broken(
                "it begins a revocation, but the request is unfinished or denied, or a revocation has already begun",
            );
        }
        let called_off =
            |account: &AccountId| self.call_off_of(&Item::Account(account.clone())).is_some();
        let ended = self.expired(record.at)
            || revoking.accounts.iter().all(called_off)
                && (!revoking.lighthouse || self.remaining().is_none());
        if !ended {
            return broken(
                "it begins a revocation, but the share has not ended, and not all items were called off",
            );
        }
        let standing = self.shared_accounts();
        if let Some(foreign) = revoking
            .accounts
            .iter()
            .find(|account| !standing.contains(account))
        {
            return broken(format!(
                "it revokes from account {foreign}, but the account does not have the image from this request"
            ));
        }
        if revoking.lighthouse && !self.in_lighthouse() {
            return broken(
                "it removes the image from Lighthouse, but the image is not there from this request",
            );
        }
        self.revoking = Some(revoking);
        self.phase = Phase::Revoking {
            lease_until: until,
            worker: record.worker.clone(),
        };
        Ok(())
    }

    pub(super) fn end_revoking(
        &mut self,
        record: &Record,
        results: &[ItemResult],
    ) -> Result<(), BrokenRecord> {
        self.revokes(record)?;
        self.take_in(record, results)?;
        // After a revocation of called-off items, the request goes back to the phase `Closed` in
        // three cases. Items that were not called off stay shared until the share ends. Items that
        // were called off during this revocation need another revocation. If nothing is shared any
        // more, an operator may reopen the request for its failed items.
        let called_off = self.revoking.take().is_some_and(|tried| !tried.expired);
        let stands =
            |item: &Item| self.call_off_of(item).is_none() || self.is_called_off_and_shared(item);
        let given = self.given();
        let rest = given.iter().any(stands) || given.is_empty() && self.has_failed_items();
        self.phase = if called_off && rest {
            Phase::Closed
        } else {
            Phase::Revoked
        };
        Ok(())
    }

    pub(super) fn not_revoked(
        &mut self,
        record: &Record,
        attempt: &FailedAttempt,
    ) -> Result<(), BrokenRecord> {
        self.revokes(record)?;
        self.take_in(record, &attempt.results)?;
        if attempt.calls.iter().any(|call| call.code.is_some()) {
            self.failed_revocations = self.failed_revocations.saturating_add(1);
        }
        self.phase = Phase::RevokeDeferred {
            why: attempt.why.clone(),
            not_before: attempt.not_before,
            covered: attempt.covered.clone(),
        };
        Ok(())
    }

    /// Checks that the worker may record the end of an attempt to revoke. Up to version 0.2.0 a
    /// later attempt began without a record, so its end may follow the phase `RevokeDeferred`.
    fn revokes(&self, record: &Record) -> Result<(), BrokenRecord> {
        match &self.phase {
            Phase::Revoking { .. } => self.held_by(&record.worker),
            Phase::RevokeDeferred { .. } if self.is_due(record.at) => Ok(()),
            _ => broken("it ends an attempt to revoke that has not begun"),
        }
    }
}
