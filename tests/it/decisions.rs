//! Policy decides again at the moment of sharing: a request that waited needs a new decision. A
//! later cancel calls off an earlier share.

use std::future::ready;

use serde_json::{Value, json};
use sharehook::app::{Ending, Operator};
use sharehook::domain::{Identity, Item, ItemResult, ResultKind, Status};
use sharehook::journal::{CallOff, Event, MAX_PAUSE_OF_WORK, Opened, StreamId};

use crate::incidents::share_by_hand;
use crate::support::history;
use crate::support::stops::{stopped_in_call, until_stuck};
use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, Place, REGION, World, deadline, deliver,
    request,
};

const HOUR: i64 = 3600;
const LATER: &str = "2026-11-21T09:00:00Z";

/// Removes the accounts and the requester from every group.
fn forbid(world: &mut World) {
    world.change_entities(|text| {
        let keep = |line: &&str| {
            !line.contains("invoke/alice@example.com")
                && !ACCOUNTS.iter().any(|account| line.contains(account))
        };
        text.lines().filter(keep).collect::<Vec<_>>().join("\n")
    });
}

fn cancel(id: &str, change: Value) -> Value {
    let mut cancel = request(id, change);
    cancel["action"] = json!("cancel");
    cancel
}

async fn results_of(world: &World, id: &str) -> (Status, Vec<ItemResult>) {
    let listed = world.app.requests(None).await.unwrap();
    assert_eq!(listed.flaws, [""; 0]);
    let wanted = format!("invoke/{id}");
    let entry = listed
        .entries
        .into_iter()
        .find(|entry| entry.identity == wanted);
    let answer = entry.unwrap().answer;
    (answer.status, answer.results)
}

fn called_off(results: &[ItemResult], by: &str) -> bool {
    let mut results = results.iter();
    results.len() > 0
        && results.all(|result| {
            result.kind == ResultKind::Cancelled && result.called_off_by.as_deref() == Some(by)
        })
}

/// Stops the worker after the cloud has carried out its first change, or right after record 0.
async fn interrupt(world: &mut World, request: &Value, carried_out: bool) {
    let action = if request["image"] == CVM_IMAGE {
        "ModifyImageSharePermission"
    } else {
        "ShareBlueprintAcrossAccounts"
    };
    if carried_out {
        return stopped_in_call(world, request, action).await;
    }
    world.fuse.arm_at("000000.json", Break::CrashAfter);
    tokio::select! {
        _ = deliver(&world.app, request) => panic!("it was not stopped"),
        () = world.fuse.crashed() => {}
    }
    world.restart();
}

#[tokio::test]
async fn a_share_that_waited_is_decided_again_before_it_is_made() {
    let mut world = World::new().await;
    world.reset().await;
    let share = request("CHG1", json!({"not_before": LATER}));
    assert_eq!(world.deliver(&share).await.0, Ending::Waiting);
    forbid(&mut world);
    world.advance(2 * HOUR);
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    assert_eq!(world.cloud.calls().len(), 0);
    let (status, results) = results_of(&world, "CHG1").await;
    assert_eq!((status, results.len()), (Status::Denied, 3));
    let (ending, answer) = world.deliver(&share).await;
    assert_eq!(ending, Ending::Denied);
    assert!(answer.policy.is_empty() && !answer.refused.is_empty());
    let stream = sharehook::journal::StreamId::of(&sharehook::domain::Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG1".to_owned(),
    });
    let state = world.journal.read(stream).await.unwrap().unwrap();
    let state = state.into_state().unwrap();
    assert!(state.verdict().allowed && !state.refusal().unwrap().allowed);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn the_decision_that_a_share_went_on_under_is_on_record() {
    let mut world = World::new().await;
    world.reset().await;
    let bob = "invoke/bob@example.com";
    world.change_entities(|text| {
        let twice = |line: &str| {
            let carol = line.replace("bob@", "carol@");
            if line.contains(bob) {
                format!("{line}\n{carol}")
            } else {
                line.to_owned()
            }
        };
        text.lines().map(twice).collect::<Vec<_>>().join("\n")
    });
    let both = json!({"not_before": LATER, "approvers": ["bob@example.com", "carol@example.com"]});
    let (_, first) = world.deliver(&request("CHG1", both.clone())).await;
    world.change_entities(|text| {
        let rest = text.lines().filter(|line| !line.contains(bob));
        rest.collect::<Vec<_>>().join("\n")
    });
    world.advance(2 * HOUR);
    world.sweep().await;
    let (_, last) = world.deliver(&request("CHG1", both)).await;
    assert_eq!(last.status, Status::Completed);
    let counted = |answer: &sharehook::app::Answer| serde_json::to_value(answer).unwrap();
    let (first, last) = (counted(&first).to_string(), counted(&last).to_string());
    assert!(first.contains("bob@"), "{first}");
    assert!(!last.contains("bob@") && last.contains("carol@"), "{last}");
    let export = &world.app.requests(None).await.unwrap().entries[0].answer;
    assert_eq!(
        counted(export)["policy"],
        json!(["golden-images-to-staging"])
    );
    world.verify().await.unwrap();
}

