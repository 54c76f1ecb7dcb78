//! Shares with an unclear result. A revocation is recorded only after the cloud has confirmed it
//! for each item. A share that may have been carried out must be revoked like any other, even if
//! its worker died before it recorded the answer.

use std::future::ready;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::{Ending, Operator, Retried, Standing};
use sharehook::domain::{Identity, Item, ItemResult, ResultKind, Status};
use sharehook::journal::{CallOff, Event, Opened, State, StreamId};
use sharehook_sandbox::Site;

use crate::chain_order::published;
use crate::support::history;
use crate::support::stops::stopped_in_call;
use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, Place, REGION, World, deadline, request,
};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const HOUR: i64 = 3_600;
pub(crate) const SHARE: &str = "ShareBlueprintAcrossAccounts";

fn chain(more: serde_json::Value) -> serde_json::Value {
    let mut fields = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": ONE});
    let more = more.as_object().unwrap().clone();
    fields.as_object_mut().unwrap().extend(more);
    fields
}

/// Delivers a chain whose image is already in Lighthouse. At first, the program lacks the
/// permission to list blueprints.
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
    // The records name the blueprint, so the revocation does not need to list blueprints.
    let refused = "DescribeBlueprints:error-before:UnauthorizedOperation.NoPermission@50";
    world.cloud.inject(refused.parse().unwrap());
    world.advance(HOUR);
    let report = world.sweep().await;
    assert_eq!(report.revoked, ["invoke/CHG1"], "{report}");
    assert!(world.has(CHAINED).is_empty());
    assert!(world.cloud.state().published(REGION, CHAIN_IMAGE).is_some());
    world.verify().await.unwrap();
}

/// Writes a closed chain as an earlier version recorded it: none of its results names the
/// blueprint.
async fn chain_of_an_old_record(world: &World) {
    let publish = chain(json!({"accounts": []}));
    world.deliver(&request("CHG0", publish)).await;
    world.cloud.edit(|cloud| {
        let region = cloud.regions.get_mut(REGION).unwrap();
        let shares = &mut region.blueprints.get_mut(CHAINED).unwrap().shares;
        shares.insert(ONE[0].to_owned(), world.now());
    });
    let ticket = request("CHG1", chain(json!({"expires_in": "1h"})));
    let opening = history::opening("CHG1", &ticket, 1, world.now());
    let Opened::New(mut claim, _) = world
        .journal
        .open_request(opening, true, ready(Ok(None)))
        .await
        .unwrap()
    else {
        panic!("CHG1 is known");
    };
    let available = ResultKind::Available {
        blueprint: None,
        already: true,
    };
    let kinds = [available, ResultKind::Shared];
    let items = claim.state().request().target.items().into_iter();
    let results = items.zip(kinds);
    let closed = Event::Closed {
        status: Status::Completed,
        results: results
            .map(|(item, kind)| ItemResult::new(item, kind, None))
            .collect(),
        calls: Vec::new(),
    };
    claim
        .record(&world.journal, world.now(), closed)
        .await
        .unwrap();
}

/// If the records of a chain do not name its blueprint, the revocation waits until the program can
/// list blueprints.
#[tokio::test]
async fn a_chain_of_an_old_record_is_taken_back_by_the_blueprint_that_the_cloud_names() {
    for exists in [true, false] {
        let mut world = World::new().await;
        world.reset().await;
        chain_of_an_old_record(&world).await;
        world.advance(HOUR);
        refuse(&world, "DescribeBlueprints").await;
        let report = world.sweep().await;
        assert!(report.revoked.is_empty(), "{report}");
        let grants = world.app.grants().await.unwrap().entries;
        let overdue = |grant: &&sharehook::app::GrantEntry| grant.state == Standing::Overdue;
        assert_eq!(grants.iter().filter(overdue).count(), 1, "{grants:?}");
        assert_eq!(world.has(CHAINED), ONE);
        world.clear_faults().await;
        if !exists {
            world.cloud.edit(|cloud| {
                let region = cloud.regions.get_mut(REGION).unwrap();
                region.blueprints.remove(CHAINED);
            });
        }
        // An attempt that made no call is followed by the same pause as any other attempt.
        world.advance(600);
        let report = world.sweep().await;
        assert_eq!(report.revoked, ["invoke/CHG1"], "{exists}: {report}");
        assert!(world.has(CHAINED).is_empty());
        world.verify().await.unwrap();
    }
}

