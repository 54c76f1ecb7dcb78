//! Tests the machine against a model of the cloud. After any fault, the final shares must be right
//! and the results true.

use super::*;
use proptest::prelude::*;

pub(super) fn account(n: u64) -> AccountId {
    format!("{}", 700_000_000_000 + n).parse().unwrap()
}

pub(super) fn error(code: &str, class: ErrorClass) -> CloudError {
    CloudError {
        code: code.into(),
        message: "m".into(),
        class,
        remedy: String::new(),
        request_id: None,
    }
}

/// A model of the cloud with one image. A call with an account in `bad` fails. If `partial` is
/// true, the accounts before the bad one are changed nevertheless.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) shares: BTreeSet<AccountId>,
    pub(super) bad: BTreeSet<AccountId>,
    /// The class of the error for a bad account. `None` means `Account`.
    pub(super) bad_class: Option<ErrorClass>,
    pub(super) partial: bool,
    pub(super) any_already_refuses: bool,
    /// The network faults of the coming calls, one entry per call.
    pub(super) faults: VecDeque<Fault>,
    pub(super) writes: u32,
    pub(super) reads: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Before(ErrorClass),
    LostAnswer,
}

impl Model {
    fn call(
        &mut self,
        action: Action,
        accounts: &[AccountId],
    ) -> Result<Option<String>, CloudError> {
        self.writes += 1;
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        if let Fault::Before(class) = fault {
            return Err(error("Injected", class));
        }
        let end = self.apply(action, accounts);
        if fault == Fault::LostAnswer {
            Err(error("Timeout", ErrorClass::Ambiguous))
        } else {
            end
        }
    }

    fn apply(
        &mut self,
        action: Action,
        accounts: &[AccountId],
    ) -> Result<Option<String>, CloudError> {
        let had = accounts.iter().filter(|a| self.shares.contains(a)).count();
        let refuse = if self.any_already_refuses {
            had > 0
        } else {
            had == accounts.len()
        };
        if action == Action::Share && refuse {
            return Err(error("AlreadyShared", ErrorClass::AsWanted));
        }
        let refusal = error("BadAccount", self.bad_class.unwrap_or(ErrorClass::Account));
        if !self.partial && accounts.iter().any(|a| self.bad.contains(a)) {
            return Err(refusal);
        }
        for a in accounts {
            if self.bad.contains(a) {
                return Err(refusal);
            }
            match action {
                Action::Share => self.shares.insert(a.clone()),
                Action::Cancel => self.shares.remove(a),
            };
        }
        Ok(Some(format!("r-{}", self.writes)))
    }
}

pub(super) fn drive(work: &mut AccountWork, model: &mut Model, action: Action, readable: bool) {
    for _ in 0..10_000 {
        match work.next() {
            AccountStep::Call(accounts) => {
                assert!((1..=10).contains(&accounts.len()));
                let end = model.call(action, &accounts);
                work.see(AccountSeen::Called(end));
            }
            AccountStep::Read => {
                assert!(readable, "reads where nothing can be read");
                model.reads += 1;
                work.see(AccountSeen::Shares(Ok(model.shares.clone())));
            }
            AccountStep::Wait { .. } => work.see(AccountSeen::Waited),
            AccountStep::Finished => return,
        }
    }
    panic!("never finishes: {work:?}");
}

#[test]
fn one_bad_account_of_ten_costs_the_others_nothing() {
    for (partial, readable) in [(false, true), (true, true), (false, false), (true, false)] {
        for bad in 0..10 {
            let accounts: Vec<_> = (0..10).map(account).collect();
            let mut model = Model {
                bad: [account(bad)].into(),
                partial,
                ..Model::default()
            };
            let mut work = AccountWork::new(Action::Share, &accounts, 10, readable, false, 6);
            drive(&mut work, &mut model, Action::Share, readable);
            assert_eq!(
                model.shares.len(),
                9,
                "partial={partial} readable={readable} bad={bad}"
            );
            let failed: Vec<_> = work.settled().filter(|r| !r.succeeded()).collect();
            assert_eq!(failed.len(), 1);
            assert_eq!(failed[0].item, Item::Account(account(bad)));
            // Halving ten accounts takes at most four levels of two calls. If the shares cannot be
            // read, further calls are needed: some of the accounts in front of the bad one may have
            // been changed.
            assert!(
                model.writes <= if readable { 9 } else { 19 },
                "{} calls",
                model.writes
            );
        }
    }
}

