//! A chain on a blueprint that exists already is ordered among the requests for that blueprint: it follows
//! a revocation or a cancel that is under way, and one that begins later sees it. The journal does not know
//! who put the image into Lighthouse.

use serde_json::{Value, json};
use sharehook::app::Answer;
use sharehook::domain::{Item, ItemResult, ResultKind, Status};

use crate::support::stops::until_stuck;
use crate::support::store::Break;
use crate::support::{ACCOUNTS, CHAIN_IMAGE, CHAINED, World, deliver, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const HOUR: i64 = 3_600;

/// What takes the blueprint away from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taker {
    /// The end of a share of the blueprint.
    Revocation,
    Cancel,
}

/// The account has the blueprint by a share of it, which ends with the hour for a revocation.
async fn shared_blueprint(taker: Taker) -> World {
    let mut world = World::new().await;
    let publish = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null});
    world.deliver(&request("CHG0", publish)).await;
    let published = world.cloud.state();
    world.reset().await;
    world.cloud.edit(|cloud| *cloud = published);
    let ends = (taker == Taker::Revocation).then_some("1h");
    let share = json!({"image": CHAINED, "accounts": ONE, "expires_in": ends});
    world.deliver(&request("CHG1", share)).await;
    assert_eq!(world.has(CHAINED), ONE);
    world.advance(HOUR - 1);
    world.cloud.forget_calls();
    world
}

async fn take(world: &World, taker: Taker) {
    world.advance(1);
    let another = world.another();
    match taker {
        Taker::Revocation => {
            let until = crate::support::deadline();
            another.sweep(until).await.unwrap();
        }
        Taker::Cancel => {
            let mut cancel = request("CHG2", json!({"image": CHAINED, "accounts": ONE}));
            cancel["action"] = json!("cancel");
            deliver(&another, &cancel).await;
        }
    }
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
    for taker in [Taker::Revocation, Taker::Cancel] {
        let world = shared_blueprint(taker).await;
        // It has read that the account has the blueprint, and its call is still to come.
        let slow = "DescribeBlueprintsShareAcrossAccountInfos:slow:1500ms";
        assert!(world.cloud.inject(slow.parse().unwrap()));
        let chained = async {
            until_stuck(&world).await;
            world.advance(1);
            world.deliver(&chain()).await
        };
        let ((), (_, answer)) = tokio::join!(take(&world, taker), chained);
        assert_eq!(answer.status, Status::Pending, "{taker:?}: {answer:?}");
        let message = answer.message.unwrap();
        assert!(
            message.contains("is taking the same image away"),
            "{message}"
        );
        assert!(world.has(CHAINED).is_empty(), "{taker:?}");
        world.advance(10);
        world.sweep().await;
        let (_, answer) = world.deliver(&chain()).await;
        assert_eq!(account(&answer).kind, ResultKind::Shared, "{taker:?}");
        assert_eq!(world.has(CHAINED), ONE, "{taker:?}");
        world.verify().await.unwrap();
    }
}

/// The chain's worker is held at each of its records, while the taker begins and ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_a_blueprint_away_sees_a_chain_that_began_before() {
    for taker in [Taker::Revocation, Taker::Cancel] {
        for record in ["000001.json", "000002.json", "000003.json"] {
            let world = shared_blueprint(taker).await;
            world.fuse.arm_at(record, Break::Stall);
            let ticket = chain();
            let mut delivery = Box::pin(world.deliver(&ticket));
            let held = tokio::select! {
                _ = &mut delivery => false,
                () = world.fuse.stalled() => true,
            };
            take(&world, taker).await;
            let case = format!("{taker:?} at {record}, held: {held}");
            if held {
                world.fuse.release();
                delivery.await;
            }
            for _ in 0..3 {
                world.advance(20);
                world.sweep().await;
            }
            let (_, answer) = world.deliver(&ticket).await;
            let has = match taker {
                Taker::Revocation => {
                    assert_eq!(answer.status, Status::Completed, "{case}: {answer:?}");
                    1
                }
                Taker::Cancel => {
                    let off = account(&answer).called_off_by.is_some();
                    assert!(off || !held, "{case}: {answer:?}");
                    0
                }
            };
            assert_eq!(world.has(CHAINED).len(), has, "{case}: {answer:?}");
            world.verify().await.unwrap();
        }
    }
}
