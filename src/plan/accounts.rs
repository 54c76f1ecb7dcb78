//! A step machine that shares an image with accounts, or cancels the shares. It forms batches,
//! repeats calls, reads the shares back and halves failed batches. In: the result of the last step.
//! Out: the next step. Makes no call, does not sleep and reads no clock.
//!
//! No API returns a result per account, and none takes an idempotency key. Therefore a plan leaves
//! out accounts that are known to have the wanted state. After a call without a clear answer, the
//! machine reads the shares, if they can be read, before it repeats the call. If one account may
//! have made a batch fail, the machine halves the batch until that account is alone and gets its
//! own error code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::{
    AccountId, Action, CloudError, ErrorClass, Family, Fault, Item, ItemResult, ResultKind,
};

use super::account_steps::{AccountSeen, AccountStep};
use super::batch::Batch;
use super::failure::{contradicted, failure, may_have_acted};

/// The cloud's code for a call with more accounts than it takes.
const TOO_MANY: &str = "InvalidParameterValue.LimitExceeded";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Call,
    Read,
    Wait(ErrorClass),
}

/// The work for one image: one action for many accounts.
#[derive(Debug)]
pub struct AccountWork {
    action: Action,
    readable: bool,
    max_tries: u32,
    queue: VecDeque<Batch>,
    next: Next,
    done: BTreeMap<AccountId, ItemResult>,
    /// The accounts of calls without a clear answer. A read right after such a call does not settle
    /// the matter: the cloud may carry out the call later.
    unclear: BTreeSet<AccountId>,
}

impl AccountWork {
    /// Creates the work for `accounts`, in calls of at most `per_call` accounts (at least 1).
    /// `readable`: whether the shares can be read. `looked_before`: an earlier attempt may have
    /// made these calls, so "already shared" may be its result. `max_tries`: the limit for each
    /// batch.
    pub fn new(
        action: Action,
        accounts: &[AccountId],
        per_call: usize,
        readable: bool,
        looked_before: bool,
        max_tries: u32,
    ) -> Self {
        let batch = |chunk: &[AccountId]| Batch::new(chunk.to_vec(), looked_before);
        let queue = accounts.chunks(per_call.max(1)).map(batch).collect();
        Self {
            action,
            readable,
            max_tries,
            queue,
            next: Next::Call,
            done: BTreeMap::new(),
            unclear: BTreeSet::new(),
        }
    }

    /// Returns the next step.
    pub fn next(&self) -> AccountStep {
        let Some(front) = self.queue.front() else {
            return AccountStep::Finished;
        };
        match self.next {
            Next::Call => AccountStep::Call(front.accounts.clone()),
            Next::Read => AccountStep::Read,
            Next::Wait(class) => AccountStep::Wait {
                tries: front.tries,
                class,
            },
        }
    }

    /// Processes the result of the step that [`next`](Self::next) returned.
    pub fn see(&mut self, seen: AccountSeen) {
        match seen {
            AccountSeen::Called(Ok(request_id)) => {
                self.settle_front(&self.effected(), request_id);
            }
            AccountSeen::Called(Err(error)) => self.refused(error),
            AccountSeen::Coalesced(class) => {
                if let Some(front) = self.queue.front_mut() {
                    front.maybe_done = true;
                    front.refused_in_part |= class.may_be_one_account();
                }
                self.next = Next::Call;
            }
            AccountSeen::Shares(Ok(shares)) => self.read_back(&shares),
            AccountSeen::Shares(Err(error)) => self.unreadable(error),
            AccountSeen::Waited => {
                self.next = if self.must_read_first() {
                    Next::Read
                } else {
                    Next::Call
                }
            }
        }
    }

    /// Returns the results of all settled accounts, in no particular order.
    pub fn settled(&self) -> impl Iterator<Item = &ItemResult> {
        self.done.values()
    }

    /// Whether a call for this account failed although the cloud may have carried it out.
    pub fn is_unclear(&self, account: &AccountId) -> bool {
        let in_part = |batch: &Batch| batch.refused_in_part && batch.accounts.contains(account);
        self.unclear.contains(account) || self.queue.iter().any(in_part)
    }

