//! Approvals whose event never arrived. A sweep finds them in Feishu's list of approved instances
//! soon and only once. It does little work if there is nothing new.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt as _;
use serde_json::{Value, json};
use sharehook::journal::Journal;

use crate::support::approvals::{NOTHING, SHARED, count, records};
use crate::support::feishu::{self, CODE, receive};
use crate::support::store::Brittle;
use crate::support::{BLUEPRINT, World};

/// Returns the times of an instance whose approval ended `seconds` ago.
fn ended(world: &World, seconds: i64) -> Value {
    let end = world.now().as_millisecond() - seconds * 1_000;
    json!({"start_time": (end - 3_600_000).to_string(), "end_time": end.to_string()})
}

/// Sweeps after ten minutes, because earlier sweeps would not read the list again.
async fn next_sweep(world: &World) {
    world.advance(600);
    world.sweep().await;
}

#[tokio::test]
async fn an_approval_whose_event_is_lost_is_found_and_shared_once() {
    let world = feishu::world().await;
    feishu::put_instance(&world, ended(&world, 60));
    next_sweep(&world).await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let types = records(&world).await;
    assert!(types.contains(&"received".to_owned()), "{types:?}");
    // The event arrives late.
    assert!(receive(&world, "e1", json!({})).await.1.duplicate);
    for _ in 0..3 {
        next_sweep(&world).await;
    }
    assert_eq!(
        (records(&world).await.len(), feishu::calls(&world).reads),
        (types.len(), 1)
    );
    assert!(world.effects().values().all(|times| *times == 1));
    world.verify().await.unwrap();
}

/// The name of a wake-up is a whole second, rounded up from the time at which its work is due.
#[tokio::test]
async fn the_sweep_that_finds_a_lost_approval_fetches_it_also_between_two_seconds() {
    let world = feishu::world().await;
    feishu::put_instance(&world, ended(&world, 60));
    world.advance(600);
    world.clock.set(world.now() + Duration::from_millis(250));
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.advance(1);
    assert!(world.sweep().await.is_quiet());
    assert_eq!(feishu::calls(&world).reads, 1);
}

#[tokio::test]
async fn an_announced_approval_is_not_found_again() {
    let mut world = feishu::world().await;
    feishu::put_instance(&world, ended(&world, 60));
    receive(&world, "e1", json!({})).await;
    next_sweep(&world).await;
    let before = records(&world).await.len();
    // A new process knows only what is in the journal.
    world.restart();
    next_sweep(&world).await;
    assert_eq!(
        (records(&world).await.len(), feishu::calls(&world).reads),
        (before, 1)
    );
}

#[tokio::test]
async fn what_ended_long_ago_or_otherwise_is_left_alone() {
    let world = feishu::world().await;
    feishu::put_instance(&world, ended(&world, 4 * 86_400));
    for (code, change) in [
        ("A-1", json!({"status": "REJECTED"})),
        ("A-2", json!({"reverted": true})),
        ("A-3", json!({"approval_code": "ANOTHER-DEFINITION"})),
        ("../users", json!({})),
    ] {
        let mut instance = ended(&world, 60);
        let fields = instance.as_object_mut().unwrap();
        fields.extend(change.as_object().unwrap().clone());
        feishu::put_instance_as(&world, code, instance);
    }
    next_sweep(&world).await;
    assert_eq!(
        (feishu::calls(&world).reads, records(&world).await.len()),
        (0, 0)
    );
    assert_eq!(world.has(BLUEPRINT), NOTHING);
}

#[tokio::test]
async fn a_look_at_the_list_is_rare_and_cheap() {
    let world = feishu::world().await;
    feishu::put_instance(&world, ended(&world, 60));
    next_sweep(&world).await;
    let (lists, before) = (feishu::calls(&world).lists, records(&world).await.len());
    for _ in 0..60 {
        world.advance(60);
        world.sweep().await;
    }
    assert_eq!(feishu::calls(&world).lists - lists, 6);
    assert_eq!(
        (records(&world).await.len(), feishu::calls(&world).reads),
        (before, 1)
    );
}

/// Restarts the process before each sweep, like a function or a command.
#[tokio::test]
async fn processes_share_the_time_of_the_last_look() {
    let mut world = feishu::world().await;
    let lists = feishu::calls(&world).lists;
    for _ in 0..60 {
        world.advance(60);
        world.restart();
        world.sweep().await;
    }
    assert_eq!(feishu::calls(&world).lists - lists, 6);
    world.verify().await.unwrap();
}

/// The event announces an instance that leads to no request. Finding the instance in the list
/// causes one more attempt, not one attempt each time the list is read.
#[tokio::test]
async fn what_a_broken_event_announced_is_found_once_in_the_list() {
    let mut world = feishu::world().await;
    feishu::put_instance(&world, json!({"status": "REJECTED"}));
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    let mut listed = ended(&world, 60);
    listed["form"] = "[]".into();
    feishu::put_instance(&world, listed);
    for _ in 0..3 {
        world.restart();
        next_sweep(&world).await;
    }
    assert_eq!(count(&world, "received").await, 2);
    let another = "A-1";
    feishu::put_instance_as(&world, another, json!({"status": "REJECTED"}));
    receive(&world, "e2", json!({"instance_code": another})).await;
    world.sweep().await;
    feishu::put_instance_as(&world, another, ended(&world, 60));
    next_sweep(&world).await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.verify().await.unwrap();
}

/// The list names two instances. The announcement of the first one is damaged.
#[tokio::test]
async fn an_approval_behind_a_damaged_announcement_is_found() {
    let mut world = feishu::world().await;
    let store = Arc::new(Brittle::new(Arc::clone(&world.fuse)));
    world.journal = Journal::over(store.clone());
    world.restart();
    world.sweep().await;
    let first = "0-FIRST";
    assert!(first < CODE);
    feishu::put_instance_as(&world, first, ended(&world, 60));
    receive(&world, "e1", json!({"instance_code": first})).await;
    let announcement = world.journal.streams().await.unwrap().remove(0);
    let record = format!("requests/{announcement}/000000.json");
    store.put(&record.into(), "{}\n".into()).await.unwrap();
    feishu::put_instance(&world, ended(&world, 60));
    world.advance(600);
    let report = world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED, "{report}");
    assert_eq!(feishu::calls(&world).reads, 1, "{CODE} alone was fetched");
}

#[tokio::test]
async fn many_lost_events_are_worked_off_in_turns() {
    let world = feishu::world().await;
    feishu::tenant(&world, |tenant| tenant.page_size = Some(60));
    for n in 0..130 {
        let mut instance = ended(&world, 60);
        // An instance with an empty form becomes no request, so none takes the time of a share.
        instance["form"] = "[]".into();
        feishu::put_instance_as(&world, &format!("LOST-{n}"), instance);
    }
    next_sweep(&world).await;
    let received = async || {
        let types = records(&world).await;
        types.iter().filter(|kind| *kind == "received").count()
    };
    assert_eq!((received().await, feishu::calls(&world).lists), (100, 4));
    next_sweep(&world).await;
    assert_eq!(received().await, 130);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_costs_no_sweep_and_is_read_later() {
    let world = feishu::world().await;
    feishu::put_instance(&world, ended(&world, 60));
    feishu::fail(&world, Some(1_395_001));
    world.advance(600);
    let report = world.sweep().await;
    assert!(!report.failed(), "{report}");
    feishu::fail(&world, None);
    next_sweep(&world).await;
    assert_eq!(world.has(BLUEPRINT), SHARED, "{CODE}");
}