#[tokio::test]
async fn an_interrupted_share_that_is_denied_by_now_keeps_what_it_gave_until_its_end() {
    for image in [BLUEPRINT, CVM_IMAGE] {
        let mut world = World::new().await;
        world.reset().await;
        let share = request("CHG1", json!({"image": image, "expires_in": "5h"}));
        interrupt(&mut world, &share, true).await;
        let given = world.shares();
        forbid(&mut world);
        world.advance(HOUR);
        world.sweep().await;
        let (status, results) = results_of(&world, "CHG1").await;
        assert_eq!(status, Status::Denied, "{results:?}");
        assert_eq!(world.shares(), given, "what stands is not touched");
        assert_eq!(world.app.grants().await.unwrap().entries.len(), 3);
        world.advance(5 * HOUR);
        world.sweep().await;
        assert!(world.shares().is_empty(), "{:?}", world.shares());
        world.verify().await.unwrap();
    }
}

/// The share expires while the worker reads the cloud.
#[tokio::test]
async fn a_turn_that_begins_just_before_the_end_shares_nothing_after_it() {
    let mut world = World::new().await;
    world.reset().await;
    let slow = "DescribeBlueprints:slow:2500ms@2";
    assert!(world.cloud.inject(slow.parse().unwrap()));
    let end = json!({"expires_at": "2026-11-21T08:00:01Z"});
    let share = request("CHG1", end);
    let (_, answer) = world.deliver(&share).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    world.advance(2);
    world.sweep().await;
    let (status, results) = results_of(&world, "CHG1").await;
    assert_eq!(status, Status::Failed, "{results:?}");
    assert!(world.effects().is_empty(), "{:?}", world.effects());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_cancel_that_was_allowed_once_is_carried_out() {
    let mut world = World::new().await;
    world.reset().await;
    world.deliver(&request("CHG1", json!({}))).await;
    world
        .deliver(&cancel("CHG2", json!({"not_before": LATER})))
        .await;
    forbid(&mut world);
    world.advance(2 * HOUR);
    world.sweep().await;
    assert!(world.shares().is_empty());
    assert_eq!(results_of(&world, "CHG2").await.0, Status::Completed);
}

#[tokio::test]
async fn a_later_cancel_calls_off_a_share_that_waits() {
    let mut world = World::new().await;
    world.reset().await;
    let share = request("CHG1", json!({"not_before": LATER}));
    world.deliver(&share).await;
    world.advance(60);
    let (_, answer) = world.deliver(&cancel("CHG2", json!({}))).await;
    let kinds: Vec<_> = answer.results.iter().map(|r| &r.kind).collect();
    assert_eq!(kinds, [&ResultKind::NotShared; 3], "{answer:?}");
    let (status, results) = results_of(&world, "CHG1").await;
    assert_eq!(status, Status::Failed);
    assert!(called_off(&results, "CHG2"), "{results:?}");
    world.advance(2 * HOUR);
    world.sweep().await;
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn the_rest_of_a_share_goes_on() {
    let mut world = World::new().await;
    world.reset().await;
    world
        .deliver(&request(
            "CHG1",
            json!({"not_before": LATER, "expires_in": "5h"}),
        ))
        .await;
    world.advance(60);
    let part = json!({"accounts": [ACCOUNTS[1]], "ticket": null});
    world.deliver(&cancel("CHG2", part)).await;
    world.advance(2 * HOUR);
    world.sweep().await;
    let mut left = vec![ACCOUNTS[0], ACCOUNTS[2]];
    left.sort_unstable();
    assert_eq!(world.has(BLUEPRINT), left);
    let (status, results) = results_of(&world, "CHG1").await;
    assert_eq!(status, Status::Partial);
    assert!(called_off(&results[1..2], "invoke/CHG2"), "{results:?}");
    world.advance(5 * HOUR);
    world.sweep().await;
    assert!(world.shares().is_empty());
    world.verify().await.unwrap();
}

/// A cancel called off one item of a share after the share's call, and the share's worker did not
/// notice. The item is revoked at once, unless another grant covers it. The other items are revoked
/// when the share expires.
#[tokio::test]
async fn what_was_called_off_too_late_is_taken_back_and_the_rest_at_its_end() {
    for covered in [false, true] {
        called_off_too_late(covered).await;
    }
}

async fn called_off_too_late(covered: bool) {
    let mut world = World::new().await;
    world.reset().await;
    let one = json!({"accounts": [ACCOUNTS[1]]});
    if covered {
        world.deliver(&request("CHG0", one.clone())).await;
    }
    share_called_off_too_late(&mut world, "CHG1").await;
    world.sweep().await;
    assert_eq!(grants(&world).await, if covered { 3 } else { 2 });
    world.advance(5 * HOUR);
    let report = world.sweep().await;
    assert_eq!(report.failures, [""; 0]);
    assert!(report.overdue.is_empty(), "{:?}", report.overdue);
    assert_eq!(grants(&world).await, if covered { 1 } else { 0 });
    world.deliver(&cancel("CHG3", one)).await;
    assert_eq!(grants(&world).await, 0, "the account has the image no more");
    world.verify().await.unwrap();
}

/// A called-off item is revoked before its share expires. While the attempts to revoke it fail, the
/// metrics count the request as unfinished, even during a pause that is longer than
/// [`MAX_PAUSE_OF_WORK`].
#[tokio::test]
async fn a_failing_revocation_before_the_end_is_unfinished_in_the_metrics() {
    let mut world = World::new().await;
    world.reset().await;
    share_called_off_too_late(&mut world, "CHG1").await;
    share_by_hand(&world, ACCOUNTS[1]);
    let refused =
        "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation.NoPermission@50";
    assert!(world.cloud.inject(refused.parse().unwrap()));
    for _ in 0..9 {
        world.advance(700);
        world.sweep().await;
    }
    // After this sweep, the index contains the time at which the pause ends.
    world.advance(300);
    world.sweep().await;
    world.advance(60);
    let soon = world.now().checked_add(MAX_PAUSE_OF_WORK).unwrap();
    assert!(world.journal.due(soon).await.unwrap().is_empty());
    let metrics = world.app.metrics().await;
    for line in [
        "sharehook_requests_unfinished 1",
        "sharehook_oldest_unfinished_seconds 360",
        "sharehook_grants_overdue 0",
    ] {
        assert!(metrics.lines().any(|have| have == line), "{metrics}");
    }
}

/// The same item of two shares was called off. Neither share holds it any more, so neither blocks
/// the other's revocation.
#[tokio::test]
async fn what_was_called_off_of_two_shares_does_not_wait_for_each_other() {
    let mut world = World::new().await;
    world.reset().await;
    share_called_off_too_late(&mut world, "CHG1").await;
    share_called_off_too_late(&mut world, "CHG4").await;
    world.sweep().await;
    assert_eq!(grants(&world).await, 4, "the two other accounts of each");
    world.verify().await.unwrap();
}

/// A share lists the cancels before it writes record 0, and may miss a cancel that begins after
/// that. The cancel must therefore wait for the share, even if this is not the cancel's first
/// attempt.
#[tokio::test]
async fn a_cancel_waits_for_a_share_that_is_being_opened() {
    let mut world = World::new().await;
    world.reset().await;
    let soon = json!({"not_before": "2026-11-21T08:00:05Z"});
    assert_eq!(
        world.deliver(&cancel("CHG1", soon)).await.0,
        Ending::Waiting
    );
    world.advance(6);
    world.fuse.arm_at("000000.json", Break::CrashBefore);
    let share = request("CHG2", json!({}));
    tokio::select! {
        _ = world.deliver(&share) => panic!("it was opened"),
        () = world.fuse.crashed() => {}
    }
    world.restart();
    world.sweep().await;
    assert_eq!(results_of(&world, "CHG1").await.0, Status::Pending);
    world.advance(11);
    world.sweep().await;
    assert_eq!(results_of(&world, "CHG1").await.0, Status::Completed);
}

/// The cancel names the blueprint, but the chain names the CVM image. The records of the request
/// that published the image contain both.
#[tokio::test]
async fn a_cancel_of_a_published_blueprint_calls_off_a_chain() {
    let mut world = World::new().await;
    world.reset().await;
    let publish = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null});
    let (ending, answer) = world.deliver(&request("CHG1", publish)).await;
    assert_eq!((ending, answer.status), (Ending::Done, Status::Completed));
    let one = [ACCOUNTS[0]];
    let chain =
        json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": one, "not_before": LATER});
    assert_eq!(
        world.deliver(&request("CHG2", chain)).await.0,
        Ending::Waiting
    );
    let taken = json!({"image": CHAINED, "accounts": one});
    world.deliver(&cancel("CHG3", taken)).await;
    world.advance(2 * HOUR);
    world.sweep().await;
    assert!(world.has(CHAINED).is_empty());
    let (_, results) = results_of(&world, "CHG2").await;
    let account = |result: &&ItemResult| matches!(result.item, Item::Account(_));
    let accounts: Vec<_> = results.iter().filter(account).cloned().collect();
    assert!(called_off(&accounts, "CHG3"), "{results:?}");
    world.verify().await.unwrap();
}

