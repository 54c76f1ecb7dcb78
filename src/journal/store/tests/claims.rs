//! Who may work on a request: claims, races, duplicates, conflicts, takeovers, lost answers.

use super::*;
use crate::domain::NoticeRules;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_at_once_exactly_one_gets_the_claim() {
    let dir = tempfile::tempdir().unwrap();
    for journal in [directory(dir.path()), memory()] {
        let mut tasks = tokio::task::JoinSet::new();
        for who in 0..50 {
            let journal = journal.clone();
            tasks.spawn(async move { deliver(&journal, plain("same", who)).await.unwrap() });
        }
        let (mut new, mut known) = (0, 0);
        while let Some(opened) = tasks.join_next().await {
            match opened.unwrap() {
                Opened::New(_, _) => new += 1,
                Opened::Existing(state) => {
                    known += 1;
                    assert_eq!(state.head().next_seq, 1);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((new, known), (1, 49));
        assert!(journal.verify().await.unwrap().clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_takeovers_exactly_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    let state = claim(&journal, "same").await.state().clone();
    let mut tasks = tokio::task::JoinSet::new();
    for who in 100..150 {
        // Every second task opens the directory itself, like another process.
        let journal = if who % 2 == 0 {
            journal.clone()
        } else {
            directory(dir.path())
        };
        let state = state.clone();
        tasks.spawn(async move { take(&journal, state, 60, who).await.is_some() });
    }
    let won = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_duplicate_finds_what_was_recorded() {
    let journal = memory();
    finished(&journal, "first").await;
    let Opened::Existing(state) = deliver(&journal, plain("first", 2)).await.unwrap() else {
        panic!()
    };
    assert_eq!(state.status(), Status::Completed);
    assert_eq!(state.results().len(), 4);
    assert_eq!(
        state.intent().delivery_id.as_deref(),
        Some("d-1"),
        "the first delivery counts"
    );
}

#[tokio::test]
async fn other_content_under_a_known_identity_is_a_conflict_and_is_noted_once() {
    let journal = memory();
    let state = finished(&journal, "first").await;
    for who in 2..6 {
        let other = opening("first", request(json!({"reason": "another"})), who);
        let digest = other.intent.digest.clone();
        journal.record_conflict(other).await.unwrap();
        let known = journal.read(state.stream()).await.unwrap().unwrap();
        assert_eq!(
            known.state().unwrap().head(),
            state.head(),
            "the request itself is untouched"
        );
        let stream = StreamId::of_conflict(&identity("first"), &digest);
        let noted = journal.read(stream).await.unwrap().unwrap();
        let StreamState::Incident(incident) = &noted.stream_state else {
            panic!()
        };
        let Subject::Conflict(conflict) = incident.subject() else {
            panic!()
        };
        assert_eq!(conflict.delivery_id.as_deref(), Some("d-2"));
        assert_eq!(noted.records.len(), 1);
    }
    let third = opening("first", request(json!({"reason": "a third"})), 7);
    journal.record_conflict(third).await.unwrap();
    assert_eq!(journal.streams().await.unwrap().len(), 3);
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn a_denial_and_a_later_start_are_kept_without_a_claim() {
    let journal = memory();
    let mut denied = plain("denied", 1);
    denied.intent.verdict = verdict(false);
    let Opened::Kept(state) = deliver(&journal, denied).await.unwrap() else {
        panic!()
    };
    assert_eq!(state.status(), Status::Denied);
    let later = opening("later", request(json!({"not_before": at(500)})), 1);
    let Opened::Kept(state) = deliver(&journal, later).await.unwrap() else {
        panic!()
    };
    assert!(take(&journal, (*state).clone(), 499, 2).await.is_none());
    let (claim, work) = take(&journal, *state, 500, 2).await.unwrap();
    assert_eq!(work, Work::Start);
    assert_eq!(claim.state().head().next_seq, 2);
    let begun = opening("begun", request(json!({"not_before": at(0)})), 1);
    assert!(matches!(
        deliver(&journal, begun).await.unwrap(),
        Opened::New(_, _)
    ));
}

#[tokio::test]
async fn a_takeover_waits_for_the_end_of_the_lease_and_ends_the_old_turn() {
    let journal = memory();
    let mut old = claim(&journal, "first").await;
    let state = old.state().clone();
    assert!(take(&journal, state.clone(), 59, 2).await.is_none());
    let (mut new, work) = take(&journal, state.clone(), 60, 2).await.unwrap();
    assert_eq!(work, Work::Finish);
    let late = old.record(&journal, at(61), progress(all(Shared))).await;
    assert!(matches!(late, Err(AppendError::Lost)), "{late:?}");
    assert!(
        take(&journal, state, 200, 3).await.is_none(),
        "from a state that is not the newest"
    );
    new.record(&journal, at(62), closed(Status::Completed, all(Shared)))
        .await
        .unwrap();
    assert!(matches!(
        old.record(&journal, at(63), deferred(90)).await,
        Err(AppendError::Lost)
    ));
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn an_expired_share_is_taken_back_step_by_step() {
    let journal = memory();
    let state = finished(&journal, "first").await;
    assert!(take(&journal, state.clone(), EXPIRY - 1, 2).await.is_none());
    let (mut first, work) = take(&journal, state, EXPIRY, 2).await.unwrap();
    assert_eq!(work, revoke(&[0, 1, 2], true));
    first
        .record(
            &journal,
            at(EXPIRY + 1),
            progress(vec![result(account(0), Cancelled)]),
        )
        .await
        .unwrap();
    let crashed = first.state().clone();
    let (mut second, work) = take(&journal, crashed, EXPIRY + 60, 3).await.unwrap();
    assert_eq!(work, revoke(&[1, 2], true));
    let rest = vec![
        result(account(1), Cancelled),
        result(account(2), Cancelled),
        result(lighthouse(), Cancelled),
    ];
    second
        .record(&journal, at(EXPIRY + 61), revoked(rest))
        .await
        .unwrap();
    assert!(second.state().grant().is_none());
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn an_event_that_cannot_follow_is_refused_and_not_written() {
    let journal = memory();
    let mut claim = claim(&journal, "first").await;
    let pending = closed(Status::Completed, vec![result(account(0), Shared)]);
    let refused = claim.record(&journal, at(1), pending).await;
    assert!(
        matches!(
            refused,
            Err(AppendError::Store(JournalError::CannotFollow(_)))
        ),
        "{refused:?}"
    );
    assert_eq!(
        journal.files(claim.state().stream()).await.unwrap().len(),
        1
    );
    let huge = crate::journal::record::Deferral {
        results: vec![],
        calls: vec![],
        why: "x".repeat(5_000_000),
        not_before: at(1),
        waits: false,
        fault: None,
        out_of_time: None,
    };
    let refused = claim.record(&journal, at(1), Event::Deferred(huge)).await;
    assert!(matches!(
        refused,
        Err(AppendError::Store(JournalError::RecordTooLarge {
            bytes: 5_000_000..
        }))
    ));
    claim.record(&journal, at(2), deferred(9)).await.unwrap();
}

#[tokio::test]
async fn requests_and_leases_that_make_no_sense_are_refused() {
    let journal = memory();
    let zero = plain("a\0b", 1);
    assert!(matches!(
        deliver(&journal, zero).await,
        Err(JournalError::ZeroByteInId { .. })
    ));
    let ended = Opening {
        lease: WorkerLease {
            until: at(0),
            ..lease(0, 1)
        },
        ..plain("first", 1)
    };
    assert!(matches!(
        deliver(&journal, ended).await,
        Err(JournalError::EmptyLease { .. })
    ));
    assert!(journal.streams().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_write_that_is_repeated_after_a_lost_answer_is_our_own() {
    let dir = tempfile::tempdir().unwrap();
    for journal in [directory(dir.path()), memory()] {
        let stream = StreamId::of(&identity("first"));
        let record = |who| Record {
            v: VERSION,
            stream,
            seq: 0,
            prev: None,
            at: at(0),
            worker: worker(who),
            owner: None,
            event: opened(identity("first")),
        };
        let (_, bytes) = write(record(1)).unwrap();
        assert!(matches!(
            journal.create(stream, 0, &bytes).await.unwrap(),
            Created::Ours
        ));
        assert!(matches!(
            journal.create(stream, 0, &bytes).await.unwrap(),
            Created::Ours
        ));
        let (_, others) = write(record(2)).unwrap();
        let Created::Theirs(found) = journal.create(stream, 0, &others).await.unwrap() else {
            panic!()
        };
        assert_eq!(found, bytes, "a record is never overwritten");
    }
}

#[tokio::test]
async fn a_claim_finds_its_own_record_whose_answer_was_lost() {
    let journal = memory();
    let mut claim = claim(&journal, "first").await;
    let stored = |event: Event, seconds: i64, head: &crate::journal::state::Head| {
        write(Record {
            v: VERSION,
            stream: head.stream,
            seq: head.next_seq,
            prev: Some(head.hash.clone()),
            at: at(seconds),
            worker: worker(1),
            owner: None,
            event,
        })
        .unwrap()
        .1
    };
    // The store has a record that the claim does not know, because the answer was lost. The claim
    // records the same event a moment later.
    let event = progress(vec![result(account(0), Shared)]);
    let head = claim.state().head().clone();
    journal
        .create(head.stream, 1, &stored(event.clone(), 1, &head))
        .await
        .unwrap();
    claim.record(&journal, at(2), event.clone()).await.unwrap();
    assert_eq!(claim.state().head().next_seq, 2, "it was not written twice");
    // Again, the store has a record that the claim does not know. This time the claim records
    // another event, which must follow that record.
    let head = claim.state().head().clone();
    journal
        .create(head.stream, 2, &stored(event, 3, &head))
        .await
        .unwrap();
    claim
        .record(
            &journal,
            at(4),
            closed(Status::Completed, all(AlreadyShared)),
        )
        .await
        .unwrap();
    assert_eq!(claim.state().head().next_seq, 4);
    assert!(journal.verify().await.unwrap().clean());
}

/// A sweep works on the wake-up of second 200, and the clock is put back before the sweep ends. The
/// sweep must keep that wake-up. With `swept_before`, an earlier sweep has written it in place of
/// the one that the records announced.
#[tokio::test]
async fn a_clock_that_is_put_back_takes_no_wake_up_away() {
    for swept_before in [false, true] {
        let journal = memory();
        let mut claim = claim(&journal, "first").await;
        let (from, until) = if swept_before { (30, 60) } else { (190, 190) };
        claim
            .record(&journal, at(from), deferred(200))
            .await
            .unwrap();
        let state = claim.state().clone();
        let sweep = async |listed, ended| {
            let due = journal.due(at(listed)).await.unwrap();
            let rules = NoticeRules::default();
            let looked_at = [(&state, due.as_slice())];
            let updated = journal.update_index(&looked_at, at(ended), &rules);
            updated.await.unwrap();
            due
        };
        sweep(until, until).await;
        let due = sweep(200, 20).await;
        assert_eq!(names(&journal).await, [""; 0]);
        let left = journal.due(at(200)).await.unwrap();
        assert!(!due.is_empty() && left == due, "{due:?} {left:?}");
    }
}
