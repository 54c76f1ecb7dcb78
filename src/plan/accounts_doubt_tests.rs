//! Tests which results and doubts remain after a refused batch, after a read of the shares, and
//! after "already shared".

use super::tests::{account, error};
use super::*;

const TRIES: u32 = 6;

fn work(action: Action, count: u64, readable: bool) -> AccountWork {
    let accounts: Vec<AccountId> = (0..count).map(account).collect();
    AccountWork::new(action, &accounts, 10, readable, false, TRIES)
}

fn refused(class: ErrorClass) -> AccountSeen {
    AccountSeen::Called(Err(error("C", class)))
}

fn listed(numbers: &[u64]) -> AccountSeen {
    AccountSeen::Shares(Ok(numbers.iter().copied().map(account).collect()))
}

fn result(work: &AccountWork, n: u64) -> (ResultKind, bool) {
    let item = Item::Account(account(n));
    let result = work.settled().find(|result| result.item == item).unwrap();
    (result.kind.clone(), result.maybe_done)
}

fn failed(work: &AccountWork, n: u64) -> bool {
    matches!(result(work, n).0, ResultKind::Failed { .. })
}

/// Refusals of a batch that may have been carried out in part.
const IN_PART: [ErrorClass; 4] = [
    ErrorClass::AsWanted,
    ErrorClass::Account,
    ErrorClass::Quota,
    ErrorClass::Unlisted(Family::Final),
];

/// Refusals that make an account fail, but do not show that the account lacks the image.
const ENDS: [ErrorClass; 4] = [
    ErrorClass::Quota,
    ErrorClass::Permanent,
    ErrorClass::Operator,
    ErrorClass::Unlisted(Family::Operator),
];

/// The cloud may share the image with the first account of a batch before it refuses the batch
/// because of the second account.
#[test]
fn an_account_of_a_refused_batch_stays_in_doubt_if_its_own_call_fails() {
    for first in IN_PART {
        for last in ENDS {
            let mut work = work(Action::Share, 2, false);
            work.see(refused(first));
            assert!(work.is_unclear(&account(0)), "while {first:?} is unsettled");
            work.see(refused(last));
            assert!(failed(&work, 0) && result(&work, 0).1, "{first:?} {last:?}");
        }
        for wrong in [ErrorClass::Account, ErrorClass::Unlisted(Family::Final)] {
            let mut work = work(Action::Share, 2, false);
            work.see(refused(first));
            work.see(refused(wrong));
            assert!(
                !result(&work, 0).1,
                "{wrong:?}: it cannot have got the image"
            );
        }
    }
    let mut alone = work(Action::Share, 1, false);
    alone.see(refused(ErrorClass::Quota));
    assert!(!result(&alone, 0).1, "no other account was in its call");
}

/// A call is coalesced with the call of another request, and the coalesced call is refused. If an
/// account may be the cause, the call may have been carried out in part.
#[test]
fn an_account_of_a_merged_call_that_was_refused_stays_in_doubt() {
    for (class, doubt) in [
        (ErrorClass::Account, true),
        (ErrorClass::Quota, true),
        (ErrorClass::Permanent, false),
    ] {
        let mut work = work(Action::Share, 1, false);
        work.see(AccountSeen::Coalesced(class));
        assert_eq!(work.is_unclear(&account(0)), doubt, "{class:?}");
        work.see(refused(ErrorClass::Permanent));
        assert_eq!(result(&work, 0).1, doubt, "{class:?}");
    }
}

