//! Stops the process at a cloud call or at a write of the journal, and restarts it.

use std::time::Duration;

use serde_json::Value;

use super::store::Break;
use super::{BLUEPRINT, World};

/// Stops the process during its first call of `action`, after the cloud has carried the call out.
pub(crate) async fn stopped_in_call(world: &mut World, request: &Value, action: &str) {
    let held = format!("{action}:slow:600s");
    assert!(world.cloud.inject(held.parse().unwrap()));
    tokio::select! {
        _ = world.deliver(request) => panic!("it was not stopped"),
        () = until_stuck(world) => {}
    }
    world.restart();
}

/// Returns when a fault has affected a call.
pub(crate) async fn until_stuck(world: &World) {
    let stuck = || {
        let calls = world.cloud.calls();
        calls.iter().any(|call| call.fault.is_some())
    };
    while !stuck() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// For each write of the journal while `deliver` delivers an event: stops the process there, then
/// delivers and sweeps again. Asserts that there is one share with exactly these accounts. Returns
/// the number of stops. One world stops before the writes and the other one after them. The two run
/// concurrently, because each waits for paced calls.
pub(crate) async fn killed_anywhere(
    [mut one, mut other]: [World; 2],
    shared: &[&str],
    deliver: impl AsyncFn(&World),
) -> usize {
    let before = killed(&mut one, Break::CrashBefore, shared, &deliver);
    let after = killed(&mut other, Break::CrashAfter, shared, &deliver);
    let (before, after) = tokio::join!(before, after);
    before + after
}

async fn killed(
    world: &mut World,
    how: Break,
    shared: &[&str],
    deliver: &impl AsyncFn(&World),
) -> usize {
    for nth in 0.. {
        assert!(nth < 200, "the scenario does not end");
        world.reset().await;
        world.fuse.arm(nth, how);
        for _ in 0..3 {
            let stopped = tokio::select! {
                () = async {
                    deliver(world).await;
                    world.sweep().await;
                } => false,
                () = world.fuse.crashed() => true,
            };
            if stopped {
                world.restart();
            }
            world.advance(300);
        }
        let undisturbed = !world.fuse.reached();
        assert_eq!(world.has(BLUEPRINT), shared, "{how:?} {nth}");
        let effects = world.effects();
        assert!(effects.values().all(|times| *times == 1), "{how:?} {nth}");
        // After a day the index drops the entry of a record that was never written.
        world.advance(25 * 3_600);
        world.sweep().await;
        world.verify().await.unwrap();
        if undisturbed {
            return nth as usize;
        }
    }
    unreachable!()
}
