//! Approvals in Feishu that are withdrawn later: what they gave is taken back, on record, and the requester
//! hears of it, wherever the withdrawal meets the request.

use serde_json::{Value, json};
use sharehook::app::{Operator, Retried};

use crate::feishu::{SHARED, receive, records, world};
use crate::support::feishu::{CODE, Feishu};
use crate::support::store::Break;
use crate::support::{BLUEPRINT, World, deadline, secrets};

const NOTHING: [&str; 0] = [];
const OTHER: &str = "0B8F9C35-0000-0000-0000-000000000002";

/// A world whose requesters hear through the inbox of its sandbox.
async fn notifying(api: &Feishu) -> World {
    let mut world = world(api).await;
    let file = world.folder.path().join("notify.secret");
    secrets::write(&file, crate::notify::SECRET);
    let url = world.cloud.url();
    world.configure(&format!(
        "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"{url}/inbox\"\nsecret = \"file:notify.secret\"\n"
    ));
    world.reset().await;
    world.cloud.clear_inbox();
    world
}

/// The types of the messages in the inbox, without their common beginning.
fn heard(world: &World) -> Vec<String> {
    let letters = world.cloud.letters().into_iter();
    letters
        .map(|letter| {
            let event: Value = serde_json::from_str(&letter.body).unwrap();
            let name = event["type"].as_str().unwrap();
            name.trim_start_matches("sharehook.request.").to_owned()
        })
        .collect()
}

async fn approve(world: &World, api: &Feishu) {
    api.put(json!({}));
    receive(world, "e1", json!({})).await;
    world.sweep().await;
}

/// Feishu says that the approval was withdrawn, and shows the instance so.
async fn withdraw(world: &World, api: &Feishu) {
    api.put(json!({"status": "REVERTED", "reverted": true}));
    receive(
        world,
        "e2",
        json!({"status": "REVERTED", "operate_time": 1}),
    )
    .await;
}

#[tokio::test]
async fn what_a_withdrawn_approval_gave_is_taken_back_and_the_requester_hears_it() {
    let api = Feishu::start().await;
    let world = notifying(&api).await;
    approve(&world, &api).await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.advance(60);
    withdraw(&world, &api).await;
    assert_eq!(
        world.has(BLUEPRINT),
        SHARED,
        "the event alone changes nothing"
    );
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.sweep().await;
    assert_eq!(heard(&world), ["completed", "revoked"]);
    let types = records(&world).await;
    let count = |name: &str| types.iter().filter(|kind| *kind == name).count();
    let counts = ["received", "called_off", "revoked", "settled"].map(count);
    assert_eq!(counts, [2, 1, 1, 2], "{types:?}");
    // The same again, as another event.
    let again = json!({"status": "REVERTED"});
    assert!(receive(&world, "e3", again).await.1.duplicate);
    for _ in 0..3 {
        world.advance(3_600);
        world.sweep().await;
    }
    assert_eq!(records(&world).await.len(), types.len());
    assert!(world.effects().values().all(|times| *times == 1));
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_withdrawal_that_comes_first_leaves_nothing_to_share() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    withdraw(&world, &api).await;
    world.sweep().await;
    assert_eq!(api.calls().1, 1, "the event is a hint");
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    let types = records(&world).await;
    assert_eq!(types.iter().filter(|kind| *kind == "settled").count(), 2);
    assert!(!types.contains(&"opened".to_owned()), "{types:?}");
}