/// Returns a world on the site that cannot list receivers. Requests are retried for ten minutes.
async fn world_that_lists_no_receivers() -> World {
    retried_for_ten_minutes(Site::Intl).await
}

pub(crate) async fn retried_for_ten_minutes(site: Site) -> World {
    let mut world = World::with(Place::Brittle, |options| {
        *options = options.clone().on(site);
    })
    .await;
    world.hurry();
    world.configure("[limits]\nretry_for = \"10m\"\n");
    world.hurry();
    world
}

/// From now on the cloud refuses calls of `action`, and has no other faults.
async fn refuse(world: &World, action: &str) {
    world.clear_faults().await;
    let refused = format!("{action}:error-before:UnauthorizedOperation.NoPermission@900");
    assert!(world.cloud.inject(refused.parse().unwrap()));
}

/// Asserts that the request is pending after 300 seconds, and failed after 400 more.
async fn fails_for_good(world: &World, ticket: &Value) {
    for (seconds, status) in [(300, Status::Pending), (400, Status::Failed)] {
        world.advance(seconds);
        world.sweep().await;
        let (_, answer) = world.deliver(ticket).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    world.clear_faults().await;
}

pub(crate) async fn state(world: &World) -> State {
    let stream = StreamId::of(&invoke("CHG1"));
    let history = world.journal.read(stream).await.unwrap().unwrap();
    history.into_state().unwrap()
}

pub(crate) fn invoke(id: &str) -> Identity {
    Identity {
        source: "invoke".parse().unwrap(),
        id: id.to_owned(),
    }
}

/// Asserts that the only grant is overdue after an hour, and that a sweep revokes it.
async fn taken_back_at_its_end(world: &World) {
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
    world.advance(HOUR);
    let grants = world.app.grants().await.unwrap().entries;
    assert_eq!(grants[0].state, Standing::Overdue);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    assert!(world.app.grants().await.unwrap().entries.is_empty());
    world.verify().await.unwrap();
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
        let world = world_that_lists_no_receivers().await;
        failed_in_doubt(&world, later).await;
        taken_back_at_its_end(&world).await;
    }
}

/// After the reopening, the cloud refuses every sharing call. So it is still in doubt whether the
/// first call was carried out.
#[tokio::test]
async fn a_reopened_share_keeps_its_doubt() {
    let world = world_that_lists_no_receivers().await;
    failed_in_doubt(&world, None).await;
    refuse(&world, SHARE).await;
    let carol = Operator {
        source: "invoke".parse().unwrap(),
        requester: "carol@example.com".to_owned(),
    };
    let retried = world
        .app
        .retry("CHG1", &carol, "the cause is gone", deadline());
    let retried = retried.await.unwrap();
    assert!(
        matches!(retried, Retried::Reopened(Ending::Pending, _)),
        "{retried:?}"
    );
    let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    fails_for_good(&world, &ticket).await;
    taken_back_at_its_end(&world).await;
}

/// The worker died between its call and the record of the answer. After that, all calls fail, even
/// reads.
#[tokio::test]
async fn a_share_whose_worker_died_in_its_call_is_taken_back_at_its_end() {
    for site in [Site::Intl, Site::Cn] {
        let mut world = retried_for_ten_minutes(site).await;
        let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
        stopped_in_call(&mut world, &ticket, SHARE).await;
        assert_eq!(world.has(BLUEPRINT), ONE);
        refuse(&world, "*").await;
        fails_for_good(&world, &ticket).await;
        let (_, answer) = world.deliver(&ticket).await;
        assert!(answer.results[0].maybe_done, "{site:?}: {answer:?}");
        taken_back_at_its_end(&world).await;
    }
}