async fn grants(world: &World) -> usize {
    world.app.grants().await.unwrap().entries.len()
}

/// Writes the records of a closed share of all accounts. Its worker did not know that the second
/// account had been called off.
async fn share_called_off_too_late(world: &mut World, id: &str) {
    called_off_too_late_with(world, id, ResultKind::Shared).await;
}

/// `last`: the result of the last account.
async fn called_off_too_late_with(world: &mut World, id: &str, last: ResultKind) {
    let share = request(id, json!({"expires_in": "5h"}));
    let opening = history::opening(id, &share, 1, world.now());
    let Opened::New(claim, _) = world
        .journal
        .open_request(opening, true, ready(Ok(None)))
        .await
        .unwrap()
    else {
        panic!("{id} is known");
    };
    let items = ACCOUNTS.map(|account| Item::Account(account.parse().unwrap()));
    let by = Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG2".to_owned(),
    };
    let call_off = CallOff {
        items: vec![items[1].clone()],
        by: by.clone(),
        ticket: None,
        withdrawn: false,
    };
    let worker = history::lease(2, world.now()).worker;
    let state = claim.state().clone();
    let called_off = world
        .journal
        .call_off(state, world.now(), &worker, call_off);
    let state = called_off.await.unwrap();
    world.advance(120);
    let lease = history::lease(3, world.now());
    let taken = world.journal.take(state, lease, None, false).await.unwrap();
    let (mut claim, _) = taken.unwrap();
    let kinds = [ResultKind::Shared, ResultKind::Shared, last];
    let of = |(n, item): (usize, Item)| ItemResult {
        called_off_by: (n == 1).then(|| by.to_string()),
        ..ItemResult::new(item, kinds[n].clone(), None)
    };
    let closed = Event::Closed {
        status: Status::Partial,
        results: items.into_iter().enumerate().map(of).collect(),
        calls: Vec::new(),
    };
    claim
        .record(&world.journal, world.now(), closed)
        .await
        .unwrap();
}

