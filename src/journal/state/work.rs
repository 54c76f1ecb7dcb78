//! The work that is left for a request, computed from its state and the current instant. Only what
//! the request itself shared is revoked. An account that had the image before the request keeps it,
//! unless the request adopted that share or another request had made it.

use crate::domain::{AccountId, Action, Item, ItemResult, Timestamp};

use super::{Phase, Revoking, State};

/// The work that a sweep or the next delivery has to do for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A waiting request is due. Check [`State::expired`] before sharing.
    Start,
    /// A worker began the request and did not finish it. Read the cloud, then do the rest. Check
    /// [`State::expired`] before sharing.
    Finish,
    /// The share has ended, or items were called off. Revoke the items that are named here: the
    /// request shared them, and no record shows them as revoked.
    Revoke {
        /// The accounts. Empty if only Lighthouse is left to revoke, or if only the outcome is left
        /// to record.
        accounts: Vec<AccountId>,
        /// Whether to remove the image from Lighthouse.
        lighthouse: bool,
    },
}

impl State {
    /// Returns the work that is due at `now`, if any.
    pub fn needs_work(&self, now: Timestamp) -> Option<Work> {
        self.is_due(now).then(|| self.work(now)).flatten()
    }

    pub(super) fn work(&self, now: Timestamp) -> Option<Work> {
        match &self.phase {
            Phase::Denied | Phase::Revoked => None,
            Phase::Waiting { .. } => Some(Work::Start),
            Phase::Working { .. } | Phase::Deferred { .. } => Some(Work::Finish),
            Phase::Closed | Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => {
                let anew = self.revokes_anew(now);
                let ended = |item: &Item| match anew {
                    true => self.expired(now) || self.is_called_off_and_shared(item),
                    false => self.is_revoking(item),
                };
                let mut accounts = self.shared_accounts();
                accounts.retain(|account| ended(&Item::Account(account.clone())));
                Some(Work::Revoke {
                    accounts,
                    lighthouse: self.lighthouse_given().is_some_and(|item| ended(&item)),
                })
            }
        }
    }

    /// Whether the next revocation is a new one, and not another attempt at the deferred one. True
    /// if the request is closed, or if the deferred revocation lacks items that must be revoked.
    pub(in crate::journal) fn revokes_anew(&self, now: Timestamp) -> bool {
        self.phase == Phase::Closed
            || self.expired(now) && self.rest_ends_with_share()
            || self.rest_is_called_off()
    }

    /// Whether the deferred revocation includes only called-off items, although the request also
    /// shared other items.
    fn rest_ends_with_share(&self) -> bool {
        let rest = |tried: &Revoking| self.given().iter().any(|item| !tried.names(item));
        let waits = matches!(self.phase, Phase::RevokeDeferred { .. });
        waits && (self.revoking.as_ref()).is_some_and(|tried| !tried.expired && rest(tried))
    }

    /// Returns when the request needs work next, or `None` if it never does.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Denied | Phase::Revoked => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Working { .. } | Phase::Revoking { .. } if self.holder_gone => {
                Some(self.updated_at)
            }
            Phase::Working { lease_until, .. } | Phase::Revoking { lease_until, .. } => {
                Some(*lease_until)
            }
            Phase::Deferred { not_before, .. } => {
                // If the share expires during the pause, the pause ends then, so that the share is
                // revoked in time. An expiry before the pause does not shorten the pause: otherwise
                // there would be no pause.
                let end = self.intent.expires_at.filter(|end| *end > self.updated_at);
                Some(end.map_or(*not_before, |end| end.min(*not_before)))
            }
            Phase::RevokeDeferred { .. } if self.rest_is_called_off() => Some(self.updated_at),
            Phase::RevokeDeferred { not_before, .. } => {
                // Until `not_before` another grant may cover the called-off items. The request's
                // other items are due at the share's expiry, if that is earlier.
                let end = self
                    .intent
                    .expires_at
                    .filter(|_| self.rest_ends_with_share());
                Some(end.map_or(*not_before, |end| end.min(*not_before)))
            }
            Phase::Closed => {
                let given = self.given();
                if given.iter().any(|item| self.is_called_off_and_shared(item)) {
                    return Some(self.updated_at);
                }
                self.intent.expires_at.filter(|_| !given.is_empty())
            }
        }
    }

    /// Returns when a sweep must look at the request. This is when work is due, or at the share's
    /// end if that is earlier and some item that the request shared is not covered by another
    /// grant. So every sweep looks at an overdue share until it is revoked, even during a pause.
    ///
    /// If no work will be due, but the request holds an item that it found shared
    /// ([`State::holds`]), this is the share's end.
    pub fn look_at(&self) -> Option<Timestamp> {
        let ends = self.ends_at().filter(|_| self.holds_any());
        let overdue = self.ends_at().filter(|_| !self.uncovered().is_empty());
        self.due_at().into_iter().chain(overdue).min().or(ends)
    }

    /// Returns the items that are still shared after the share's end, without those that another
    /// grant covers.
    pub fn overdue(&self, now: Timestamp) -> Vec<Item> {
        if !self.expired(now) {
            return Vec::new();
        }
        match &self.phase {
            Phase::RevokeDeferred { .. } if !self.is_due(now) => self.uncovered(),
            _ => self.given(),
        }
    }

    /// Returns the shared items that no other grant covers.
    pub fn uncovered(&self) -> Vec<Item> {
        let mut items = self.given();
        if let Phase::RevokeDeferred { covered, .. } = &self.phase {
            items.retain(|item| !covered.contains(item));
        }
        items
    }

    /// Returns the work at `now`, even during a pause, because an operator does not wait for a
    /// pause to end.
    pub fn needs_work_at_once(&self, now: Timestamp) -> Option<Work> {
        let paused = self.only_paused() && !self.revokes_too_soon(now);
        let early = || self.work(now).filter(|_| paused);
        self.needs_work(now).or_else(early)
    }

    /// Whether the next turn waits only because an earlier attempt failed.
    pub(super) fn only_paused(&self) -> bool {
        match &self.phase {
            Phase::Deferred { fault, .. } => fault.is_some(),
            Phase::RevokeDeferred { covered, .. } => {
                let tried = self.revoking.as_ref();
                let mut left = self.given();
                left.retain(|item| tried.is_some_and(|tried| tried.names(item)));
                left.iter().any(|item| !covered.contains(item))
            }
            _ => false,
        }
    }

    /// Whether the request needs work now or later, or holds an item until its share ends. If so,
    /// the index must list it.
    pub fn live(&self, now: Timestamp) -> bool {
        self.due_at().is_some() || self.holds_any() && !self.expired(now)
    }

    /// Whether the request holds `item`. It does if it shared the item or found it shared, and no
    /// record shows the item as revoked or cancelled. After a call-off, the request no longer holds
    /// an item that it only found shared.
    pub fn holds(&self, item: &Item) -> bool {
        let held = |result: &ItemResult| {
            let found = result.as_wanted(Action::Share) && self.call_off_of(item).is_none();
            self.gave(result) || found
        };
        self.intent.request.action == Action::Share
            && !matches!(self.phase, Phase::Denied | Phase::Revoked)
            && !self.taken_back(item)
            && (self.results.iter()).any(|result| result.item == *item && held(result))
    }

    fn holds_any(&self) -> bool {
        self.results.iter().any(|result| self.holds(&result.item))
    }

    /// Whether `item` was called off and no revocation has a result for it yet.
    pub(super) fn is_called_off_and_shared(&self, item: &Item) -> bool {
        let tried = self.revoked.iter().any(|result| result.item == *item);
        self.call_off_of(item).is_some() && !tried
    }
}