/// The cloud's list shows that the dead worker's call was not carried out. Later attempts must not
/// doubt that again, even if they cannot read the list.
#[tokio::test]
async fn a_list_without_the_account_ends_the_doubt() {
    let mut world = retried_for_ten_minutes(Site::Cn).await;
    let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    stopped_in_call(&mut world, &ticket, SHARE).await;
    world.cloud.edit(|cloud| {
        let region = cloud.regions.get_mut(REGION).unwrap();
        region.blueprints.get_mut(BLUEPRINT).unwrap().shares.clear();
    });
    for (refused, doubt) in [("*", true), (SHARE, false), ("*", false)] {
        refuse(&world, refused).await;
        world.advance(150);
        world.sweep().await;
        let result = state(&world).await.results().remove(0);
        assert!(result.pending(), "{result:?}");
        assert_eq!(result.maybe_done, doubt, "{refused} is refused");
    }
    world.advance(300);
    world.sweep().await;
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    assert!(!answer.results[0].maybe_done, "{answer:?}");
    assert!(world.app.grants().await.unwrap().entries.is_empty());
}

/// How an unfinished request of a dead worker is closed.
#[derive(Debug, Clone, Copy)]
enum Closes {
    /// The next attempt makes the call again, and the cloud answers that the image is already in
    /// Lighthouse.
    Completed,
    Denied,
    Expired,
    Withdrawn,
}

/// The dead worker put the image into Lighthouse, but no read can show that.
#[tokio::test]
async fn a_publication_of_a_dead_worker_is_taken_back_however_its_request_closes() {
    for closes in [
        Closes::Completed,
        Closes::Denied,
        Closes::Expired,
        Closes::Withdrawn,
    ] {
        let mut world = World::new().await;
        world.reset().await;
        let publish = json!({"accounts": null, "expires_in": "1h"});
        let ticket = request("CHG1", chain(publish));
        stopped_in_call(&mut world, &ticket, "lighthouse.ModifyImageSharePermission").await;
        assert!(world.cloud.state().published(REGION, CHAIN_IMAGE).is_some());
        refuse(&world, "DescribeBlueprints").await;
        match closes {
            Closes::Completed => {}
            Closes::Denied => world.change_entities(without_requester),
            Closes::Expired => world.advance(2 * HOUR),
            Closes::Withdrawn => withdraw(&world).await,
        }
        world.advance(300);
        world.sweep().await;
        let status = match closes {
            Closes::Completed => Some(Status::Completed),
            Closes::Denied => Some(Status::Denied),
            Closes::Expired | Closes::Withdrawn => None,
        };
        if let Some(status) = status {
            assert_eq!(world.deliver(&ticket).await.1.status, status);
            assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
            world.advance(HOUR);
        }
        world.sweep().await;
        assert!(world.shares().is_empty(), "{closes:?}");
        assert!(world.app.grants().await.unwrap().entries.is_empty());
        world.clear_faults().await;
        world.verify().await.unwrap();
    }
}

/// The dead worker put the image into Lighthouse. The cloud refuses the next attempt's call. Only
/// after that refusal, the attempt finds the image's blueprint.
#[tokio::test]
async fn a_publication_of_a_dead_worker_that_is_found_after_a_refusal_is_taken_back() {
    let mut world = World::new().await;
    world.reset().await;
    let publish = "lighthouse.ModifyImageSharePermission";
    let ticket = request("CHG1", chain(json!({"expires_in": "1h"})));
    stopped_in_call(&mut world, &ticket, publish).await;
    world.clear_faults().await;
    // If its first reads fail, the next attempt makes the call again.
    for action in [publish, "DescribeBlueprints", "DescribeImagesToShare"] {
        let refused = format!("{action}:error-before:UnauthorizedOperation.NoPermission");
        assert!(world.cloud.inject(refused.parse().unwrap()));
    }
    world.advance(300);
    world.sweep().await;
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    assert_eq!(world.has(CHAINED), ONE);
    world.advance(HOUR);
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    world.verify().await.unwrap();
}