/// An attacker with the event's key cannot make the service ignore the real withdrawal.
#[tokio::test]
async fn a_withdrawal_that_is_announced_before_the_approval_counts_when_it_comes() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(json!({"status": "PENDING"}));
    let early = json!({"status": "REVERTED", "operate_time": 1});
    receive(&world, "e0", early.clone()).await;
    world.sweep().await;
    approve(&world, &api).await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    api.put(json!({"status": "REVERTED", "reverted": true}));
    receive(&world, "e2", early).await;
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_share_that_waits_for_the_cloud_is_called_off() {
    let api = Feishu::start().await;
    let world = notifying(&api).await;
    let refused = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90";
    world.cloud.inject(refused.parse().unwrap());
    approve(&world, &api).await;
    withdraw(&world, &api).await;
    world.sweep().await;
    world.clear_faults().await;
    for _ in 0..3 {
        world.advance(1_200);
        world.sweep().await;
    }
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    assert_eq!(heard(&world), ["failed"]);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn what_the_cloud_does_not_take_back_for_an_hour_is_taken_back_later() {
    let api = Feishu::start().await;
    let world = notifying(&api).await;
    approve(&world, &api).await;
    let refused = "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90";
    world.cloud.inject(refused.parse().unwrap());
    withdraw(&world, &api).await;
    let mut reported = 0;
    for _ in 0..12 {
        world.advance(300);
        let report = world.sweep().await;
        let refused = report.unfinished.iter();
        reported += refused
            .filter(|left| left.why.contains("Unauthorized"))
            .count();
    }
    assert!(reported >= 4, "{reported}");
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.clear_faults().await;
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.sweep().await;
    assert_eq!(heard(&world), ["completed", "revoked"]);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_withdrawal_that_the_instance_does_not_confirm_waits_for_it() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    approve(&world, &api).await;
    receive(&world, "e2", json!({"status": "REVERTED"})).await;
    api.fail(Some(1_395_001));
    // Never given up: two days.
    for hour in 0..48 {
        if hour == 24 {
            api.fail(None);
        }
        world.sweep().await;
        world.advance(3_600);
    }
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let left = world.sweep().await.unfinished;
    assert_eq!(left[0].request, format!("feishu/{CODE}/withdrawn"));
    assert!(left[0].why.contains("is approved"), "{}", left[0].why);
    api.put(json!({"reverted": true}));
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
}

#[tokio::test]
async fn another_approval_of_the_same_keeps_its_share() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    approve(&world, &api).await;
    api.put_as(OTHER, json!({}));
    receive(&world, "o1", json!({"instance_code": OTHER})).await;
    world.sweep().await;
    withdraw(&world, &api).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED, "the other approval covers it");
    api.put_as(OTHER, json!({"reverted": true}));
    let event = json!({"instance_code": OTHER, "status": "REVERTED"});
    receive(&world, "o2", event).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_denied_request_whose_approval_was_withdrawn_stays_closed() {
    let api = Feishu::start().await;
    let mut world = world(&api).await;
    world.change_entities(|text| text.replace(SHARED[0], "700000000099"));
    approve(&world, &api).await;
    withdraw(&world, &api).await;
    world.sweep().await;
    world.restore_entities();
    let by = Operator {
        source: "feishu".parse().unwrap(),
        requester: "carol".to_owned(),
    };
    let retried = world
        .app
        .retry(CODE, &by, "the list is corrected", deadline());
    let Retried::StaysClosed(why) = retried.await.unwrap() else {
        panic!("reopened")
    };
    assert!(why.contains("called it off"), "{why}");
    assert_eq!(world.has(BLUEPRINT), NOTHING);
}

/// Stops the process at every write of the journal, while the approval is withdrawn meanwhile.
#[tokio::test]
async fn whoever_is_killed_anywhere_takes_back_what_was_withdrawn() {
    let api = Feishu::start().await;
    let mut world = world(&api).await;
    let mut met = 0;
    for how in [Break::CrashBefore, Break::CrashAfter] {
        for nth in 0.. {
            assert!(nth < 90, "the scenario does not end");
            world.reset().await;
            world.fuse.arm(nth, how);
            tokio::select! {
                () = approve(&world, &api) => {}
                () = world.fuse.crashed() => world.restart(),
            }
            for _ in 0..4 {
                let stopped = tokio::select! {
                    () = async {
                        withdraw(&world, &api).await;
                        world.sweep().await;
                        // Feishu repeats what was not answered.
                        receive(&world, "e1", json!({})).await;
                        world.sweep().await;
                    } => false,
                    () = world.fuse.crashed() => true,
                };
                if stopped {
                    world.restart();
                }
                world.advance(300);
            }
            assert_eq!(world.has(BLUEPRINT), NOTHING, "{how:?} {nth}");
            // A request that was to be opened, and never was, may have left entries of the index.
            if let Err(findings) = world.verify().await {
                let all = findings.matches("Finding {").count();
                assert_eq!(findings.matches("Unrecorded").count(), all, "{findings}");
            }
            if !world.fuse.met() {
                break;
            }
            met += 1;
        }
    }
    assert!(met >= 20, "only {met} places");
}
