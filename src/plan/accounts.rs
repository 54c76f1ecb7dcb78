//! A step machine that shares an image with accounts, or cancels the shares. It forms batches,
//! repeats calls, reads the shares back and halves failed batches. In: the result of the last step.
//! Out: the next step. Never sleeps, calls or reads a clock.
//!
//! No API returns a result per account, and none takes an idempotency key. Therefore the machine
//! calls only for accounts that need a change. If a call got no clear answer, it reads the shares,
//! if they can be read, before it repeats the call. If one account may have made a batch fail, it
//! halves the batch until that account is alone and gets its own error code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::{
    AccountId, Action, CloudError, ErrorClass, Family, Fault, Item, ItemResult, ResultKind,
};

use super::failure::{failure, may_have_acted};

/// The cloud's code for a call with more accounts than it takes.
const TOO_MANY: &str = "InvalidParameterValue.LimitExceeded";

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountStep {
    /// Call the cloud for these accounts, 1 up to the batch limit.
    Call(Vec<AccountId>),
    /// Read the current shares.
    Read,
    /// Wait before try `tries + 1`, because the last call or read failed with an error of `class`.
    Wait {
        /// The number of tries so far.
        tries: u32,
        /// The class of the last error.
        class: ErrorClass,
    },
    /// No step is left; the results are complete.
    Finished,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountSeen {
    /// The call's result: the cloud's request id if it gave one, or the error.
    Called(Result<Option<String>, CloudError>),
    /// The call was refused, perhaps because of an account of another request in the same call.
    Coalesced,
    /// The accounts that have the image now, or why they could not be read.
    Shares(Result<BTreeSet<AccountId>, CloudError>),
    /// The wait has ended.
    Waited,
}

#[derive(Debug)]
struct Batch {
    accounts: Vec<AccountId>,
    tries: u32,
    /// An earlier call for these accounts may have been carried out.
    maybe_done: bool,
    last: Option<CloudError>,
}

impl Batch {
    fn new(accounts: Vec<AccountId>, maybe_done: bool) -> Self {
        Self {
            accounts,
            tries: 0,
            maybe_done,
            last: None,
        }
    }
}

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
            AccountSeen::Coalesced => {
                // A refused batch may have been carried out in part.
                if let Some(front) = self.queue.front_mut() {
                    front.maybe_done = true;
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
        self.unclear.contains(account)
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
            ErrorClass::AsWanted if alone => {
                let kind = if front.maybe_done {
                    self.effected()
                } else {
                    self.unchanged()
                };
                self.settle_front(&kind, error.request_id);
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
                let retryable = error.class.fault() != Fault::Request;
                self.fail_front(&error, retryable)
            }
            ErrorClass::AsWanted if self.readable => self.next = Next::Read,
            ErrorClass::AsWanted => {
                // The shares cannot be read. Mark the halves as perhaps done: an account that has
                // the image counts as "shared", even if someone else shared it, so that the share
                // is revoked at its end.
                front.maybe_done = true;
                self.halve();
            }
            ErrorClass::Unlisted(Family::Passing) if alone => self.repeat(error),
            ErrorClass::Account | ErrorClass::Quota | ErrorClass::Unlisted(_) => {
                // The API pages do not say whether a refused batch is carried out up to the bad
                // account. Mark the halves as perhaps done, so that "already shared" counts as
                // "shared".
                front.maybe_done = true;
                self.halve();
            }
            ErrorClass::Transient
            | ErrorClass::Throttled
            | ErrorClass::NotSent
            | ErrorClass::Ambiguous => self.repeat(error),
            ErrorClass::Permanent if error.code == TOO_MANY && !alone => self.halve(),
            // One account alone gets the code, so it says nothing about the other batches.
            ErrorClass::Permanent if error.code == TOO_MANY => self.fail_front(&error, false),
            ErrorClass::Permanent
            | ErrorClass::Operator
            | ErrorClass::Refresh
            | ErrorClass::Clock => {
                // The cause is not an account but, for example, the image, the key, the role or the
                // clock, so all batches fail.
                let retryable = error.class.fault() != Fault::Request;
                while !self.queue.is_empty() {
                    self.fail_front(&error, retryable);
                }
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

    /// Compares the front batch with the current shares, and decides how to continue.
    fn read_back(&mut self, shares: &BTreeSet<AccountId>) {
        let wanted =
            |account: &AccountId| shares.contains(account) == (self.action == Action::Share);
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        let before = front.accounts.len();
        let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut front.accounts)
            .into_iter()
            .partition(wanted);
        front.accounts = missing;
        let (tries, last) = (front.tries, front.last.clone());
        let changed = front.accounts.len() < before;
        let request_id = last.as_ref().and_then(|e| e.request_id.clone());
        // This work or someone else changed these accounts. In both cases record "shared" and not
        // "already shared", so that a share is revoked at its end.
        for account in there {
            self.settle(account, self.effected(), request_id.clone());
        }
        let Some(error) = last else {
            self.next = Next::Call;
            return;
        };
        if self.queue.front().is_some_and(|b| b.accounts.is_empty()) {
            self.queue.pop_front();
            self.next = Next::Call;
            return;
        }
        match error.class {
            ErrorClass::AsWanted if !changed => self.halve(),
            _ if tries >= self.max_tries => self.fail_front(&error, true),
            _ => self.next = Next::Call,
        }
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
            ErrorClass::AsWanted => {
                front.maybe_done = true;
                self.halve();
            }
            _ if front.tries >= self.max_tries => self.fail_front(&last, true),
            _ => self.next = Next::Call,
        }
    }

    /// Splits the front batch in two halves, whose tries are counted from 0.
    fn halve(&mut self) {
        let Some(mut front) = self.queue.pop_front() else {
            return;
        };
        self.next = Next::Call;
        let second = front.accounts.split_off(front.accounts.len().div_ceil(2));
        if !second.is_empty() {
            self.queue.push_front(Batch::new(second, front.maybe_done));
        }
        let first = Batch::new(front.accounts, front.maybe_done);
        self.queue.push_front(first);
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
        self.settle_front(&failure(error, retryable), error.request_id.clone());
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