/// What happens after the cloud refused the first attempt of a share. The image was already in
/// Lighthouse before that attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The next attempt reads that the image is in Lighthouse.
    Found,
    /// The next attempt cannot read Lighthouse. It calls, and the cloud answers that the image is
    /// there.
    Already,
    Denied,
    Withdrawn,
}

/// The first attempt could not read Lighthouse, and the cloud refused its call. So it cannot have
/// put the image there.
#[tokio::test]
async fn an_image_that_was_in_lighthouse_before_a_refused_turn_stays_there() {
    for next in [Next::Found, Next::Already, Next::Denied, Next::Withdrawn] {
        let mut world = published().await;
        let publish = "lighthouse.ModifyImageSharePermission";
        for action in [publish, "DescribeBlueprints", "DescribeImagesToShare"] {
            let refused = format!("{action}:error-before:UnauthorizedOperation.NoPermission@50");
            assert!(world.cloud.inject(refused.parse().unwrap()));
        }
        let ticket = request("CHG1", chain(json!({"accounts": null, "expires_in": "2h"})));
        let (_, answer) = world.deliver(&ticket).await;
        assert_eq!(answer.status, Status::Pending, "{next:?}: {answer:?}");
        match next {
            Next::Already => refuse(&world, "DescribeBlueprints").await,
            _ => world.clear_faults().await,
        }
        match next {
            Next::Found | Next::Already => {}
            Next::Denied => world.change_entities(without_requester),
            Next::Withdrawn => withdraw(&world).await,
        }
        world.advance(300);
        world.sweep().await;
        if matches!(next, Next::Found | Next::Already) {
            let (_, answer) = world.deliver(&ticket).await;
            assert_eq!(answer.status, Status::Completed, "{next:?}: {answer:?}");
        }
        world.clear_faults().await;
        assert!(world.app.grants().await.unwrap().entries.is_empty());
        for _ in 0..2 {
            world.advance(2 * HOUR);
            world.sweep().await;
        }
        let there = world.cloud.state().published(REGION, CHAIN_IMAGE).is_some();
        assert!(there, "{next:?}");
        world.verify().await.unwrap();
    }
}

/// The sample's entities without the requester of the tests.
fn without_requester(entities: String) -> String {
    let kept = (entities.lines()).filter(|line| !line.contains("alice@example.com"));
    kept.collect::<Vec<_>>().join("\n")
}

/// Records that the approval of the request was withdrawn.
pub(crate) async fn withdraw(world: &World) {
    let items = state(world).await.request().target.items();
    record_call_off(world, items, "withdrawal", true).await;
}

/// Records that a cancel of this id called off the second account.
pub(crate) async fn call_off_the_second(world: &World, by: &str) {
    let second = Item::Account(ACCOUNTS[1].parse().unwrap());
    record_call_off(world, vec![second], by, false).await;
}

async fn record_call_off(world: &World, items: Vec<Item>, by: &str, withdrawn: bool) {
    let call_off = CallOff {
        items,
        by: invoke(by),
        ticket: None,
        withdrawn,
    };
    let (open, now) = (state(world).await, world.now());
    let worker = history::lease(9, now).worker;
    let recorded = world.journal.call_off(open, now, &worker, call_off);
    recorded.await.unwrap();
}

