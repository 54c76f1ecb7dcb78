//! Which notifications wait for which: those of one request to one target go in order, so that the
//! ticket never ends in the state of an earlier outcome. Those of other requests wait only for a
//! target that fails.

use serde_json::json;
use sharehook::app::{NotificationStatus, Operator};

use crate::notify_presets::world;
use crate::support::notification_receiver::{Handling, NotificationReceiver, Seen};
use crate::support::secrets;
use crate::support::{ACCOUNTS, STRANGER, World, deadline, request};

const JIRA: &str = "auth = { basic = \"file:login\" }\n\
                    transitions = { denied = \"41\", completed = \"31\", revoked = \"61\" }";

fn jira(seen: &Seen) -> Handling {
    match (&*seen.method, seen.path.rsplit('/').next()) {
        ("POST", Some("comment")) => Handling::Note(seen.text("/body"), 201),
        ("POST", Some("transitions")) => Handling::Change(seen.text("/transition/id"), 204),
        _ => Handling::Notes,
    }
}

fn kind(seen: &Seen) -> String {
    let name = seen.text("/type");
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

fn every_event(seen: &Seen) -> Handling {
    Handling::Note(kind(seen), 202)
}

fn no_denial(seen: &Seen) -> Handling {
    match &*kind(seen) {
        "denied" => Handling::Refused(422),
        other => Handling::Note(other.to_owned(), 202),
    }
}

fn failing_at_denials(seen: &Seen) -> Handling {
    match &*kind(seen) {
        "denied" => Handling::Refused(500),
        other => Handling::Note(other.to_owned(), 202),
    }
}

fn no_gone_ticket(seen: &Seen) -> Handling {
    let subject = seen.text("/subject");
    match subject.contains("GONE") {
        true => Handling::Refused(404),
        false => Handling::Note(subject, 202),
    }
}

async fn of_webhook(receiver: &NotificationReceiver) -> World {
    let mut world = world("jira", JIRA, receiver).await;
    secrets::write(
        &world.folder.path().join("notify.secret"),
        crate::notify::SECRET,
    );
    let url = &receiver.url;
    world.configure(&format!(
        "[[notify]]\nname = \"receiver\"\npreset = \"webhook\"\nurl = \"{url}\"\n\
         secret = \"file:notify.secret\"\n"
    ));
    world.reset().await;
    world
}

/// The rules deny the request, and three attempts to notify it follow. Half an hour passes before
/// the next one. The rules are then corrected.
async fn deny(world: &mut World) {
    let ticket = json!({"accounts": &ACCOUNTS[1..2], "ticket": "SHARE-1"});
    let without = |text: String| {
        let kept = text.lines().filter(|line| !line.contains(ACCOUNTS[1]));
        kept.collect::<Vec<_>>().join("\n")
    };
    world.change_entities(without);
    world.deliver(&request("CHG1", ticket)).await;
    world.notify().await;
    for seconds in [10, 310] {
        world.advance(seconds);
        world.sweep().await;
    }
    world.restore_entities();
}

async fn retry(world: &World) {
    let carol = Operator {
        source: "invoke".parse().unwrap(),
        requester: "carol@example.com".to_owned(),
    };
    let retried = world.app.retry("CHG1", &carol, "corrected", deadline());
    retried.await.unwrap();
    world.notify().await;
}

/// Sweeps until no attempt can be left.
async fn four_days(world: &World) {
    for _ in 0..50 {
        world.advance(2 * 3_600);
        world.sweep().await;
    }
}

async fn states(world: &World) -> Vec<(String, NotificationStatus)> {
    let listed = world.app.reader().notifications(None).await.unwrap();
    let entries = listed.entries.into_iter();
    entries.map(|one| (one.on.to_string(), one.state)).collect()
}

#[tokio::test]
async fn a_ticket_is_not_set_back_to_a_denial_that_was_corrected() {
    let receiver = NotificationReceiver::start(jira).await;
    let mut world = world("jira", JIRA, &receiver).await;
    receiver.down(true);
    deny(&mut world).await;
    receiver.down(false);
    retry(&world).await;
    four_days(&world).await;
    let notes = receiver.notes();
    assert_eq!(receiver.changes(), ["31"]);
    assert!(notes.len() == 1 && notes[0].contains("Shared"), "{notes:?}");
    let sent = NotificationStatus::Sent;
    assert_eq!(
        states(&world).await,
        [("denied".to_owned(), sent), ("completed".to_owned(), sent)]
    );
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_ticket_is_not_set_back_to_a_share_that_has_ended() {
    let receiver = NotificationReceiver::start(jira).await;
    let world = world("jira", JIRA, &receiver).await;
    let share = json!({"accounts": &ACCOUNTS[..1], "ticket": "SHARE-1", "expires_in": "1h"});
    receiver.down(true);
    world.deliver(&request("CHG1", share)).await;
    world.notify().await;
    for seconds in [10, 310, 3_000] {
        world.advance(seconds);
        world.sweep().await;
    }
    receiver.down(false);
    world.advance(600);
    world.sweep().await;
    assert_eq!(receiver.changes(), ["61"]);
    four_days(&world).await;
    let notes = receiver.notes();
    assert_eq!(receiver.changes(), ["61"]);
    assert!(
        notes.len() == 1 && notes[0].contains("was revoked"),
        "{notes:?}"
    );
}

/// A webhook gets every event. The earlier one goes first, although its next attempt is not due.
#[tokio::test]
async fn a_webhook_gets_the_outcomes_of_a_request_in_order() {
    let receiver = NotificationReceiver::start(every_event).await;
    let mut world = of_webhook(&receiver).await;
    receiver.down(true);
    deny(&mut world).await;
    retry(&world).await;
    assert!(receiver.notes().is_empty());
    receiver.down(false);
    world.advance(10);
    world.sweep().await;
    assert_eq!(receiver.notes(), ["denied", "completed"]);
    four_days(&world).await;
    assert_eq!(receiver.notes().len(), 2);
}

/// The later outcome does not wait for one that the target refuses, nor for days for one at which
/// the target fails. After the later one the earlier one is not sent any more.
#[tokio::test]
async fn an_outcome_that_a_target_does_not_take_holds_back_no_later_one() {
    for (interpret, waits) in [
        (no_denial as fn(&Seen) -> Handling, false),
        (failing_at_denials, true),
    ] {
        let receiver = NotificationReceiver::start(interpret).await;
        let mut world = of_webhook(&receiver).await;
        deny(&mut world).await;
        retry(&world).await;
        assert_eq!(receiver.notes().is_empty(), waits);
        for seconds in [10, 310, 1_810] {
            world.advance(seconds);
            world.sweep().await;
        }
        assert_eq!(receiver.notes(), ["completed"]);
        let denials = receiver.refused().len();
        four_days(&world).await;
        assert_eq!(receiver.refused().len(), denials);
        let (given_up, sent) = (NotificationStatus::GivenUp, NotificationStatus::Sent);
        assert_eq!(
            states(&world).await,
            [
                ("denied".to_owned(), given_up),
                ("completed".to_owned(), sent)
            ]
        );
        world.verify().await.unwrap();
    }
}

/// Of 23 requests, the tickets of 20 are gone.
#[tokio::test]
async fn tickets_that_are_gone_do_not_hold_back_the_others() {
    let receiver = NotificationReceiver::start(no_gone_ticket).await;
    let world = of_webhook(&receiver).await;
    for number in 0..23 {
        let name = if number < 20 { "GONE" } else { "GOOD" };
        let denied = request(&format!("{name}{number}"), json!({"accounts": [STRANGER]}));
        world.deliver(&denied).await;
        world.advance(1);
    }
    receiver.down(true);
    world.advance(300);
    let report = world.sweep().await;
    let left: usize = report.waiting_notifications.values().sum();
    assert!((15..=21).contains(&left), "{report}");
    assert!(!report.failed(), "{report}");
    let text = report.to_string();
    assert!(text.contains("receiver failed twice"), "{text}");
    assert!(text.ends_with("all other due work was attempted"), "{text}");
    receiver.down(false);
    world.advance(300);
    let report = world.sweep().await;
    assert!(report.waiting_notifications.is_empty(), "{report}");
    assert_eq!(receiver.notes().len(), 3);
}
