//! Approvals in Feishu that are withdrawn later. Whatever the state of the request, its shares are
//! revoked and the requester is notified.

use serde_json::{Value, json};
use sharehook::app::{GrantEntry, Operator, Retried, Standing};

use crate::support::approvals::{NOTHING, SHARED, count, records};
use crate::support::feishu::{self, CODE, approve, receive, withdraw};
use crate::support::store::Break;
use crate::support::{BLUEPRINT, World, deadline, secrets};

const OTHER: &str = "0B8F9C35-0000-0000-0000-000000000002";

/// A world that notifies requesters through the inbox of its sandbox.
async fn notifying() -> World {
    let mut world = feishu::world().await;
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

/// Returns the types of the messages in the inbox, without their common prefix.
fn notified(world: &World) -> Vec<String> {
    let letters = world.cloud.letters().into_iter();
    letters
        .map(|letter| {
            let event: Value = serde_json::from_str(&letter.body).unwrap();
            let name = event["type"].as_str().unwrap();
            name.trim_start_matches("sharehook.request.").to_owned()
        })
        .collect()
}

#[tokio::test]
async fn what_a_withdrawn_approval_gave_is_taken_back_and_the_requester_hears_it() {
    let world = notifying().await;
    approve(&world).await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.advance(60);
    withdraw(&world).await;
    assert_eq!(
        world.has(BLUEPRINT),
        SHARED,
        "the event alone changes nothing"
    );
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.sweep().await;
    assert_eq!(notified(&world), ["completed", "revoked"]);
    let types = records(&world).await;
    let count = |name: &str| types.iter().filter(|kind| *kind == name).count();
    let counts = ["received", "called_off", "revoked", "settled"].map(count);
    assert_eq!(counts, [2, 1, 1, 2], "{types:?}");
    // Another event announces the same withdrawal.
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
    let world = feishu::world().await;
    withdraw(&world).await;
    world.sweep().await;
    assert_eq!(feishu::calls(&world).reads, 1, "the event is a hint");
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    let types = records(&world).await;
    assert_eq!(types.iter().filter(|kind| *kind == "settled").count(), 2);
    assert!(!types.contains(&"opened".to_owned()), "{types:?}");
}

/// An attacker who has the event's key announces a withdrawal before the approval. That must not
/// prevent the real withdrawal.
#[tokio::test]
async fn a_withdrawal_that_is_announced_before_the_approval_counts_when_it_comes() {
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({"status": "PENDING"}));
    let early = json!({"status": "REVERTED", "operate_time": 1});
    receive(&world, "e0", early.clone()).await;
    world.sweep().await;
    approve(&world).await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    feishu::put_instance(&world, json!({"status": "REVERTED", "reverted": true}));
    receive(&world, "e2", early).await;
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_share_that_waits_for_the_cloud_is_called_off() {
    let world = notifying().await;
    let refused = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90";
    world.cloud.inject(refused.parse().unwrap());
    approve(&world).await;
    withdraw(&world).await;
    world.sweep().await;
    world.clear_faults().await;
    for _ in 0..3 {
        world.advance(1_200);
        world.sweep().await;
    }
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    assert_eq!(notified(&world), ["failed"]);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn what_the_cloud_does_not_take_back_for_an_hour_is_taken_back_later() {
    let world = notifying().await;
    approve(&world).await;
    let refused = "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90";
    world.cloud.inject(refused.parse().unwrap());
    withdraw(&world).await;
    let mut reported = 0;
    for _ in 0..12 {
        world.advance(300);
        let report = world.sweep().await;
        let overdue = report.overdue.iter();
        reported += overdue
            .filter(|overdue| overdue.left.why.contains("Unauthorized"))
            .count();
    }
    assert!(reported >= 10, "{reported}");
    let metrics = world.app.metrics().await;
    assert!(metrics.contains("sharehook_grants_overdue 2"), "{metrics}");
    let grants = world.app.grants().await.unwrap();
    let overdue = |grant: &GrantEntry| grant.state == Standing::Overdue;
    assert!(grants.entries.iter().all(overdue), "{grants:?}");
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.clear_faults().await;
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.sweep().await;
    assert_eq!(notified(&world), ["completed", "overdue", "revoked"]);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_withdrawal_that_the_instance_does_not_confirm_waits_for_it() {
    let world = feishu::world().await;
    approve(&world).await;
    receive(&world, "e2", json!({"status": "REVERTED"})).await;
    feishu::fail(&world, Some(1_395_001));
    // A withdrawal is retried without a limit. This test retries for two days.
    for hour in 0..48 {
        if hour == 24 {
            feishu::fail(&world, None);
        }
        world.sweep().await;
        world.advance(3_600);
    }
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let left = world.sweep().await.unfinished;
    assert_eq!(left[0].request, format!("feishu/{CODE}/withdrawn"));
    assert!(left[0].why.contains("is approved"), "{}", left[0].why);
    feishu::put_instance(&world, json!({"reverted": true}));
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
}

#[tokio::test]
async fn another_approval_of_the_same_keeps_its_share() {
    let world = feishu::world().await;
    approve(&world).await;
    feishu::put_instance_as(&world, OTHER, json!({}));
    receive(&world, "o1", json!({"instance_code": OTHER})).await;
    world.sweep().await;
    withdraw(&world).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED, "the other approval covers it");
    feishu::put_instance_as(&world, OTHER, json!({"reverted": true}));
    let event = json!({"instance_code": OTHER, "status": "REVERTED"});
    receive(&world, "o2", event).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_denied_request_whose_approval_was_withdrawn_stays_closed() {
    let mut world = feishu::world().await;
    world.change_entities(|text| text.replace(SHARED[0], "700000000099"));
    approve(&world).await;
    withdraw(&world).await;
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

/// Two workers handle the same announcement. The first one reads the approved instance, but records
/// its request only after the second one has read the withdrawal and found nothing to revoke.
#[tokio::test]
async fn a_worker_that_read_the_approval_before_its_withdrawal_shares_nothing() {
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    receive(&world, "e1", json!({})).await;
    world.fuse.arm_at("000000.json", Break::Stall);
    let other = async {
        world.fuse.stalled().await;
        withdraw(&world).await;
        let other = world.another();
        for _ in 0..3 {
            other.sweep(deadline()).await.unwrap();
            world.advance(5);
        }
        assert_eq!(count(&world, "settled").await, 2);
        world.fuse.release();
    };
    let (slow, ()) = tokio::join!(world.sweep(), other);
    assert!(slow.failures.is_empty(), "{slow}");
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(count(&world, "opened").await, 1);
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    assert!(world.effects().is_empty(), "{:?}", world.effects());
    world.verify().await.unwrap();
}

/// The process stops during the approval. Before the withdrawal, the map is replaced by one that
/// gives the request another identity.
#[tokio::test]
async fn what_a_withdrawn_approval_gave_is_found_under_the_name_that_it_had() {
    let mut world = feishu::world().await;
    let renamed = concat!(
        include_str!("../../maps/feishu.jq"),
        "  + {id: \"renamed\"}\n"
    );
    std::fs::write(world.folder.path().join("renamed.jq"), renamed).unwrap();
    let mut met = 0;
    for nth in 0.. {
        assert!(nth < 60, "the scenario does not end");
        world.reset().await;
        world.fuse.arm(nth, Break::CrashBefore);
        tokio::select! {
            () = approve(&world) => {}
            () = world.fuse.crashed() => {}
        }
        if !world.fuse.reached() {
            break;
        }
        met += 1;
        world.rewrite_configuration("map     = \"feishu\"", "map     = \"renamed.jq\"");
        withdraw(&world).await;
        for _ in 0..3 {
            world.sweep().await;
            world.advance(300);
        }
        assert_eq!(world.has(BLUEPRINT), NOTHING, "{nth}");
        world.rewrite_configuration("map     = \"renamed.jq\"", "map     = \"feishu\"");
    }
    assert!(met >= 8, "only {met} places");
}

/// The approved request is a cancel, which waits for the cloud.
#[tokio::test]
async fn a_cancel_that_waits_is_called_off_with_its_approval() {
    let world = notifying().await;
    feishu::put_instance_as(&world, OTHER, json!({}));
    receive(&world, "o1", json!({"instance_code": OTHER})).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let sample = feishu::instance(CODE, json!({}));
    let mut form: Vec<Value> = serde_json::from_str(sample["form"].as_str().unwrap()).unwrap();
    form.retain(|widget| widget["custom_id"] != "expires");
    form.push(json!({"custom_id": "action", "value": "cancel"}));
    let form = json!({"form": json!(form).to_string()});
    let refused = "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90";
    world.cloud.inject(refused.parse().unwrap());
    feishu::put_instance(&world, form.clone());
    world.advance(60);
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    assert_eq!(count(&world, "deferred").await, 1);
    let mut withdrawn = form;
    withdrawn["reverted"] = true.into();
    feishu::put_instance(&world, withdrawn);
    receive(&world, "e2", json!({"status": "REVERTED"})).await;
    world.sweep().await;
    world.clear_faults().await;
    for _ in 0..3 {
        world.advance(1_200);
        world.sweep().await;
    }
    assert_eq!(world.has(BLUEPRINT), SHARED);
    assert_eq!(notified(&world), ["completed", "failed"]);
    world.verify().await.unwrap();
}

/// Stops the process at each write of the journal, from the approval to the end of its withdrawal.
#[tokio::test]
async fn killed_anywhere_it_takes_back_what_was_withdrawn() {
    // Run both concurrently, because each waits for paced calls.
    let (before, after) = tokio::join!(
        killed_while_withdrawn(Break::CrashBefore),
        killed_while_withdrawn(Break::CrashAfter)
    );
    assert!(before >= 10 && after >= 10, "{before} and {after} places");
}

/// Returns the number of stops.
async fn killed_while_withdrawn(how: Break) -> u64 {
    let mut world = feishu::world().await;
    for nth in 0..90 {
        world.reset().await;
        world.fuse.arm(nth, how);
        tokio::select! {
            () = approve(&world) => {}
            () = world.fuse.crashed() => world.restart(),
        }
        for _ in 0..4 {
            let stopped = tokio::select! {
                () = async {
                    withdraw(&world).await;
                    world.sweep().await;
                    // Feishu repeats unanswered events.
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
        // A request that was never recorded may have left index entries. Other findings are
        // failures.
        if let Err(findings) = world.verify().await {
            let all = findings.matches("Finding {").count();
            assert_eq!(findings.matches("Unrecorded").count(), all, "{findings}");
        }
        if !world.fuse.reached() {
            return nth;
        }
    }
    panic!("the scenario does not end");
}