/// `CHG1` lost its second account to a cancel, and `CHG3` shares with that account again. An
/// operator then retries `CHG1`. The worker stops before the last record of the retry, and `CHG1`
/// expires. `CHG1` must not record the share of `CHG3` as its own.
#[tokio::test]
async fn what_another_share_gave_after_a_revocation_is_not_recorded_again() {
    let mut world = World::new().await;
    world.reset().await;
    let failed = ResultKind::failed("InvalidParameter", "m", false);
    called_off_too_late_with(&mut world, "CHG1", failed).await;
    world.sweep().await;
    world.advance(60);
    let one = json!({"accounts": [ACCOUNTS[1]], "expires_in": "9h"});
    world.deliver(&request("CHG3", one)).await;
    let stream = StreamId::of(&Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG1".to_owned(),
    });
    let read = async |world: &World| world.journal.read(stream).await.unwrap().unwrap();
    // The retry writes three records: the reopening, what it read in the cloud, and the end.
    let last = read(&world).await.records.len() + 2;
    let name: &'static str = format!("{last:06}.json").leak();
    world.fuse.arm_at(name, Break::CrashBefore);
    let by = Operator {
        source: "jira".parse().unwrap(),
        requester: "carol@example.com".to_owned(),
    };
    tokio::select! {
        retried = world.app.retry("CHG1", &by, "the cause is corrected", deadline()) => {
            panic!("{retried:?}")
        }
        () = world.fuse.crashed() => {}
    }
    world.restart();
    world.advance(6 * HOUR);
    world.sweep().await;
    let history = read(&world).await;
    let closed = history
        .records
        .iter()
        .rev()
        .find_map(|stored| match &stored.record.event {
            Event::Closed { results, .. } => Some(results),
            _ => None,
        });
    let kinds: Vec<_> = closed
        .unwrap()
        .iter()
        .map(|result| result.kind.in_words())
        .collect();
    assert_eq!(kinds, ["shared", "cancelled", "shared"]);
    assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[1]]);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn an_earlier_cancel_that_is_resumed_leaves_a_later_share_alone() {
    let mut world = World::new().await;
    world.reset().await;
    let early = cancel("CHG2", json!({}));
    interrupt(&mut world, &early, false).await;
    world.advance(60);
    let share = request("CHG1", json!({"not_before": LATER}));
    assert_eq!(world.deliver(&share).await.0, Ending::Waiting);
    world.advance(300);
    world.sweep().await;
    assert_eq!(results_of(&world, "CHG2").await.0, Status::Completed);
    world.advance(HOUR);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT).len(), 3);
    assert_eq!(results_of(&world, "CHG1").await.0, Status::Completed);
}

