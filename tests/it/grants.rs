//! Grants, expiry and delayed starts. Only shares that a grant made are revoked, and only when no
//! other grant covers them.

use std::time::Duration;

use serde_json::json;
use sharehook::app::{Ending, GrantFilter, Operator, ReceiverFilter, Standing, SubjectFilter};
use sharehook::domain::Status;
use sharehook_sandbox::{SandboxOptions, Site};

use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, Place, REGION, World, deadline, request,
};

const ONE: [&str; 1] = [ACCOUNTS[0]];

async fn receivers(world: &World) -> Vec<(String, String)> {
    let listed = world.app.grants().await.unwrap();
    assert!(listed.flaws.is_empty());
    listed
        .entries
        .into_iter()
        .map(|entry| (entry.ticket, entry.to))
        .collect()
}

#[tokio::test]
async fn expires_in_counts_from_approval_and_the_sweep_takes_back() {
    let world = World::new().await;
    let (_, answer) = world
        .deliver(&request(
            "CHG1",
            json!({"accounts": ONE, "expires_in": "2h"}),
        ))
        .await;
    assert_eq!(
        answer.expires_at.unwrap().to_string(),
        "2026-11-21T10:00:00Z"
    );
    world.advance(2 * 3600 - 1);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(1);
    assert!(world.app.grants().await.unwrap().entries[0].state == Standing::Overdue);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
    assert!(world.has(BLUEPRINT).is_empty() && receivers(&world).await.is_empty());
}

/// The share of the first ticket starts after that of the second one.
#[tokio::test]
async fn grants_are_listed_by_their_beginning_before_and_after_the_first_sweep() {
    let world = World::new().await;
    let later = json!({"accounts": ONE, "not_before": "2026-11-21T09:00:00Z"});
    let later = request("CHG1", later);
    world.deliver(&later).await;
    let other = json!({"accounts": &ACCOUNTS[1..2]});
    world.deliver(&request("CHG2", other)).await;
    world.advance(3_600);
    assert_eq!(world.deliver(&later).await.0, Ending::Done);
    let by_beginning = receivers(&world).await;
    let tickets: Vec<&str> = by_beginning.iter().map(|(ticket, _)| &**ticket).collect();
    assert_eq!(tickets, ["CHG2", "CHG1"]);
    world.sweep().await;
    assert_eq!(receivers(&world).await, by_beginning);
}

#[tokio::test]
async fn expires_in_counts_from_approval_also_when_the_start_waits() {
    let world = World::new().await;
    let waits = json!({"accounts": ONE, "not_before": "2026-11-21T09:00:00Z", "expires_in": "2h"});
    let (ending, answer) = world.deliver(&request("CHG1", waits)).await;
    assert_eq!((ending, answer.status), (Ending::Waiting, Status::Pending));
    world.advance(3599);
    world.sweep().await;
    assert!(world.has(BLUEPRINT).is_empty() && receivers(&world).await.is_empty());
    world.advance(1);
    assert_eq!(world.sweep().await.finished, ["invoke/CHG1"]);
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(3600);
    world.sweep().await;
    assert!(world.has(BLUEPRINT).is_empty());
}

#[tokio::test]
async fn who_had_it_before_keeps_it() {
    let world = World::new().await;
    let now = world.now();
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut("ap-singapore").unwrap();
        stock
            .blueprints
            .get_mut(BLUEPRINT)
            .unwrap()
            .shares
            .insert(ACCOUNTS[0].to_owned(), now);
    });
    world
        .deliver(&request("CHG1", json!({"expires_in": "1h"})))
        .await;
    assert_eq!(world.has(BLUEPRINT).len(), 3);
    assert_eq!(receivers(&world).await.len(), 2);
    world.advance(3600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), ONE);
}