/// The approval of a cancel is withdrawn after the cancel has called the cloud, but before it has
/// recorded the results.
#[tokio::test]
async fn what_a_cancel_took_away_before_its_approval_was_withdrawn_is_no_grant() {
    let world = world_that_lists_no_receivers().await;
    let share = request("CHG0", json!({"accounts": ONE}));
    assert_eq!(world.deliver(&share).await.1.status, Status::Completed);
    let cancel = request("CHG1", json!({"action": "cancel", "accounts": ONE}));
    world.fuse.arm_at("000002.json", Break::Stall);
    let withdrawing = async {
        world.fuse.stalled().await;
        assert!(world.shares().is_empty(), "{:?}", world.shares());
        withdraw(&world).await;
        world.fuse.release();
    };
    let ((_, answer), ()) = tokio::join!(world.deliver(&cancel), withdrawing);
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    let grants = world.app.grants().await.unwrap().entries;
    assert!(grants.is_empty(), "{grants:?}");
    world.verify().await.unwrap();
}

/// The worker of a cancel died after its call. Then the approval of the cancel is withdrawn. The
/// next attempt can read the cloud, can only read it later, or cannot read it at all.
#[tokio::test]
async fn what_a_dead_worker_cancelled_before_the_withdrawal_is_no_grant() {
    let list = "DescribeBlueprintsShareAcrossAccountInfos";
    let refused = "UnauthorizedOperation.NoPermission";
    for (site, fails) in [
        (Site::Cn, None),
        (Site::Cn, Some("InternalError")),
        (Site::Cn, Some(refused)),
        (Site::Intl, None),
    ] {
        let mut world = retried_for_ten_minutes(site).await;
        let share = request("CHG0", json!({"accounts": ONE}));
        assert_eq!(world.deliver(&share).await.1.status, Status::Completed);
        let cancel = request("CHG1", json!({"action": "cancel", "accounts": ONE}));
        stopped_in_call(&mut world, &cancel, "CancelShareBlueprintAcrossAccounts").await;
        assert!(world.shares().is_empty(), "{:?}", world.shares());
        world.clear_faults().await;
        withdraw(&world).await;
        if let Some(code) = fails {
            let fails = format!("{list}:error-before:{code}@90");
            assert!(world.cloud.inject(fails.parse().unwrap()));
            world.advance(300);
            world.sweep().await;
            let (_, answer) = world.deliver(&cancel).await;
            assert_eq!(answer.status, Status::Pending, "{answer:?}");
            world.clear_faults().await;
        }
        world.advance(300);
        world.sweep().await;
        let (_, answer) = world.deliver(&cancel).await;
        let grants = world.app.grants().await.unwrap().entries;
        match site {
            Site::Cn => {
                assert_eq!(answer.status, Status::Completed, "{answer:?}");
                assert!(grants.is_empty(), "{grants:?}");
            }
            Site::Intl => {
                assert_eq!(answer.status, Status::Failed, "{answer:?}");
                assert!(answer.results[0].maybe_done, "{answer:?}");
                assert_eq!(grants.len(), 1, "{grants:?}");
            }
        }
        world.verify().await.unwrap();
    }
}

