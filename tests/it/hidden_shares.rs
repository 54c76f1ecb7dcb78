//! Cancels and revocations of shares that the cloud's lists do not show: a list may lag, and the
//! entry of a blueprint may not name its image.

use serde_json::{Value, json};

use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, REGION, World, request,
};

const HOUR: i64 = 3_600;

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

/// The record names the blueprint, so it can be looked up by its id.
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