#[tokio::test]
async fn a_resumed_cancel_leaves_what_a_later_share_has() {
    for killed in [false, true] {
        let mut world = World::new().await;
        world.reset().await;
        interrupt(&mut world, &cancel("CHG2", json!({})), false).await;
        world.advance(300);
        let one = json!({"accounts": [ACCOUNTS[1]]});
        let share = request("CHG3", one);
        if killed {
            // The share's call was carried out, but not recorded.
            interrupt(&mut world, &share, true).await;
            world.clear_faults().await;
        } else {
            assert_eq!(world.deliver(&share).await.0, Ending::Done);
        }
        world.advance(300);
        world.sweep().await;
        world.advance(300);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[1]], "{killed}");
        assert_eq!(results_of(&world, "CHG3").await.0, Status::Completed);
        let (status, results) = results_of(&world, "CHG2").await;
        assert_ne!(status, Status::Pending, "{killed}: {results:?}");
        if !killed {
            let text = format!("{:?}", results[1].kind);
            assert!(text.contains("LaterShare"), "{text}");
            assert!(text.contains("invoke/CHG3"), "{text}");
        }
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn an_image_stays_in_lighthouse_for_a_later_share_of_its_blueprint() {
    let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true});
    let mut world = World::new().await;
    world.reset().await;
    let mut two = chain.clone();
    two["accounts"] = json!(ACCOUNTS[..2]);
    world.deliver(&request("CHG1", two)).await;
    world.advance(1);
    let unpublish = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null});
    let stop = cancel("CHG2", unpublish);
    // The cancel stops before it reads the cloud.
    world.fuse.arm_at("000001.json", Break::CrashBefore);
    tokio::select! {
        _ = deliver(&world.app, &stop) => panic!("it was not stopped"),
        () = world.fuse.crashed() => {}
    }
    world.restart();
    world.advance(300);
    let later = json!({"image": CHAINED, "accounts": [ACCOUNTS[2]]});
    assert_eq!(world.deliver(&request("CHG3", later)).await.0, Ending::Done);
    world.sweep().await;
    let (_, results) = results_of(&world, "CHG2").await;
    assert!(
        format!("{:?}", results[0].kind).contains("LaterShare"),
        "{results:?}"
    );
    assert!(world.has(CHAINED).contains(&ACCOUNTS[2].to_owned()));
    world.verify().await.unwrap();
}

/// The share arrives during the call of a cancel or of a revocation. It waits until the worker of
/// that call has finished, and is carried out then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_waits_for_a_live_worker_that_takes_the_same_away() {
    for expiry in [false, true] {
        let mut world = World::new().await;
        world.reset().await;
        world
            .deliver(&request("CHG1", json!({"expires_in": "1h"})))
            .await;
        world.advance(if expiry { HOUR } else { 60 });
        let slow = "CancelShareBlueprintAcrossAccounts:slow:700ms";
        assert!(world.cloud.inject(slow.parse().unwrap()));
        let another = world.another();
        let share = request("CHG3", json!({}));
        let taking = async {
            if expiry {
                world.sweep().await;
            } else {
                world.deliver(&cancel("CHG2", json!({}))).await;
            }
        };
        let sharing = async {
            until_stuck(&world).await;
            world.advance(1);
            deliver(&another, &share).await
        };
        let ((), (ending, answer)) = tokio::join!(taking, sharing);
        assert_eq!(ending, Ending::Pending, "expiry {expiry}: {answer:?}");
        world.advance(300);
        world.sweep().await;
        assert_eq!(results_of(&world, "CHG3").await.0, Status::Completed);
        assert_eq!(world.has(BLUEPRINT).len(), 3, "expiry {expiry}");
        world.verify().await.unwrap();
    }
}

