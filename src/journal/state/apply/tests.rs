//! Tables over event sequences: what may follow, what may not, and what is to be done after each.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::ResultKind::{AlreadyShared, Cancelled, NotShared, Pending, Shared};
use crate::journal::record::StreamId;
use crate::journal::state::Work;
use crate::journal::testing::*;

fn fold(builder: &StreamBuilder) -> Result<State, BrokenRecord> {
    State::from_records(&builder.records)
}

fn closed_after(results: Vec<ItemResult>) -> State {
    let status = Status::of(crate::domain::Action::Share, &results);
    fold(&StreamBuilder::opened().then(1, 1, closed(status, results))).unwrap()
}

fn all(kind: ResultKind) -> Vec<ItemResult> {
    let mut results: Vec<ItemResult> = (0..3).map(|n| result(account(n), kind.clone())).collect();
    results.insert(0, result(lighthouse(), available()));
    results
}

#[test]
fn every_prefix_of_a_history_folds_to_something_that_goes_on() {
    let builder = StreamBuilder::full();
    let far = at(EXPIRY * 10);
    for length in 1..=builder.records.len() {
        let state = State::from_records(&builder.records[..length]).unwrap();
        assert_eq!(state.head().next_seq, length as u64);
        assert_eq!(state.head().hash, builder.records[length - 1].hash);
        let last = length == builder.records.len();
        assert_eq!(
            state.needs_work(far).is_none(),
            last,
            "after {length} records: {:?}",
            state.phase()
        );
        assert_eq!(state.due_at().is_none(), last);
    }
}

#[test]
fn what_is_to_be_done_after_each_record_of_a_history() {
    let builder = StreamBuilder::full();
    let revoke = |accounts: Vec<_>, lighthouse| {
        Some(Work::Revoke {
            accounts,
            lighthouse,
        })
    };
    // After so many records: nothing is due just before the first instant, and this is due at it.
    let table = [
        (1, 60, Some(Work::Finish)),
        (4, 60, Some(Work::Finish)),
        (5, 120, Some(Work::Finish)),
        (6, 190, Some(Work::Finish)),
        (8, EXPIRY, revoke(vec![account_id(0)], true)),
        (9, EXPIRY + 60, revoke(vec![account_id(0)], true)),
        (10, EXPIRY + 60, revoke(vec![], true)),
        (11, EXPIRY + 120, revoke(vec![], true)),
    ];
    for (length, due, work) in table {
        let state = State::from_records(&builder.records[..length]).unwrap();
        assert_eq!(
            state.needs_work(at(due - 1)),
            None,
            "after {length} records"
        );
        assert_eq!(state.needs_work(at(due)), work, "after {length} records");
    }
}

#[test]
fn the_story_so_far_is_told_by_the_state() {
    let builder = StreamBuilder::full();
    let after = |length| State::from_records(&builder.records[..length]).unwrap();
    assert!(!after(1).observed() && after(2).observed());
    assert_eq!(after(1).status(), Status::Pending);
    assert_eq!(after(1).blueprint(), None);
    assert_eq!(after(3).blueprint().unwrap().as_str(), "lhbp-su83x02a");
    assert!(
        matches!(after(4).phase(), Phase::Working { lease_until, .. } if *lease_until == at(60))
    );
    assert!(matches!(after(5).phase(), Phase::Deferred { why, .. } if why == "throttled"));
    assert_eq!(after(8).phase(), &Phase::Closed);
    assert_eq!(after(12).phase(), &Phase::Revoked);
    assert_eq!(
        after(12).status(),
        Status::Partial,
        "a revocation does not change how the request ended"
    );
    let kinds: Vec<ResultKind> = after(12)
        .results()
        .into_iter()
        .map(|result| result.kind)
        .collect();
    assert_eq!(kinds, [available(), Shared, AlreadyShared, failed()]);
    assert_eq!(after(12).revoked().len(), 2);
    assert_eq!(after(12).updated_at(), at(EXPIRY + 62));
}

#[test]
fn every_item_has_one_result_even_before_anything_is_known() {
    let state = fold(&StreamBuilder::opened()).unwrap();
    assert_eq!(state.results().len(), 4);
    assert!(state.results().iter().all(ItemResult::pending));
}

