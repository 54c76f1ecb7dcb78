//! Tests `drift --adopt`: a share without a grant receives a ticket, a policy decision and an
//! expiry.

use serde_json::json;
use sharehook::app::{Adoption, DriftReport, Operator, review};
use sharehook::domain::{ImageRef, Region, Status};
use sharehook_sandbox::Site;

use crate::support::process::{Process, post, run};
use crate::support::{
    ACCOUNTS, BLUEPRINT, CVM_IMAGE, REGION, STRANGER, World, deadline, request, write_configuration,
};

fn adoption(approver: &str) -> Adoption {
    Adoption {
        ticket: "CHG9".to_owned(),
        expires_in: "30d".parse().unwrap(),
        approvers: vec![approver.to_owned()],
        by: Operator {
            source: "invoke".parse().unwrap(),
            requester: "alice@example.com".to_owned(),
        },
    }
}

fn share_by_hand(world: &World, accounts: &[&str]) {
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        let since = jiff::Timestamp::UNIX_EPOCH;
        for account in accounts {
            let account = (*account).to_owned();
            let blueprint = stock.blueprints.get_mut(BLUEPRINT).unwrap();
            blueprint.shares.insert(account.clone(), since);
            let image = stock.images.get_mut(CVM_IMAGE).unwrap();
            image.shares.insert(account, since);
        }
    });
}

async fn drift(world: &World) -> DriftReport {
    let region: Region = REGION.parse().unwrap();
    let images = [BLUEPRINT, CVM_IMAGE].map(|image| image.parse::<ImageRef>().unwrap());
    let also = images.map(|image| (image, region.clone()));
    world.app.drift(&also, deadline()).await.unwrap()
}

async fn adopt(world: &World, approver: &str) -> DriftReport {
    let mut report = drift(world).await;
    let adoption = adoption(approver);
    let adopted = world.app.adopt(&mut report, &adoption, deadline());
    adopted.await.unwrap();
    report
}

fn statuses(report: &DriftReport) -> Vec<Status> {
    report
        .adoptions
        .iter()
        .map(|answer| answer.status)
        .collect()
}

#[tokio::test]
async fn adopted_shares_have_a_ticket_and_end_like_any_other() {
    let world = World::new().await;
    share_by_hand(&world, &ACCOUNTS[..2]);
    assert_eq!(drift(&world).await.differences.len(), 4);
    let before = world.effects();
    let report = adopt(&world, "bob@example.com").await;
    assert_eq!(statuses(&report), [Status::Completed; 2], "{report:?}");
    assert_eq!(
        world.effects(),
        before,
        "an adoption changes nothing in the cloud"
    );
    assert!(drift(&world).await.agrees());
    let grants = world.app.grants().await.unwrap().entries;
    assert_eq!(grants.len(), 4);
    assert!(grants.iter().all(|grant| grant.ticket == "CHG9"));
    assert!(grants.iter().all(|grant| grant.until.is_some()));
    world.advance(30 * 86_400 + 1);
    world.sweep().await;
    world.sweep().await;
    assert!(world.has(BLUEPRINT).is_empty() && world.has_image(CVM_IMAGE).is_empty());
    world.verify().await.unwrap();
}

/// A request that finds an account already shared does not own that share, so its expiry does not
/// revoke it. Only adoption makes a request the owner of a share that it finds.
#[tokio::test]
async fn a_request_that_finds_a_share_still_does_not_own_it() {
    let world = World::new().await;
    share_by_hand(&world, &ACCOUNTS[..1]);
    let share = request(
        "CHG1",
        json!({"accounts": [ACCOUNTS[0]], "expires_in": "1d"}),
    );
    world.deliver(&share).await;
    world.advance(2 * 86_400);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[0]]);
    let report = adopt(&world, "bob@example.com").await;
    assert_eq!(statuses(&report), [Status::Completed; 2], "{report:?}");
    assert!(drift(&world).await.agrees());
}

#[tokio::test]
async fn policy_decides_an_adoption_like_a_share() {
    let world = World::new().await;
    share_by_hand(&world, &[STRANGER]);
    let report = adopt(&world, "bob@example.com").await;
    assert_eq!(statuses(&report), [Status::Denied; 2], "{report:?}");
    assert!(world.app.grants().await.unwrap().entries.is_empty());
    assert_eq!(world.has(BLUEPRINT), [STRANGER]);
    // Four eyes: requesters cannot approve their own requests.
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        stock.blueprints.get_mut(BLUEPRINT).unwrap().shares.clear();
        stock.images.get_mut(CVM_IMAGE).unwrap().shares.clear();
    });
    share_by_hand(&world, &ACCOUNTS[..1]);
    world.advance(1);
    let report = adopt(&world, "alice@example.com").await;
    assert_eq!(statuses(&report), [Status::Denied; 2], "{report:?}");
}

