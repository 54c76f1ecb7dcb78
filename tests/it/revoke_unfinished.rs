//! `revoke` calls off the unfinished shares of an image: shares that are being carried out, shares
//! that wait, and chains that have not made their blueprint yet.

use serde_json::{Value, json};
use sharehook::app::{App, Operator, RevokedNow};
use sharehook::domain::Status;

use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, World, deadline, deliver, request,
};

const HOUR: i64 = 3_600;

/// A share that waits for an hour.
fn later(world: &World, id: &str, fields: Value) -> Value {
    let mut share = request(id, fields);
    share["not_before"] = json!(world.now() + jiff::SignedDuration::from_secs(HOUR));
    share
}

async fn revoke(app: &App, image: &str, accounts: &[&str]) -> RevokedNow {
    let by = Operator {
        source: "invoke".parse().unwrap(),
        requester: "alice@example.com".to_owned(),
    };
    let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    let revoked = app.revoke_now(image, &accounts, &by, "leaked", false, deadline());
    Box::pin(revoked).await.unwrap()
}

fn statuses(revoked: &RevokedNow) -> Vec<Status> {
    let answers = revoked.answers.iter();
    answers.map(|(_, answer)| answer.status).collect()
}

/// Lets three hours pass, with a sweep in each, so that every waiting share starts that was not
/// called off.
async fn hours_later(world: &World) {
    for _ in 0..3 {
        world.advance(HOUR);
        world.sweep().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_at_work_and_waiting_shares_are_called_off() {
    let world = World::new().await;
    let to = |account: &str| json!({"image": CVM_IMAGE, "accounts": [account]});
    world.deliver(&request("CHG1", to(ACCOUNTS[0]))).await;
    let waiting = later(&world, "CHG2", to(ACCOUNTS[1]));
    world.deliver(&waiting).await;
    // The cloud has carried out this share, and its last record is not written yet.
    world.fuse.arm_at("000001.json", Break::Stall);
    let (another, at_work) = (world.another(), request("CHG3", to(ACCOUNTS[2])));
    let mut delivery = Box::pin(deliver(&another, &at_work));
    tokio::select! {
        (_, answer) = &mut delivery => panic!("not held: {answer:?}"),
        () = world.fuse.stalled() => {}
    }
    assert_eq!(world.has_image(CVM_IMAGE).len(), 2);
    world.advance(1);
    let revoked = revoke(&world.app, CVM_IMAGE, &[]).await;
    assert!(revoked.left.is_empty(), "{revoked:?}");
    assert_eq!(statuses(&revoked), [Status::Completed], "{revoked:?}");
    world.fuse.release();
    delivery.await;
    hours_later(&world).await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    assert!(world.app.grants().await.unwrap().entries.is_empty());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn one_account_of_a_waiting_share_is_called_off() {
    let world = World::new().await;
    let both = json!({"accounts": &ACCOUNTS[..2]});
    world.deliver(&later(&world, "CHG1", both)).await;
    world.advance(1);
    let revoked = revoke(&world.app, BLUEPRINT, &ACCOUNTS[..1]).await;
    assert!(revoked.left.is_empty(), "{revoked:?}");
    assert_eq!(statuses(&revoked), [Status::Completed], "{revoked:?}");
    hours_later(&world).await;
    assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[1]]);
}

/// Until a chain has made its blueprint, a cancel can only call off the whole chain.
#[tokio::test]
async fn a_chain_without_a_blueprint_is_called_off_only_as_a_whole() {
    for whole in [false, true] {
        let world = World::new().await;
        let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": &ACCOUNTS[..2]});
        world.deliver(&later(&world, "CHG1", chain)).await;
        world.advance(1);
        let accounts = if whole { &[] } else { &ACCOUNTS[..1] };
        let revoked = revoke(&world.app, CHAIN_IMAGE, accounts).await;
        let left: Vec<_> = revoked.left.iter().map(ToString::to_string).collect();
        hours_later(&world).await;
        if whole {
            assert!(left.is_empty(), "{left:?}");
            assert_eq!(statuses(&revoked), [Status::Completed], "{revoked:?}");
            assert!(world.shares().is_empty(), "{:?}", world.shares());
        } else {
            assert!(revoked.answers.is_empty(), "{revoked:?}");
            assert!(left[0].contains("invoke/CHG1 is unfinished"), "{left:?}");
            assert_eq!(world.has(CHAINED).len(), 2);
        }
    }
}

/// The chain already has a grant, because its image is in Lighthouse. Sharing with its accounts was
/// refused and waits for the operator.
#[tokio::test]
async fn the_rest_of_a_partly_done_chain_is_called_off() {
    let world = World::new().await;
    let refused = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@500";
    assert!(world.cloud.inject(refused.parse().unwrap()));
    let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": &ACCOUNTS[..2]});
    let (_, answer) = world.deliver(&request("CHG1", chain)).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    // The sweep writes the grant into the index.
    world.advance(1);
    world.sweep().await;
    world.clear_faults().await;
    world.advance(1);
    let revoked = revoke(&world.app, CHAINED, &ACCOUNTS[..1]).await;
    assert!(revoked.left.is_empty(), "{revoked:?}");
    assert_eq!(statuses(&revoked), [Status::Completed], "{revoked:?}");
    hours_later(&world).await;
    assert_eq!(world.has(CHAINED), [ACCOUNTS[1]]);
}

/// The waiting chain does not know yet that it will share the blueprint that the other chain made.
#[tokio::test]
async fn a_waiting_chain_of_the_same_blueprint_is_called_off() {
    for whole in [false, true] {
        let world = World::new().await;
        let chain = |account: &str| json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": [account]});
        world.deliver(&request("CHG1", chain(ACCOUNTS[0]))).await;
        let waiting = later(&world, "CHG2", chain(ACCOUNTS[1]));
        world.deliver(&waiting).await;
        world.advance(1);
        let accounts = if whole { &[] } else { &ACCOUNTS[1..2] };
        let revoked = revoke(&world.app, CHAINED, accounts).await;
        assert!(revoked.left.is_empty(), "{revoked:?}");
        let all = statuses(&revoked);
        assert!(all.iter().all(|s| *s == Status::Completed), "{revoked:?}");
        hours_later(&world).await;
        if whole {
            assert!(world.shares().is_empty(), "{:?}", world.shares());
        } else {
            assert_eq!(world.has(CHAINED), [ACCOUNTS[0]]);
        }
    }
}
