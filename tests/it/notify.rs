//! Notifications: which target receives what and when, how the program handles each answer of a
//! target, and that no stop of the process loses a notification. The sandbox's inbox is the target.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sharehook::app::{NotificationEntry, NotificationStatus};
use sharehook::clock::system_now;
use sharehook::domain::Timestamp;
use sharehook_sandbox::{InboxAnswer, Letter};

use crate::support::secrets;
use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, Place, REGION, START, STRANGER, World, deadline, invocation, request,
};
use crate::unclear_ends::call_off_the_second;

pub(crate) const SECRET: &str = "whsec_dGVzdC1vbmx5LW5vdGlmeS1zZWNyZXQtMDEyMzQ1Njc=";

/// Returns a world that notifies the inbox of its sandbox, with its journal in memory. `more` is
/// added to its `[[notify]]`.
pub(crate) async fn world(place: Place<'_>, more: &str) -> World {
    let mut world = world_at(place, more).await;
    world.reset().await;
    world.cloud.clear_inbox();
    world
}

/// Like [`world`], but with its journal in `place`.
pub(crate) async fn world_at(place: Place<'_>, more: &str) -> World {
    let mut world = World::with(place, |_| ()).await;
    secrets::write(&world.folder.path().join("notify.secret"), SECRET);
    let url = world.cloud.url();
    world.configure(&format!(
        "[limits]\nnotice = \"3d\"\n\n[[notify]]\nname = \"desk\"\npreset = \"webhook\"\n\
         url = \"{url}/inbox\"\nsecret = \"file:notify.secret\"\n{more}\n"
    ));
    world
}

/// Returns the bodies of the notifications that the inbox accepted, by webhook id.
fn delivered(world: &World) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for Letter {
        headers,
        body,
        status,
        ..
    } in world.cloud.letters()
    {
        if (200..300).contains(&status) {
            let body = serde_json::from_str(&body).unwrap();
            all.entry(headers["webhook-id"].clone())
                .or_default()
                .push(body);
        }
    }
    all
}

/// Returns the types of the events that the inbox accepted, in order.
fn types(world: &World) -> Vec<String> {
    let accepted = world
        .cloud
        .letters()
        .into_iter()
        .filter(|letter| letter.status < 300);
    accepted
        .map(|letter| {
            let event: Value = serde_json::from_str(&letter.body).unwrap();
            let name = event["type"].as_str().unwrap();
            name.strip_prefix("sharehook.request.").unwrap().to_owned()
        })
        .collect()
}

fn answer(status: u16) -> InboxAnswer {
    InboxAnswer {
        status,
        ..InboxAnswer::default()
    }
}