/// The worker of a cancel recorded that it cancelled the first account, and died after its call for
/// the second one. Then the approval of the cancel is withdrawn. The next attempt can read the
/// cloud, or can only read it later.
#[tokio::test]
async fn what_a_dead_worker_cancelled_after_its_first_record_is_no_grant() {
    let cancels = "CancelShareBlueprintAcrossAccounts";
    for fails in [false, true] {
        let mut world = retried_for_ten_minutes(Site::Cn).await;
        let share = request("CHG0", json!({"accounts": &ACCOUNTS[..2]}));
        assert_eq!(world.deliver(&share).await.1.status, Status::Completed);
        // The call for both accounts fails, so each account gets its own call.
        let account = format!("{cancels}:error-before:InvalidAccountId");
        assert!(world.cloud.inject(account.parse().unwrap()));
        let both = json!({"action": "cancel", "accounts": &ACCOUNTS[..2]});
        let cancel = request("CHG1", both);
        world.fuse.arm_at("000002.json", Break::Stall);
        let second_call = async {
            world.fuse.stalled().await;
            world.clear_faults().await;
            let held = format!("{cancels}:slow:600s");
            assert!(world.cloud.inject(held.parse().unwrap()));
            world.fuse.release();
            while !world.shares().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            _ = world.deliver(&cancel) => panic!("it was not stopped"),
            () = second_call => {}
        }
        world.restart();
        world.clear_faults().await;
        withdraw(&world).await;
        if fails {
            refuse(&world, "DescribeBlueprintsShareAcrossAccountInfos").await;
            world.advance(300);
            world.sweep().await;
            let (_, answer) = world.deliver(&cancel).await;
            assert_eq!(answer.status, Status::Pending, "{answer:?}");
            world.clear_faults().await;
        }
        world.advance(300);
        world.sweep().await;
        let (_, answer) = world.deliver(&cancel).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        let grants = world.app.grants().await.unwrap().entries;
        assert!(grants.is_empty(), "{fails}: {grants:?}");
        world.verify().await.unwrap();
    }
}

/// The call of the dead worker was not carried out, so the share must stay.
#[tokio::test]
async fn what_a_dead_worker_did_not_cancel_before_the_withdrawal_stays() {
    let mut world = retried_for_ten_minutes(Site::Cn).await;
    let share = request("CHG0", json!({"accounts": ONE}));
    world.deliver(&share).await;
    let cancel = request("CHG1", json!({"action": "cancel", "accounts": ONE}));
    stopped_in_call(&mut world, &cancel, "CancelShareBlueprintAcrossAccounts").await;
    world.clear_faults().await;
    crate::incidents::share_by_hand(&world, ONE[0]);
    withdraw(&world).await;
    world.advance(300);
    world.sweep().await;
    let (_, answer) = world.deliver(&cancel).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    assert!(!answer.results[0].maybe_done, "{answer:?}");
    assert_eq!(world.has(BLUEPRINT), ONE);
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
    world.verify().await.unwrap();
}

/// A cancel for one account arrives after the cloud calls, but before their results are recorded.
/// It does not settle whether the image was shared with the other account.
#[tokio::test]
async fn a_call_off_does_not_end_the_doubt_about_the_rest() {
    let world = world_that_lists_no_receivers().await;
    let lost = format!("{SHARE}:reset-after@6");
    world.cloud.inject(lost.parse().unwrap());
    let two = json!({"accounts": &ACCOUNTS[..2], "expires_in": "1h"});
    let ticket = request("CHG1", two);
    world.fuse.arm_at("000002.json", Break::Stall);
    let calling_off = async {
        world.fuse.stalled().await;
        call_off_the_second(&world, "CHG2").await;
        refuse(&world, SHARE).await;
        world.fuse.release();
    };
    let ((_, answer), ()) = tokio::join!(world.deliver(&ticket), calling_off);
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    fails_for_good(&world, &ticket).await;
    let results = state(&world).await.results();
    assert!(results[0].maybe_done, "{results:?}");
    let grants = world.app.grants().await.unwrap().entries;
    assert!(grants.iter().any(|grant| grant.to == ONE[0]), "{grants:?}");
    world.advance(HOUR);
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
}

/// The call that put the image into Lighthouse received no answer, and no read can show that the
/// image is there. The approval is withdrawn before the worker records anything.
#[tokio::test]
async fn a_call_off_does_not_end_the_doubt_about_what_it_calls_off() {
    let world = retried_for_ten_minutes(Site::Cn).await;
    refuse(&world, "DescribeBlueprints").await;
    let lost = "lighthouse.ModifyImageSharePermission:reset-after@9";
    assert!(world.cloud.inject(lost.parse().unwrap()));
    let publish = json!({"accounts": null, "expires_in": "1h"});
    let ticket = request("CHG1", chain(publish));
    world.fuse.arm_at("000002.json", Break::Stall);
    let calling_off = async {
        world.fuse.stalled().await;
        assert!(world.cloud.state().published(REGION, CHAIN_IMAGE).is_some());
        withdraw(&world).await;
        world.fuse.release();
    };
    tokio::join!(world.deliver(&ticket), calling_off);
    world.clear_faults().await;
    world.advance(HOUR);
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    world.verify().await.unwrap();
}