#[test]
fn a_denial_is_the_end_and_has_no_results() {
    let identity = identity("CHG0030192");
    let mut denied = intent(identity.clone(), request(json!({})), None);
    denied.verdict = verdict(false);
    let builder =
        StreamBuilder::empty(&identity).then(0, 1, Event::Opened(Box::new(denied.clone())));
    let state = fold(&builder).unwrap();
    assert_eq!(
        (state.phase(), state.status()),
        (&Phase::Denied, Status::Denied)
    );
    assert_eq!(
        (
            state.due_at(),
            state.needs_work(at(EXPIRY)),
            state.grant(at(1))
        ),
        (None, None, None)
    );
    assert!(state.results().is_empty());
    for event in event_of_every_type() {
        assert!(
            fold(&builder.clone().then(EXPIRY * 2, 1, event.clone())).is_err(),
            "{event:?}"
        );
    }
    denied.lease = Some(crate::journal::record::Lease { until: at(60) });
    assert!(
        fold(&StreamBuilder::empty(&identity).then(0, 1, Event::Opened(Box::new(denied)))).is_err()
    );
}

#[test]
fn a_request_for_later_waits_and_starts_then() {
    let identity = identity("CHG0030192");
    let later = intent(
        identity.clone(),
        request(json!({"not_before": at(500)})),
        None,
    );
    let builder = StreamBuilder::empty(&identity).then(0, 1, Event::Opened(Box::new(later)));
    let state = fold(&builder).unwrap();
    assert_eq!(state.phase(), &Phase::Waiting { until: at(500) });
    assert_eq!(state.needs_work(at(499)), None);
    assert_eq!(state.needs_work(at(500)), Some(Work::Start));
    assert!(
        fold(&builder.clone().then(
            499,
            2,
            Event::Taken {
                until: at(560),
                verdict: None
            }
        ))
        .is_err()
    );
    assert!(
        fold(&builder.clone().then(500, 2, progress(vec![]))).is_err(),
        "nobody has the turn yet"
    );
    let taken = fold(&builder.then(
        500,
        2,
        Event::Taken {
            until: at(560),
            verdict: None,
        },
    ))
    .unwrap();
    assert_eq!(taken.needs_work(at(560)), Some(Work::Finish));
    assert!(!taken.expired(at(EXPIRY - 1)) && taken.expired(at(EXPIRY)));
}

#[test]
fn steps_that_cannot_follow_are_broken() {
    let done = || closed(Status::Failed, vec![]);
    let revoking = |accounts, lighthouse| Event::Revoking {
        until: at(EXPIRY * 2),
        accounts,
        lighthouse,
    };
    let foreign = Item::Account("123456789".parse().unwrap());
    let other_image = Item::Lighthouse("img-00000000".parse().unwrap());
    let shut = StreamBuilder::opened().then(1, 1, closed(Status::Completed, all(Shared)));
    let gone = shut
        .clone()
        .then(EXPIRY, 2, revoking(vec![account_id(0)], false));
    let cases = [
        (
            "somebody else's turn",
            StreamBuilder::opened().then(1, 2, progress(vec![])),
        ),
        (
            "taken too early",
            StreamBuilder::opened().then(
                59,
                2,
                Event::Taken {
                    until: at(90),
                    verdict: None,
                },
            ),
        ),
        (
            "opened twice",
            StreamBuilder::opened().then(1, 1, opened(identity("CHG0030192"))),
        ),
        (
            "a foreign account",
            StreamBuilder::opened().then(1, 1, progress(vec![result(foreign, Shared)])),
        ),
        (
            "a foreign image",
            StreamBuilder::opened().then(1, 1, progress(vec![result(other_image, available())])),
        ),
        (
            "closed while pending",
            StreamBuilder::opened().then(1, 1, done()),
        ),
        (
            "closed as pending",
            StreamBuilder::opened().then(1, 1, closed(Status::Pending, all(Shared))),
        ),
        (
            "closed as denied",
            StreamBuilder::opened().then(1, 1, closed(Status::Denied, all(Shared))),
        ),
        (
            "closed twice",
            shut.clone()
                .then(2, 1, closed(Status::Completed, all(Shared))),
        ),
        (
            "written after the end",
            shut.clone().then(2, 1, progress(vec![])),
        ),
        (
            "taken after the end",
            shut.clone().then(
                EXPIRY,
                2,
                Event::Taken {
                    until: at(EXPIRY * 2),
                    verdict: None,
                },
            ),
        ),
        (
            "revoked while working",
            StreamBuilder::opened().then(EXPIRY, 1, revoking(vec![], false)),
        ),
        (
            "revoked before the expiry",
            shut.clone()
                .then(EXPIRY - 1, 2, revoking(vec![account_id(0)], true)),
        ),
        (
            "revoked without beginning",
            shut.clone().then(
                EXPIRY,
                1,
                Event::Revoked {
                    results: vec![],
                    calls: vec![],
                },
            ),
        ),
        (
            "closed while revoking",
            gone.clone()
                .then(EXPIRY, 2, closed(Status::Completed, all(Shared))),
        ),
        (
            "a result outside the revocation",
            gone.clone()
                .then(EXPIRY, 2, progress(vec![result(account(1), Cancelled)])),
        ),
        (
            "Lighthouse outside it",
            gone.clone()
                .then(EXPIRY, 2, progress(vec![result(lighthouse(), Cancelled)])),
        ),
        (
            "nothing after a deferral",
            StreamBuilder::opened()
                .then(1, 1, deferred(9))
                .then(2, 1, progress(vec![])),
        ),
    ];
    for (name, builder) in cases {
        assert!(fold(&builder).is_err(), "{name}");
    }
    assert!(
        fold(&gone.then(
            EXPIRY,
            2,
            Event::Revoked {
                results: vec![],
                calls: vec![]
            }
        ))
        .is_ok(),
        "the control"
    );
}

