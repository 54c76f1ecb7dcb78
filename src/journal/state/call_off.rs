//! Call-offs: which items a `called_off` or `cancelled` record may name, and which items are called
//! off. A later cancel calls off items of an open share, or revokes items of a closed one. The
//! withdrawal of an approval calls off items of a share that is not completely revoked, or those
//! items of a cancel that are not cancelled yet.

use crate::domain::{Action, Item, ItemResult, NoticeKind, ShareRequest, Status, Timestamp};

use super::super::record::{CallOff, Record};
use super::broken_record::{BrokenRecord, broken};
use super::notification::Outcome;
use super::{Phase, State};

impl State {
    /// Whether a cancel may call `item` off. True if the request is an open share and `item` is one
    /// of its items that was not called off before.
    pub fn can_be_called_off(&self, item: &Item) -> bool {
        let open = matches!(
            self.phase,
            Phase::Waiting { .. } | Phase::Working { .. } | Phase::Deferred { .. }
        );
        open && self.intent.request.action == Action::Share && self.can_be_withdrawn(item)
    }

    /// Whether the withdrawal of the request's approval may call `item` off. For a share, this is
    /// possible until the share is completely revoked. It is also possible if the share was denied
    /// or has failed, and the share then cannot be reopened. For a cancel, it is possible until the
    /// cancel of `item` has succeeded. False if `item` was called off before or is not an item of
    /// the request.
    pub fn can_be_withdrawn(&self, item: &Item) -> bool {
        let request = &self.intent.request;
        let left = match request.action {
            Action::Share => self.phase != Phase::Revoked,
            Action::Cancel => !self.has_cancelled(item),
        };
        left && self.call_off_of(item).is_none() && request.target.items().contains(item)
    }

    /// Returns the items of `call_off` that can still be called off.
    pub fn left_of(&self, call_off: &CallOff) -> Vec<Item> {
        let mut items = call_off.items.clone();
        items.retain(|item| match call_off.withdrawn {
            true => self.can_be_withdrawn(item),
            false => self.can_be_called_off(item),
        });
        items
    }

    /// Returns the call-off that names `item`, made by a cancel or a withdrawal. Returns `None` if
    /// this request is a cancel that has succeeded for `item`, because the call-off then came too
    /// late.
    pub fn call_off_of(&self, item: &Item) -> Option<&CallOff> {
        let mut call_offs = self.called_off.iter();
        let found = call_offs.find(|call_off| call_off.items.contains(item));
        found.filter(|_| !self.has_cancelled(item))
    }

    /// Whether this request is a cancel that has succeeded for `item`.
    fn has_cancelled(&self, item: &Item) -> bool {
        let done = |result: &ItemResult| result.item == *item && result.succeeded();
        self.intent.request.action == Action::Cancel && self.results.iter().any(done)
    }

    /// Whether a record shows that `item` was shared before the request.
    pub fn found_before(&self, item: &Item) -> bool {
        let mut results = self.results.iter();
        results.any(|result| result.found() && result.item == *item)
    }

    /// Whether a later cancel can revoke `item`. This is possible if the request is at rest
    /// ([`State::at_rest`]) and holds the item ([`State::holds`]).
    pub fn can_be_cancelled(&self, item: &Item) -> bool {
        self.at_rest() && self.holds(item)
    }

    /// Whether the request is closed and not completely revoked. If so, no worker shares anything
    /// for it.
    pub fn at_rest(&self) -> bool {
        matches!(
            self.phase,
            Phase::Closed | Phase::Revoking { .. } | Phase::RevokeDeferred { .. }
        )
    }

    /// Returns when the request closed. `None` while it is open, if it was denied at once, and
    /// after it was revoked.
    pub fn closed_at(&self) -> Option<Timestamp> {
        let outcome = self.notifications.outcomes.last();
        outcome.map(|outcome| outcome.at).filter(|_| self.at_rest())
    }

    /// Applies a `cancelled` record.
    pub(super) fn cancel(&mut self, cancelled: &CallOff) -> Result<(), BrokenRecord> {
        if cancelled.items.is_empty() {
            return broken("it names no item to cancel");
        }
        let foreign = |item: &&Item| !self.can_be_cancelled(item);
        if let Some(item) = cancelled.items.iter().find(foreign) {
            return broken(format!(
                "it cancels {item}, but the request is unfinished or does not hold this item"
            ));
        }
        self.cancelled.push(cancelled.clone());
        Ok(())
    }

    /// Returns the request without its called-off items. `None` if no item is left.
    pub fn remaining(&self) -> Option<ShareRequest> {
        let request = &self.intent.request;
        let left = |item: &Item| self.call_off_of(item).is_none();
        let target = request.target.only(left)?;
        Some(ShareRequest {
            target,
            ..request.clone()
        })
    }

    /// Applies a `called_off` record. If the record leaves no item of an open request and no worker
    /// has the turn, the request is closed. However, if an earlier turn may have made a call, the
    /// request becomes due at once instead, and a worker closes it.
    pub(super) fn call_off(
        &mut self,
        record: &Record,
        call_off: &CallOff,
    ) -> Result<(), BrokenRecord> {
        if call_off.items.is_empty() {
            return broken("it names no item to call off");
        }
        let left = self.left_of(call_off);
        if let Some(item) = call_off.items.iter().find(|item| !left.contains(item)) {
            return broken(format!(
                "it calls off {item}, which the request does not name, or which cannot be called off at this point"
            ));
        }
        self.called_off.push(call_off.clone());
        if call_off.withdrawn && self.intent.request.action == Action::Share {
            self.withdrawn_at.get_or_insert(record.at);
        }
        if self.remaining().is_some() {
            return Ok(());
        }
        match self.phase {
            Phase::Waiting { .. } | Phase::Deferred { .. } if !self.looked_before => {
                self.status = Some(Status::of(self.intent.request.action, &self.results()));
                self.phase = Phase::Closed;
                // Notify the request's own ticket. The cancel that called the request off notifies
                // only the cancel's ticket.
                let failed = Outcome::new(NoticeKind::Failed, record);
                self.notifications.outcomes.push(failed);
            }
            Phase::Waiting { .. } | Phase::Deferred { .. } => {
                self.phase = Phase::Deferred {
                    why: format!("called off by {}", call_off.name()),
                    not_before: record.at,
                    fault: None,
                };
            }
            _ => {}
        }
        Ok(())
    }
}
