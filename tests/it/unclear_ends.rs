//! Shares whose end is in doubt: no revocation is recorded without a success for each item, and a
//! share that may have been carried out is taken back like one that was.

use std::time::Duration;

use serde_json::json;
use sharehook::app::Standing;
use sharehook::domain::{ResultKind, Status};
use sharehook_sandbox::Site;

use crate::support::{ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, Place, REGION, World, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const HOUR: i64 = 3_600;

fn chain(more: serde_json::Value) -> serde_json::Value {
    let mut fields = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": ONE});
    let more = more.as_object().unwrap().clone();
    fields.as_object_mut().unwrap().extend(more);
    fields
}

/// The image is in Lighthouse already, and the role may not list blueprints at first.
async fn chain_with_an_unnamed_blueprint(world: &World) {
    world
        .deliver(&request("CHG0", chain(json!({"accounts": []}))))
        .await;
    assert!(world.cloud.state().published(REGION, CHAIN_IMAGE).is_some());
    let refused = "DescribeBlueprints:error-before:UnauthorizedOperation.NoPermission@50";
    world.cloud.inject(refused.parse().unwrap());
    let ticket = request("CHG1", chain(json!({"expires_in": "2h"})));
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    world.clear_faults().await;
    world.advance(HOUR);
    world.sweep().await;
    assert_eq!(world.has(CHAINED), ONE);
}

#[tokio::test]
async fn a_chain_on_a_blueprint_that_was_found_later_is_taken_back() {
    let mut world = World::new().await;
    world.hurry();
    chain_with_an_unnamed_blueprint(&world).await;
    let grants = world.app.grants().await.unwrap().entries;
    assert!(grants.iter().any(|grant| grant.to == ONE[0]), "{grants:?}");
    // The blueprint is in the records, so the end needs no list of blueprints.
    let refused = "DescribeBlueprints:error-before:UnauthorizedOperation.NoPermission@50";
    world.cloud.inject(refused.parse().unwrap());
    world.advance(HOUR);
    let report = world.sweep().await;
    assert_eq!(report.revoked, ["invoke/CHG1"], "{report}");
    assert!(world.has(CHAINED).is_empty());
    assert!(world.cloud.state().published(REGION, CHAIN_IMAGE).is_some());
    world.verify().await.unwrap();
}

/// The site that cannot list receivers; each answer to a share gets lost, although it was carried
/// out.
async fn lost_answers() -> World {
    let mut world = World::with(Place::Brittle, |options| {
        *options = options.clone().on(Site::Intl);
    })
    .await;
    world.hurry();
    world.configure("[limits]\nretry_for = \"10m\"\n");
    world.hurry();
    world
}

async fn failed_in_doubt(world: &World, later: Option<&str>) {
    let lost = "ShareBlueprintAcrossAccounts:reset-after@1000";
    world.cloud.inject(lost.parse().unwrap());
    let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    assert_eq!(world.has(BLUEPRINT), ONE);
    if let Some(fault) = later {
        world.clear_faults().await;
        world.cloud.inject(fault.parse().unwrap());
    }
    world.advance(700);
    world.sweep().await;
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    assert!(matches!(answer.results[0].kind, ResultKind::Failed { .. }));
    world.clear_faults().await;
}

#[tokio::test]
async fn a_failed_share_that_may_have_been_carried_out_is_taken_back_at_its_end() {
    let refused = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation.NoPermission@90";
    for later in [None, Some(refused)] {
        let world = lost_answers().await;
        failed_in_doubt(&world, later).await;
        let grants = world.app.grants().await.unwrap().entries;
        assert_eq!(grants.len(), 1, "{later:?}");
        world.advance(HOUR);
        let grants = world.app.grants().await.unwrap().entries;
        assert_eq!(grants[0].state, Standing::Overdue);
        assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
        assert!(world.has(BLUEPRINT).is_empty());
        world.verify().await.unwrap();
    }
}

/// A refusal before anything was done leaves no grant, and a cancel ends one that is in doubt.
#[tokio::test]
async fn only_doubt_makes_a_grant_and_a_cancel_ends_it() {
    let world = lost_answers().await;
    failed_in_doubt(&world, None).await;
    let cancel = request("CHG2", json!({"action": "cancel", "accounts": ONE}));
    let (_, answer) = world.deliver(&cancel).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    assert!(world.has(BLUEPRINT).is_empty());
    assert!(world.app.grants().await.unwrap().entries.is_empty());

    let refused = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation.NoPermission@90";
    world.cloud.inject(refused.parse().unwrap());
    let ticket = request("CHG3", json!({"accounts": ONE, "expires_in": "1h"}));
    world.deliver(&ticket).await;
    world.advance(700);
    world.sweep().await;
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    assert!(world.app.grants().await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_chain_whose_blueprint_stays_in_the_making_ends() {
    let mut world = World::with(Place::Brittle, |options| {
        options.behaviour.publish_delay = Duration::from_secs(3_600);
    })
    .await;
    world.configure("[limits]\nretry_for = \"10m\"\n");
    world.hurry();
    let ticket = request("CHG1", chain(json!({})));
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Pending);
    let message = answer.message.unwrap();
    assert!(
        message.contains("NotReady: the image is SYNCING"),
        "{message}"
    );
    world.advance(700);
    world.sweep().await;
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Partial, "{answer:?}");
    assert!(world.has(CHAINED).is_empty());
}