#[test]
fn a_story_begins_with_record_0_and_hangs_together() {
    let builder = StreamBuilder::full();
    assert!(State::from_records(&[]).is_err());
    assert!(State::from_records(&builder.records[1..]).is_err());
    let mut gap = builder.records.clone();
    gap.remove(3);
    assert!(State::from_records(&gap).is_err());
    let other = StreamBuilder::of(identity("other"));
    assert!(State::from_records(&[builder.records[0].clone(), other.records[1].clone()]).is_err());
}

#[test]
fn a_conflict_stands_alone() {
    let conflict = event_of_every_type().pop().unwrap();
    let mut builder = StreamBuilder::empty(&identity("CHG0030192"));
    builder.stream = StreamId::of_conflict(&identity("CHG0030192"), "ab");
    let builder = builder.then(0, 1, conflict);
    let stream_state = StreamState::begin(&builder.records[0]).unwrap();
    assert!(stream_state.state().is_none());
    assert!(State::from_records(&builder.records).is_err());
    let more = builder.then(1, 1, progress(vec![]));
    assert!(stream_state.apply(&more.records[1]).is_err());
}

#[test]
fn a_holder_may_prolong_its_lease_and_write_after_it() {
    let builder = StreamBuilder::opened().then(
        10,
        1,
        Event::Taken {
            until: at(100),
            verdict: None,
        },
    );
    assert_eq!(fold(&builder).unwrap().due_at(), Some(at(100)));
    assert!(
        fold(&builder.clone().then(500, 1, progress(vec![]))).is_ok(),
        "nobody has taken over"
    );
    let over = builder.then(
        100,
        2,
        Event::Taken {
            until: at(160),
            verdict: None,
        },
    );
    assert!(
        fold(&over.clone().then(101, 1, progress(vec![]))).is_err(),
        "somebody has"
    );
    assert!(fold(&over.then(101, 2, progress(vec![]))).is_ok());
}

#[test]
fn an_expiry_ends_a_pause_but_not_one_that_began_after_it() {
    let before = fold(&StreamBuilder::opened().then(1, 1, deferred(EXPIRY * 2))).unwrap();
    assert_eq!(before.due_at(), Some(at(EXPIRY)));
    let after = fold(&StreamBuilder::opened().then(EXPIRY, 1, deferred(EXPIRY * 2))).unwrap();
    assert_eq!(after.due_at(), Some(at(EXPIRY * 2)));
}

