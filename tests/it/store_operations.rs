//! Counts the store operations of a delivery, and how many steps come before and after the first
//! sharing call. Journals with a short and a long history of finished requests must have the same
//! numbers.

use serde_json::{Value, json};

use crate::read_operations::histories;
use crate::support::{ACCOUNTS, STRANGER, World, history, request};

/// The number of operations, of steps before the first sharing call, and of steps after it.
/// Concurrent operations are one step.
type Cost = (usize, u64, u64);

async fn cost(world: &World, id: &str, change: Value) -> Cost {
    world.cloud.forget_calls();
    world.fuse.measure();
    world.deliver(&request(id, change)).await;
    let operations = world.fuse.measured();
    let calls = world.cloud.calls();
    let shared = calls.iter().find(|call| call.action.starts_with("Share"));
    let earlier = |at| shared.is_none_or(|call| at < call.at);
    let before = operations.iter().filter(|operation| earlier(operation.at));
    let before = before.map(|operation| operation.step).max().unwrap_or(0);
    let all = operations.iter().map(|operation| operation.step).max();
    (operations.len(), before, all.unwrap_or(0) - before)
}

async fn costs(past: usize) -> Vec<(&'static str, Cost)> {
    let mut world = World::new().await;
    world.reset().await;
    history::fill_and_sweep(&world, past).await;
    let one = || json!({"accounts": [ACCOUNTS[0]]});
    let denied = || json!({"accounts": [STRANGER]});
    let ends = json!({"accounts": [ACCOUNTS[1]], "expires_in": "2h"});
    let other = json!({"accounts": [ACCOUNTS[2]]});
    vec![
        ("a share", cost(&world, "ONE", one()).await),
        ("its duplicate", cost(&world, "ONE", one()).await),
        ("a share with an end", cost(&world, "ENDS", ends).await),
        ("a denial", cost(&world, "DENIED", denied()).await),
        ("its duplicate", cost(&world, "DENIED", denied()).await),
        ("other content", cost(&world, "ONE", other).await),
    ]
}

/// Each step adds the latency of one store operation to the delivery.
#[tokio::test]
async fn a_share_takes_three_steps_before_its_call_and_one_after_it() {
    let (short, long) = histories();
    let costs_now = costs(short).await;
    assert_eq!(costs(long).await, costs_now);
    let wanted = [
        ("a share", (10, 3, 1)),
        // The last read of a duplicate looks for a record that reopens the request.
        ("its duplicate", (3, 3, 0)),
        ("a share with an end", (10, 3, 1)),
        ("a denial", (3, 3, 0)),
        ("its duplicate", (2, 2, 0)),
        ("other content", (5, 5, 0)),
    ];
    assert_eq!(costs_now, wanted);
}

/// A cancel lists all requests for its blueprint, to find the image from which the blueprint was
/// made. For that, a process reads each request once. Later cancels read only requests that share
/// with their own account.
#[tokio::test]
async fn a_cancel_does_not_read_again_what_is_shared_with_other_accounts() {
    let mut operations = Vec::new();
    for shared in [2, 3] {
        let mut world = World::new().await;
        world.reset().await;
        let share = |id: &str, n: usize| request(id, json!({"accounts": [ACCOUNTS[n]]}));
        for n in 0..shared {
            world.deliver(&share(&format!("S{n}"), n)).await;
        }
        let cancel = || json!({"action": "cancel", "accounts": [ACCOUNTS[0]]});
        let first = cost(&world, "FIRST", cancel()).await.0;
        world.deliver(&share("AGAIN", 0)).await;
        operations.push((first, cost(&world, "SECOND", cancel()).await.0));
    }
    let [(first, second), (first_of_more, second_of_more)] = operations[..] else {
        unreachable!()
    };
    assert!(first < first_of_more, "the first cancel reads the others");
    assert_eq!(second, second_of_more);
}