/// A repeated revocation has recorded only its lease when a share arrives. The share still finds
/// its account in the cloud. It must wait, and must not be closed as already shared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_waits_for_a_revocation_that_is_tried_again() {
    for waited in [false, true] {
        let mut world = World::new().await;
        world.reset().await;
        let later = json!({"not_before": "2026-11-21T09:02:00Z"});
        let share = request("CHG2", if waited { later } else { json!({}) });
        if waited {
            world.deliver(&share).await;
        }
        world
            .deliver(&request("CHG1", json!({"expires_in": "1h"})))
            .await;
        world.advance(HOUR);
        let failing = "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation";
        assert!(world.cloud.inject(failing.parse().unwrap()));
        world.sweep().await;
        world.cloud.forget_calls();
        world.advance(119);
        let slow = "DescribeBlueprintsShareAcrossAccountInfos:slow:700ms";
        assert!(world.cloud.inject(slow.parse().unwrap()));
        let another = world.another();
        let sharing = async {
            until_stuck(&world).await;
            world.advance(1);
            deliver(&another, &share).await
        };
        let (_, (ending, answer)) = tokio::join!(world.sweep(), sharing);
        assert_eq!(ending, Ending::Pending, "waited {waited}: {answer:?}");
        assert!(world.has(BLUEPRINT).is_empty(), "waited {waited}");
        world.advance(300);
        world.sweep().await;
        assert_eq!(results_of(&world, "CHG2").await.0, Status::Completed);
        assert_eq!(world.has(BLUEPRINT).len(), 3, "waited {waited}");
        world.verify().await.unwrap();
    }
}

/// A chain finds that its blueprint exists and its accounts have it. Before it records the
/// blueprint, another chain of the image expires.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_leaves_a_chain_at_work_its_accounts() {
    let mut world = World::new().await;
    world.reset().await;
    let chain = |id: &str, expiry: Value| {
        request(
            id,
            json!({"image": CHAIN_IMAGE, "lighthouse": true, "expires_in": expiry}),
        )
    };
    world.deliver(&chain("CHG1", json!("1h"))).await;
    world.advance(HOUR - 1);
    world.cloud.forget_calls();
    let slow = "DescribeBlueprintsShareAcrossAccountInfos:slow:700ms";
    assert!(world.cloud.inject(slow.parse().unwrap()));
    let another = world.another();
    let share = chain("CHG2", json!("30d"));
    let revoking = async {
        until_stuck(&world).await;
        world.advance(1);
        world.sweep().await
    };
    let ((_, answer), _) = tokio::join!(deliver(&another, &share), revoking);
    assert_eq!(answer.status, Status::Completed);
    assert_eq!(world.has(CHAINED).len(), 3);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_cancel_of_a_chains_blueprint_or_of_its_image_calls_the_chain_off() {
    let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true});
    for stop in [
        json!({"image": CHAIN_IMAGE, "lighthouse": true}),
        json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": null}),
        json!({"image": CHAINED}),
    ] {
        let mut world = World::new().await;
        world.reset().await;
        // An earlier chain has recorded the blueprint.
        world.deliver(&request("CHG0", chain.clone())).await;
        let mut waiting = request("CHG1", chain.clone());
        waiting["not_before"] = json!(LATER);
        world.deliver(&waiting).await;
        world.advance(60);
        world.deliver(&cancel("CHG2", stop.clone())).await;
        world.advance(2 * HOUR);
        world.sweep().await;
        let (_, results) = results_of(&world, "CHG1").await;
        let accounts: Vec<_> = results
            .into_iter()
            .filter(|result| result.item.to_string().starts_with("account"))
            .collect();
        assert!(called_off(&accounts, "CHG2"), "{stop}: {accounts:?}");
        assert_eq!(world.has(CHAINED), [""; 0], "{stop}");
        world.verify().await.unwrap();
    }
}

/// The cancel arrives while the share's live worker reads the cloud or makes its call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_worker_gives_nothing_more_and_takes_back_what_it_gave() {
    for (image, slow) in [
        (BLUEPRINT, "DescribeBlueprints"),
        (BLUEPRINT, "ShareBlueprintAcrossAccounts"),
        (CVM_IMAGE, "DescribeImageSharePermission"),
        (CVM_IMAGE, "cvm.ModifyImageSharePermission"),
    ] {
        let mut world = World::new().await;
        world.reset().await;
        let change = json!({"image": image});
        assert!(
            world
                .cloud
                .inject(format!("{slow}:slow:700ms").parse().unwrap())
        );
        let share = request("CHG1", change.clone());
        let sharing = world.deliver(&share);
        let another = world.another();
        let cancelling = async {
            until_stuck(&world).await;
            world.advance(1);
            deliver(&another, &cancel("CHG2", change.clone())).await
        };
        let ((_, shared), (_, cancelled)) = tokio::join!(sharing, cancelling);
        assert_eq!(cancelled.status, Status::Completed, "{slow}: {cancelled:?}");
        assert_eq!(shared.status, Status::Failed, "{slow}: {shared:?}");
        assert!(called_off(&shared.results, "CHG2"), "{slow}: {shared:?}");
        assert!(world.shares().is_empty(), "{slow}: {:?}", world.shares());
        assert!(world.app.grants().await.unwrap().entries.is_empty());
        // The share's worker cancels the share too, even if the cloud's list no longer shows it,
        // because the share may have been made a moment ago.
        let most = |what: &str| {
            if what.contains("Cancel") || what.contains("CANCEL") {
                2
            } else {
                1
            }
        };
        let again = world.effects();
        assert!(
            again.iter().all(|(what, count)| *count <= most(what)),
            "{slow}: {again:?}"
        );
        world.verify().await.unwrap();
    }
}