#[test]
fn only_what_the_request_gave_is_taken_back() {
    let there = ResultKind::Available {
        blueprint: None,
        already: true,
    };
    let state = closed_after(vec![
        result(lighthouse(), there),
        result(account(0), Shared),
        result(account(1), AlreadyShared),
        result(account(2), failed()),
    ]);
    let wanted = Work::Revoke {
        accounts: vec![account_id(0)],
        lighthouse: false,
    };
    assert_eq!(state.needs_work(at(EXPIRY)), Some(wanted));
    let builder = |accounts, lighthouse| {
        StreamBuilder::opened()
            .then(1, 1, closed(Status::Partial, state.results()))
            .then(
                EXPIRY,
                2,
                Event::Revoking {
                    until: at(EXPIRY + 60),
                    accounts,
                    lighthouse,
                },
            )
    };
    assert!(fold(&builder(vec![account_id(0)], false)).is_ok());
    for (accounts, lighthouse) in [
        (vec![account_id(1)], false),
        (vec![account_id(2)], false),
        (vec![], true),
    ] {
        let error = fold(&builder(accounts, lighthouse)).unwrap_err();
        assert!(error.to_string().starts_with("taken back from"), "{error}");
    }
}

#[test]
fn who_had_it_before_is_never_due() {
    let mut results = all(AlreadyShared);
    results[0] = result(
        lighthouse(),
        ResultKind::Available {
            blueprint: None,
            already: true,
        },
    );
    let state = closed_after(results);
    assert_eq!(
        (state.needs_work(at(EXPIRY * 9)), state.grant(at(1))),
        (None, None)
    );
}

#[test]
fn a_worker_that_finds_its_predecessors_share_does_not_hide_it() {
    let builder = StreamBuilder::opened()
        .then(1, 1, progress(vec![result(account(0), Shared)]))
        .then(
            60,
            2,
            Event::Taken {
                until: at(120),
                verdict: None,
            },
        )
        .then(61, 2, closed(Status::Completed, all(AlreadyShared)));
    let grant = fold(&builder).unwrap().grant(at(62)).unwrap();
    assert_eq!(grant.accounts, [account_id(0)]);
    assert_eq!(grant.since, at(1));
}

#[test]
fn a_grant_says_who_has_what_by_which_right() {
    let builder = StreamBuilder::full();
    let grant = |length: usize, seconds| {
        State::from_records(&builder.records[..length])
            .unwrap()
            .grant(at(seconds))
    };
    assert!(grant(2, 2).is_none(), "nothing is shared yet");
    let running = grant(8, 200).unwrap();
    assert_eq!(running.identity, identity("CHG0030192"));
    assert_eq!(running.ticket.as_deref(), Some("CHG0030192"));
    assert_eq!(
        (running.image.as_str(), running.region.as_str()),
        ("img-xkd784jw", "ap-singapore")
    );
    assert_eq!(running.blueprint.unwrap().as_str(), "lhbp-su83x02a");
    assert_eq!(
        (running.accounts, running.lighthouse),
        (vec![account_id(0)], true)
    );
    assert_eq!(
        (running.since, running.until, running.overdue),
        (at(2), Some(at(EXPIRY)), false)
    );
    assert_eq!(running.policies, ["golden-images-to-staging"]);
    let half = grant(10, EXPIRY + 2).unwrap();
    assert_eq!(
        (half.accounts, half.lighthouse, half.overdue),
        (vec![], true, true)
    );
    assert!(grant(12, EXPIRY + 63).is_none(), "all of it is taken back");
}

#[test]
fn what_could_not_be_taken_back_stays_in_the_register() {
    let builder = StreamBuilder::opened()
        .then(1, 1, closed(Status::Completed, all(Shared)))
        .then(
            EXPIRY,
            2,
            Event::Revoking {
                until: at(EXPIRY + 60),
                accounts: vec![account_id(0)],
                lighthouse: false,
            },
        )
        .then(
            EXPIRY + 1,
            2,
            Event::Revoked {
                results: vec![result(account(0), failed())],
                calls: vec![],
            },
        );
    let state = fold(&builder).unwrap();
    let grant = state.grant(at(EXPIRY + 2)).unwrap();
    assert!(grant.overdue && grant.accounts.contains(&account_id(0)));
    assert_eq!(state.needs_work(at(EXPIRY * 9)), None);
}

