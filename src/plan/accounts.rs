//! A step machine that shares an image with accounts, or cancels the shares. It forms batches,
//! repeats calls, reads the shares back and halves failed batches. [`AccountWork::see`] takes the
//! result of the last step, and [`AccountWork::next`] returns the next step. The machine makes no
//! call, does not sleep and reads no clock.
//!
//! No API returns a result per account, and none takes an idempotency key. Therefore a plan leaves
//! out accounts that are known to have the wanted state. After a call without a clear answer, the
//! machine reads the shares, if they can be read, before it repeats the call. If one account may
//! have made a batch fail, the machine halves the batch until that account is alone and gets its
//! own error code. Reads are processed in `read_back`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::{
    AccountId, Action, CloudError, ErrorClass, Family, Fault, Item, ItemResult, ResultKind,
};

use super::account_steps::{AccountSeen, AccountStep};
use super::batch::Batch;
use super::failure::{failure, may_have_acted};

/// The cloud's code for a call with more accounts than the cloud accepts.
const TOO_MANY: &str = "InvalidParameterValue.LimitExceeded";

/// A batch is halved after this many tries if one account may be the cause of the failures.
const TRIES_WHOLE: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Call,
    Read,
    Wait(ErrorClass),
}

/// The work for one image: one action for many accounts.
#[derive(Debug)]
pub struct AccountWork {
    pub(super) action: Action,
    pub(super) readable: bool,
    pub(super) max_tries: u32,
    pub(super) queue: VecDeque<Batch>,
    pub(super) next: Next,
    done: BTreeMap<AccountId, ItemResult>,
    /// Accounts in calls that got no clear answer. A read right after such a call does not show
    /// whether the call was carried out, because the cloud may carry it out later.
    pub(super) unclear: BTreeSet<AccountId>,
    /// For a cancel: accounts that the list of shares may lack although they have the image.
    pub(super) hidden: BTreeSet<AccountId>,
    /// The number of calls that failed for a passing reason, counted from 0 again whenever the
    /// cloud carries out a call or refuses one for another reason.
    pub(super) failures: u32,
    /// The value of `failures` at which the work ends, because the cloud itself must be the cause.
    max_failures: u32,
}

impl AccountWork {
    /// Creates the work for `accounts`, in calls of at most `per_call` accounts (at least 1).
    ///
    /// `readable` is true if the shares can be read. `looked_before` is true if an earlier attempt
    /// may have made these calls, so that "already shared" may be the effect of that attempt.
    /// `max_tries` is the limit for each batch.
    pub fn new(
        action: Action,
        accounts: &[AccountId],
        per_call: usize,
        readable: bool,
        looked_before: bool,
        max_tries: u32,
    ) -> Self {
        let batch = |chunk: &[AccountId]| Batch::new(chunk.to_vec(), looked_before);
        let queue: VecDeque<_> = accounts.chunks(per_call.max(1)).map(batch).collect();
        let batches = u32::try_from(queue.len()).unwrap_or(u32::MAX);
        Self {
            action,
            readable,
            max_tries,
            queue,
            next: Next::Call,
            done: BTreeMap::new(),
            unclear: BTreeSet::new(),
            hidden: BTreeSet::new(),
            failures: 0,
            // As many calls as the batches would get if they were never halved.
            max_failures: max_tries.saturating_mul(batches),
        }
    }

    /// Marks accounts that got the image so recently that the list of shares may lack them. If a
    /// cancel gets no clear answer, the call is repeated for these accounts even if the list does
    /// not show them. Has no effect on a share.
    #[must_use]
    pub fn hiding(self, accounts: BTreeSet<AccountId>) -> Self {
        let hidden = match self.action {
            Action::Share => BTreeSet::new(),
            Action::Cancel => accounts,
        };
        Self { hidden, ..self }
    }