#[tokio::test]
async fn an_adopted_share_can_be_revoked() {
    let world = World::new().await;
    share_by_hand(&world, &ACCOUNTS[..1]);
    adopt(&world, "bob@example.com").await;
    let by = adoption("bob@example.com").by;
    let long = "x".repeat(3_000);
    let refused = (world.app).revoke_now(BLUEPRINT, &[], &by, &long, false, deadline());
    let text = Box::pin(refused).await.unwrap_err().to_string();
    let said = format!("source invoke refused the request for {BLUEPRINT}: reason: ");
    assert!(text.starts_with(&said), "{text}");
    let revoked = world
        .app
        .revoke_now(BLUEPRINT, &[], &by, "no longer needed", false, deadline());
    assert_eq!(
        revoked.await.unwrap().answers[0].1.status,
        Status::Completed
    );
    assert!(world.has(BLUEPRINT).is_empty());
}

#[tokio::test]
async fn a_review_lists_the_oldest_grants_first_with_their_owners() {
    let world = World::new().await;
    world.deliver(&request("OLD", json!({}))).await;
    world.advance(30 * 86_400);
    let one = json!({"image": CVM_IMAGE, "accounts": [ACCOUNTS[0]], "expires_in": "20d"});
    world.deliver(&request("NEW", one)).await;
    world.advance(10 * 86_400 + 3_600);
    let grants = world.app.grants().await.unwrap().entries;
    let entries = review(&grants, world.now());
    let [old, new] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!((old.days, old.to.len(), old.until), (40, 3, None));
    assert_eq!((new.days, new.to.len(), &*new.ticket), (10, 1, "NEW"));
    assert_eq!(new.requester, "alice@example.com");
    assert_eq!(new.approvers, ["bob@example.com"]);
    assert!(!new.policies.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_names_remedies_and_adopts() {
    let sandbox = Process::sandbox();
    let folder = tempfile::tempdir().unwrap();
    write_configuration(folder.path(), Site::Cn, &sandbox.url, "file:journal");
    let service = Process::serve(folder.path());
    let share = request("CHG1", json!({"accounts": [ACCOUNTS[0]]}));
    let (status, _) = post(&service.url, &share).await.unwrap();
    assert_eq!(status, 200);
    drop(service);
    std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    let drift = |more: &[&str]| {
        let image = ["drift", "--image", BLUEPRINT, "--region", REGION];
        let output = run(folder.path(), &[&image[..], more].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (exit, text) = drift(&[]);
    assert_eq!(exit, Some(1));
    assert!(text.contains("unknown: `drift --adopt`"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let (_, json) = drift(&["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        json["remedies"]["unknown"]
            .as_str()
            .unwrap()
            .contains("--adopt")
    );
    let adopt = [
        "--adopt",
        "--ticket",
        "CHG9",
        "--expires",
        "30d",
        "--approved-by",
    ];
    let as_alice = ["bob@example.com", "--as", "invoke/alice@example.com"];
    assert_eq!(drift(&["--adopt"]).0, Some(64), "each option is needed");
    let (_, text) = drift(&[&adopt[..], &as_alice[..]].concat());
    assert!(text.contains("completed"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert_eq!(drift(&[]).0, Some(0));
    let recertify = |more: &[&str]| {
        let output = run(folder.path(), &[&["grants", "--review"][..], more].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = recertify(&[]);
    for part in [
        "0 days: lhbp-",
        "owner     alice@",
        "approved  bob@",
        "ticket    CHG9",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&recertify(&["--json"])).unwrap();
    assert_eq!(json[0]["to"], json!([ACCOUNTS[0]]));
    let (exit, text) = drift(&[&adopt[..2], &["CHG9"], &adopt[3..], &as_alice[..]].concat());
    assert_eq!(exit, Some(0), "nothing is left to adopt: {text}");
    // Wrong arguments are refused even if nothing is left to adopt.
    let month = [&adopt[..4], &["30x"], &adopt[5..], &as_alice[..]].concat();
    assert_eq!(drift(&month).0, Some(64));
    let native = ["bob@example.com", "--as", "native/alice@example.com"];
    for more in [
        [&adopt[..], &native[..]].concat(),
        [&["--revoke-unknown"][..], &native[1..]].concat(),
    ] {
        assert_eq!(drift(&more).0, Some(64), "{more:?}");
    }
}
