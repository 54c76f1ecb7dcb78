//! Tests batches that fail for a passing reason: because of one account, or because the cloud is
//! down.

use super::tests::{Model, account, drive};
use super::*;

const TRIES: u32 = 6;

fn work(count: u64, readable: bool) -> AccountWork {
    let accounts: Vec<AccountId> = (0..count).map(account).collect();
    AccountWork::new(Action::Share, &accounts, 10, readable, false, TRIES)
}

fn model(bad: impl IntoIterator<Item = u64>, class: ErrorClass) -> Model {
    Model {
        bad: bad.into_iter().map(account).collect(),
        bad_class: Some(class),
        ..Model::default()
    }
}

/// Returns the items that failed, after a check that each failure is retryable.
fn failed(work: &AccountWork) -> BTreeSet<Item> {
    let retryable = |kind: &ResultKind| {
        matches!(
            kind,
            ResultKind::Failed {
                retryable: true,
                ..
            }
        )
    };
    let failed: Vec<_> = work.settled().filter(|r| !r.succeeded()).collect();
    assert!(failed.iter().all(|r| retryable(&r.kind)), "{failed:?}");
    failed.iter().map(|result| result.item.clone()).collect()
}

#[test]
fn a_passing_code_of_one_account_or_two_costs_the_others_nothing() {
    for class in [ErrorClass::Transient, ErrorClass::Ambiguous] {
        for (partial, readable) in [(false, true), (true, true), (false, false), (true, false)] {
            for (one, other) in (0..10).flat_map(|one| (0..10).map(move |other| (one, other))) {
                let case = format!("{class:?} {partial} {readable} {one} {other}");
                let mut model = Model {
                    partial,
                    ..model([one, other], class)
                };
                let mut work = work(10, readable);
                drive(&mut work, &mut model, Action::Share, readable);
                let bad: BTreeSet<Item> = model.bad.iter().cloned().map(Item::Account).collect();
                assert_eq!(failed(&work), bad, "{case}");
                assert_eq!(model.shares.len(), 10 - bad.len(), "{case}");
                let most = if partial { 30 } else { 18 };
                assert!(model.writes <= most, "{case}: {} calls", model.writes);
            }
        }
    }
}

#[test]
fn a_cloud_that_is_down_gets_as_many_calls_as_without_halves() {
    for (accounts, batches) in [(1, 1), (3, 1), (10, 1), (11, 2), (25, 3)] {
        for readable in [true, false] {
            let mut model = model(0..accounts, ErrorClass::Transient);
            let mut work = work(accounts, readable);
            drive(&mut work, &mut model, Action::Share, readable);
            assert_eq!(model.writes, TRIES * batches, "{accounts} {readable}");
            assert_eq!(failed(&work).len() as u64, accounts);
        }
    }
}

#[test]
fn thorough_work_finds_each_account_that_can_be_shared_with() {
    for good in 0..10 {
        let bad = (0..10).filter(|n| *n != good);
        let mut model = model(bad, ErrorClass::Transient);
        let mut work = work(10, true).thorough();
        drive(&mut work, &mut model, Action::Share, true);
        assert_eq!(model.shares, [account(good)].into(), "{good}");
        assert_eq!(failed(&work).len(), 9);
        assert!(model.writes <= 30, "{} calls", model.writes);
    }
}

/// An account cannot be the cause of a rate limit, of a missing connection or of the image's state,
/// so the batch must not be halved.
#[test]
fn a_call_that_no_account_can_spoil_is_repeated_for_the_whole_batch() {
    for class in [ErrorClass::Busy, ErrorClass::Throttled, ErrorClass::NotSent] {
        let mut work = work(10, true);
        for _ in 0..TRIES {
            let AccountStep::Call(batch) = work.next() else {
                panic!("{work:?}");
            };
            assert_eq!(batch.len(), 10);
            work.see(AccountSeen::Called(Err(super::tests::error("C", class))));
            if work.next() != AccountStep::Finished {
                work.see(AccountSeen::Waited);
            }
        }
        assert_eq!(work.next(), AccountStep::Finished, "{class:?}");
    }
}