#[test]
fn a_revocation_that_is_deferred_goes_on_with_what_is_left() {
    let builder = StreamBuilder::opened()
        .then(1, 1, closed(Status::Completed, all(Shared)))
        .then(
            EXPIRY,
            2,
            Event::Revoking {
                until: at(EXPIRY + 60),
                accounts: vec![account_id(0), account_id(1), account_id(2)],
                lighthouse: true,
            },
        )
        .then(
            EXPIRY + 1,
            2,
            progress(vec![
                result(account(1), NotShared),
                result(account(2), Pending),
            ]),
        )
        .then(EXPIRY + 2, 2, deferred(EXPIRY + 300));
    let state = fold(&builder).unwrap();
    assert!(matches!(state.phase(), Phase::RevokeDeferred { .. }));
    assert_eq!(state.needs_work(at(EXPIRY + 299)), None);
    let left = Work::Revoke {
        accounts: vec![account_id(0), account_id(2)],
        lighthouse: true,
    };
    assert_eq!(state.needs_work(at(EXPIRY + 300)), Some(left));
}

#[test]
fn what_is_called_off_before_anything_was_called_is_closed_at_once() {
    let waiting = {
        let identity = identity("CHG0030192");
        let share = request(json!({"not_before": at(500)}));
        let intent = intent(identity.clone(), share, None);
        StreamBuilder::empty(&identity).then(0, 1, Event::Opened(Box::new(intent)))
    };
    // Lighthouse takes the accounts of a chain with it; a part leaves the rest waiting.
    let part = waiting.clone().then(5, 7, called_off(vec![account(1)]));
    let state = fold(&part).unwrap();
    assert_eq!(state.due_at(), Some(at(500)));
    let left = state.remaining().unwrap();
    assert_eq!(left.target.accounts(), [account_id(0), account_id(2)]);
    let rest = vec![lighthouse(), account(0), account(2)];
    let state = fold(&part.then(6, 8, called_off(rest))).unwrap();
    assert_eq!((state.phase(), state.due_at()), (&Phase::Closed, None));
    assert_eq!(state.status(), Status::Failed);
    for result in state.results() {
        assert_eq!(result.kind, Cancelled);
        assert_eq!(result.called_off_by.as_deref(), Some("CHG0030200"));
    }
    assert!(fold(&waiting.then(5, 7, called_off(vec![]))).is_err());
}

#[test]
fn what_was_given_is_taken_back_when_it_is_called_off_and_the_rest_at_its_end() {
    let builder = StreamBuilder::opened()
        .then(1, 1, progress(vec![]))
        .then(2, 7, called_off(vec![account(0), account(1)]))
        .then(3, 1, progress(vec![result(account(0), Shared)]));
    // The holder keeps its claim; nobody calls off twice.
    assert!(fold(&builder.clone().then(4, 7, called_off(vec![account(0)]))).is_err());
    let rest = vec![
        result(lighthouse(), available()),
        result(account(0), Shared),
        result(account(2), Shared),
    ];
    let builder = builder.then(4, 1, closed(Status::Partial, rest));
    let state = fold(&builder).unwrap();
    let called_off = Work::Revoke {
        accounts: vec![account_id(0)],
        lighthouse: false,
    };
    assert_eq!(state.needs_work(at(4)), Some(called_off));
    let revoking = |accounts: Vec<_>| Event::Revoking {
        until: at(60),
        accounts,
        lighthouse: false,
    };
    let wrong = builder.clone().then(5, 3, revoking(vec![account_id(2)]));
    assert!(fold(&wrong).is_err(), "it was not called off");
    let builder = builder
        .then(5, 3, revoking(vec![account_id(0)]))
        .then(6, 3, not_revoked(20));
    let early = builder.clone().then(
        19,
        4,
        Event::Revoked {
            results: vec![],
            calls: vec![],
        },
    );
    assert!(fold(&early).is_err());
    // The next attempt takes no turn: its outcome is its only record.
    let builder = builder.then(
        20,
        4,
        Event::Revoked {
            results: vec![result(account(0), NotShared)],
            calls: vec![],
        },
    );
    let state = fold(&builder).unwrap();
    assert_eq!(state.failed_revocations(), 1);
    assert_eq!(state.phase(), &Phase::Closed);
    assert_eq!(
        state.results()[1].called_off_by.as_deref(),
        Some("CHG0030200")
    );
    let left = Work::Revoke {
        accounts: vec![account_id(2)],
        lighthouse: true,
    };
    assert_eq!(state.needs_work(at(EXPIRY)), Some(left));
    assert_eq!(state.needs_work(at(EXPIRY - 1)), None);
}

