//! A chain makes a CVM image available in Lighthouse and shares the resulting blueprint. If the
//! blueprint already exists, the chain waits for a revocation or cancel of that blueprint that is
//! under way, and later revocations and cancels take the chain into account. In these tests, no
//! record says which request put the image into Lighthouse.

use serde_json::{Value, json};
use sharehook::app::Answer;
use sharehook::domain::{Item, ItemResult, ResultKind, Status};

use crate::support::stops::until_stuck;
use crate::support::store::Break;
use crate::support::{ACCOUNTS, CHAIN_IMAGE, CHAINED, REGION, World, deadline, deliver, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const HOUR: i64 = 3_600;

/// The request that takes the blueprint away from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revoker {
    /// A sweep revokes an expired share of the blueprint.
    Revocation,
    Cancel,
}

/// A world whose image is in Lighthouse, with an empty journal.
pub(crate) async fn published() -> World {
    let mut world = World::new().await;
    let publish = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null});
    world.deliver(&request("CHG0", publish)).await;
    let published = world.cloud.state();
    world.reset().await;
    world.cloud.edit(|cloud| *cloud = published);
    world.cloud.forget_calls();
    world
}

/// A world in which the account has the blueprint. If `revoker` is a revocation, the share expires
/// after an hour.
async fn shared_blueprint(revoker: Revoker) -> World {
    let world = published().await;
    let ends = (revoker == Revoker::Revocation).then_some("1h");
    let share = json!({"image": CHAINED, "accounts": ONE, "expires_in": ends});
    world.deliver(&request("CHG1", share)).await;
    assert_eq!(world.has(CHAINED), ONE);
    world.advance(HOUR - 1);
    world.cloud.forget_calls();
    world
}

async fn revoke_or_cancel(world: &World, revoker: Revoker) {
    world.advance(1);
    let another = world.another();
    match revoker {
        Revoker::Revocation => drop(another.sweep(deadline()).await.unwrap()),
        Revoker::Cancel => drop(deliver(&another, &cancel(&ONE)).await),
    }
}

fn cancel(accounts: &[&str]) -> Value {
    let mut cancel = request("CHG2", json!({"image": CHAINED, "accounts": accounts}));
    cancel["action"] = json!("cancel");
    cancel
}

fn chain() -> Value {
    let fields = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": ONE});
    request("CHG3", fields)
}

