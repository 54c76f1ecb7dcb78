//! Every call that names a certain account fails, with a code that promises success later. The
//! other accounts of such a call must still get or lose the image.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use sharehook::domain::{ResultKind, Status};
use sharehook_sandbox::Site;

use crate::support::{BLUEPRINT, CVM_IMAGE, World, deadline, request};

const HOUR: i64 = 3_600;

/// Returns ten accounts, which fit into one call.
fn ten() -> Vec<String> {
    (0..10)
        .map(|n| format!("{}", 700_000_000_100_u64 + n))
        .collect()
}

async fn world(site: Site) -> World {
    let mut world = crate::unclear_ends::retried_for_ten_minutes(site).await;
    let open = "@id(\"all\") permit (principal, action, resource);\n";
    let file: &Path = &world.folder.path().join("policy/all.cedar");
    std::fs::write(file, open).unwrap();
    world.change_entities(|entities| entities);
    world
}

fn share(image: &str, accounts: &[String]) -> Value {
    let change = json!({"image": image, "accounts": accounts, "expires_in": "1h"});
    request("CHG1", change)
}

fn break_account(world: &World, account: &str) {
    world.cloud.edit(|cloud| {
        cloud.broken.insert(account.to_owned());
    });
}

fn has(world: &World, image: &str) -> BTreeSet<String> {
    let shared = match image {
        BLUEPRINT => world.has(image),
        _ => world.has_image(image),
    };
    shared.into_iter().collect()
}

/// Lets each unfinished request make one more attempt. The clock advances first, so that the cloud
/// cannot still be carrying out a call of the last attempt.
async fn turn(world: &World) {
    world.advance(3);
    world.app.sweep_at_once(deadline()).await.unwrap();
}

/// Counts the calls so far that tried to change who has an image.
fn changes(world: &World) -> usize {
    let calls = world.cloud.calls();
    calls
        .iter()
        .filter(|call| !call.accounts.is_empty())
        .count()
}

#[tokio::test]
async fn the_others_of_its_batch_get_the_image_in_the_first_turn() {
    for (site, image) in [
        (Site::Cn, BLUEPRINT),
        (Site::Intl, BLUEPRINT),
        (Site::Cn, CVM_IMAGE),
    ] {
        for bad in [0, 4, 9] {
            let case = format!("{site:?} {image} {bad}");
            let world = world(site).await;
            let accounts = ten();
            let bad = &accounts[bad];
            break_account(&world, bad);
            let ticket = share(image, &accounts);
            let (_, answer) = world.deliver(&ticket).await;
            assert_eq!(answer.status, Status::Pending, "{case}: {answer:?}");
            let mut others: BTreeSet<String> = accounts.iter().cloned().collect();
            others.remove(bad);
            assert_eq!(has(&world, image), others, "{case}");
            assert!(changes(&world) <= 12, "{case}: {}", changes(&world));
            world.advance(700);
            world.sweep().await;
            let (_, answer) = world.deliver(&ticket).await;
            assert_eq!(answer.status, Status::Partial, "{case}: {answer:?}");
            let failed: Vec<_> = (answer.results.iter())
                .filter(|result| !result.succeeded())
                .collect();
            assert_eq!(failed.len(), 1, "{case}: {answer:?}");
            assert!(
                matches!(&failed[0].kind, ResultKind::Failed { code, .. } if code == "InternalError"),
                "{case}: {answer:?}"
            );
            world.verify().await.unwrap();
        }
    }
}

/// Nine of the ten accounts make every call fail. The eighth attempt halves the batch until each
/// account is alone, and so finds the tenth account.
#[tokio::test]
async fn one_good_account_among_nine_gets_the_image() {
    let world = world(Site::Cn).await;
    let accounts = ten();
    for bad in accounts.iter().filter(|id| **id != accounts[6]) {
        break_account(&world, bad);
    }
    world.deliver(&share(BLUEPRINT, &accounts)).await;
    for _ in 0..8 {
        assert!(world.has(BLUEPRINT).is_empty() || world.has(BLUEPRINT) == [accounts[6].clone()]);
        turn(&world).await;
    }
    assert_eq!(world.has(BLUEPRINT), [accounts[6].clone()]);
}

