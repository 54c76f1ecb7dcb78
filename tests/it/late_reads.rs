//! Approvals whose instance can be read only long after the approval. Their requests have the
//! instant of the approval: it decides which of a share and a cancel came first, and when a share
//! expires.

use serde_json::{Value, json};
use sharehook::app::{JournalReader, Operator};
use sharehook::domain::{Identity, NoticeRules, Status, Timestamp};
use sharehook::journal::{Phase, State, StreamId};

use crate::support::approvals::{NOTHING, SHARED, SYSTEMS, count};
use crate::support::feishu::{self, CODE, DEFINITION, approve, receive};
use crate::support::stops::killed_anywhere;
use crate::support::store::Break;
use crate::support::{ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, Place, World, deadline, request};

const CANCEL: &str = "B1D31358-93AF-92D6-7425-01A5D67C4E71";

/// The sample's form as a cancel.
fn cancels() -> Value {
    let sample = feishu::instance(CODE, json!({}));
    let mut form: Vec<Value> = serde_json::from_str(sample["form"].as_str().unwrap()).unwrap();
    form.retain(|widget| widget["custom_id"] != "expires");
    form.push(json!({"custom_id": "action", "value": "cancel"}));
    json!({"form": json!(form).to_string()})
}

async fn announce(world: &World, code: &str) {
    receive(world, code, json!({"instance_code": code})).await;
}

async fn state(world: &World, id: &str) -> State {
    let source = "feishu".parse().unwrap();
    let stream = StreamId::of(&Identity {
        source,
        id: id.to_owned(),
    });
    let history = world.journal.read(stream).await.unwrap().unwrap();
    history.stream_state.into_state().unwrap()
}

fn later(seconds: i64, at: Timestamp) -> Timestamp {
    at + jiff::SignedDuration::from_secs(seconds)
}

/// The API does not know the share's instance until the cancel, approved a minute later, is done.
#[tokio::test]
async fn a_share_that_is_read_after_a_later_cancel_is_called_off() {
    let folder = tempfile::tempdir().unwrap();
    for (lost_index, retired) in [(false, false), (true, false), (true, true)] {
        let mut world = match lost_index {
            true => {
                let journal = folder.path().join(format!("retired-{retired}"));
                World::with(Place::At(&format!("file:{}", journal.display())), |_| ()).await
            }
            false => World::new().await,
        };
        world.set_variable("FEISHU_ENCRYPT_KEY", feishu::system().secret);
        let url = world.cloud.url();
        world.set_variable("SHAREHOOK_FETCH_ENDPOINT", &url);
        world.add_source("feishu");
        world.configure("");
        world.sweep().await;
        let approved = world.now();
        announce(&world, CODE).await;
        world.advance(60);
        feishu::put_instance_as(&world, CANCEL, cancels());
        announce(&world, CANCEL).await;
        world.sweep().await;
        assert_eq!(state(&world, CANCEL).await.results().len(), SHARED.len());
        if retired {
            world.advance(2 * 86_400);
            crate::lost_files::retire_all(&world).await;
            let cancel = state(&world, CANCEL).await.stream();
            assert!(world.journal.is_retired(cancel).await.unwrap());
        }
        if lost_index {
            let cancels = format!("retired-{retired}/index/cancels");
            std::fs::remove_dir_all(folder.path().join(cancels)).unwrap();
            world.app.reindex().await.unwrap();
        }
        feishu::put_instance(&world, json!({}));
        world.advance(600);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), NOTHING);
        let share = state(&world, CODE).await;
        assert_eq!(
            (share.approved_at(), share.opened_at()),
            (approved, world.now())
        );
        let by = share.call_off_of(&share.request().target.items()[0]);
        assert_eq!(by.unwrap().by.id, CANCEL);
        // A share that is approved after the cancel acts.
        world.advance(60);
        feishu::put_instance_as(&world, "A-1", json!({}));
        announce(&world, "A-1").await;
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED);
        world.verify().await.unwrap();
    }
}

