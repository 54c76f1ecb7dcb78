//! The part of [`AccountWork`] that processes a read of the shares. It decides which accounts the
//! read settles, and how the work continues.

use std::collections::BTreeSet;

use crate::domain::{AccountId, Action, CloudError, ErrorClass, Fault};

use super::accounts::{AccountWork, Next};
use super::failure::contradicted;

impl AccountWork {
    /// Compares the batches with the current shares, and decides how to continue.
    pub(super) fn read_back(&mut self, shares: &BTreeSet<AccountId>) {
        let share = self.action == Action::Share;
        let listed = |account: &AccountId| shares.contains(account) == share;
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        let Some(error) = front.last.clone() else {
            self.next = Next::Call;
            return;
        };
        let of_one = error.class == ErrorClass::AsWanted && front.accounts.len() == 1;
        // The list does not prove that a hidden account lost the image. The cloud's answer to a
        // call for this account alone proves it.
        let hidden = |account: &AccountId| self.hidden.contains(account);
        let wanted = |account: &AccountId| listed(account) && (of_one || !hidden(account));
        let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut front.accounts)
            .into_iter()
            .partition(wanted);
        front.accounts = missing;
        let (tries, maybe_done) = (front.tries, front.maybe_done);
        for batch in self.queue.iter_mut().filter(|batch| batch.refused_in_part) {
            let unproven = |account: &&AccountId| listed(account) && !wanted(account);
            let unproven = batch.accounts.iter().filter(unproven);
            self.unclear.extend(unproven.cloned());
            batch.refused_in_part = batch.accounts.iter().any(wanted);
        }
        // This work or someone else changed these accounts. In both cases record "shared" and not
        // "already shared", so that a share is revoked at its end. The exception is one account
        // alone for which the cloud says "already shared" and no earlier call may have been carried
        // out: no call of this work shared it.
        let kind = match of_one && !maybe_done {
            true => self.unchanged(),
            false => self.effected(),
        };
        let changed = !there.is_empty();
        if changed {
            self.failures = 0;
        }
        for account in there {
            self.settle(account, kind.clone(), error.request_id.clone());
        }
        let over = error.class.fault() != Fault::Cloud;
        if self.queue.front().is_some_and(|b| b.accounts.is_empty()) {
            self.queue.pop_front();
            self.next = Next::Call;
            if over && !error.class.may_be_one_account() {
                self.give_up(&error);
            }
            return;
        }
        match error.class {
            ErrorClass::AsWanted if of_one && tries < self.max_tries => {
                self.next = Next::Wait(ErrorClass::Transient);
            }
            ErrorClass::AsWanted if of_one => self.fail_contradicted(error),
            ErrorClass::AsWanted if !changed => self.halve(),
            _ if over => self.give_up(&error),
            _ if self.is_last(tries) => self.fail_for_now(&error),
            _ => self.call_again(),
        }
    }

    /// Fails the front account after a contradiction: the cloud refuses the call because the
    /// account already has the wanted state, but the list of shares says the opposite.
    fn fail_contradicted(&mut self, error: CloudError) {
        if let Some(front) = self.queue.front().filter(|front| front.maybe_done) {
            self.unclear.extend(front.accounts.iter().cloned());
        }
        self.fail_front(&contradicted(error), true);
    }

    /// Handles a failed read of the shares. If a call may have been carried out and the error is
    /// passing, repeats the read until one succeeds or the tries are used up. Otherwise continues
    /// without reads, because repeating a share or a cancel is harmless.
    pub(super) fn unreadable(&mut self, error: CloudError) {
        let unclear = self.must_read_first();
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        if error.class.passing() && unclear {
            front.tries += 1;
            if front.tries < self.max_tries {
                self.next = Next::Wait(error.class);
            } else {
                let last = front.last.clone().unwrap_or(error);
                self.fail_front(&last, true);
            }
            return;
        }
        self.readable = false;
        let tries = front.tries;
        let last = front.last.clone().unwrap_or(error);
        match last.class {
            ErrorClass::AsWanted if front.accounts.len() == 1 => {
                self.settle_as_wanted(last.request_id);
            }
            ErrorClass::AsWanted => {
                front.refuse_in_part();
                self.halve();
            }
            class if class.fault() != Fault::Cloud => self.give_up(&last),
            _ if self.is_last(tries) => self.fail_for_now(&last),
            _ => self.call_again(),
        }
    }
}