#[test]
fn where_the_shares_can_be_read_a_read_ends_that_doubt() {
    for last in ENDS {
        for there in [true, false] {
            let mut work = work(Action::Share, 3, true);
            work.see(refused(ErrorClass::Account));
            work.see(refused(ErrorClass::Account));
            work.see(refused(last));
            assert_eq!(work.next(), AccountStep::Read, "{last:?}");
            work.see(listed(if there { &[0] } else { &[] }));
            let (kind, doubt) = result(&work, 0);
            assert_eq!(kind == ResultKind::Shared, there, "{last:?}: {kind:?}");
            assert!(!doubt, "{last:?}");
            if last.may_be_one_account() {
                // The read has also shown that the other accounts do not have the image, so no more
                // reads are needed.
                assert_eq!(work.next(), AccountStep::Call(vec![account(1)]));
                work.see(refused(last));
                work.see(refused(last));
            }
            assert_eq!(work.next(), AccountStep::Finished, "{last:?}");
            assert!(failed(&work, 1) && failed(&work, 2), "{last:?}");
            assert!(!result(&work, 2).1, "{last:?}");
        }
        let mut unread = work(Action::Share, 2, true);
        unread.see(refused(ErrorClass::Account));
        unread.see(refused(last));
        unread.see(AccountSeen::Shares(Err(error("R", ErrorClass::Operator))));
        assert!(failed(&unread, 0) && result(&unread, 0).1, "{last:?}");
    }
}

#[test]
fn already_shared_is_believed_only_if_the_list_agrees() {
    for (action, settled, agrees) in [
        (Action::Share, ResultKind::AlreadyShared, &[0][..]),
        (Action::Cancel, ResultKind::NotShared, &[]),
    ] {
        let opposite: &[u64] = if agrees.is_empty() { &[0] } else { &[] };
        let mut late = work(action, 1, true);
        late.see(refused(ErrorClass::AsWanted));
        assert_eq!(late.next(), AccountStep::Read);
        late.see(listed(opposite));
        let wait = AccountStep::Wait {
            tries: 1,
            class: ErrorClass::Transient,
        };
        assert_eq!(late.next(), wait, "the list may lag");
        late.see(AccountSeen::Waited);
        late.see(refused(ErrorClass::AsWanted));
        late.see(listed(agrees));
        assert_eq!(result(&late, 0), (settled.clone(), false));

        let mut never = work(action, 1, true);
        let mut calls = 0;
        for _ in 0..100 {
            never.see(match never.next() {
                AccountStep::Call(_) => {
                    calls += 1;
                    refused(ErrorClass::AsWanted)
                }
                AccountStep::Read => listed(opposite),
                AccountStep::Wait { .. } => AccountSeen::Waited,
                AccountStep::Finished => break,
            });
        }
        assert_eq!((never.next(), calls), (AccountStep::Finished, TRIES));
        let (kind, doubt) = result(&never, 0);
        assert!(
            matches!(&kind, ResultKind::Failed { retryable: true, message, .. }
                if message.contains("the opposite")),
            "{kind:?}"
        );
        assert!(!doubt, "no call of this work gave it");

        let mut unread = work(action, 1, true);
        unread.see(refused(ErrorClass::AsWanted));
        unread.see(AccountSeen::Shares(Err(error("R", ErrorClass::Operator))));
        assert_eq!(result(&unread, 0), (settled, false));
    }
}

#[test]
fn a_list_does_not_end_the_cancel_of_an_account_that_it_may_lack() {
    let mut work = work(Action::Cancel, 2, true).hiding([account(0)].into());
    work.see(refused(ErrorClass::Ambiguous));
    work.see(AccountSeen::Waited);
    work.see(listed(&[]));
    assert_eq!(result(&work, 1).0, ResultKind::Cancelled);
    assert_eq!(work.next(), AccountStep::Call(vec![account(0)]));
    // The cloud's own answer for this account settles it.
    work.see(refused(ErrorClass::AsWanted));
    work.see(listed(&[]));
    assert_eq!(result(&work, 0), (ResultKind::Cancelled, false));
    assert_eq!(work.next(), AccountStep::Finished);
}

#[test]
fn an_account_that_the_list_may_lack_stays_in_doubt() {
    for last in ENDS {
        let mut work = work(Action::Cancel, 2, true).hiding([account(0), account(1)].into());
        work.see(refused(ErrorClass::Account));
        work.see(refused(last));
        for _ in 0..10 {
            work.see(match work.next() {
                AccountStep::Read => listed(&[]),
                AccountStep::Call(_) => refused(last),
                AccountStep::Wait { .. } => AccountSeen::Waited,
                AccountStep::Finished => break,
            });
        }
        assert_eq!(work.next(), AccountStep::Finished, "{last:?}");
        assert!(failed(&work, 0) && result(&work, 0).1, "{last:?}");
    }
}