#[tokio::test]
async fn a_share_a_denial_and_an_end_are_each_told_once() {
    let world = world(Place::Brittle, "").await;
    world
        .deliver(&request("GOOD", json!({"expires_in": "10d"})))
        .await;
    assert_eq!(
        types(&world),
        [""; 0],
        "an answer never waits for a notification"
    );
    world.notify().await;
    world
        .deliver(&request("BAD", json!({"accounts": [STRANGER]})))
        .await;
    world.notify().await;
    assert_eq!(types(&world), ["completed", "denied"]);
    // Duplicates and sweeps cause no further notification.
    for _ in 0..3 {
        world
            .deliver(&request("GOOD", json!({"expires_in": "10d"})))
            .await;
        world.notify().await;
        world.advance(600);
        world.sweep().await;
    }
    assert_eq!(types(&world).len(), 2);
    world.advance(7 * 86_400);
    world.sweep().await;
    world.advance(3 * 86_400);
    world.sweep().await;
    world.sweep().await;
    assert_eq!(
        types(&world),
        ["completed", "denied", "expiring", "revoked"]
    );
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_retry_leaves_the_notice_of_the_coming_end_to_its_time() {
    let world = world(Place::Brittle, "").await;
    world.cloud.answer_letters(answer(503));
    let share = request("GOOD", json!({"expires_in": "30d"}));
    world.deliver(&share).await;
    world.notify().await;
    world.cloud.answer_letters(answer(202));
    let desk = "desk".parse().unwrap();
    let retried = world.app.retry_notifications(&desk, "GOOD", deadline());
    assert_eq!(retried.await.unwrap().entries.len(), 1);
    assert_eq!(types(&world), ["completed"]);
    world.advance(27 * 86_400);
    world.sweep().await;
    assert_eq!(types(&world), ["completed", "expiring"]);
}

/// The test verifies the event's signature without sharehook's code.
#[tokio::test]
async fn the_event_is_a_signed_cloudevent_with_the_request_s_id() {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let world = world(Place::Brittle, "").await;
    world.deliver(&request("CHG1", json!({}))).await;
    world.notify().await;
    let letters = world.cloud.letters();
    let [letter] = &letters[..] else {
        panic!("{letters:?}")
    };
    assert_eq!((&*letter.method, &*letter.path), ("POST", ""));
    assert_eq!(
        letter.headers["content-type"],
        "application/cloudevents+json"
    );
    let event: Value = serde_json::from_str(&letter.body).unwrap();
    for (name, wanted) in [
        ("specversion", json!("1.0")),
        ("type", json!("sharehook.request.completed")),
        ("subject", json!("invoke/CHG1")),
        ("id", json!(letter.headers["webhook-id"])),
    ] {
        assert_eq!(event[name], wanted, "{name}");
    }
    assert_eq!(event["data"]["request"]["id"], "CHG1");
    assert_eq!(event["data"]["results"].as_array().unwrap().len(), 3);
    assert_eq!(event["data"]["lines"].as_array().unwrap().len(), 3);
    let key = SECRET.strip_prefix("whsec_").unwrap();
    let engine = base64::engine::general_purpose::STANDARD;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&engine.decode(key).unwrap()).unwrap();
    let (id, time) = (
        &letter.headers["webhook-id"],
        &letter.headers["webhook-timestamp"],
    );
    mac.update(format!("{id}.{time}.{}", letter.body).as_bytes());
    let signature = format!("v1,{}", engine.encode(mac.finalize().into_bytes()));
    assert_eq!(letter.headers["webhook-signature"], signature);
}

#[tokio::test]
async fn a_target_is_written_to_in_its_language() {
    let world = world(Place::Brittle, "language = \"zh\"").await;
    world.deliver(&request("CHG1", json!({}))).await;
    world.notify().await;
    let letters = world.cloud.letters();
    let event: Value = serde_json::from_str(&letters[0].body).unwrap();
    let first = event["data"]["lines"][0].as_str().unwrap();
    assert!(
        first.starts_with("已将 lhbp-6jc6l8yb（ap-singapore）共享给 "),
        "{first}"
    );
}

#[tokio::test]
async fn a_target_gets_only_its_subjects_and_sources() {
    let world = world(
        Place::Brittle,
        "on = [\"denied\", \"expiring\"]\nsources = [\"invoke\"]",
    )
    .await;
    world.deliver(&request("GOOD", json!({}))).await;
    world
        .deliver(&request("BAD", json!({"accounts": [STRANGER]})))
        .await;
    world.notify().await;
    assert_eq!(types(&world), ["denied"]);
    let mut other = self::world(Place::Brittle, "sources = [\"jira\"]").await;
    other.deliver(&request("GOOD", json!({}))).await;
    other
        .deliver(&request("BAD", json!({"accounts": [STRANGER]})))
        .await;
    other.notify().await;
    other.advance(3_600);
    other.sweep().await;
    assert_eq!(types(&other), [""; 0]);
    // A target that is configured later receives the outcomes of the last three days only.
    let url = other.cloud.url();
    other.advance(3 * 86_400);
    other
        .deliver(&request("NEW", json!({"accounts": [STRANGER]})))
        .await;
    other.configure(&format!(
        "[[notify]]\nname = \"late\"\npreset = \"webhook\"\nurl = \"{url}/inbox\"\nsecret = \"file:notify.secret\"\n"
    ));
    other.advance(60);
    other.sweep().await;
    other.app.reindex().await.unwrap();
    other.sweep().await;
    assert_eq!(types(&other), ["denied"]);
    assert_eq!(listed(&other).await, [(NotificationStatus::Sent, 1)]);
}

/// Returns the state and the number of attempts of each notification.
async fn listed(world: &World) -> Vec<(NotificationStatus, u32)> {
    let listed = world.app.reader().notifications(None).await.unwrap();
    let shown = |entry: NotificationEntry| (entry.state, entry.attempts);
    listed.entries.into_iter().map(shown).collect()
}