/// The cancel names the CVM image, and the share the blueprint that was made from it. After the
/// cancel, the image is put into Lighthouse again, or stays there for a share that was approved later.
#[tokio::test]
async fn a_share_of_a_blueprint_is_called_off_by_a_later_cancel_of_its_image() {
    let share =
        |accounts: Value| json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": accounts});
    for stays in [false, true] {
        let mut world = feishu::world().await;
        world.change_entities(|text| text.replace(BLUEPRINT, CHAINED));
        world.deliver(&request("FIRST", share(json!(null)))).await;
        assert!(
            world
                .shares()
                .contains_key(&format!("{CHAIN_IMAGE} in Lighthouse"))
        );
        announce(&world, CODE).await;
        world.advance(60);
        let mut cancel = share(json!(null));
        cancel["action"] = "cancel".into();
        let cancel = request("CANCEL", cancel);
        if stays {
            world.fuse.arm_at("000001.json", Break::CrashBefore);
            tokio::select! {
                _ = world.deliver(&cancel) => panic!("it was not stopped"),
                () = world.fuse.crashed() => {}
            }
            world.advance(300);
        } else {
            world.deliver(&cancel).await;
            world.advance(60);
        }
        world
            .deliver(&request("LATER", share(json!([ACCOUNTS[0]]))))
            .await;
        assert_eq!(world.has(CHAINED), [ACCOUNTS[0]]);
        // Another process, which remembers nothing, reads the share.
        world.restart();
        let form = |instance: Value| instance.to_string().replace(BLUEPRINT, CHAINED);
        let form = form(feishu::instance(CODE, json!({}))["form"].clone());
        let form: Value = serde_json::from_str(&form).unwrap();
        feishu::put_instance(&world, json!({"form": form}));
        world.advance(600);
        world.sweep().await;
        assert_eq!(world.has(CHAINED), [ACCOUNTS[0]], "{stays}");
        let read = state(&world, CODE).await;
        let by = read.call_off_of(&read.request().target.items()[0]);
        assert_eq!(by.unwrap().by.id, "CANCEL", "{stays}");
        // A share that is approved after the cancel acts.
        feishu::put_instance_as(&world, "A-1", json!({"form": form}));
        announce(&world, "A-1").await;
        world.advance(60);
        world.sweep().await;
        assert_eq!(world.has(CHAINED).len(), 1 + SHARED.len(), "{stays}");
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_cancel_that_is_read_late_leaves_what_was_approved_after_it() {
    let world = feishu::world().await;
    announce(&world, CANCEL).await;
    world.advance(60);
    feishu::put_instance(&world, json!({}));
    announce(&world, CODE).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    feishu::put_instance_as(&world, CANCEL, cancels());
    world.advance(600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let left = state(&world, CANCEL).await;
    assert!(left.results().iter().all(|result| !result.succeeded()));
    world.verify().await.unwrap();
}

/// One sweep works off both at the same time, in any order.
#[tokio::test]
async fn a_cancel_ends_the_share_before_it_whichever_is_read_first() {
    let mut world = feishu::world().await;
    for nth in 0..12 {
        world.reset().await;
        let (share, cancel) = (format!("A-{nth}"), format!("B-{nth}"));
        feishu::put_instance_as(&world, &share, json!({}));
        feishu::put_instance_as(&world, &cancel, cancels());
        announce(&world, &share).await;
        world.advance(1);
        announce(&world, &cancel).await;
        for _ in 0..4 {
            world.sweep().await;
            world.advance(60);
        }
        assert_eq!(world.has(BLUEPRINT), NOTHING, "{nth}");
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn killed_anywhere_the_cancel_ends_the_share_before_it() {
    let worlds = [feishu::world().await, feishu::world().await];
    let met = killed_anywhere(worlds, &NOTHING, async |world| {
        feishu::put_instance_as(world, CANCEL, cancels());
        announce(world, CODE).await;
        world.advance(1);
        announce(world, CANCEL).await;
        world.sweep().await;
        feishu::put_instance(world, json!({}));
        world.advance(60);
    });
    let met = met.await;
    assert!(met >= 20, "only {met} places");
}

#[tokio::test]
async fn an_expiry_counts_from_the_approval() {
    let day = 86_400;
    let world = feishu::world().await;
    let approved = world.now();
    announce(&world, CODE).await;
    world.advance(2 * day);
    feishu::put_instance(&world, json!({}));
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let share = state(&world, CODE).await;
    assert_eq!(share.expires_at(), Some(later(30 * day, approved)));
    assert_eq!(
        share.begins_at(),
        world.now(),
        "its attempts count from its record"
    );
    // The list names it, but it expired before it was found.
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.world("").await;
        let end = later(-2 * day, world.now()).as_second();
        system.put_instance(&world, &|instance| {
            crate::approvals::begun_and_ended(instance, end - 60, end);
            let text = instance.to_string().replace("30d", "1d");
            *instance = serde_json::from_str(&text).unwrap();
        });
        world.advance(3_600);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), NOTHING, "{name}");
        assert_eq!(count(&world, "rejected").await, 1, "{name}");
        world.verify().await.unwrap();
    }
}

fn carol() -> Operator {
    Operator {
        source: "feishu".parse().unwrap(),
        requester: "carol".to_owned(),
    }
}

/// An operator retries it, after the approval was withdrawn.
#[tokio::test]
async fn a_denied_request_reads_its_instance_again_before_it_shares() {
    let by = carol();
    for readable in [true, false] {
        let mut world = feishu::world().await;
        world.change_entities(|text| text.replace(SHARED[0], "700000000099"));
        feishu::put_instance(&world, json!({}));
        announce(&world, CODE).await;
        world.sweep().await;
        world.restore_entities();
        world.advance(3_600);
        // The event of the withdrawal is lost.
        feishu::put_instance(&world, json!({"status": "REVERTED", "reverted": true}));
        feishu::fail(&world, (!readable).then_some(1_395_001));
        let retried = world
            .app
            .retry(CODE, &by, "the list is corrected", deadline());
        retried.await.unwrap();
        feishu::fail(&world, None);
        world.advance(900);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), NOTHING, "{readable}");
        assert_eq!(count(&world, "called_off").await, 1, "{readable}");
        world.verify().await.unwrap();
    }
}