#[test]
fn an_unlisted_code_of_one_account_costs_the_others_nothing() {
    for family in [Family::Operator, Family::Final] {
        for (partial, readable) in [(false, true), (true, true), (false, false), (true, false)] {
            let case = format!("{family:?} partial={partial} readable={readable}");
            let accounts: Vec<_> = (0..25).map(account).collect();
            let mut model = Model {
                bad: [account(3)].into(),
                bad_class: Some(ErrorClass::Unlisted(family)),
                partial,
                ..Model::default()
            };
            let mut work = AccountWork::new(Action::Share, &accounts, 10, readable, false, 6);
            drive(&mut work, &mut model, Action::Share, readable);
            assert_eq!(model.shares.len(), 24, "{case}");
            let failed: Vec<_> = work.settled().filter(|r| !r.succeeded()).collect();
            assert_eq!(failed.len(), 1, "{case}");
            assert_eq!(failed[0].item, Item::Account(account(3)), "{case}");
            let again = family != Family::Final;
            assert!(
                matches!(failed[0].kind, ResultKind::Failed { retryable, .. } if retryable == again),
                "{case}: {failed:?}"
            );
        }
    }
}

#[test]
fn a_wrong_image_stops_every_batch_after_one_call() {
    let accounts: Vec<_> = (0..25).map(account).collect();
    let mut model = Model {
        faults: [Fault::Before(ErrorClass::Permanent)].into(),
        ..Model::default()
    };
    let mut work = AccountWork::new(Action::Share, &accounts, 10, true, false, 6);
    drive(&mut work, &mut model, Action::Share, true);
    assert_eq!(
        (
            model.writes,
            work.settled().filter(|r| !r.succeeded()).count()
        ),
        (1, 25)
    );
}

#[test]
fn a_lost_answer_is_read_back_and_not_repeated() {
    let accounts: Vec<_> = (0..3).map(account).collect();
    let mut model = Model {
        faults: [Fault::LostAnswer].into(),
        ..Model::default()
    };
    let mut work = AccountWork::new(Action::Share, &accounts, 10, true, false, 6);
    drive(&mut work, &mut model, Action::Share, true);
    assert_eq!((model.writes, model.reads), (1, 1));
    let shared = work.settled().filter(|r| r.kind == ResultKind::Shared);
    assert_eq!(shared.count(), 3);
}

/// The answer to a call is lost, and a read does not show the account. The cloud may still carry
/// out the call after this read.
#[test]
fn a_read_right_after_a_lost_answer_leaves_the_account_in_doubt() {
    let mut work = AccountWork::new(Action::Share, &[account(1)], 10, true, false, 6);
    for seen in [
        AccountSeen::Called(Err(error("Timeout", ErrorClass::Ambiguous))),
        AccountSeen::Waited,
        AccountSeen::Shares(Ok(BTreeSet::new())),
        AccountSeen::Called(Err(error("X", ErrorClass::Permanent))),
    ] {
        work.see(seen);
    }
    assert_eq!(work.next(), AccountStep::Finished);
    let in_doubt = work.settled().filter(|result| result.maybe_done);
    assert_eq!(in_doubt.count(), 1);
}