fn account(answer: &Answer) -> &ItemResult {
    let of_account = |result: &&ItemResult| matches!(result.item, Item::Account(_));
    answer.results.iter().find(of_account).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_follows_what_is_taking_its_blueprint_away() {
    for revoker in [Revoker::Revocation, Revoker::Cancel] {
        let world = shared_blueprint(revoker).await;
        // The revoker reads that the account has the blueprint. It makes its call only after that
        // slow read.
        let slow = "DescribeBlueprintsShareAcrossAccountInfos:slow:1500ms";
        assert!(world.cloud.inject(slow.parse().unwrap()));
        let chained = async {
            until_stuck(&world).await;
            world.advance(1);
            world.deliver(&chain()).await
        };
        let ((), (_, answer)) = tokio::join!(revoke_or_cancel(&world, revoker), chained);
        assert_eq!(answer.status, Status::Pending, "{revoker:?}: {answer:?}");
        let message = answer.message.unwrap();
        assert!(message.contains("is revoking the same image"), "{message}");
        assert!(world.has(CHAINED).is_empty(), "{revoker:?}");
        world.advance(10);
        world.sweep().await;
        let (_, answer) = world.deliver(&chain()).await;
        assert_eq!(account(&answer).kind, ResultKind::Shared, "{revoker:?}");
        assert_eq!(world.has(CHAINED), ONE, "{revoker:?}");
        world.verify().await.unwrap();
    }
}

/// Stalls the chain's worker at one of its records until the revoker has begun and finished.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_a_blueprint_away_sees_a_chain_that_began_before() {
    for revoker in [Revoker::Revocation, Revoker::Cancel] {
        for record in ["000001.json", "000002.json"] {
            let world = shared_blueprint(revoker).await;
            world.fuse.arm_at(record, Break::Stall);
            let ticket = chain();
            let mut delivery = Box::pin(world.deliver(&ticket));
            tokio::select! {
                (_, answer) = &mut delivery => panic!("not held at {record}: {answer:?}"),
                () = world.fuse.stalled() => {}
            }
            revoke_or_cancel(&world, revoker).await;
            world.fuse.release();
            delivery.await;
            for _ in 0..3 {
                world.advance(20);
                world.sweep().await;
            }
            let (_, answer) = world.deliver(&ticket).await;
            let case = format!("{revoker:?} at {record}");
            let has = match revoker {
                Revoker::Revocation => {
                    assert_eq!(answer.status, Status::Completed, "{case}: {answer:?}");
                    1
                }
                Revoker::Cancel => {
                    let by = account(&answer).called_off_by.as_deref();
                    assert_eq!(by, Some("CHG2"), "{case}: {answer:?}");
                    0
                }
            };
            assert_eq!(world.has(CHAINED).len(), has, "{case}: {answer:?}");
            world.verify().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_does_not_wait_for_a_cancel_of_other_accounts() {
    let world = published().await;
    let other = json!({"image": CHAINED, "accounts": [ACCOUNTS[1]]});
    world.deliver(&request("CHG1", other)).await;
    world.cloud.forget_calls();
    let slow = "DescribeBlueprintsShareAcrossAccountInfos:slow:1500ms";
    assert!(world.cloud.inject(slow.parse().unwrap()));
    let another = world.another();
    world.advance(1);
    let cancel = cancel(&[ACCOUNTS[1]]);
    let chained = async {
        until_stuck(&world).await;
        world.advance(1);
        world.deliver(&chain()).await
    };
    let (_, (_, answer)) = tokio::join!(deliver(&another, &cancel), chained);
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    assert_eq!(world.has(CHAINED), ONE);
    world.verify().await.unwrap();
}

fn share_by_hand(world: &World) {
    world.cloud.edit(|cloud| {
        let region = cloud.regions.get_mut(REGION).unwrap();
        let shares = &mut region.blueprints.get_mut(CHAINED).unwrap().shares;
        shares.insert(ONE[0].to_owned(), world.now());
    });
}

/// Asserts that the chain found the account already shared, and that the chain's expiry does not
/// revoke that share.
async fn check_kept(world: &World, answer: &Answer, case: &str) {
    assert_eq!(answer.status, Status::Completed, "{case}: {answer:?}");
    assert_eq!(account(answer).kind, ResultKind::AlreadyShared, "{case}");
    assert!(world.app.grants().await.unwrap().entries.is_empty());
    world.advance(HOUR);
    world.sweep().await;
    assert_eq!(world.has(CHAINED), ONE, "{case}");
    world.verify().await.unwrap();
}

/// A chain may record the blueprint before it reads the blueprint's accounts. If that read finds a
/// share, the chain must not treat the share as its own.
#[tokio::test]
async fn an_account_that_had_the_blueprint_before_keeps_it_after_a_chain() {
    // The reads of Lighthouse succeed, or fail until the chain tries to publish the image.
    for unread in [0, 2] {
        let world = published().await;
        share_by_hand(&world);
        if unread > 0 {
            let fault = "DescribeBlueprints:error-before:UnauthorizedOperation.NoPermission";
            let fault = format!("{fault}@{unread}");
            assert!(world.cloud.inject(fault.parse().unwrap()));
        }
        let mut ticket = chain();
        ticket["expires_in"] = json!("1h");
        let (_, answer) = world.deliver(&ticket).await;
        check_kept(&world, &answer, &format!("{unread} reads failed")).await;
    }
}

/// When the chain first reads the cloud, the image is not in Lighthouse. Before the chain writes
/// record 0, the image is published and shared by hand.
#[tokio::test]
async fn an_account_that_got_the_blueprint_after_the_first_look_keeps_it_after_a_chain() {
    let world = published().await;
    share_by_hand(&world);
    let shared = world.cloud.state();
    world
        .cloud
        .edit(|cloud| *cloud = sharehook_sandbox::World::seeded());
    world.fuse.arm_at("000000.json", Break::Stall);
    let by_hand = async {
        world.fuse.stalled().await;
        world.cloud.edit(|cloud| *cloud = shared);
        world.fuse.release();
    };
    let mut ticket = chain();
    ticket["expires_in"] = json!("1h");
    let ((_, answer), ()) = tokio::join!(world.deliver(&ticket), by_hand);
    check_kept(&world, &answer, "by hand").await;
}