/// A share without an end waits for an instance that its app may not read any more, or that is not
/// approved any more. It ends after `retry_for`, its ticket learns that, and `retry` reopens it.
#[tokio::test]
async fn a_share_whose_instance_stays_unreadable_fails_after_retry_for() {
    let by = carol();
    for rejected in [false, true] {
        let mut world = feishu::system().notifying_world().await;
        world.change_entities(|text| text.replace(SHARED[0], "700000000099"));
        let sample = cancels();
        let mut form: Vec<Value> = serde_json::from_str(sample["form"].as_str().unwrap()).unwrap();
        form.retain(|widget| widget["custom_id"] != "action");
        let unending = json!({"form": json!(form).to_string()});
        feishu::put_instance(&world, unending.clone());
        announce(&world, CODE).await;
        world.sweep().await;
        world.notify().await;
        let told = feishu::system().notes(&world).len();
        assert_eq!(told, 1, "of the denial");
        world.restore_entities();
        let retry = async || {
            let retried = world
                .app
                .retry(CODE, &by, "the list is corrected", deadline());
            retried.await.unwrap();
            state(&world, CODE).await
        };
        match rejected {
            true => feishu::put_instance(&world, json!({"status": "REJECTED"})),
            false => feishu::fail(&world, Some(1_395_001)),
        }
        assert_eq!(retry().await.status(), Status::Pending);
        for _ in 0..23 {
            world.advance(3_600);
            world.sweep().await;
        }
        let waits = state(&world, CODE).await;
        assert_eq!(
            (waits.status(), waits.expires_at()),
            (Status::Pending, None)
        );
        assert_eq!(feishu::system().notes(&world).len(), told);
        world.advance(3_700);
        world.sweep().await;
        let failed = state(&world, CODE).await;
        assert_eq!(failed.status(), Status::Failed);
        for result in failed.results() {
            let shown = format!("{:?}", result.kind);
            assert!(shown.contains("ApprovalUnread"), "{shown}");
        }
        assert_eq!(world.has(BLUEPRINT), NOTHING);
        feishu::fail(&world, None);
        world.advance(3_600);
        world.sweep().await;
        assert_eq!(feishu::system().notes(&world).len(), told + 1);
        feishu::put_instance(&world, unending);
        assert_eq!(retry().await.status(), Status::Completed);
        assert_eq!(world.has(BLUEPRINT), SHARED);
        world.verify().await.unwrap();
    }
}