/// The process stops before its first attempts, and the next sweep comes after a long weekend.
#[tokio::test]
async fn an_outcome_that_is_too_old_for_a_first_attempt_is_given_up() {
    for (hours, delivered, wanted) in [
        (71, 3, (NotificationStatus::Sent, 1)),
        (73, 0, (NotificationStatus::GivenUp, 0)),
    ] {
        let mut world = world(Place::Brittle, "").await;
        let share = request("GOOD", json!({"expires_in": "30d"}));
        world.deliver(&share).await;
        let denied = request("BAD", json!({"accounts": [STRANGER]}));
        world.deliver(&denied).await;
        let rejected = invocation(&json!({"id": "1", "image": "nonsense"}));
        world.app.receive(rejected, deadline()).await;
        world.restart();
        world.advance(hours * 3_600);
        for _ in 0..2 {
            assert_eq!(world.sweep().await.failures, [""; 0]);
        }
        assert_eq!(world.cloud.letters().len(), delivered);
        let mut ended = listed(&world).await;
        // The notification that the share will expire is still owed.
        ended.retain(|(state, _)| *state != NotificationStatus::Owed);
        assert_eq!(ended, [wanted; 3], "{hours}");
        if delivered == 0 {
            let desk = "desk".parse().unwrap();
            let again = world.app.retry_notifications(&desk, "GOOD", deadline());
            let again = again.await.unwrap().entries;
            let ends: Vec<_> = again.iter().map(|one| (one.state, one.attempts)).collect();
            assert_eq!(ends, [(NotificationStatus::Sent, 1)]);
            assert_eq!(types(&world), ["completed"]);
        }
        world.verify().await.unwrap();
    }
}

/// The share ends while the notice of its end waits for a further attempt.
#[tokio::test]
async fn a_notice_that_the_end_overtook_is_given_up() {
    let world = world(Place::Brittle, "").await;
    let share = request("GOOD", json!({"expires_in": "10d"}));
    world.deliver(&share).await;
    world.notify().await;
    world.advance(7 * 86_400);
    world.cloud.answer_letters(answer(500));
    world.sweep().await;
    world.cloud.answer_letters(answer(202));
    world.advance(3 * 86_400);
    for _ in 0..2 {
        assert_eq!(world.sweep().await.failures, [""; 0]);
    }
    assert_eq!(types(&world), ["completed", "revoked"]);
    let (given_up, sent) = (NotificationStatus::GivenUp, NotificationStatus::Sent);
    let listed = world.app.reader().notifications(None).await.unwrap();
    let shown = |one: &NotificationEntry| (one.on.as_str(), one.state, one.attempts);
    let states: Vec<_> = listed.entries.iter().map(shown).collect();
    assert_eq!(
        states,
        [
            ("completed", sent, 1),
            ("expiring", given_up, 2),
            ("revoked", sent, 1)
        ]
    );
    let why = listed.entries[1].why.as_deref().unwrap();
    assert!(why.starts_with("the share ended before"), "{why}");
    world.verify().await.unwrap();
}

#[tokio::test]
async fn what_a_removed_target_is_owed_is_listed_as_such_until_it_is_back() {
    let mut world = world(Place::Brittle, "").await;
    world.cloud.answer_letters(answer(500));
    let denied = request("BAD", json!({"accounts": [STRANGER]}));
    world.deliver(&denied).await;
    world.notify().await;
    let url = world.cloud.url();
    let target = |name: &str| {
        format!(
            "[[notify]]\nname = \"{name}\"\npreset = \"webhook\"\nurl = \"{url}/inbox\"\n\
             secret = \"file:notify.secret\"\n"
        )
    };
    world.configure(&target("other"));
    let states = listed(&world).await;
    let (removed, owed) = (NotificationStatus::TargetRemoved, NotificationStatus::Owed);
    assert_eq!(states, [(removed, 1), (owed, 0)]);
    world.configure(&target("desk"));
    assert_eq!(listed(&world).await, [(owed, 1)]);
}