    /// Halves failed batches until each account is alone, even if no call succeeds.
    #[must_use]
    pub fn thorough(self) -> Self {
        Self {
            max_failures: u32::MAX,
            ..self
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
                self.failures = 0;
                self.settle_front(&self.effected(), request_id);
            }
            AccountSeen::Called(Err(error)) => {
                if !error.class.passing() {
                    self.failures = 0;
                }
                self.refused(error);
            }
            AccountSeen::Coalesced(class) => {
                if let Some(front) = self.queue.front_mut() {
                    front.maybe_done = true;
                    front.refused_in_part |= class.may_be_one_account();
                }
                self.next = Next::Call;
            }
            AccountSeen::Shares(Ok(shares)) => self.read_back(&shares),
            AccountSeen::Shares(Err(error)) => self.unreadable(error),
            AccountSeen::Waited if self.must_read_first() => self.next = Next::Read,
            AccountSeen::Waited => self.call_again(),
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

    /// Whether one account of the front batch may be the cause, because so many calls have failed.
    pub fn doubts_batch(&self) -> bool {
        let failed = |batch: &Batch| {
            let passing = batch.last.as_ref().is_some_and(|e| may_be_hidden(e.class));
            passing && batch.tries >= TRIES_WHOLE
        };
        self.queue.front().is_some_and(failed)
    }

    pub(super) fn effected(&self) -> ResultKind {
        match self.action {
            Action::Share => ResultKind::Shared,
            Action::Cancel => ResultKind::Cancelled,
        }
    }

    pub(super) fn unchanged(&self) -> ResultKind {
        match self.action {
            Action::Share => ResultKind::AlreadyShared,
            Action::Cancel => ResultKind::NotShared,
        }
    }

    pub(super) fn settle(
        &mut self,
        account: AccountId,
        kind: ResultKind,
        request_id: Option<String>,
    ) {
        let result = ItemResult::new(Item::Account(account.clone()), kind, request_id)
            .in_doubt(self.is_unclear(&account));
        self.done.insert(account, result);
    }

    pub(super) fn must_read_first(&self) -> bool {
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
            ErrorClass::Account | ErrorClass::Quota | ErrorClass::Unlisted(_) if alone => {
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
            ErrorClass::Account | ErrorClass::Quota | ErrorClass::Unlisted(_) => {
                // The API pages do not say whether a refused batch is carried out up to the bad
                // account. Mark the halves as perhaps done, so that "already shared" counts as
                // "shared".
                front.refuse_in_part();
                self.halve();
            }
            ErrorClass::Transient
            | ErrorClass::Busy
            | ErrorClass::Throttled
            | ErrorClass::NotSent
            | ErrorClass::Ambiguous => self.repeat(error),
            ErrorClass::Permanent if error.code == TOO_MANY && !alone => self.halve(),
            // A call for one account got the code, so it says nothing about the other batches.
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

    /// Fails the front batch. Also fails all other batches if the cause cannot be a single account.
    ///
    /// If an earlier refused call may have been carried out for some accounts of a batch, the
    /// shares are read before the batch fails. This read is omitted if the shares cannot be read,
    /// or if the error says that the account is wrong.
    pub(super) fn give_up(&mut self, error: &CloudError) {
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

    /// Repeats the call for the front batch after a wait. If the failed call may have been carried
    /// out and the shares can be read, reads them first. After the last try, fails the accounts
    /// that this read does not show as changed, or the whole batch if there is no such read.
    fn repeat(&mut self, error: CloudError) {
        let Some(front) = self.queue.front_mut() else {
            return;
        };
        if may_have_acted(error.class) {
            front.maybe_done = true;
            self.unclear.extend(front.accounts.iter().cloned());
        }
        let tries = front.tries;
        self.failures = self.failures.saturating_add(1);
        if !self.is_last(tries) {
            self.next = Next::Wait(error.class);
        } else if self.must_read_first() {
            self.next = Next::Read;
        } else {
            self.fail_for_now(&error);
        }
    }

    /// Whether a batch that failed `tries` times gets no further call.
    pub(super) fn is_last(&self, tries: u32) -> bool {
        tries >= self.max_tries || self.failures >= self.max_failures
    }

    /// Fails the front batch with a result that a later turn can retry. After too many failures in
    /// a row, fails all other batches as well. They need no further read: if the shares can be
    /// read, they were read after the last call of each batch.
    pub(super) fn fail_for_now(&mut self, error: &CloudError) {
        self.fail_front(error, true);
        while self.failures >= self.max_failures
            && let Some(front) = self.queue.front()
        {
            let last = front.last.clone().unwrap_or_else(|| error.clone());
            self.fail_front(&last, true);
        }
    }

    /// Repeats the call for the front batch. After [`TRIES_WHOLE`] tries, splits the batch instead,
    /// and puts both halves behind all other batches. If the call for one half succeeds, an account
    /// of the other half is the cause.
    pub(super) fn call_again(&mut self) {
        self.next = Next::Call;
        if self.doubts_batch()
            && let Some(front) = self.queue.pop_front()
        {
            let (first, second) = front.split();
            self.queue.push_back(first);
            if !second.accounts.is_empty() {
                self.queue.push_back(second);
            }
        }
    }

    /// Splits the front batch. Its halves are the next batches, and their tries start at 0.
    pub(super) fn halve(&mut self) {
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

    /// Settles the only account of the front batch: it already has the wanted state.
    pub(super) fn settle_as_wanted(&mut self, request_id: Option<String>) {
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

    pub(super) fn fail_front(&mut self, error: &CloudError, retryable: bool) {
        // A wrong account cannot have got the image, and an unlisted final code for one account
        // alone most likely means a wrong account. Any other account of a batch that was refused in
        // part may have got the image.
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

/// Whether one account of a batch may be the cause of a failure of this class, although the error
/// does not say so and the call can succeed later.
fn may_be_hidden(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Transient | ErrorClass::Ambiguous)
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "accounts_doubt_tests.rs"]
mod doubt_tests;

#[cfg(test)]
#[path = "accounts_halving_tests.rs"]
mod halving_tests;