/// A share that was refused before it had any effect leaves no grant. A share in doubt leaves a
/// grant, which a cancel ends.
#[tokio::test]
async fn only_doubt_makes_a_grant_and_a_cancel_ends_it() {
    let world = world_that_lists_no_receivers().await;
    failed_in_doubt(&world, None).await;
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
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

/// According to the API pages, a call that is refused with one of these codes changed nothing.
#[tokio::test]
async fn a_share_that_the_state_of_its_image_refused_leaves_no_doubt() {
    for code in [
        "InvalidParameterValue.InvalidBlueprintState",
        "UnsupportedOperation.BlueprintCurStateInvalid",
        "ResourceInUse.BlueprintModifyingSharePermission",
    ] {
        let world = world_that_lists_no_receivers().await;
        let refused = format!("{SHARE}:error-before:{code}@900");
        assert!(world.cloud.inject(refused.parse().unwrap()));
        let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
        let (_, answer) = world.deliver(&ticket).await;
        assert_eq!(answer.status, Status::Pending, "{answer:?}");
        fails_for_good(&world, &ticket).await;
        let (_, answer) = world.deliver(&ticket).await;
        assert!(!answer.results[0].maybe_done, "{code}: {answer:?}");
        assert!(world.app.grants().await.unwrap().entries.is_empty());
        world.verify().await.unwrap();
    }
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

/// Every call to the cloud fails. The share is called off after an attempt that tried to read the
/// cloud.
#[tokio::test]
async fn a_called_off_share_that_cannot_be_read_is_retried_with_its_reason() {
    let world = retried_for_ten_minutes(Site::Cn).await;
    let down = "*:error-before:InternalError@9000";
    assert!(world.cloud.inject(down.parse().unwrap()));
    let ticket = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    assert!(state(&world).await.looked_before());
    let cancel = request("CHG2", json!({"action": "cancel", "accounts": ONE}));
    world.deliver(&cancel).await;
    let before = state(&world).await.newest();
    for _ in 0..10 {
        world.advance(20);
        world.sweep().await;
    }
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    let message = answer.message.unwrap();
    assert!(message.starts_with("InternalError: "), "{message}");
    let turns = (state(&world).await.newest() - before) / 2;
    assert!(turns <= 6, "{turns} turns in 200 seconds");
    world.advance(500);
    world.sweep().await;
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    world.clear_faults().await;
    world.advance(3_600);
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    assert!(world.app.grants().await.unwrap().entries.is_empty());
    world.verify().await.unwrap();
}

/// A share has called the cloud for two accounts but not recorded the results yet, when a cancel
/// calls off one of them. The share itself revokes that account.
#[tokio::test]
async fn a_duplicate_of_a_called_off_share_gets_the_same_answer() {
    let world = World::new().await;
    let ticket = request("CHG1", json!({"accounts": &ACCOUNTS[..2]}));
    world.fuse.arm_at("000001.json", Break::Stall);
    let calling_off = async {
        world.fuse.stalled().await;
        call_off_the_second(&world, "CHG2").await;
        world.fuse.release();
    };
    let ((_, answer), ()) = tokio::join!(world.deliver(&ticket), calling_off);
    assert_eq!(answer.results[1].kind, ResultKind::Cancelled, "{answer:?}");
    assert_eq!(world.has(BLUEPRINT), ONE);
    let (_, mut again) = world.deliver(&ticket).await;
    again.duplicate = false;
    assert_eq!(again, answer);
}