/// The inbox fails for an hour. Then each ticket receives its outcome once, with the id of the
/// failed attempts.
#[tokio::test]
async fn after_an_hour_of_outage_every_ticket_gets_its_outcome() {
    let world = world(Place::Brittle, "").await;
    world.cloud.answer_letters(answer(503));
    for number in 0..12 {
        let accounts = if number % 2 == 0 {
            ACCOUNTS[0]
        } else {
            STRANGER
        };
        world
            .deliver(&request(
                &format!("CHG{number}"),
                json!({"accounts": [accounts]}),
            ))
            .await;
        world.notify().await;
        world.advance(300);
        world.sweep().await;
    }
    assert!(delivered(&world).is_empty());
    world.cloud.answer_letters(answer(204));
    // By now the attempts for one ticket are at most two hours apart.
    for _ in 0..30 {
        world.advance(300);
        world.sweep().await;
    }
    let delivered = delivered(&world);
    let subjects: BTreeSet<_> = delivered
        .values()
        .map(|bodies| bodies[0]["subject"].to_string())
        .collect();
    assert_eq!((delivered.len(), subjects.len()), (12, 12));
    assert!(
        delivered.values().all(|bodies| bodies.len() == 1),
        "{delivered:?}"
    );
    // A refused attempt has the same id as the later delivery.
    for letter in world.cloud.letters() {
        assert!(delivered.contains_key(&letter.headers["webhook-id"]));
    }
    world.verify().await.unwrap();
}

/// Returns the minutes at which the program tries a target that refuses every notification.
async fn attempts(refusal: InboxAnswer, hours: i64) -> Vec<i64> {
    let world = world(Place::Brittle, "").await;
    world.cloud.answer_letters(refusal);
    let start = world.now();
    world
        .deliver(&request("CHG1", json!({"accounts": [STRANGER]})))
        .await;
    world.notify().await;
    let (mut known, mut at) = (
        world.cloud.letters().len(),
        vec![0; world.cloud.letters().len()],
    );
    while world.now().duration_since(start).as_hours() < hours {
        world.advance(60);
        world.sweep().await;
        let letters = world.cloud.letters().len();
        at.extend(vec![
            world.now().duration_since(start).as_mins();
            letters - known
        ]);
        known = letters;
    }
    at
}

#[tokio::test]
async fn a_refusal_is_repeated_by_the_schedule_and_given_up() {
    // Sweeps run every minute. Each pause begins at the attempt before: 5 s, 5 min, 30 min, 2 h, 5
    // h, 10 h, 10 h, a day, a day.
    let minutes = [0, 1, 6, 36, 156, 456, 1056, 1656, 3096, 4536];
    assert_eq!(attempts(answer(500), 80).await, minutes);
    assert_eq!(
        attempts(answer(302), 2).await,
        minutes[..4],
        "a redirect is not followed"
    );
    assert_eq!(attempts(answer(410), 2).await, [0], "410 ends it");
    let wish = InboxAnswer {
        retry_after: Some(1_800),
        ..answer(429)
    };
    assert_eq!(attempts(wish, 2).await, [0, 30, 60, 90]);
}

/// Stops the process at each write, or fails the write, before and after its effect. Every
/// notification must be delivered. A notification that is delivered twice must have the same id and
/// body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stop_of_the_process_loses_a_notification() {
    let share = request("GOOD", json!({"expires_at": "2026-11-25T08:30:00Z"}));
    let denied = request("BAD", json!({"accounts": [STRANGER]}));
    let mut repeated = 0;
    let mut wanted = None;
    let mut world = world(Place::Brittle, "").await;
    for how in Break::ALL {
        for nth in 0.. {
            assert!(nth < 200, "the scenario does not end");
            world.reset().await;
            world.cloud.clear_inbox();
            world.fuse.arm(nth, how);
            scenario(&mut world, &share, &denied).await;
            world.verify().await.unwrap();
            let delivered = delivered(&world);
            let met = world.fuse.reached();
            repeated += delivered.values().filter(|bodies| bodies.len() > 1).count();
            for bodies in delivered.values() {
                assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
            }
            let name = |body: &Value| format!("{} {}", body["subject"], body["type"]);
            let mut ids: Vec<String> = delivered.values().map(|bodies| name(&bodies[0])).collect();
            ids.sort();
            let wanted = wanted.get_or_insert_with(|| ids.clone());
            assert_eq!(ids, *wanted, "{how:?} {nth}");
            assert_eq!(ids.len(), 4);
            if !met {
                assert!(nth > 10, "{how:?} only reached {nth}");
                break;
            }
        }
    }
    assert!(
        repeated > 0,
        "no stop fell between a delivery and its record"
    );
}