/// A cloud that refuses everything gets as many calls as before batches were halved. No API page has
/// the second and the third code.
#[tokio::test]
async fn a_cloud_that_is_down_gets_six_calls_a_turn() {
    for code in ["InternalError", "InternalError.Novel", "UnknownError"] {
        six_calls_a_turn(code).await;
    }
}

async fn six_calls_a_turn(code: &str) {
    let world = world(Site::Cn).await;
    // Run the first sweep now, because it looks at due work twice.
    world.sweep().await;
    let down = format!("ShareBlueprintAcrossAccounts:error-before:{code}@900");
    assert!(world.cloud.inject(down.parse().unwrap()));
    let mut accounts = ten();
    accounts.push("700000000200".to_owned());
    world.deliver(&share(BLUEPRINT, &accounts)).await;
    assert_eq!(changes(&world), 12, "two batches");
    for turns in 2..=7 {
        turn(&world).await;
        assert_eq!(changes(&world), turns * 12);
    }
    // Every eighth attempt halves the batches until each account is alone.
    turn(&world).await;
    let thorough = changes(&world) - 7 * 12;
    assert!((13..=40).contains(&thorough), "{thorough}");
    turn(&world).await;
    assert_eq!(changes(&world), 8 * 12 + thorough);
}

/// Eight tickets, each for one account, are merged into shared calls. One account makes its calls
/// fail.
#[tokio::test]
async fn the_others_of_a_merged_call_get_the_image_and_lose_it() {
    let world = world(Site::Intl).await;
    let accounts = ten();
    let ticket = |n: usize| {
        let change = json!({"accounts": [accounts[n]], "expires_in": "1h"});
        request(&format!("CHG{n}"), change)
    };
    let slow = || {
        for action in [
            "ShareBlueprintAcrossAccounts",
            "CancelShareBlueprintAcrossAccounts",
        ] {
            let slow = format!("{action}:slow:30ms@20");
            assert!(world.cloud.inject(slow.parse().unwrap()));
        }
    };
    break_account(&world, &accounts[3]);
    slow();
    let tickets: Vec<Value> = (0..8).map(ticket).collect();
    futures_util::future::join_all(tickets.iter().map(|ticket| world.deliver(ticket))).await;
    assert!(changes(&world) <= 30, "{}", changes(&world));
    // It depends on chance which tickets are in the half without the broken account. The others
    // succeed in a later attempt.
    for _ in 0..12 {
        turn(&world).await;
    }
    assert_eq!(world.has(BLUEPRINT).len(), 7);

    world.cloud.edit(|cloud| cloud.broken.clear());
    turn(&world).await;
    assert_eq!(world.has(BLUEPRINT).len(), 8);
    break_account(&world, &accounts[5]);
    world.clear_faults().await;
    slow();
    world.advance(2 * HOUR);
    for _ in 0..12 {
        turn(&world).await;
    }
    assert_eq!(world.has(BLUEPRINT), [accounts[5].clone()]);
}

#[tokio::test]
async fn the_others_of_its_batch_lose_the_image() {
    for site in [Site::Cn, Site::Intl] {
        let world = world(site).await;
        let accounts = ten();
        let (_, answer) = world.deliver(&share(BLUEPRINT, &accounts)).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        break_account(&world, &accounts[8]);
        world.advance(2 * HOUR);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), [accounts[8].clone()], "{site:?}");
        let grants = world.app.grants().await.unwrap().entries;
        assert!(
            grants.iter().all(|grant| grant.to == accounts[8]),
            "{grants:?}"
        );
        world.verify().await.unwrap();
    }
}
