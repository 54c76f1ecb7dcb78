//! Cancels and revocations of shares that the cloud's lists do not show: a list may lag, and the
//! entry of a blueprint may not name its image.

use std::time::Duration;

use serde_json::{Value, json};
use sharehook::clock::system_now;
use sharehook::domain::Status;

use crate::incidents::share_by_hand;
use crate::support::stops::stopped_in_call;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, Place, REGION, World, request,
};
use crate::unclear_ends::{SHARE, withdraw};

const HOUR: i64 = 3_600;
const ONE: [&str; 1] = [ACCOUNTS[0]];

/// A world whose lists of accounts do not show new shares.
async fn world_of_late_lists() -> World {
    let mut world = World::with(Place::Brittle, |options| {
        options.behaviour.list_delay = Duration::from_secs(3_600);
    })
    .await;
    world.hurry();
    world
}

/// Removes all shares, as if the lists did not show them yet.
fn hide(world: &World) {
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        stock.blueprints.get_mut(BLUEPRINT).unwrap().shares.clear();
        stock.images.get_mut(CVM_IMAGE).unwrap().shares.clear();
    });
}

/// The accounts of the first call that cancels shares.
fn cancelled(world: &World) -> Option<Vec<String>> {
    let cancels = |call: &sharehook_sandbox::Call| {
        call.permission == "CANCEL" || call.action.starts_with("Cancel")
    };
    let call = world.cloud.calls().into_iter().find(cancels);
    call.map(|call| call.accounts)
}

#[tokio::test]
async fn what_was_shared_a_moment_ago_is_cancelled_although_the_list_does_not_show_it() {
    for image in [BLUEPRINT, CVM_IMAGE] {
        for (seconds, called) in [(1, true), (HOUR, false)] {
            for expires in [true, false] {
                let case = format!("{image}, {seconds} s, expires: {expires}");
                let mut world = World::new().await;
                world.hurry();
                let mut share = request("CHG1", json!({"image": image}));
                if expires {
                    share["expires_in"] = json!(format!("{seconds}s"));
                }
                world.deliver(&share).await;
                hide(&world);
                world.advance(seconds);
                if expires {
                    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"], "{case}");
                } else {
                    let cancel = json!({"action": "cancel", "image": image});
                    let (_, answer) = world.deliver(&request("CHG2", cancel)).await;
                    assert_eq!(answer.status.as_str(), "completed", "{case}: {answer:?}");
                }
                let all = ACCOUNTS.map(str::to_owned).to_vec();
                assert_eq!(cancelled(&world), called.then_some(all), "{case}");
                assert!(world.app.grants().await.unwrap().entries.is_empty());
                world.verify().await.unwrap();
            }
        }
    }
}

/// The chain's records name the blueprint, so sharehook can look it up by its id.
#[tokio::test]
async fn a_chain_is_taken_back_although_the_entry_of_its_blueprint_does_not_name_the_image() {
    for accounts in [json!([]), json!(ACCOUNTS)] {
        for expires in [true, false] {
            let case = format!("{accounts}, expires: {expires}");
            let mut world = World::new().await;
            world.hurry();
            let chain = |more: Value| {
                let mut chain =
                    json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": accounts});
                let more = more.as_object().unwrap().clone();
                chain.as_object_mut().unwrap().extend(more);
                chain
            };
            let mut share = request("CHG1", chain(json!({})));
            if expires {
                share["expires_in"] = json!("1h");
            }
            world.deliver(&share).await;
            assert!(world.cloud.state().published(REGION, CHAIN_IMAGE).is_some());
            world.cloud.edit(|cloud| {
                let stock = cloud.regions.get_mut(REGION).unwrap();
                stock.blueprints.get_mut(CHAINED).unwrap().image_id.clear();
            });
            world.advance(HOUR);
            if expires {
                assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"], "{case}");
            } else {
                let cancel = request("CHG2", chain(json!({"action": "cancel"})));
                let (_, answer) = world.deliver(&cancel).await;
                assert_eq!(answer.status.as_str(), "completed", "{case}: {answer:?}");
            }
            assert!(world.shares().is_empty(), "{case}: {:?}", world.shares());
            assert!(world.app.grants().await.unwrap().entries.is_empty());
            world.verify().await.unwrap();
        }
    }
}