/// Delivers both requests, notifies, and lets the share expire. After a stop, senders repeat their
/// deliveries and sweeps run.
async fn scenario(world: &mut World, share: &Value, denied: &Value) {
    let start: Timestamp = world.now();
    for hours in [0, 1, 26, 97, 98] {
        let at = start + jiff::SignedDuration::from_hours(hours);
        world.clock.set(at.max(world.now()));
        for _ in 0..2 {
            let stopped = tokio::select! {
                () = step(world, share, denied, hours) => false,
                () = world.fuse.crashed() => true,
            };
            world.restart();
            world.advance(200);
            if !stopped {
                break;
            }
        }
    }
}

async fn step(world: &World, share: &Value, denied: &Value, hours: i64) {
    if hours < 2 {
        for request in [share, denied] {
            world.deliver(request).await;
            world.notify().await;
        }
    }
    drop(world.app.sweep(crate::support::deadline()).await);
}

/// Returns type and lines of each event that the inbox accepted, sorted.
fn lines(world: &World) -> Vec<(String, String)> {
    let bodies = delivered(world).into_values().flatten();
    let mut all: Vec<_> = bodies
        .map(|body| {
            let lines: Vec<&str> = body["data"]["lines"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line.as_str().unwrap())
                .collect();
            let subject = body["subject"].as_str().unwrap();
            let kind = body["type"].as_str().unwrap().rsplit('.').next().unwrap();
            (format!("{kind} {subject}"), lines.join(" "))
        })
        .collect();
    all.sort();
    all
}

/// Returns type and subject of each event that the inbox accepted, sorted.
fn kinds(world: &World) -> Vec<String> {
    lines(world).into_iter().map(|(kind, _)| kind).collect()
}

/// One ticket asks for a share, which waits. A second ticket asks for a cancel, which calls the share
/// off, completely or in part. The first ticket must be notified, even if the process stops before.
#[tokio::test]
async fn a_called_off_share_is_reported_to_its_own_ticket() {
    for (cancelled, stops) in [(2, false), (2, true), (1, false)] {
        let mut world = world(Place::Brittle, "").await;
        let two = json!({"accounts": &ACCOUNTS[..2], "not_before": "2026-11-21T09:00:00Z"});
        world.deliver(&request("CHG1", two)).await;
        let accounts = &ACCOUNTS[..cancelled];
        let cancel = json!({"action": "cancel", "accounts": accounts, "ticket": "OTHER"});
        world.deliver(&request("CHG2", cancel)).await;
        if stops {
            world.restart();
        } else {
            world.notify().await;
        }
        world.advance(300);
        world.sweep().await;
        if cancelled == 1 {
            world.advance(3_600);
            world.sweep().await;
        }
        let told = lines(&world);
        let (kind, text) = &told[1];
        let (wanted, who) = match cancelled {
            1 => ("partial invoke/CHG1", "but not with"),
            _ => ("failed invoke/CHG1", "was not shared with"),
        };
        let who = format!(
            "{who} {}",
            if cancelled == 1 {
                ACCOUNTS[0]
            } else {
                ACCOUNTS[1]
            }
        );
        assert_eq!((told.len(), kind.as_str()), (2, wanted), "{told:?}");
        assert!(text.contains(&who), "{text}");
        assert!(
            text.contains("The reason: it was called off by OTHER."),
            "{text}"
        );
    }
}

/// A share has called the cloud for two accounts but not recorded the results yet, when a cancel
/// calls off one of them. The share itself revokes that account. It records its outcome before the
/// revocation, but the notification must report what is left after it.
#[tokio::test]
async fn a_share_that_is_called_off_during_its_turn_is_reported_without_what_was_revoked() {
    let world = world(Place::Brittle, "").await;
    let ticket = request("CHG1", json!({"accounts": &ACCOUNTS[..2]}));
    world.fuse.arm_at("000001.json", Break::Stall);
    let calling_off = async {
        world.fuse.stalled().await;
        call_off_the_second(&world, "CHG2").await;
        world.fuse.release();
    };
    let (_, ()) = tokio::join!(world.deliver(&ticket), calling_off);
    world.notify().await;
    let delivered = delivered(&world);
    let events: Vec<&Value> = delivered.values().flatten().collect();
    let [event] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(event["type"], "sharehook.request.partial", "{event}");
    let results = event["data"]["results"].as_array().unwrap();
    let results: Vec<_> = results.iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["shared", "cancelled"], "{event}");
}