#[tokio::test]
async fn an_account_that_another_grant_covers_stays_until_that_one_ends() {
    let world = World::new().await;
    world
        .deliver(&request("CHG1", json!({"expires_in": "1h"})))
        .await;
    world
        .deliver(&request(
            "CHG2",
            json!({"accounts": ONE, "expires_in": "5h"}),
        ))
        .await;
    world.advance(3600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(3 * 3600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(3600);
    world.sweep().await;
    assert!(world.has(BLUEPRINT).is_empty());
    world.verify().await.unwrap();
}

/// Three shares with one account expire after one another. When the first one expires, a sweep
/// finishes it and leaves the account to the longer ones, even if the process was stopped before it
/// recorded that. A later cancel ends the access.
#[tokio::test]
async fn a_renewed_share_is_finished_at_its_own_end() {
    for stops in [false, true] {
        let mut world = World::new().await;
        world.sweep().await;
        for (id, end) in [("CHG1", "1h"), ("CHG2", "5h"), ("CHG3", "9h")] {
            let share = json!({"accounts": ONE, "expires_in": end});
            world.deliver(&request(id, share)).await;
        }
        world.advance(3_600);
        if stops {
            world.fuse.arm_at("000003.json", Break::CrashBefore);
            tokio::select! {
                report = world.app.sweep(deadline()) => panic!("not stopped: {report:?}"),
                () = world.fuse.crashed() => {}
            }
            world.restart();
            world.advance(300);
        }
        let report = world.sweep().await;
        assert_eq!(report.finished, ["invoke/CHG1"], "{report}");
        assert!(report.covered.is_empty() && report.revoked.is_empty());
        let left = |id: &str| (id.to_owned(), ONE[0].to_owned());
        assert_eq!(receivers(&world).await, [left("CHG2"), left("CHG3")]);
        assert!(world.sweep().await.is_quiet());
        assert!(world.app.drift(&[], deadline()).await.unwrap().agrees());
        let cancel = json!({"accounts": ONE, "action": "cancel"});
        world.deliver(&request("CHG4", cancel)).await;
        assert!(world.has(BLUEPRINT).is_empty() && receivers(&world).await.is_empty());
        world.verify().await.unwrap();
    }
}

/// The second request reads the journal before the record of the first one's call, and the cloud
/// after the call.
#[tokio::test]
async fn a_share_that_finds_what_another_has_just_given_renews_it() {
    let world = World::new().await;
    world.sweep().await;
    let share = async |id: &str, end: &str| {
        let share = json!({"image": CVM_IMAGE, "accounts": ONE, "expires_in": end});
        world.deliver(&request(id, share)).await.1
    };
    world.fuse.arm_at("000001.json", Break::Stall);
    let second = async {
        world.fuse.stalled().await;
        if world.has_image(CVM_IMAGE).is_empty() {
            // The first look took too long, so this record precedes the call.
            world.fuse.arm_at("000002.json", Break::Stall);
            world.fuse.release();
            world.fuse.stalled().await;
        }
        let from = world.cloud.calls().len();
        let reads = || {
            let calls = world.cloud.calls().into_iter().skip(from);
            let reads = calls.filter(|call| call.action == "DescribeImageSharePermission");
            reads.count()
        };
        // The second look is the one after the journal was read.
        let release = async {
            while reads() < 2 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            world.fuse.release();
        };
        tokio::join!(share("CHG2", "5h"), release).0
    };
    let (first, second) = tokio::join!(share("CHG1", "1h"), second);
    let results = [&first.results[0], &second.results[0]];
    assert_eq!(results.map(|result| result.renewed), [false, true]);
    world.advance(3_600);
    let report = world.sweep().await;
    assert_eq!(report.finished, ["invoke/CHG1"], "{report}");
    assert_eq!(world.has_image(CVM_IMAGE), ONE);
    world.advance(4 * 3_600);
    let report = world.sweep().await;
    assert_eq!(report.revoked, ["invoke/CHG2"], "{report}");
    assert!(world.has_image(CVM_IMAGE).is_empty());
    world.verify().await.unwrap();
}

/// As in the test above, but for an image that two requests put into Lighthouse.
#[tokio::test]
async fn a_renewed_place_in_lighthouse_stays_until_the_last_end() {
    let world = World::new().await;
    let there = |world: &World| {
        let images = &world.cloud.state().regions[REGION].images;
        images[CHAIN_IMAGE].published.is_some()
    };
    for (id, end) in [("CHG1", "1h"), ("CHG2", "5h")] {
        let publish = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null,
            "expires_in": end});
        world.deliver(&request(id, publish)).await;
    }
    world.advance(3_600);
    let report = world.sweep().await;
    assert_eq!(report.finished, ["invoke/CHG1"], "{report}");
    assert!(there(&world));
    world.advance(4 * 3_600);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG2"]);
    assert!(!there(&world));
    world.verify().await.unwrap();
}

#[tokio::test]
async fn what_a_later_cancel_took_is_no_grant_and_covers_no_account() {
    let world = World::new().await;
    world
        .deliver(&request("CHG1", json!({"accounts": &ACCOUNTS[..2]})))
        .await;
    world.advance(60);
    world
        .deliver(&request(
            "CHG2",
            json!({"action": "cancel", "accounts": ONE}),
        ))
        .await;
    assert_eq!(
        receivers(&world).await,
        [("CHG1".to_owned(), ACCOUNTS[1].to_owned())]
    );
    world.advance(60);
    world
        .deliver(&request(
            "CHG3",
            json!({"accounts": ONE, "expires_in": "1h"}),
        ))
        .await;
    assert_eq!(receivers(&world).await.len(), 2);
    world.advance(3600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[1]]);
}

