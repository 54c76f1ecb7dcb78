//! Approvals whose event never arrived: a sweep finds them in Feishu's list of approved instances, soon,
//! once, and without much work while there is nothing new.

use serde_json::{Value, json};

use crate::feishu::{SHARED, receive, records, world};
use crate::support::feishu::{CODE, Feishu};
use crate::support::{BLUEPRINT, World};

const NOTHING: [&str; 0] = [];

/// An instance that was approved `seconds` before `now`.
fn ended(world: &World, seconds: i64) -> Value {
    let end = world.now().as_millisecond() - seconds * 1_000;
    json!({"start_time": (end - 3_600_000).to_string(), "end_time": end.to_string()})
}

/// The next sweep looks at the list again.
async fn next_sweep(world: &World) {
    world.advance(600);
    world.sweep().await;
}

#[tokio::test]
async fn an_approval_whose_event_is_lost_is_found_and_shared_once() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(ended(&world, 60));
    next_sweep(&world).await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let types = records(&world).await;
    assert!(types.contains(&"received".to_owned()), "{types:?}");
    // The event comes after all.
    assert!(receive(&world, "e1", json!({})).await.1.duplicate);
    for _ in 0..3 {
        next_sweep(&world).await;
    }
    assert_eq!(
        (records(&world).await.len(), api.calls().1),
        (types.len(), 1)
    );
    assert!(world.effects().values().all(|times| *times == 1));
    world.verify().await.unwrap();
}

#[tokio::test]
async fn an_announced_approval_is_not_found_again() {
    let api = Feishu::start().await;
    let mut world = world(&api).await;
    api.put(ended(&world, 60));
    receive(&world, "e1", json!({})).await;
    next_sweep(&world).await;
    let before = records(&world).await.len();
    // Another process knows no more than the journal says.
    world.restart();
    next_sweep(&world).await;
    assert_eq!((records(&world).await.len(), api.calls().1), (before, 1));
}

#[tokio::test]
async fn what_ended_long_ago_or_otherwise_is_left_alone() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(ended(&world, 4 * 86_400));
    for (code, change) in [
        ("A-1", json!({"status": "REJECTED"})),
        ("A-2", json!({"reverted": true})),
        ("A-3", json!({"approval_code": "ANOTHER-DEFINITION"})),
        ("../users", json!({})),
    ] {
        let mut instance = ended(&world, 60);
        let fields = instance.as_object_mut().unwrap();
        fields.extend(change.as_object().unwrap().clone());
        api.put_as(code, instance);
    }
    next_sweep(&world).await;
    assert_eq!((api.calls().1, records(&world).await.len()), (0, 0));
    assert_eq!(world.has(BLUEPRINT), NOTHING);
}

#[tokio::test]
async fn a_look_at_the_list_is_rare_and_cheap() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(ended(&world, 60));
    next_sweep(&world).await;
    let (lists, before) = (api.lists(), records(&world).await.len());
    for _ in 0..60 {
        world.advance(60);
        world.sweep().await;
    }
    assert_eq!(api.lists() - lists, 6);
    assert_eq!((records(&world).await.len(), api.calls().1), (before, 1));
}

#[tokio::test]
async fn many_lost_events_are_worked_off_in_turns() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.page(60);
    for n in 0..130 {
        let mut instance = ended(&world, 60);
        // Not what a map can read, so that none of them costs the time of a share.
        instance["form"] = "[]".into();
        api.put_as(&format!("LOST-{n}"), instance);
    }
    next_sweep(&world).await;
    let received = async || {
        let types = records(&world).await;
        types.iter().filter(|kind| *kind == "received").count()
    };
    assert_eq!((received().await, api.lists()), (100, 4));
    next_sweep(&world).await;
    assert_eq!(received().await, 130);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_costs_no_sweep_and_is_read_later() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(ended(&world, 60));
    api.fail(Some(1_395_001));
    world.advance(600);
    let report = world.sweep().await;
    assert!(!report.failed(), "{report}");
    api.fail(None);
    next_sweep(&world).await;
    assert_eq!(world.has(BLUEPRINT), SHARED, "{CODE}");
}
