//! Stops the process wherever it writes, and goes on.

use std::time::Duration;

use serde_json::Value;

use super::store::Break;
use super::{BLUEPRINT, World};

/// Stops the process at its first call of `action`, once the cloud has carried that out.
pub(crate) async fn stopped_in_call(world: &mut World, request: &Value, action: &str) {
    let held = format!("{action}:slow:600s");
    assert!(world.cloud.inject(held.parse().unwrap()));
    tokio::select! {
        _ = world.deliver(request) => panic!("it was not stopped"),
        () = until_stuck(world) => {}
    }
    world.restart();
}

/// Returns when a call has met a fault.
pub(crate) async fn until_stuck(world: &World) {
    let stuck = || {
        let calls = world.cloud.calls();
        calls.iter().any(|call| call.fault.is_some())
    };
    while !stuck() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Stops the process at each write of the journal while `deliver` delivers an event, and asserts that its
/// repetitions and sweeps share once with these accounts. Returns the number of places.
pub(crate) async fn killed_anywhere(
    world: &mut World,
    shared: &[&str],
    deliver: impl AsyncFn(&World),
) -> usize {
    let mut met = 0;
    for how in [Break::CrashBefore, Break::CrashAfter] {
        for nth in 0.. {
            assert!(nth < 60, "the scenario does not end");
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
            let undisturbed = !world.fuse.met();
            assert_eq!(world.has(BLUEPRINT), shared, "{how:?} {nth}");
            assert!(
                world.effects().values().all(|times| *times == 1),
                "{how:?} {nth}"
            );
            // Of a record that was never written, the index forgets the entry after a day.
            world.advance(25 * 3_600);
            world.sweep().await;
            world.verify().await.unwrap();
            if undisturbed {
                break;
            }
            met += 1;
        }
    }
    met
}