/// The call of an interrupted worker is carried out after the cancel has read the cloud.
#[tokio::test]
async fn what_arrives_after_the_cancel_is_taken_back_unless_a_later_share_gave_it() {
    for renewed in [false, true] {
        let mut world = World::new().await;
        world.reset().await;
        let change = json!({"image": CVM_IMAGE});
        let share = request("CHG1", change.clone());
        interrupt(&mut world, &share, true).await;
        // Remove the shares, as if the call were still on its way.
        let on_its_way = world.cloud.state().regions[REGION].images[CVM_IMAGE]
            .shares
            .clone();
        world.cloud.edit(|cloud| {
            let region = cloud.regions.get_mut(REGION).unwrap();
            region.images.get_mut(CVM_IMAGE).unwrap().shares.clear();
        });
        world.clear_faults().await;
        world.advance(2);
        let (_, answer) = world.deliver(&cancel("CHG2", change.clone())).await;
        assert_eq!(answer.status, Status::Completed);
        if renewed {
            world.advance(2);
            let later = request(
                "CHG3",
                json!({"image": CVM_IMAGE, "accounts": [ACCOUNTS[0]]}),
            );
            world.deliver(&later).await;
        }
        world.cloud.edit(|cloud| {
            let region = cloud.regions.get_mut(REGION).unwrap();
            let shares = &mut region.images.get_mut(CVM_IMAGE).unwrap().shares;
            shares.extend(on_its_way.clone());
        });
        for _ in 0..3 {
            world.advance(HOUR);
            world.sweep().await;
        }
        let left: &[&str] = if renewed { &ACCOUNTS[..1] } else { &[] };
        assert_eq!(world.has_image(CVM_IMAGE), left);
        let (_, results) = results_of(&world, "CHG1").await;
        assert!(called_off(&results[1..], "CHG2"), "{results:?}");
        world.verify().await.unwrap();
    }
}

