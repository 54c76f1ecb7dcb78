//! Tests of event sequences: which records may follow, which may not, and which work is due after
//! each.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::ResultKind::{AlreadyShared, Cancelled, NotShared, Pending, Shared};
use crate::domain::{Action, Item, ResultKind};
use crate::journal::record::StreamId;
use crate::journal::state::Work;
use crate::journal::testing::*;

mod laws;
mod looks;
mod owners;
mod revoking;

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
    // Each row has a number of records, the time in seconds at which work becomes due after them,
    // and that work.
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
    assert!(!after(1).looked_before() && after(2).looked_before());
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
        (state.due_at(), state.needs_work(at(EXPIRY)), state.grant()),
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
    assert!(fold(&builder.clone().then(499, 2, taken(560))).is_err());
    assert!(
        fold(&builder.clone().then(500, 2, progress(vec![]))).is_err(),
        "no worker has the turn yet"
    );
    let taken = fold(&builder.then(500, 2, taken(560))).unwrap();
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
            StreamBuilder::opened().then(59, 2, taken(90)),
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
            shut.clone().then(EXPIRY, 2, taken(EXPIRY * 2)),
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
            shut.clone().then(EXPIRY, 1, revoked(vec![])),
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
    let conflict = conflict();
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
    let builder = StreamBuilder::opened().then(10, 1, taken(100));
    assert_eq!(fold(&builder).unwrap().due_at(), Some(at(100)));
    assert!(
        fold(&builder.clone().then(500, 1, progress(vec![]))).is_ok(),
        "no worker has taken over"
    );
    let over = builder.then(100, 2, taken(160));
    assert!(
        fold(&over.clone().then(101, 1, progress(vec![]))).is_err(),
        "somebody has"
    );
    assert!(fold(&over.then(101, 2, progress(vec![]))).is_ok());
}

#[test]
fn a_worker_that_leaves_no_end_of_its_turn_leaves_its_open_items_in_doubt() {
    let looked = || {
        let found = vec![result(account(0), AlreadyShared)];
        StreamBuilder::opened().then(1, 1, progress(found))
    };
    let cases = [
        ("another took over", looked().then(60, 2, taken(120)), true),
        ("it goes on itself", looked().then(60, 1, taken(120)), false),
        (
            "it ended its turn",
            looked().then(2, 1, deferred(60)).then(60, 2, taken(120)),
            false,
        ),
        (
            "it had not looked",
            StreamBuilder::opened().then(60, 2, taken(120)),
            false,
        ),
    ];
    for (name, builder, doubt) in cases {
        let state = fold(&builder).unwrap();
        for result in state.results() {
            let doubt = doubt && result.pending();
            assert_eq!(result.maybe_done, doubt, "{name}: {result:?}");
        }
        assert_eq!(state.grant(), None, "{name}");
    }
}