    fn effected(&self) -> ResultKind {
        match self.action {
            Action::Share => ResultKind::Shared,
            Action::Cancel => ResultKind::Cancelled,
        }
    }

    fn unchanged(&self) -> ResultKind {
        match self.action {
            Action::Share => ResultKind::AlreadyShared,
            Action::Cancel => ResultKind::NotShared,
        }
    }

    fn settle(&mut self, account: AccountId, kind: ResultKind, request_id: Option<String>) {
        let result = ItemResult::new(Item::Account(account.clone()), kind, request_id)
            .in_doubt(self.is_unclear(&account));
        self.done.insert(account, result);
    }

    fn must_read_first(&self) -> bool {
        let unclear = |e: &CloudError| may_have_acted(e.class);
        self.readable
            && self
                .queue
                .front()
                .and_then(|b| b.last.as_ref())
                .is_some_and(unclear)
    }

    fn refused(&mut self, error: CloudError) {
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        front.tries += 1;
        front.last = Some(error.clone());
        let alone = front.accounts.len() == 1;
        match error.class {
            ErrorClass::AsWanted if alone && !self.readable => {
                self.settle_as_wanted(error.request_id);
            }
            ErrorClass::Account
            | ErrorClass::Quota
            | ErrorClass::Unlisted(Family::Operator | Family::Final)
                if alone =>
            {
                if error.class == ErrorClass::Account {
                    // The cloud cannot share with such an account, so no earlier call did.
                    self.unclear.retain(|id| !front.accounts.contains(id));
                }
                self.give_up(&error);
            }
            ErrorClass::AsWanted if self.readable => self.next = Next::Read,
            ErrorClass::AsWanted => {
                // The shares cannot be read. Mark the halves as perhaps done: an account that has
                // the image counts as "shared", even if someone else shared it, so that the share
                // is revoked at its end.
                front.refuse_in_part();
                self.halve();
            }
            ErrorClass::Unlisted(Family::Passing) if alone => self.repeat(error),
            ErrorClass::Account | ErrorClass::Quota | ErrorClass::Unlisted(_) => {
                // The API pages do not say whether a refused batch is carried out up to the bad
                // account. Mark the halves as perhaps done, so that "already shared" counts as
                // "shared".
                front.refuse_in_part();
                self.halve();
            }
            ErrorClass::Transient
            | ErrorClass::Throttled
            | ErrorClass::NotSent
            | ErrorClass::Ambiguous => self.repeat(error),
            ErrorClass::Permanent if error.code == TOO_MANY && !alone => self.halve(),
            // A call for one account alone got the code, so the code says nothing about the other
            // batches.
            ErrorClass::Permanent if error.code == TOO_MANY => self.fail_front(&error, false),
            ErrorClass::Permanent
            | ErrorClass::Operator
            | ErrorClass::Refresh
            | ErrorClass::Clock => {
                // The cause is not an account but, for example, the image, the key, the role or the
                // clock, so all batches fail.
                self.give_up(&error);
            }
        }
    }

    /// Fails the front batch, and all others too if the cause cannot be a single account. First
    /// reads the shares, if they can be read and an earlier refused call may have been carried out
    /// for a batch. A wrong account needs no read.
    fn give_up(&mut self, error: &CloudError) {
        let retryable = error.class.fault() != Fault::Request;
        while let Some(front) = self.queue.front_mut() {
            if self.readable && front.refused_in_part && error.class != ErrorClass::Account {
                front.last = Some(error.clone());
                self.next = Next::Read;
                return;
            }
            self.fail_front(error, retryable);
            if error.class.may_be_one_account() {
                return;
            }
        }
    }

