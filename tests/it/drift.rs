//! Drift: compares the shares in the cloud with the grants in the journal, and cancels shares that
//! no grant covers.

use serde_json::json;
use sharehook::app::{DriftReport, RevokeNowError};
use sharehook::domain::{Action, Difference, Status};
use sharehook_sandbox::{Site, World as Cloud};

use crate::support::process::{Process, post, run};
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, Place, REGION, STRANGER, World, deadline,
    request, write_configuration,
};

async fn drift(world: &World) -> DriftReport {
    world.app.drift(&[], deadline()).await.unwrap()
}

fn found(report: &DriftReport) -> Vec<(&str, &str, Difference)> {
    report
        .differences
        .iter()
        .map(|d| (d.image.as_str(), d.to.as_str(), d.difference))
        .collect()
}

/// Changes the shares of the blueprint by hand, without a request.
fn by_hand(cloud: &mut Cloud, add: &str, remove: &str) {
    let blueprint = cloud
        .regions
        .get_mut(REGION)
        .unwrap()
        .blueprints
        .get_mut(BLUEPRINT)
        .unwrap();
    blueprint
        .shares
        .insert(add.to_owned(), jiff::Timestamp::UNIX_EPOCH);
    blueprint.shares.remove(remove);
}

#[tokio::test]
async fn what_was_given_and_stands_is_no_difference() {
    let world = World::new().await;
    world.deliver(&request("CHG1", json!({}))).await;
    world
        .deliver(&request("CHG2", json!({"image": CVM_IMAGE})))
        .await;
    world
        .deliver(&request(
            "CHG3",
            json!({"image": CHAIN_IMAGE, "lighthouse": true}),
        ))
        .await;
    let report = drift(&world).await;
    assert!(report.agrees() && found(&report).is_empty(), "{report:?}");
    // The chain has two comparisons: the image's place in Lighthouse, and the accounts of its
    // blueprint.
    assert_eq!(report.compared, 4);
    let calls = world.effects();
    assert_eq!(drift(&world).await.compared, 4);
    assert_eq!(world.effects(), calls, "a comparison changes nothing");
}

#[tokio::test]
async fn unknown_missing_and_extra_are_distinguished() {
    let world = World::new().await;
    world.deliver(&request("CHG1", json!({}))).await;
    world
        .deliver(&request(
            "CHG2",
            json!({"action": "cancel", "accounts": [ACCOUNTS[1]]}),
        ))
        .await;
    world.cloud.edit(|cloud| {
        by_hand(cloud, STRANGER, ACCOUNTS[0]);
        by_hand(cloud, ACCOUNTS[1], "");
    });
    let report = drift(&world).await;
    let mut differences = found(&report);
    differences.sort_by_key(|d| d.2);
    assert_eq!(
        differences,
        [
            (BLUEPRINT, STRANGER, Difference::Unknown),
            (BLUEPRINT, ACCOUNTS[0], Difference::Missing),
            (BLUEPRINT, ACCOUNTS[1], Difference::Extra),
        ]
    );
    assert!(!report.agrees());
}

#[tokio::test]
async fn an_image_that_left_lighthouse_is_missing_there() {
    let world = World::new().await;
    world
        .deliver(&request(
            "CHG1",
            json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null}),
        ))
        .await;
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        stock.images.get_mut(CHAIN_IMAGE).unwrap().published = None;
        stock.blueprints.remove(CHAINED);
    });
    assert_eq!(
        found(&drift(&world).await),
        [(CHAIN_IMAGE, "Lighthouse", Difference::Missing)]
    );
}

#[tokio::test]
async fn unknown_shares_are_cancelled_through_policy_and_journal() {
    let world = World::new().await;
    world.deliver(&request("CHG1", json!({}))).await;
    world.cloud.edit(|cloud| by_hand(cloud, STRANGER, ""));
    let source = "invoke".parse().unwrap();
    let mut report = drift(&world).await;
    let mallory = world
        .app
        .cancel_unknown(&mut report, &source, "mallory@example.com", deadline())
        .await;
    mallory.unwrap();
    assert_eq!(report.cancels[0].status, Status::Denied);
    assert_eq!(world.has(BLUEPRINT).len(), 4);
    world.advance(1);
    let mut report = drift(&world).await;
    world
        .app
        .cancel_unknown(&mut report, &source, "alice@example.com", deadline())
        .await
        .unwrap();
    assert_eq!(report.cancels[0].status, Status::Completed);
    assert_eq!(world.has(BLUEPRINT).len(), 3);
    let recorded = world.app.requests(None).await.unwrap().entries;
    assert_eq!(
        recorded
            .iter()
            .filter(|e| e.action == Action::Cancel)
            .count(),
        2,
        "both are in the journal"
    );
    assert!(drift(&world).await.agrees());
    let signed = "jira".parse().unwrap();
    let refused = world
        .app
        .cancel_unknown(&mut report, &signed, "alice@example.com", deadline())
        .await;
    assert!(matches!(
        refused,
        Err(RevokeNowError::NotTrusted { by, .. }) if by == signed
    ));
}

#[tokio::test]
async fn a_site_without_the_read_is_said_to_be_one() {
    let world = World::with(Place::Brittle, |options| {
        *options = options.clone().on(Site::Intl)
    })
    .await;
    world.deliver(&request("CHG1", json!({}))).await;
    world
        .deliver(&request("CHG2", json!({"image": CVM_IMAGE})))
        .await;
    let report = drift(&world).await;
    assert!(report.agrees());
    assert_eq!((report.compared, report.unread.len()), (1, 1));
    assert!(report.unread[0].no_read_api, "{report:?}");
}

#[tokio::test]
async fn a_read_that_fails_is_not_agreement() {
    let world = World::new().await;
    world
        .deliver(&request("CHG2", json!({"image": CVM_IMAGE})))
        .await;
    world
        .cloud
        .inject("*:error-before:UnauthorizedOperation".parse().unwrap());
    let report = drift(&world).await;
    assert!(!report.agrees() && report.unread.len() == 1, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_tells_by_its_exit_code() {
    let sandbox = Process::sandbox();
    let folder = tempfile::tempdir().unwrap();
    write_configuration(folder.path(), Site::Cn, &sandbox.url, "file:journal");
    let service = Process::serve(folder.path());
    let (status, _) = post(&service.url, &request("CHG1", json!({})))
        .await
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(run(folder.path(), &["drift"]).status.code(), Some(0));
    // Remove the journal, so that the share looks as if a person had made it by hand.
    std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    let image = ["--image", BLUEPRINT, "--region", REGION];
    let output = run(
        folder.path(),
        &[&["drift", "--json"][..], &image[..]].concat(),
    );
    assert_eq!(output.status.code(), Some(1));
    let output: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output["differences"][0]["difference"], "unknown");
    assert_eq!(
        run(folder.path(), &["drift", "--revoke-unknown"])
            .status
            .code(),
        Some(64)
    );
    let revoke = ["--revoke-unknown", "--as", "invoke/alice@example.com"];
    let revoked = run(
        folder.path(),
        &[&["drift"][..], &image[..], &revoke[..]].concat(),
    );
    assert!(
        String::from_utf8_lossy(&revoked.stdout).contains("completed"),
        "{revoked:?}"
    );
    assert_eq!(
        run(folder.path(), &[&["drift"][..], &image[..]].concat())
            .status
            .code(),
        Some(0)
    );
    let register = run(
        folder.path(),
        &["grants", "--json", "--account", ACCOUNTS[0]],
    );
    assert_eq!(register.stdout, b"[]\n");
}