/// The target accepts nothing until both requests have been reopened and completed.
#[tokio::test]
async fn a_late_notification_reports_the_outcome_that_it_announces() {
    let mut world = world(Place::Brittle, "").await;
    world.cloud.answer_letters(answer(503));
    let unknown =
        "ShareBlueprintAcrossAccounts:error-before:InvalidParameterValue.AccountIdsNotExist@3";
    world.cloud.inject(unknown.parse().unwrap());
    let failing = request("FAILS", json!({"accounts": &ACCOUNTS[..1]}));
    world.deliver(&failing).await;
    world.notify().await;
    world.clear_faults().await;
    let last = |text: String| {
        let kept = text.lines().filter(|line| !line.contains(ACCOUNTS[1]));
        kept.collect::<Vec<_>>().join("\n")
    };
    world.change_entities(last);
    world
        .deliver(&request("DENIED", json!({"accounts": &ACCOUNTS[1..2]})))
        .await;
    world.notify().await;
    world.restore_entities();
    let carol = sharehook::app::Operator {
        source: "invoke".parse().unwrap(),
        requester: "carol@example.com".to_owned(),
    };
    world.advance(2);
    for id in ["FAILS", "DENIED"] {
        let retried = world.app.retry(id, &carol, "corrected", deadline());
        let retried = retried.await.unwrap();
        assert!(
            matches!(
                retried,
                sharehook::app::Retried::Reopened(sharehook::app::Ending::Done, _)
            ),
            "{retried:?}"
        );
    }
    world.cloud.answer_letters(answer(202));
    world.advance(600);
    world.sweep().await;
    let delivered = delivered(&world);
    let all: Vec<&Value> = delivered.values().flatten().collect();
    assert_eq!(all.len(), 4, "{all:?}");
    for event in all {
        let status = event["data"]["status"].as_str().unwrap();
        let kind = event["type"].as_str().unwrap();
        assert_eq!(kind, format!("sharehook.request.{status}"), "{event}");
        let code = event["data"]["results"][0]["code"].as_str();
        let wanted = match status {
            "failed" => Some("InvalidParameterValue.AccountIdsNotExist"),
            "denied" => Some("PolicyDenied"),
            _ => None,
        };
        assert_eq!(code, wanted, "{event}");
        let denied = event["data"]["policy"].as_array().unwrap().is_empty();
        assert_eq!(denied, status == "denied", "{event}");
    }
}

/// One account already has the image from another request, which does not expire.
#[tokio::test]
async fn no_end_is_announced_for_what_was_shared_before() {
    let world = world(Place::Brittle, "").await;
    let before = json!({"accounts": &ACCOUNTS[..1]});
    world.deliver(&request("BEFORE", before.clone())).await;
    world.notify().await;
    world.cloud.clear_inbox();
    let mut again = before;
    again["expires_in"] = json!("10d");
    let (_, kept) = world.deliver(&request("ONE", again.clone())).await;
    again["accounts"] = json!(&ACCOUNTS[..2]);
    let (_, some) = world.deliver(&request("TWO", again)).await;
    world.notify().await;
    let told = lines(&world);
    let not_ended = format!(
        "It was shared with {} before: this request does not end that.",
        ACCOUNTS[0]
    );
    for (answer, (_, text), ends) in [(kept, &told[0], false), (some, &told[1], true)] {
        assert!(text.contains(&not_ended), "{text}");
        assert_eq!(
            text.contains("It ends at 2026-12-01 08:00 UTC by itself."),
            ends,
            "{text}"
        );
        let message = answer.message.unwrap();
        assert!(message.starts_with("1 of "), "{message}");
    }
    world.advance(8 * 86_400);
    world.sweep().await;
    let told = lines(&world);
    assert_eq!(told.len(), 3, "{told:?}");
    let (kind, text) = &told[2];
    assert_eq!(kind, "expiring invoke/TWO");
    let first = format!("with {} ends at", ACCOUNTS[1]);
    assert!(text.contains(&first), "{text}");
}