/// The connection breaks before the cloud carries out the first call that cancels. The list does
/// not show the accounts, but that does not prove that the call was carried out.
#[tokio::test]
async fn a_list_that_may_lag_does_not_end_a_cancel_whose_answer_was_lost() {
    for (image, action) in [
        (BLUEPRINT, "CancelShareBlueprintAcrossAccounts"),
        (CVM_IMAGE, "cvm.ModifyImageSharePermission"),
    ] {
        let world = world_of_late_lists().await;
        world
            .deliver(&request("CHG1", json!({"image": image})))
            .await;
        for fault in ["reset-before", "error-before:InternalError"] {
            let fault = format!("{action}:{fault}");
            assert!(world.cloud.inject(fault.parse().unwrap()));
        }
        let cancel = json!({"action": "cancel", "image": image});
        let (_, answer) = world.deliver(&request("CHG2", cancel)).await;
        assert_eq!(answer.status, Status::Completed, "{image}: {answer:?}");
        assert!(world.shares().is_empty(), "{image}: {:?}", world.shares());
        assert!(world.app.grants().await.unwrap().entries.is_empty());
        world.verify().await.unwrap();
    }
}

/// The blueprint does not name its image, so only a look-up by the recorded blueprint's id shows
/// that the lost call was not carried out.
#[tokio::test]
async fn an_image_stays_overdue_until_its_blueprint_is_gone() {
    let mut world = World::new().await;
    world.hurry();
    let share = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null});
    let mut share = request("CHG1", share);
    share["expires_in"] = json!("1h");
    world.deliver(&share).await;
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        stock.blueprints.get_mut(CHAINED).unwrap().image_id.clear();
    });
    world.advance(HOUR);
    let lost = "lighthouse.ModifyImageSharePermission:reset-before";
    assert!(world.cloud.inject(lost.parse().unwrap()));
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    world.verify().await.unwrap();
}

/// A worker dies after its call, and the approval is withdrawn before the list shows the share. The
/// share must still be revoked.
#[tokio::test]
async fn what_a_dead_worker_shared_is_taken_back_although_the_list_shows_it_late() {
    for image in [BLUEPRINT, CVM_IMAGE] {
        let mut world = world_of_late_lists().await;
        let ticket = request("CHG1", json!({"image": image, "accounts": ONE}));
        let action = match image {
            BLUEPRINT => SHARE,
            _ => "cvm.ModifyImageSharePermission",
        };
        stopped_in_call(&mut world, &ticket, action).await;
        withdraw(&world).await;
        // Each sweep runs after the dead worker's lease has ended.
        for _ in 0..2 {
            world.advance(60);
            world.sweep().await;
            let (_, answer) = world.deliver(&ticket).await;
            assert_eq!(answer.status, Status::Pending, "{image}: {answer:?}");
            let message = answer.message.unwrap();
            assert!(message.contains("may not show it yet"), "{message}");
        }
        list_all(&world);
        for _ in 0..2 {
            world.advance(300);
            world.sweep().await;
        }
        assert!(world.shares().is_empty(), "{image}: {:?}", world.shares());
        world.verify().await.unwrap();
    }
}

/// Lets the lists show every share.
fn list_all(world: &World) {
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        let of_blueprints = stock.blueprints.values_mut().map(|b| &mut b.shares);
        let of_images = stock.images.values_mut().map(|i| &mut i.shares);
        let all = of_blueprints.chain(of_images);
        let times = all.flat_map(|shares| shares.values_mut());
        times.for_each(|since| *since = jiff::Timestamp::UNIX_EPOCH);
    });
}

/// A cancel's worker dies, and the cloud does not carry out its call. The list does not show the
/// new share, but that does not prove that the cancel ended the share.
#[tokio::test]
async fn a_withdrawn_cancel_ends_no_share_that_the_list_shows_late() {
    let mut world = world_of_late_lists().await;
    world
        .deliver(&request("CHG0", json!({"accounts": ONE})))
        .await;
    let cancel = request("CHG1", json!({"action": "cancel", "accounts": ONE}));
    stopped_in_call(&mut world, &cancel, "CancelShareBlueprintAcrossAccounts").await;
    world.clear_faults().await;
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        let blueprint = stock.blueprints.get_mut(BLUEPRINT).unwrap();
        blueprint.shares.insert(ONE[0].to_owned(), system_now());
    });
    withdraw(&world).await;
    world.advance(60);
    world.sweep().await;
    let (_, answer) = world.deliver(&cancel).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
    share_by_hand(&world, ONE[0]);
    world.advance(300);
    world.sweep().await;
    let (_, answer) = world.deliver(&cancel).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    assert!(!answer.results[0].maybe_done, "{answer:?}");
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
    world.verify().await.unwrap();
}