#[test]
fn while_a_lost_answer_cannot_be_read_back_nothing_is_repeated() {
    for unanswered in 0..9 {
        let mut work = AccountWork::new(Action::Cancel, &[account(1)], 10, true, false, 6);
        let (mut calls, mut reads) = (0, 0);
        for _ in 0..50 {
            work.see(match work.next() {
                AccountStep::Call(_) => {
                    calls += 1;
                    AccountSeen::Called(Err(error("Timeout", ErrorClass::Ambiguous)))
                }
                AccountStep::Read if reads < unanswered => {
                    reads += 1;
                    AccountSeen::Shares(Err(error("ConnectFailed", ErrorClass::NotSent)))
                }
                AccountStep::Read => AccountSeen::Shares(Ok(BTreeSet::new())),
                AccountStep::Wait { .. } => AccountSeen::Waited,
                AccountStep::Finished => break,
            });
        }
        assert_eq!(
            (work.next(), calls),
            (AccountStep::Finished, 1),
            "{unanswered}"
        );
        // The call and its reads share one limit of six tries.
        match &work.settled().next().unwrap().kind {
            ResultKind::Cancelled => assert!(unanswered < 5),
            ResultKind::Failed {
                code,
                retryable: true,
                ..
            } => assert!(unanswered >= 5 && code == "Timeout"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_cloud_that_stays_busy_ends_in_a_retryable_failure() {
    let mut model = Model {
        faults: vec![Fault::Before(ErrorClass::Throttled); 50].into(),
        ..Model::default()
    };
    let mut work = AccountWork::new(Action::Share, &[account(1)], 10, true, false, 6);
    drive(&mut work, &mut model, Action::Share, true);
    assert_eq!(model.writes, 6);
    let only = work.settled().next().unwrap();
    assert!(matches!(
        only.kind,
        ResultKind::Failed {
            retryable: true,
            ..
        }
    ));
}

#[test]
fn a_batch_larger_than_the_cloud_takes_is_halved() {
    let accounts: Vec<_> = (0..8).map(account).collect();
    let mut work = AccountWork::new(Action::Share, &accounts, 10, true, false, 6);
    let mut shared = 0;
    for _ in 0..50 {
        match work.next() {
            AccountStep::Call(batch) if batch.len() > 2 => {
                let too_many = error("InvalidParameterValue.LimitExceeded", ErrorClass::Permanent);
                work.see(AccountSeen::Called(Err(too_many)));
            }
            AccountStep::Call(batch) => {
                shared += batch.len();
                work.see(AccountSeen::Called(Ok(Some("r".into()))));
            }
            AccountStep::Finished => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(shared, 8);
}

/// The cloud returns the code for every batch that contains account 3. Only this account may fail.
#[test]
fn a_limit_that_concerns_one_account_costs_the_others_nothing() {
    let accounts: Vec<_> = (0..10).map(account).collect();
    let mut work = AccountWork::new(Action::Share, &accounts, 10, true, false, 6);
    for _ in 0..50 {
        match work.next() {
            AccountStep::Call(batch) => {
                let refused = batch.contains(&account(3));
                let code = "InvalidParameterValue.LimitExceeded";
                work.see(AccountSeen::Called(match refused {
                    true => Err(error(code, ErrorClass::Permanent)),
                    false => Ok(Some("r".into())),
                }));
            }
            AccountStep::Finished => break,
            other => panic!("{other:?}"),
        }
    }
    let failed: Vec<_> = work.settled().filter(|r| !r.succeeded()).collect();
    assert_eq!((work.settled().count(), failed.len()), (10, 1));
    assert_eq!(failed[0].item, Item::Account(account(3)));
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::Before(ErrorClass::Throttled)),
        1 => Just(Fault::Before(ErrorClass::Transient)),
        1 => Just(Fault::Before(ErrorClass::Ambiguous)),
        1 => Just(Fault::Before(ErrorClass::NotSent)),
        2 => Just(Fault::LostAnswer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Runs the machine with random accounts, bad accounts, earlier shares and network faults, and
    /// with each behaviour that the API pages leave open.
    #[test]
    fn the_state_ends_right_and_the_results_are_true(
        share in any::<bool>(),
        partial in any::<bool>(),
        any_already_refuses in any::<bool>(),
        readable in any::<bool>(),
        count in 1_u64..24,
        bad in proptest::collection::btree_set(0_u64..24, 0..4),
        had in proptest::collection::btree_set(0_u64..24, 0..8),
        faults in proptest::collection::vec(fault(), 0..12),
    ) {
        let action = if share { Action::Share } else { Action::Cancel };
        let bad: BTreeSet<_> = bad.into_iter().map(account).collect();
        let shares: BTreeSet<_> = had.into_iter().map(account).filter(|a| !bad.contains(a)).collect();
        let before = shares.clone();
        let mut model = Model { shares, bad, partial, any_already_refuses, faults: faults.into(), ..Model::default() };
        let mut accounts: Vec<_> = (0..count).map(account).collect();
        if readable {
            // A plan includes only accounts that need a change.
            accounts.retain(|a| before.contains(a) != share);
        }
        let mut work = AccountWork::new(action, &accounts, 10, readable, false, 20);
        drive(&mut work, &mut model, action, readable);
        prop_assert_eq!(work.settled().count(), accounts.len());
        for result in work.settled() {
            let Item::Account(id) = &result.item else { panic!() };
            let has = model.shares.contains(id);
            match (&result.kind, share) {
                (ResultKind::Shared | ResultKind::AlreadyShared, true) => prop_assert!(has),
                (ResultKind::Cancelled | ResultKind::NotShared, false) => prop_assert!(!has),
                (ResultKind::Failed { .. }, _) => prop_assert!(model.bad.contains(id), "{result:?}"),
                other => prop_assert!(false, "{other:?}"),
            }
            if readable && matches!(result.kind, ResultKind::AlreadyShared) {
                prop_assert!(before.contains(id));
            }
        }
        let outside = |set: &BTreeSet<AccountId>| set.iter().filter(|a| !accounts.contains(a)).cloned().collect::<Vec<_>>();
        prop_assert_eq!(outside(&model.shares), outside(&before), "touched an account that was not named");
    }
}