/// A cancel ends the share of one account before the ticket is notified of the coming expiry.
#[tokio::test]
async fn the_notice_of_an_end_leaves_out_what_was_cancelled() {
    let world = world(Place::Brittle, "").await;
    let two = json!({"accounts": &ACCOUNTS[..2], "expires_in": "10d"});
    world.deliver(&request("ONE", two)).await;
    let cancel = json!({"action": "cancel", "accounts": &ACCOUNTS[..1]});
    world.deliver(&request("TWO", cancel)).await;
    world.notify().await;
    world.advance(8 * 86_400);
    world.sweep().await;
    let delivered = delivered(&world);
    let mut events = delivered.values().flatten();
    let expiring = events.find(|event| event["type"] == "sharehook.request.expiring");
    let data = &expiring.unwrap()["data"];
    let first = data["lines"][0].as_str().unwrap();
    let wanted = format!("with {} ends at", ACCOUNTS[1]);
    assert!(first.contains(&wanted), "{data}");
    let results = data["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{data}");
    assert_eq!(results[0]["account"], ACCOUNTS[1], "{data}");
}

/// The lines must name the kind of the refusal, but neither approvers nor groups.
#[tokio::test]
async fn a_denied_ticket_is_told_what_it_lacks() {
    let world = world(Place::Brittle, "").await;
    let cases = [
        (
            "A",
            json!({"accounts": [STRANGER], "expires_in": "7d"}),
            "No rule allows it.",
        ),
        (
            "B",
            json!({"approvers": ["mallory@example.com"]}),
            "It lacks an approver who may approve it.",
        ),
        ("C", json!({"approvers": []}), "The rule: four-eyes."),
    ];
    for (id, change, _) in &cases {
        world.deliver(&request(id, change.clone())).await;
    }
    world.notify().await;
    assert_eq!(lines(&world).len(), cases.len());
    for ((_, text), (id, _, wanted)) in lines(&world).into_iter().zip(cases) {
        let after = format!("{wanted} Ask ");
        assert!(text.contains(&after), "{id}: {text}");
        assert!(!text.contains("mallory"), "{text}");
    }
    for event in delivered(&world).values().flatten() {
        let data = &event["data"];
        assert_eq!(data["expires_at"], Value::Null, "{data}");
        let results = data["results"].as_array().unwrap();
        let accounts = data["request"]["accounts"].as_array().unwrap();
        assert_eq!(results.len(), accounts.len(), "{data}");
        assert!(results.iter().all(|one| one["code"] == "PolicyDenied"));
        assert!(!data["results"].to_string().contains("mallory"), "{data}");
    }
}

/// One account already has the image without a request, for example because it was shared by hand.
#[tokio::test]
async fn a_share_that_no_request_made_is_kept_and_its_end_not_announced() {
    let world = world(Place::Brittle, "").await;
    world.cloud.edit(|world| {
        let stock = world.regions.get_mut(REGION).unwrap();
        let shares = &mut stock.blueprints.get_mut(BLUEPRINT).unwrap().shares;
        shares.insert(ACCOUNTS[0].to_owned(), system_now());
    });
    let share = json!({"accounts": &ACCOUNTS[..1], "expires_in": "10d"});
    let (_, answer) = world.deliver(&request("ONE", share)).await;
    let message = answer.message.unwrap();
    assert!(message.contains("does not revoke it"), "{message}");
    world.notify().await;
    for days in [8, 3] {
        world.advance(days * 86_400);
        world.sweep().await;
    }
    let told = lines(&world);
    let kept = format!(
        "It was shared with {} before: this request does not end that.",
        ACCOUNTS[0]
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains(&kept), "{told:?}");
    assert_eq!(world.has(BLUEPRINT), ACCOUNTS[..1]);
}

