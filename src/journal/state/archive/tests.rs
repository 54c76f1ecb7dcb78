//! Finished requests in one record: what it must say, what may not follow it, and the same state
//! from it alone.

use serde_json::json;

use super::*;
use crate::domain::{ItemResult, ResultKind};
use crate::journal::record::Intent;
use crate::journal::testing::*;

fn begun_with(request: crate::domain::ShareRequest, allowed: bool) -> StreamBuilder {
    let id = identity("CHG0030192");
    let mut intent: Intent = intent(id.clone(), request, allowed.then_some(60));
    intent.verdict = verdict(allowed);
    StreamBuilder::empty(&id).then(0, 1, Event::Opened(Box::new(intent)))
}

fn gone() -> Vec<ItemResult> {
    (0..3)
        .map(|n| result(account(n), ResultKind::Cancelled))
        .collect()
}

/// A request at each of its ends.
fn finished() -> Vec<StreamBuilder> {
    let plain = json!({"image": "lhbp-6jc6l8yb", "lighthouse": false});
    let mut cancel = plain.clone();
    cancel["action"] = json!("cancel");
    cancel["expires_at"] = json!(null);
    let failed: Vec<ItemResult> = (0..3).map(|n| result(account(n), failed())).collect();
    let shared: Vec<ItemResult> = (0..3)
        .map(|n| result(account(n), ResultKind::Shared))
        .collect();
    let mut endless = plain.clone();
    endless["expires_at"] = json!(null);
    vec![
        StreamBuilder::full(),
        begun_with(request(plain.clone()), false),
        begun_with(request(plain), true).then(1, 1, closed(Status::Failed, failed)),
        begun_with(request(cancel), true).then(1, 1, closed(Status::Completed, gone())),
        begun_with(request(endless), true).then(1, 1, closed(Status::Completed, shared)),
    ]
}

#[test]
fn an_archived_record_alone_gives_the_state_of_all_records_before_it() {
    for builder in finished() {
        let before = State::from_records(&builder.records).unwrap();
        let builder = builder.archived(EXPIRY * 9);
        let whole = State::from_records(&builder.records).unwrap();
        let last = builder.records.last().unwrap();
        let StreamState::Request(alone) = StreamState::restore(last).unwrap() else {
            panic!()
        };
        for state in [&whole, &*alone] {
            assert!(state.archived() && !before.archived());
            assert_eq!(state.head().hash, last.hash);
            assert_eq!(state.head().next_seq, builder.records.len() as u64);
            assert_eq!(
                (state.due_at(), state.needs_work(at(EXPIRY * 99))),
                (None, None)
            );
            assert_eq!(state.grant(at(5)), before.grant(at(5)));
            let (stated, was) = (state.archive(String::new()), before.archive(String::new()));
            assert_eq!(stated, was, "all that the records add up to");
            assert_eq!(
                (state.status(), state.updated_at()),
                (before.status(), before.updated_at())
            );
            assert_eq!(
                (state.results(), state.revoked()),
                (before.results(), before.revoked())
            );
        }
    }
}

#[test]
fn nothing_follows_it_neither_after_the_whole_nor_after_it_alone() {
    for builder in finished() {
        let builder = builder.archived(EXPIRY * 9);
        let StreamState::Request(alone) =
            StreamState::restore(builder.records.last().unwrap()).unwrap()
        else {
            panic!()
        };
        for event in event_of_every_type() {
            for who in [1, 4, 99] {
                let more = builder.clone().then(EXPIRY * 10, who, event.clone());
                assert!(State::from_records(&more.records).is_err(), "{event:?}");
                assert!(
                    alone.clone().apply(more.records.last().unwrap()).is_err(),
                    "{event:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_unfinished_cannot_be_archived() {
    let full = StreamBuilder::full();
    let archive = State::from_records(&full.records)
        .unwrap()
        .archive("file:/a".into())
        .unwrap();
    for length in 1..full.records.len() {
        let state = State::from_records(&full.records[..length]).unwrap();
        assert_eq!(
            state.archive("file:/a".into()),
            None,
            "after {length} records"
        );
        let mut builder = StreamBuilder::empty(&identity("CHG0030192"));
        for stored in &full.records[..length] {
            let seconds = stored.record.at.duration_since(at(0)).as_secs();
            let who = u64::from_str_radix(stored.record.worker.as_str(), 16).unwrap();
            builder = builder.then(seconds, who, stored.record.event.clone());
        }
        let early = builder.then(EXPIRY * 9, 1, Event::Archived(Box::new(archive.clone())));
        assert!(
            State::from_records(&early.records)
                .unwrap_err()
                .to_string()
                .contains("before it was finished")
        );
    }
}

#[test]
fn an_archived_record_that_says_something_else_is_broken() {
    for builder in finished() {
        let good = State::from_records(&builder.records)
            .unwrap()
            .archive("file:/a".into())
            .unwrap();
        let with = |change: &dyn Fn(&mut Archive)| {
            let mut archive = good.clone();
            change(&mut archive);
            assert_ne!(archive, good);
            builder
                .clone()
                .then(EXPIRY * 9, 99, Event::Archived(Box::new(archive)))
                .records
        };
        let changes: [&dyn Fn(&mut Archive); 9] = [
            &|archive| archive.intent.request.requester = "eve@example.com".into(),
            &|archive| archive.intent.digest = "00".into(),
            &|archive| {
                archive.ended = if archive.ended == Ended::Denied {
                    Ended::Closed
                } else {
                    Ended::Denied
                }
            },
            &|archive| archive.status = archive.status.map_or(Some(Status::Completed), |_| None),
            &|archive| {
                archive
                    .results
                    .push(result(account(0), ResultKind::NotShared))
            },
            &|archive| {
                archive
                    .revoked
                    .push(result(account(1), ResultKind::Cancelled))
            },
            &|archive| archive.observed = !archive.observed,
            &|archive| archive.given_at = archive.given_at.map_or(Some(at(1)), |_| None),
            &|archive| archive.updated_at = at(77),
        ];
        for change in changes {
            let error = State::from_records(&with(change)).unwrap_err();
            assert!(error.to_string().contains("something else"), "{error}");
        }
        assert!(
            State::from_records(&with(&|archive| archive.copied_to = "file:/b".into())).is_ok()
        );
    }
}

#[test]
fn alone_it_must_at_least_make_sense() {
    let builder = StreamBuilder::full();
    let good = State::from_records(&builder.records)
        .unwrap()
        .archive("file:/a".into())
        .unwrap();
    let alone = |archive: Archive, builder: &StreamBuilder| {
        let builder = builder
            .clone()
            .then(EXPIRY * 9, 99, Event::Archived(Box::new(archive)));
        StreamState::restore(builder.records.last().unwrap())
    };
    assert!(alone(good.clone(), &builder).is_ok());
    assert!(
        alone(good.clone(), &StreamBuilder::empty(&identity("CHG0030192"))).is_err(),
        "it is record 0"
    );
    let unfinished = Archive {
        ended: Ended::Closed,
        revoked: vec![],
        ..good.clone()
    };
    assert!(
        alone(unfinished, &builder).is_err(),
        "a share with an end still stands"
    );
    let denied = Archive {
        ended: Ended::Denied,
        ..good.clone()
    };
    assert!(alone(denied, &builder).is_err(), "the verdict is another");
    let pending = Archive {
        results: vec![],
        ..good.clone()
    };
    assert!(alone(pending, &builder).is_err());
    let planned = Archive {
        status: Some(Status::Planned),
        ..good
    };
    assert!(alone(planned, &builder).is_err());
    assert!(StreamState::restore(&builder.records[3]).is_err());
}