/// Removing an image from Lighthouse takes its blueprint from every account, even if no record says
/// who put the image there. A waiting share of the blueprint is called off.
#[tokio::test]
async fn a_cancel_of_lighthouse_ends_the_grants_of_its_blueprint() {
    for (site, recorded) in [(Site::Cn, true), (Site::Intl, true), (Site::Cn, false)] {
        let on = |options: &mut SandboxOptions| *options = options.clone().on(site);
        let mut world = World::with(Place::Brittle, on).await;
        let publish = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null});
        world.deliver(&request("CHG1", publish.clone())).await;
        if !recorded {
            let published = world.cloud.state();
            world.reset().await;
            world.cloud.edit(|cloud| *cloud = published);
        }
        let of_blueprint = json!({"image": CHAINED, "accounts": ONE});
        world.deliver(&request("CHG2", of_blueprint)).await;
        assert_eq!(world.has(CHAINED), ONE);
        let waits = json!({"image": CHAINED, "accounts": &ACCOUNTS[1..2],
            "not_before": "2026-11-21T09:00:00Z"});
        let waits = request("CHG3", waits);
        world.deliver(&waits).await;
        world.advance(60);
        let mut cancel = request("CHG4", publish);
        cancel["action"] = json!("cancel");
        let (_, answer) = world.deliver(&cancel).await;
        assert_eq!(answer.status, Status::Completed, "{site:?}: {answer:?}");
        assert!(world.shares().is_empty());
        assert_eq!(receivers(&world).await, [], "{site:?} {recorded}");
        world.advance(3_600);
        world.sweep().await;
        let (_, answer) = world.deliver(&waits).await;
        let called_off = answer.results[0].called_off_by.as_deref();
        assert_eq!(called_off, Some("CHG4"), "{site:?} {recorded}: {answer:?}");
        let drift = world.app.drift(&[], deadline()).await.unwrap();
        assert!(drift.agrees(), "{:?}", drift.differences);
        world.verify().await.unwrap();
    }
}

/// The program could not read Lighthouse before the chain expired, so the chain's records do not
/// name the blueprint.
#[tokio::test]
async fn the_accounts_of_a_chain_without_its_blueprint_on_record_can_be_revoked() {
    for made_by in ["another request", "hand", "nothing any more"] {
        let mut world = World::with(Place::Brittle, |options| {
            *options = options.clone().on(Site::Intl);
        })
        .await;
        world.reset().await;
        let publish = json!({"image": CHAIN_IMAGE, "accounts": null, "lighthouse": true});
        world.deliver(&request("CHG0", publish)).await;
        let published = world.cloud.state();
        if made_by != "another request" {
            world.reset().await;
            world.cloud.edit(|cloud| *cloud = published);
        }
        for call in ["DescribeBlueprints", "DescribeImagesToShare"] {
            let refused = format!("{call}:error-before:UnauthorizedOperation@900");
            world.cloud.inject(refused.parse().unwrap());
        }
        let chain = json!({"image": CHAIN_IMAGE, "accounts": ONE, "lighthouse": true,
                           "expires_in": "1h"});
        world.deliver(&request("CHG1", chain)).await;
        world.advance(3_600);
        world.sweep().await;
        let given = ("CHG1".to_owned(), ONE[0].to_owned());
        assert!(receivers(&world).await.contains(&given), "{made_by}");
        // `revoke` cancels whatever it can, even if it cannot read the rest.
        let image_itself = json!({"image": CHAIN_IMAGE, "accounts": ONE});
        let (_, answer) = world.deliver(&request("CHG2", image_itself)).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        let revoke = async |gone| {
            world.advance(1);
            let by = Operator {
                source: "invoke".parse().unwrap(),
                requester: "alice@example.com".to_owned(),
            };
            let one = [ONE[0].to_owned()];
            let work = (world.app).revoke_now(CHAIN_IMAGE, &one, &by, "leaked", gone, deadline());
            work.await.unwrap()
        };
        if made_by != "another request" {
            let unread = revoke(false).await.left[0].to_string();
            assert!(unread.contains("UnauthorizedOperation"), "{unread}");
            assert!(world.has_image(CHAIN_IMAGE).is_empty());
            assert!(receivers(&world).await.contains(&given), "{made_by}");
        }
        world.clear_faults().await;
        let deleted = made_by == "nothing any more";
        if deleted {
            world.cloud.edit(|cloud| {
                let stock = cloud.regions.get_mut("ap-singapore").unwrap();
                stock.images.remove(CHAIN_IMAGE);
                stock.blueprints.remove(CHAINED);
            });
            let missing = revoke(false).await.left[0].to_string();
            assert!(missing.contains("--gone"), "{missing}");
            assert!(receivers(&world).await.contains(&given), "{made_by}");
        }
        for (_, answer) in revoke(deleted).await.answers {
            assert_eq!(answer.status, Status::Completed, "{made_by}: {answer:?}");
        }
        let left = receivers(&world).await;
        assert!(!left.contains(&given), "{made_by}: {left:?}");
        assert!(world.has(CHAINED).is_empty() && world.has_image(CHAIN_IMAGE).is_empty());
        world.verify().await.unwrap();
    }
}

