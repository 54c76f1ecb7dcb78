//! Records of notifications during a worker's turn, and the wake-ups that lead to owed
//! notifications.

use super::*;
use crate::domain::{NoticeKind, NoticeRules, Subscription};

fn rules() -> NoticeRules {
    NoticeRules {
        subscriptions: vec![Subscription {
            name: "desk".parse().unwrap(),
            on: NoticeKind::ALL.to_vec(),
            sources: Vec::new(),
        }],
        before_end: None,
    }
}

fn as_stream(state: State) -> StreamState {
    StreamState::Request(Box::new(state))
}

#[tokio::test]
async fn a_worker_goes_on_behind_the_record_of_a_notification() {
    let journal = memory();
    let closed_state = finished(&journal, "first").await;
    let taken = journal.take(closed_state.clone(), lease(EXPIRY, 2), None, false);
    let (mut claim, _) = taken.await.unwrap().unwrap();
    // Meanwhile another process records that the notification was delivered.
    let event = notified("desk", NoticeKind::Completed, 2, 1);
    let sender = worker(9);
    let after =
        journal.record_notification(as_stream(closed_state), at(EXPIRY + 1), &sender, event);
    assert!(after.await.unwrap().attempted_notifications()[0].delivered);
    let revoked = Event::Revoked {
        results: all(Cancelled),
        calls: vec![],
    };
    claim
        .record(&journal, at(EXPIRY + 2), revoked)
        .await
        .unwrap();
    assert_eq!(claim.state().phase(), &Phase::Revoked);
    let revoked = as_stream(claim.state().clone());
    assert!(revoked.attempted_notifications()[0].delivered);
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn of_two_senders_of_one_attempt_one_is_recorded() {
    let journal = memory();
    let state = finished(&journal, "first").await;
    let event = || notified("desk", NoticeKind::Completed, 2, 1);
    let failed = notification_failed("desk", NoticeKind::Completed, 2, 1, Some(9));
    let (first, second) = (worker(8), worker(9));
    let one = journal.record_notification(as_stream(state.clone()), at(3), &first, event());
    let other = journal.record_notification(as_stream(state.clone()), at(3), &second, event());
    let (one, other) = Box::pin(futures_util::future::join(one, other)).await;
    assert_eq!(one.unwrap().head(), other.unwrap().head());
    // The notification was delivered in this attempt, so a failure of the same attempt is not
    // recorded.
    let late = journal
        .record_notification(as_stream(state.clone()), at(4), &worker(7), failed)
        .await;
    assert!(late.unwrap().attempted_notifications()[0].delivered);
    let history = journal.read(state.stream()).await.unwrap().unwrap();
    assert_eq!(history.records.len() as u64, state.newest() + 2);
}

#[tokio::test]
async fn what_is_owed_has_a_wake_up_until_it_is_delivered() {
    let journal = memory();
    let state = finished(&journal, "first").await;
    let wakes = async |now: i64| journal.due(at(now)).await.unwrap();
    let first = wakes(EXPIRY - 1).await;
    assert_eq!(first.len(), 1, "that of the lease");
    // The notification is owed now, so no wake-up is deleted.
    journal
        .update_index(&[(&state, &first)], at(100), &rules())
        .await
        .unwrap();
    assert_eq!(wakes(EXPIRY - 1).await, first);
    // The wake-up of the next attempt is written before the failure is recorded.
    let failed = notification_failed("desk", NoticeKind::Completed, 2, 1, Some(405));
    let state = journal
        .record_notification(as_stream(state), at(100), &worker(9), failed)
        .await
        .unwrap();
    let state = state.state().unwrap().clone();
    assert_eq!(wakes(EXPIRY - 1).await.len(), 2);
    journal
        .update_index(&[(&state, &first)], at(101), &rules())
        .await
        .unwrap();
    let next = wakes(EXPIRY - 1).await;
    assert_eq!(
        next.iter().map(|wake_up| wake_up.at).collect::<Vec<_>>(),
        [at(405)]
    );
    let event = notified("desk", NoticeKind::Completed, 2, 2);
    let state = journal
        .record_notification(as_stream(state), at(405), &worker(9), event)
        .await
        .unwrap();
    let state = state.state().unwrap().clone();
    journal
        .update_index(&[(&state, &next)], at(406), &rules())
        .await
        .unwrap();
    assert_eq!(wakes(EXPIRY - 1).await, []);
    assert_eq!(wakes(EXPIRY).await.len(), 1, "that of the end");
    assert!(journal.verify().await.unwrap().clean());
}