#[test]
fn a_refusal_closes_as_denied_with_both_verdicts_and_keeps_what_was_given() {
    let results = vec![
        result(lighthouse(), available()),
        result(account(0), failed()),
        result(account(1), failed()),
        result(account(2), failed()),
    ];
    let refused = |allowed| Event::Refused {
        verdict: verdict(allowed),
        results: results.clone(),
    };
    assert!(fold(&StreamBuilder::opened().then(1, 1, refused(true))).is_err());
    let builder = StreamBuilder::opened().then(1, 1, refused(false));
    let state = fold(&builder).unwrap();
    assert_eq!(state.status(), Status::Denied);
    assert!(state.verdict().allowed && !state.refusal().unwrap().allowed);
    assert_eq!(state.due_at(), Some(at(EXPIRY)));
}

#[test]
fn a_cancel_gives_nothing_and_never_expires() {
    let identity = identity("CHG0030192");
    let cancel = request(json!({"action": "cancel", "expires_at": null}));
    let builder = StreamBuilder::empty(&identity)
        .then(
            0,
            1,
            Event::Opened(Box::new(intent(identity.clone(), cancel, Some(60)))),
        )
        .then(
            1,
            1,
            closed(
                Status::Completed,
                (0..3)
                    .map(|n| result(account(n), Cancelled))
                    .chain([result(lighthouse(), NotShared)])
                    .collect(),
            ),
        );
    let state = fold(&builder).unwrap();
    assert_eq!((state.due_at(), state.grant(at(2))), (None, None));
}

fn any_event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        Just(Pending),
        Just(Shared),
        Just(AlreadyShared),
        Just(Cancelled),
        Just(NotShared),
        Just(failed())
    ];
    let results = proptest::collection::vec((0_usize..3, kind), 0..4).prop_map(|list| {
        list.into_iter()
            .map(|(n, kind)| result(account(n), kind))
            .collect::<Vec<ItemResult>>()
    });
    (results, 0_i64..EXPIRY * 3, 0_usize..13, any::<bool>()).prop_map(
        |(results, until, which, lighthouse)| match which {
            0 | 1 => Event::Taken {
                until: at(until),
                verdict: None,
            },
            2 | 3 => progress(results),
            4 => deferred(until),
            5 => closed(Status::Completed, all(Shared)),
            6 => closed(Status::of(crate::domain::Action::Share, &results), results),
            7 => {
                let accounts = results.iter().filter_map(|r| match &r.item {
                    Item::Account(account) => Some(account.clone()),
                    Item::Lighthouse(_) => None,
                });
                Event::Revoking {
                    until: at(until),
                    accounts: accounts.collect(),
                    lighthouse,
                }
            }
            8 => called_off(results.into_iter().map(|r| r.item).collect()),
            9 => called_off(vec![crate::journal::testing::lighthouse()]),
            10 => Event::Refused {
                verdict: verdict(false),
                results,
            },
            11 => not_revoked(until),
            _ => Event::Revoked {
                results,
                calls: vec![],
            },
        },
    )
}

proptest! {
    /// Whatever records come, in whatever order, from whomever: those that may follow leave a state
    /// whose promises hold, and the others are refused without a panic.
    #[test]
    fn no_sequence_of_records_breaks_the_promises(
        steps in proptest::collection::vec((any_event(), 0_i64..EXPIRY * 3, 1_u64..4), 0..40)
    ) {
        let mut builder = StreamBuilder::opened();
        let mut seconds = 0;
        let mut given = Vec::new();
        for (event, later, who) in steps {
            seconds = seconds.max(later);
            let longer = builder.clone().then(seconds, who, event);
            let Ok(state) = fold(&longer) else { continue };
            builder = longer;
            prop_assert_eq!(state.results().len(), 4);
            for result in state.results() {
                if result.kind == Shared {
                    given.push(result.item.clone());
                }
            }
            if let Some(Work::Revoke { accounts, .. }) = state.needs_work(at(EXPIRY * 9)) {
                prop_assert!(accounts.iter().all(|id| given.contains(&Item::Account(id.clone()))));
            }
            if let Some(grant) = state.grant(at(seconds)) {
                prop_assert!(grant.accounts.iter().all(|id| given.contains(&Item::Account(id.clone()))));
            }
            prop_assert_eq!(state.needs_work(at(EXPIRY * 9)).is_some(), state.due_at().is_some());
        }
    }
}