/// The state of the share when the cancel arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShareState {
    Waiting,
    Deferred,
    /// The worker stopped before its call was carried out.
    Interrupted,
    /// The worker stopped after its call was carried out.
    InterruptedAfter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CancelArrives {
    Before,
    During,
    /// After the share was resumed and closed.
    After,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_interleaving_of_share_cancel_and_policy_ends_as_expected() {
    use ShareState::{Deferred, Interrupted, InterruptedAfter, Waiting};
    let mut table = Vec::new();
    for state in [Waiting, Deferred, Interrupted, InterruptedAfter] {
        for arrives in [
            CancelArrives::Before,
            CancelArrives::During,
            CancelArrives::After,
        ] {
            for changed in [false, true] {
                table.push((state, arrives, changed));
            }
        }
    }
    let mut world = World::new().await;
    world.hurry();
    for (state, arrives, changed) in table {
        for killed in [false, true] {
            let row =
                format!("{state:?}, cancel {arrives:?}, policy changed {changed}, killed {killed}");
            world.reset().await;
            let mut share = request("CHG1", json!({}));
            let stop = cancel(
                "CHG2",
                json!({"requester": "bob@example.com", "approvers": ["alice@example.com"]}),
            );
            if arrives == CancelArrives::Before {
                world.deliver(&stop).await;
                world.advance(1);
            }
            match state {
                Waiting => {
                    share["not_before"] = json!(LATER);
                    world.deliver(&share).await;
                }
                Deferred => {
                    world.cloud.inject("*:reset-before@40".parse().unwrap());
                    let (ending, _) = world.deliver(&share).await;
                    assert_eq!(ending, Ending::Pending, "{row}");
                    world.clear_faults().await;
                }
                Interrupted => interrupt(&mut world, &share, false).await,
                InterruptedAfter => interrupt(&mut world, &share, true).await,
            }
            world.clear_faults().await;
            world.advance(2);
            // The policy still allows the cancel. Only the share's requester and accounts lose
            // their permission later.
            if arrives == CancelArrives::During {
                if killed {
                    kill_and_resume(&mut world, &stop).await;
                } else {
                    world.deliver(&stop).await;
                }
            }
            if changed {
                forbid(&mut world);
            }
            world.advance(2 * HOUR);
            world.sweep().await;
            let (status, results) = results_of(&world, "CHG1").await;
            let all = world.has(BLUEPRINT).len();
            match (arrives, changed) {
                (CancelArrives::During, _) => {
                    assert!(called_off(&results, "CHG2"), "{row}: {results:?}");
                    assert_eq!((status, all), (Status::Failed, 0), "{row}");
                }
                (_, false) => assert_eq!((status, all), (Status::Completed, 3), "{row}"),
                (_, true) => {
                    let given = if state == InterruptedAfter { 3 } else { 0 };
                    assert_eq!((status, all), (Status::Denied, given), "{row}: {results:?}");
                }
            }
            if arrives == CancelArrives::After && !changed {
                world.deliver(&stop).await;
                world.sweep().await;
                assert_eq!(world.has(BLUEPRINT).len(), 0, "{row}");
                let (status, results) = results_of(&world, "CHG1").await;
                assert_eq!(status, Status::Completed, "{row}: {results:?}");
            }
            world.verify().await.unwrap();
            world.restore_entities();
        }
    }
}

/// Stops the cancel's process after each of its writes in turn, until a run is not stopped.
async fn kill_and_resume(world: &mut World, stop: &Value) {
    for nth in 0..20 {
        world.fuse.arm(nth, Break::CrashAfter);
        let done = tokio::select! {
            (ending, _) = deliver(&world.app, stop) => ending == Ending::Done,
            () = world.fuse.crashed() => false,
        };
        world.restart();
        world.advance(300);
        if done {
            break;
        }
    }
    world.fuse.arm(u64::MAX, Break::FailBefore);
    world.sweep().await;
    world.deliver(stop).await;
}

#[tokio::test]
async fn a_revocation_that_cannot_succeed_writes_two_records_and_backs_off_to_a_day() {
    let mut world = World::with(Place::Brittle, |_| ()).await;
    world.reset().await;
    world
        .deliver(&request("CHG1", json!({"expires_in": "1h"})))
        .await;
    world.advance(HOUR);
    world.cloud.inject(
        "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@1000"
            .parse()
            .unwrap(),
    );
    for attempt in 0..18_u32 {
        let before = newest(&world).await;
        let report = world.sweep().await;
        // Each attempt writes two records: its lease (`revoking` or `taken`), and its outcome.
        assert_eq!(newest(&world).await, before + 2, "attempt {attempt}");
        let next = report.overdue[0].left.next_attempt;
        let pause = next.duration_since(world.now()).as_secs();
        assert_eq!(pause, (5 << attempt).min(24 * HOUR), "attempt {attempt}");
        world.advance(pause - 1);
        world.sweep().await;
        assert_eq!(newest(&world).await, before + 2, "before the pause ends");
        world.clock.set(next);
    }
    world.verify().await.unwrap();
    world.clear_faults().await;
    world.advance(25 * HOUR);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
    assert!(world.shares().is_empty());
    world.verify().await.unwrap();
}

/// The number of the newest record of the only request.
async fn newest(world: &World) -> u64 {
    let listed = world.app.requests(None).await.unwrap();
    let record = listed.entries[0].answer.record.clone().unwrap();
    record.split(['/', '.']).nth(2).unwrap().parse().unwrap()
}

/// The cloud refuses the call of a share. Before the worker records that call, a cancel calls off
/// one account. By then, the policies deny the other accounts.
#[tokio::test]
async fn a_refusal_records_the_calls_of_its_turn() {
    let mut world = World::new().await;
    let file = world.folder.path().join("policy/until-nine.cedar");
    let until_nine = format!(
        "@id(\"until-nine\") forbid (principal, action == Share::Action::\"share\", resource) \
         when {{ context.now >= datetime(\"{LATER}\") }};"
    );
    std::fs::write(file, until_nine).unwrap();
    world.hurry();
    let refused = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation.NoPermission";
    assert!(world.cloud.inject(refused.parse().unwrap()));
    world.fuse.arm_at("000001.json", Break::Stall);
    let share = request("CHG1", json!({}));
    let calling_off = async {
        world.fuse.stalled().await;
        let part = json!({"accounts": [ACCOUNTS[1]]});
        deliver(&world.another(), &cancel("CHG2", part)).await;
        world.advance(HOUR);
        world.fuse.release();
    };
    let ((ending, _), ()) = tokio::join!(world.deliver(&share), calling_off);
    assert_eq!(ending, Ending::Denied);
    let stream = StreamId::of(&Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG1".to_owned(),
    });
    let history = world.journal.read(stream).await.unwrap().unwrap();
    let calls = history
        .records
        .iter()
        .flat_map(|stored| stored.record.event.parts().1);
    let codes: Vec<_> = calls.map(|call| call.code.as_deref()).collect();
    assert_eq!(codes, [Some("UnauthorizedOperation.NoPermission")]);
    world.verify().await.unwrap();
}
