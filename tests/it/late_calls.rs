//! The cloud carries out a call after the caller has given up. A worker that reads the cloud before
//! the call is carried out must not take what it reads for the result of the call.

use std::time::Duration;

use serde_json::json;
use sharehook::app::{Deadline, Reply};
use sharehook::domain::{ResultKind, Status};

use crate::incidents::share_by_hand;
use crate::support::store::Break;
use crate::support::{ACCOUNTS, BLUEPRINT, World, invocation, request};
use crate::unclear_ends::{SHARE, retried_for_ten_minutes, withdraw};
use sharehook_sandbox::Site;

const ONE: [&str; 1] = [ACCOUNTS[0]];

/// Returns a world whose cloud does not answer calls of `action` and has not carried them out yet.
async fn silent(action: &str) -> World {
    let world = retried_for_ten_minutes(Site::Cn).await;
    let lost = format!("{action}:reset-before@6");
    assert!(world.cloud.inject(lost.parse().unwrap()));
    world
}

/// Runs `work`. Meanwhile, the cloud carries out the late share call.
async fn shared_during<T>(world: &World, work: impl Future<Output = T>) -> T {
    let late = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        share_by_hand(world, ONE[0]);
    };
    tokio::join!(work, late).0
}

#[tokio::test]
async fn a_share_that_is_cancelled_after_its_last_call_is_taken_back() {
    let world = silent(SHARE).await;
    let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    let cancel = request("CHG2", json!({"action": "cancel", "accounts": ONE}));
    world.deliver(&cancel).await;
    shared_during(&world, world.sweep()).await;
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_share_that_is_called_off_before_its_record_is_taken_back() {
    let world = silent(SHARE).await;
    let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    world.fuse.arm_at("000001.json", Break::Stall);
    let calling_off = async {
        world.fuse.stalled().await;
        withdraw(&world).await;
        world.fuse.release();
        shared_during(&world, std::future::ready(())).await;
    };
    tokio::join!(world.deliver(&ticket), calling_off);
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    world.verify().await.unwrap();
}

/// The worker has no time left to wait for the late call and to read the cloud again.
#[tokio::test]
async fn a_share_that_is_called_off_at_the_end_of_its_turn_is_resumed_soon() {
    let world = silent(SHARE).await;
    let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    world.fuse.arm_at("000001.json", Break::Stall);
    let calling_off = async {
        world.fuse.stalled().await;
        withdraw(&world).await;
        world.fuse.release();
    };
    let deadline = Deadline::after(Duration::from_millis(2_200));
    let turn = world.app.receive(invocation(&ticket), deadline);
    let (Reply::Answers(answers), ()) = tokio::join!(turn, calling_off) else {
        panic!("no answer");
    };
    let message = answers[0].1.message.as_deref().unwrap_or_default();
    assert!(message.contains("the time ran out"), "{message}");
    world.advance(3);
    world.sweep().await;
    let (_, answer) = world.deliver(&ticket).await;
    let message = answer.message.unwrap_or_default();
    assert!(message.contains("may not show it yet"), "{message}");
    world.advance(150);
    world.sweep().await;
    world.verify().await.unwrap();
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.results[0].kind, ResultKind::Cancelled, "{answer:?}");
}

#[tokio::test]
async fn a_share_waits_while_a_cancel_that_gave_up_may_still_take_it_away() {
    let world = silent("CancelShareBlueprintAcrossAccounts").await;
    let share = |id: &str| request(id, json!({"accounts": ONE}));
    world.deliver(&share("CHG1")).await;
    let cancel = request("CHG2", json!({"action": "cancel", "accounts": ONE}));
    let (_, answer) = world.deliver(&cancel).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    let (_, answer) = world.deliver(&share("CHG3")).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    let message = answer.message.unwrap();
    assert!(message.contains("invoke/CHG2 is revoking the same image"));
    world.cloud.edit(|cloud| {
        let region = cloud.regions.get_mut(crate::support::REGION).unwrap();
        region.blueprints.get_mut(BLUEPRINT).unwrap().shares.clear();
    });
    world.advance(3);
    world.sweep().await;
    let (_, answer) = world.deliver(&share("CHG3")).await;
    assert_eq!(answer.results[0].kind, ResultKind::Shared, "{answer:?}");
    assert_eq!(world.has(BLUEPRINT), ONE);
}

/// The first look finds no share. Then record 0 takes longer than the delivery has time, and the
/// image is shared by hand before a sweep makes the call. That share must not count as the request's
/// own.
#[tokio::test]
async fn what_is_shared_while_a_slow_store_records_a_request_stays_theirs() {
    let world = World::new().await;
    world.fuse.arm_at("000000.json", Break::Stall);
    let share = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    let deadline = Deadline::after(Duration::from_secs(1));
    let slow = async {
        world.fuse.stalled().await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        world.fuse.release();
    };
    let (reply, ()) = tokio::join!(world.app.receive(invocation(&share), deadline), slow);
    let Reply::Answers(answers) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(answers[0].1.status, Status::Pending);
    share_by_hand(&world, ONE[0]);
    world.advance(60);
    world.sweep().await;
    let (_, answer) = world.deliver(&share).await;
    assert_eq!(answer.results[0].kind, ResultKind::AlreadyShared);
    world.advance(7_200);
    assert!(world.sweep().await.revoked.is_empty());
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.verify().await.unwrap();
}