/// Cancelling a chain takes the blueprint from its accounts. Shares of the image itself need their
/// own cancel.
#[tokio::test]
async fn an_image_that_is_shared_itself_and_in_a_chain_is_revoked_in_both_ways() {
    let world = World::new().await;
    let chain = json!({"image": CHAIN_IMAGE, "accounts": ONE, "lighthouse": true});
    world.deliver(&request("CHG1", chain)).await;
    let image_itself = json!({"image": CHAIN_IMAGE, "accounts": &ACCOUNTS[1..2]});
    world.deliver(&request("CHG2", image_itself)).await;
    assert_eq!(world.has_image(CHAIN_IMAGE), [ACCOUNTS[1]]);
    world.advance(1);
    let by = Operator {
        source: "invoke".parse().unwrap(),
        requester: "alice@example.com".to_owned(),
    };
    let work = (world.app).revoke_now(CHAIN_IMAGE, &[], &by, "leaked", false, deadline());
    for (_, answer) in work.await.unwrap().answers {
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
    }
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    assert!(receivers(&world).await.is_empty());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_grant_that_does_not_exist_is_named_with_its_account() {
    let world = World::new().await;
    let share = request("CHG1", json!({"accounts": ONE}));
    world.deliver(&share).await;
    let by = Operator {
        source: "invoke".parse().unwrap(),
        requester: "alice@example.com".to_owned(),
    };
    let two = [ACCOUNTS[1].to_owned(), ACCOUNTS[2].to_owned()];
    for (accounts, image, named) in [
        (
            &two[..1],
            BLUEPRINT,
            format!("of {BLUEPRINT} to {};", two[0]),
        ),
        (
            &two,
            BLUEPRINT,
            format!("of {BLUEPRINT} to {}, {BLUEPRINT} to {};", two[0], two[1]),
        ),
        (&[], CHAIN_IMAGE, format!("of {CHAIN_IMAGE};")),
    ] {
        let work = (world.app).revoke_now(image, accounts, &by, "leaked", false, deadline());
        let error = work.await.unwrap_err().to_string();
        assert!(error.contains(&named), "{error}");
    }
    assert_eq!(receivers(&world).await.len(), 1);
}

#[tokio::test]
async fn filters_take_what_they_name() {
    let world = World::new().await;
    world
        .deliver(&request("CHG1", json!({"accounts": ONE})))
        .await;
    world.advance(60);
    let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true, "expires_in": "1h"});
    world.deliver(&request("CHG2", chain)).await;
    world.advance(3600);
    let entries = world.app.grants().await.unwrap().entries;
    let count = |subject: SubjectFilter, states: &[Standing]| {
        let filter = GrantFilter {
            subject,
            since: None,
            states: states.to_vec(),
        };
        entries.iter().filter(|entry| filter.matches(entry)).count()
    };
    let image = |id: &str| SubjectFilter {
        image: Some(id.parse().unwrap()),
        ..SubjectFilter::default()
    };
    let account = || SubjectFilter {
        receiver: ACCOUNTS[0].parse().ok().map(ReceiverFilter::Account),
        ..SubjectFilter::default()
    };
    let other = |source: Option<&str>, ticket: Option<&str>| SubjectFilter {
        source: source.map(|name| name.parse().unwrap()),
        ticket: ticket.map(str::to_owned),
        ..SubjectFilter::default()
    };
    let lighthouse = SubjectFilter {
        receiver: Some(ReceiverFilter::Lighthouse),
        ..SubjectFilter::default()
    };
    for (subject, taken) in [
        (SubjectFilter::default(), 5),
        (image(BLUEPRINT), 1),
        (image(CHAIN_IMAGE), 4),
        (image(CHAINED), 4),
        (account(), 2),
        (lighthouse, 1),
        (other(None, Some("CHG1")), 1),
        (other(Some("invoke"), None), 5),
        (other(Some("invok"), None), 0),
    ] {
        assert_eq!(count(subject.clone(), &[]), taken, "{subject:?}");
    }
    assert_eq!(count(SubjectFilter::default(), &[Standing::Overdue]), 4);
    assert_eq!(count(account(), &[Standing::Overdue]), 1);
    let given = entries.iter().map(|entry| entry.since).max();
    let late = GrantFilter {
        since: given,
        ..GrantFilter::default()
    };
    assert_eq!(
        entries.iter().filter(|entry| late.matches(entry)).count(),
        4
    );
}