/// Three requests share one image with the same account. Only the latest expiry revokes the share.
/// The request that gave it first is notified at its own end that the account keeps the image.
#[tokio::test]
async fn a_renewal_is_told_of_its_own_end() {
    let mut world = world(Place::Brittle, "").await;
    for (id, days) in [("FIRST", "10d"), ("RENEWAL", "20d"), ("SHORT", "6d")] {
        let share = json!({"accounts": &ACCOUNTS[..1], "expires_in": days});
        let (_, answer) = world.deliver(&request(id, share)).await;
        let renewed = answer.results[0].renewed;
        assert_eq!(renewed, id == "RENEWAL", "{answer:?}");
        let message = answer.message.unwrap_or_default();
        assert_eq!(message.contains("another request"), renewed, "{message}");
    }
    world.notify().await;
    let told = kinds(&world);
    assert_eq!(told.len(), 3, "{told:?}");
    // Sweeps run every six hours, so that each expiry and each notice has a sweep of its own.
    let (mut since, start) = (told, START.parse::<Timestamp>().unwrap());
    for (until, news, left) in [
        (9, &[][..], true),
        (16, &["revoked invoke/FIRST"][..], true),
        (19, &["expiring invoke/RENEWAL"][..], true),
        (21, &["revoked invoke/RENEWAL"], false),
    ] {
        let until = start + jiff::SignedDuration::from_hours(24 * until);
        while world.now() < until {
            world.advance(6 * 3_600);
            world.sweep().await;
            world.restart();
        }
        let told = kinds(&world);
        let new: Vec<_> = told.iter().filter(|kind| !since.contains(kind)).collect();
        assert_eq!(new, news.iter().collect::<Vec<_>>(), "{until}");
        assert_eq!(!world.has(BLUEPRINT).is_empty(), left, "{until}");
        since = told;
    }
    let told = lines(&world);
    let end = told.iter().find(|(kind, _)| kind == "revoked invoke/FIRST");
    let (_, handed_over) = end.unwrap();
    let text = format!(
        "has ended. Another request shared it with {}, too",
        ACCOUNTS[0]
    );
    assert!(handed_over.contains(&text), "{handed_over}");
    assert!(!handed_over.contains("was revoked"), "{handed_over}");
    world.verify().await.unwrap();
}

/// Of two accounts, another request shares the image with one for longer.
#[tokio::test]
async fn a_share_that_leaves_a_part_to_another_one_is_told_of_both() {
    let world = world(Place::Brittle, "").await;
    for (id, accounts, end) in [("FIRST", 2, "1h"), ("RENEWAL", 1, "9h")] {
        let share = json!({"accounts": &ACCOUNTS[..accounts], "expires_in": end});
        world.deliver(&request(id, share)).await;
    }
    world.notify().await;
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), ACCOUNTS[..1]);
    let told = lines(&world);
    let of_end = told
        .iter()
        .filter(|(kind, _)| kind == "revoked invoke/FIRST");
    let [(_, text)] = of_end.collect::<Vec<_>>()[..] else {
        panic!("{told:?}");
    };
    for part in [
        format!("with {} has ended and was revoked.", ACCOUNTS[1]),
        format!("Another request shared it with {}, too", ACCOUNTS[0]),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
}

/// A cancel removes the overdue share before its revocation succeeds.
#[tokio::test]
async fn a_target_that_got_overdue_learns_that_nothing_is_left_to_revoke() {
    let world = world(Place::Brittle, "").await;
    let share = json!({"accounts": &ACCOUNTS[..1], "expires_in": "1h"});
    world.deliver(&request("CHG1", share.clone())).await;
    world.notify().await;
    let refused =
        "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation.NoPermission@50";
    world.cloud.inject(refused.parse().unwrap());
    world.advance(3_600);
    world.sweep().await;
    assert!(kinds(&world).contains(&"overdue invoke/CHG1".to_owned()));
    world.clear_faults().await;
    let mut cancel = request("CHG2", share);
    cancel["action"] = json!("cancel");
    cancel.as_object_mut().unwrap().remove("expires_in");
    world.deliver(&cancel).await;
    assert!(world.has(BLUEPRINT).is_empty());
    world.advance(3_600);
    world.sweep().await;
    let told = lines(&world);
    let revoked = told.iter().find(|(kind, _)| kind == "revoked invoke/CHG1");
    let (_, text) = revoked.unwrap_or_else(|| panic!("{told:?}"));
    assert!(text.contains("nothing of it was left to revoke"), "{text}");
    world.verify().await.unwrap();
}

/// Duplicates arrive while a notification is being delivered.
#[tokio::test]
async fn duplicates_cause_no_further_notification() {
    let world = world(Place::Brittle, "").await;
    let share = request("CHG1", json!({}));
    world.deliver(&share).await;
    let other = world.another();
    crate::support::deliver(&other, &share).await;
    other.notify_before_answer(deadline()).await;
    assert_eq!(
        types(&world),
        [""; 0],
        "the first process is about to notify"
    );
    world.advance(15);
    world.fuse.measure();
    let duplicates = (0..20).map(async |n| {
        tokio::time::sleep(std::time::Duration::from_millis(7 * n)).await;
        world.deliver(&share).await;
        world.notify().await;
    });
    futures_util::future::join_all(duplicates).await;
    world.fuse.measured();
    assert_eq!(types(&world), ["completed"]);
}