/// Five seconds, then as long as the attempts have lasted, at most 15 minutes.
#[tokio::test]
async fn looks_at_an_unreadable_instance_become_rarer() {
    let mut world = feishu::world().await;
    world.change_entities(|text| text.replace(SHARED[0], "700000000099"));
    feishu::put_instance(&world, json!({}));
    announce(&world, CODE).await;
    world.sweep().await;
    world.restore_entities();
    feishu::fail(&world, Some(1_395_001));
    let by = carol();
    let retried = (world.app).retry(CODE, &by, "the list is corrected", deadline());
    retried.await.unwrap();
    let mut pauses = Vec::new();
    for _ in 0..11 {
        let due = state(&world, CODE).await.due_at().unwrap();
        pauses.push(due.duration_since(world.now()).as_secs());
        world.clock.set(due);
        world.sweep().await;
    }
    assert_eq!(pauses, [5, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
    feishu::fail(&world, None);
    world.advance(900);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn what_was_given_ends_although_its_definition_is_not_listed_any_more() {
    let mut world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    announce(&world, CODE).await;
    let report = world.sweep().await;
    assert_eq!(report.finished, [format!("feishu/{CODE}")], "{report}");
    world.rewrite_configuration(DEFINITION, "ANOTHER-DEFINITION");
    let unknown = json!({"status": "REVERTED", "instance_code": "A-1"});
    receive(&world, "e2", unknown).await;
    assert_eq!(count(&world, "received").await, 1);
    feishu::withdraw(&world).await;
    feishu::fail(&world, Some(1_390_009));
    world.sweep().await;
    let rules = NoticeRules::default();
    let reader = JournalReader::new(&world.journal, &rules, world.now());
    let explained = reader.explain(state(&world, CODE).await.stream()).await;
    let next = explained.unwrap().unwrap().next;
    for says in [
        "a withdrawal waits",
        "1390009",
        "the sweep revokes the share at",
    ] {
        assert!(next.contains(says), "{next}");
    }
    feishu::fail(&world, None);
    world.advance(60);
    let report = world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    assert_eq!(report.revoked, [format!("feishu/{CODE}")], "{report}");
    world.verify().await.unwrap();
}

/// The announcement is open while the sweep looks at the list, and leads to no request later.
#[tokio::test]
async fn what_the_list_named_while_it_was_open_is_fetched_once_more() {
    let world = feishu::world().await;
    let end = world.now().as_millisecond() - 60_000;
    let ended = json!({"start_time": (end - 1_000).to_string(), "end_time": end.to_string()});
    let mut broken = ended.clone();
    broken["form"] = "[]".into();
    feishu::put_instance(&world, broken);
    announce(&world, CODE).await;
    world.advance(600);
    world.sweep().await;
    assert_eq!(count(&world, "settled").await, 1);
    feishu::put_instance(&world, ended);
    world.advance(600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

/// The cloud's site does not list the receivers of a blueprint, so a share that has made a call cannot
/// be settled by a reading. It must not be closed at its first failed look at its instance.
#[tokio::test]
async fn a_share_that_has_called_waits_for_its_unreadable_instance() {
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    let refused =
        "ShareBlueprintAcrossAccounts:error-before:InvalidParameterValue.AccountIdsNotExist@9";
    assert!(world.cloud.inject(refused.parse().unwrap()));
    announce(&world, CODE).await;
    world.sweep().await;
    assert_eq!(state(&world, CODE).await.status(), Status::Failed);
    world.cloud.clear_faults();
    feishu::fail(&world, Some(1_395_001));
    let by = carol();
    let retried = world
        .app
        .retry(CODE, &by, "the account exists now", deadline());
    retried.await.unwrap();
    let waits = state(&world, CODE).await;
    assert_eq!(waits.status(), Status::Pending, "{:?}", waits.results());
    feishu::fail(&world, None);
    world.advance(1_000);
    world.sweep().await;
    assert_eq!(state(&world, CODE).await.status(), Status::Completed);
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.verify().await.unwrap();
}

/// The source's `map` and `fetch` in the configuration, up to the values of `fetch`.
const WITH_FETCH: &str = "map     = \"feishu\"\nfetch   = {";
const WITHOUT_FETCH: &str = "map     = \"native\"\n# {";
const UNPERMITTED: &str = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90";

/// Delivers the approval of a share that waits because the cloud refuses its call, and withdraws
/// the approval without an event.
async fn refused_and_then_withdrawn(world: &World) {
    assert!(world.cloud.inject(UNPERMITTED.parse().unwrap()));
    approve(world).await;
    assert_eq!(state(world, CODE).await.status(), Status::Pending);
    feishu::put_instance(world, json!({"status": "REVERTED", "reverted": true}));
    world.clear_faults().await;
    world.advance(1_200);
}

#[tokio::test]
async fn a_share_whose_calls_the_cloud_refused_reads_its_instance_again() {
    let world = feishu::world().await;
    refused_and_then_withdrawn(&world).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    assert_eq!(count(&world, "called_off").await, 1);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_share_that_waits_while_its_source_loses_its_fetch_is_not_made_without_it() {
    let mut world = feishu::world().await;
    refused_and_then_withdrawn(&world).await;
    world.rewrite_configuration(WITH_FETCH, WITHOUT_FETCH);
    for _ in 0..3 {
        world.sweep().await;
        world.advance(1_200);
    }
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    let waits = state(&world, CODE).await;
    let Phase::Deferred { why, .. } = waits.phase() else {
        panic!("{waits:?}");
    };
    assert!(why.contains("no `fetch` for its approval system"), "{why}");
    world.rewrite_configuration(WITHOUT_FETCH, WITH_FETCH);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    assert_eq!(count(&world, "called_off").await, 1);
    world.verify().await.unwrap();
}

/// The source gets the `fetch` of another system, its events are read without one, or it gets
/// another name. Its old name is then not configured any more, which denies the share.
#[tokio::test]
async fn a_share_that_was_not_begun_ends_if_its_source_keeps_no_fetch() {
    let by = carol();
    for (from, to, end) in [
        (WITH_FETCH, WITHOUT_FETCH, Status::Failed),
        ("name    = \"feishu\"", "name    = \"lark\"", Status::Denied),
    ] {
        let mut world = feishu::world().await;
        world.change_entities(|text| text.replace(SHARED[0], "700000000099"));
        approve(&world).await;
        world.restore_entities();
        feishu::fail(&world, Some(1_395_001));
        let retried = world
            .app
            .retry(CODE, &by, "the list is corrected", deadline());
        retried.await.unwrap();
        feishu::fail(&world, None);
        world.rewrite_configuration(from, to);
        world.advance(900);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), NOTHING, "{to}");
        world.advance(86_400);
        world.sweep().await;
        let ended = state(&world, CODE).await;
        assert_eq!(
            (ended.status(), world.has(BLUEPRINT)),
            (end, vec![]),
            "{to}"
        );
        let shown = format!("{:?}", ended.results());
        let unread = shown.contains("ApprovalUnread");
        assert_eq!(unread, end == Status::Failed, "{shown}");
        world.rewrite_configuration(to, from);
        let retried = world.app.retry(CODE, &by, "`fetch` is back", deadline());
        retried.await.unwrap();
        assert_eq!(world.has(BLUEPRINT), SHARED, "{to}");
        world.verify().await.unwrap();
    }
}