    /// Repeats the front batch after a wait, and after a read if the call may have been carried out
    /// and the shares can be read. After the last try, fails the accounts that such a read does not
    /// show as changed; without such a read, all of them.
    fn repeat(&mut self, error: CloudError) {
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        if may_have_acted(error.class) {
            front.maybe_done = true;
            self.unclear.extend(front.accounts.iter().cloned());
        }
        if front.tries < self.max_tries {
            self.next = Next::Wait(error.class);
        } else if self.must_read_first() {
            self.next = Next::Read;
        } else {
            self.fail_front(&error, true);
        }
    }

    /// Compares the batches with the current shares, and decides how to continue.
    fn read_back(&mut self, shares: &BTreeSet<AccountId>) {
        let share = self.action == Action::Share;
        let wanted = |account: &AccountId| shares.contains(account) == share;
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        let Some(error) = front.last.clone() else {
            self.next = Next::Call;
            return;
        };
        let before = front.accounts.len();
        let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut front.accounts)
            .into_iter()
            .partition(wanted);
        front.accounts = missing;
        let (tries, maybe_done) = (front.tries, front.maybe_done);
        for batch in &mut self.queue {
            batch.refused_in_part &= batch.accounts.iter().any(wanted);
        }
        let of_one = error.class == ErrorClass::AsWanted && before == 1;
        // This work or someone else changed these accounts. In both cases record "shared" and not
        // "already shared", so that a share is revoked at its end. But if the cloud said of one
        // account alone that it was shared before, no call of this work shared it.
        let kind = match of_one && !maybe_done {
            true => self.unchanged(),
            false => self.effected(),
        };
        let changed = !there.is_empty();
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
            _ if tries >= self.max_tries => self.fail_front(&error, true),
            _ => self.next = Next::Call,
        }
    }

    /// Fails the front account: the cloud refuses the call because the account already has the
    /// wanted state, but the list of shares says the opposite.
    fn fail_contradicted(&mut self, error: CloudError) {
        if let Some(front) = self.queue.front().filter(|front| front.maybe_done) {
            self.unclear.extend(front.accounts.iter().cloned());
        }
        self.fail_front(&contradicted(error), true);
    }

    /// Handles a failed read of the shares. If a call may have been carried out and the error is
    /// passing, repeats the read until one succeeds or the tries are used up. Otherwise continues
    /// without reads, because repeating a share or a cancel is harmless.
    fn unreadable(&mut self, error: CloudError) {
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
            _ if front.tries >= self.max_tries => self.fail_front(&last, true),
            _ => self.next = Next::Call,
        }
    }

    /// Splits the front batch in two halves, whose tries are counted from 0.
    fn halve(&mut self) {
        let Some(front) = self.queue.pop_front() else {
            return;
        };
        self.next = Next::Call;
        let (first, second) = front.halves();
        if !second.accounts.is_empty() {
            self.queue.push_front(second);
        }
        self.queue.push_front(first);
    }

    /// Settles the front account: the cloud says that it already has the wanted state.
    fn settle_as_wanted(&mut self, request_id: Option<String>) {
        let maybe_done = self.queue.front().is_some_and(|front| front.maybe_done);
        let kind = match maybe_done {
            true => self.effected(),
            false => self.unchanged(),
        };
        self.settle_front(&kind, request_id);
    }

    fn settle_front(&mut self, kind: &ResultKind, request_id: Option<String>) {
        if let Some(batch) = self.queue.pop_front() {
            for account in batch.accounts {
                self.settle(account, kind.clone(), request_id.clone());
            }
        }
        self.next = Next::Call;
    }

    fn fail_front(&mut self, error: &CloudError, retryable: bool) {
        // A wrong account cannot have got the image, and an unlisted final code for one account
        // alone most likely means a wrong account. Any other account may have got it, by the
        // refused call.
        let wrong = matches!(
            error.class,
            ErrorClass::Account | ErrorClass::Unlisted(Family::Final)
        );
        let in_part = |front: &&Batch| front.refused_in_part && !wrong;
        if let Some(front) = self.queue.front().filter(in_part) {
            self.unclear.extend(front.accounts.iter().cloned());
        }
        self.settle_front(&failure(error, retryable), error.request_id.clone());
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "accounts_doubt_tests.rs"]
mod doubt_tests;
