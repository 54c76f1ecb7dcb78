//! A clock that was wrong for a while: once it is right again, the program finds all work that the
//! wrong clock postponed. The order of shares and cancels stays as it was recorded.

use serde_json::{Value, json};
use sharehook::app::Ending;
use sharehook::clock::system_now;
use sharehook::domain::{Identity, Status};
use sharehook::journal::StreamId;
use sharehook_sandbox::{SandboxOptions, Site};

use crate::support::store::Break;
use crate::support::{ACCOUNTS, BLUEPRINT, CVM_IMAGE, Place, World, deadline, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const HOUR: i64 = 3_600;
const AHEAD: i64 = 400 * 24 * HOUR;
const REFUSED: &str = "*:error-before:UnauthorizedOperation@900";

/// Delivers a share that expires in five hours, and a share whose call the cloud refuses, so that
/// it waits for the operator. Then sweeps once with a clock that is 400 days ahead, while the cloud
/// refuses every call.
async fn one_wrong_sweep() -> World {
    let world = World::new().await;
    world.sweep().await;
    let ends = json!({"accounts": &ACCOUNTS[..2], "expires_in": "5h"});
    world.deliver(&request("ENDS", ends)).await;
    world.cloud.inject(REFUSED.parse().unwrap());
    let waits = json!({"image": CVM_IMAGE, "accounts": ONE, "not_before": "2026-11-21T08:01:00Z"});
    world.deliver(&request("WAITS", waits)).await;
    world.advance(60);
    world.sweep().await;
    let right = world.now();
    world.advance(AHEAD);
    let report = world.sweep().await;
    assert_eq!(report.overdue.len(), 1, "{report}");
    world.clock.set(right);
    world.clear_faults().await;
    world
}

#[tokio::test]
async fn the_next_sweep_finds_what_a_wrong_clock_put_off() {
    let world = one_wrong_sweep().await;
    world.advance(60);
    world.sweep().await;
    // `sweep_at_once` does not continue a revocation that the wrong clock began too early.
    world.app.sweep_at_once(deadline()).await.unwrap();
    assert_eq!(world.has(BLUEPRINT).len(), 2);
    world.advance(5 * HOUR);
    let report = world.sweep().await;
    assert_eq!(report.revoked, ["invoke/ENDS"], "{report}");
    assert!(world.has(BLUEPRINT).is_empty());
    assert!(world.sweep().await.is_quiet());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn the_rebuilt_index_leads_to_it_too() {
    let world = one_wrong_sweep().await;
    world.advance(5 * HOUR);
    world.app.reindex().await.unwrap();
    let due = world.journal.due(world.now()).await.unwrap();
    assert!(!due.is_empty());
    assert!(!world.sweep().await.failed());
    assert!(world.has(BLUEPRINT).is_empty());
}

/// A worker with a clock 400 days ahead stops while it holds a lease. Other workers do not wait
/// until that lease expires.
#[tokio::test]
async fn a_lease_of_a_wrong_clock_ends_when_the_clock_is_right() {
    for redelivered in [true, false] {
        let mut world = World::new().await;
        world.sweep().await;
        let right = world.now();
        world.advance(AHEAD);
        world.fuse.arm_at("000000.json", Break::CrashAfter);
        let share = request("CHG1", json!({"accounts": ONE}));
        let died = tokio::select! {
            _ = world.deliver(&share) => false,
            () = world.fuse.crashed() => true,
        };
        assert!(died && world.has(BLUEPRINT).is_empty());
        world.restart();
        world.clock.set(right);
        if redelivered {
            let (_, answer) = world.deliver(&share).await;
            assert_eq!(answer.status, Status::Completed);
        } else {
            // The index contains an instant of the wrong clock. The daily pass over all requests
            // corrects it.
            world.advance(24 * HOUR);
            let report = world.sweep().await;
            assert_eq!(report.failures, [""; 0]);
            world.sweep().await;
        }
        assert_eq!(world.has(BLUEPRINT), ONE, "{redelivered}");
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_differs_from_the_clouds_is_reported_until_it_is_right() {
    let ahead = || system_now() + jiff::SignedDuration::from_secs(120);
    let world = World::with(Place::Brittle, |options| {
        *options = SandboxOptions::seeded(ahead).on(Site::Cn);
    })
    .await;
    world
        .deliver(&request("CHG1", json!({"expires_in": "1h"})))
        .await;
    // This sweep makes no call, so it learns no time from the cloud.
    assert_eq!(world.sweep().await.clock_difference, None);
    world.advance(HOUR);
    let report = world.sweep().await;
    assert_eq!(report.revoked, ["invoke/CHG1"]);
    let seconds = report.clock_difference.unwrap();
    assert!((110..=121).contains(&seconds), "{seconds}");
    let text = report.to_string();
    assert!(
        text.contains("behind the cloud's clock; synchronise this machine's clock"),
        "{text}"
    );
    assert_eq!(world.sweep().await.clock_difference, None);
}

fn cancel(id: &str, change: Value) -> Value {
    let mut cancel = request(id, change);
    cancel["action"] = json!("cancel");
    cancel
}

#[tokio::test]
async fn a_cancel_ends_what_was_approved_while_the_clock_was_ahead() {
    let one = json!({"accounts": ONE});
    let waits = json!({"accounts": ONE, "not_before": "2026-11-21T12:00:00Z"});
    for (share, refused) in [(&one, false), (&one, true), (&waits, false)] {
        let world = World::new().await;
        let right = world.now();
        world.advance(2 * HOUR);
        if refused {
            world.cloud.inject(REFUSED.parse().unwrap());
        }
        let (ending, _) = world.deliver(&request("CHG1", share.clone())).await;
        assert_eq!(ending == Ending::Done, share == &one && !refused);
        world.clear_faults().await;
        world.clock.set(right);
        world.advance(60);
        let (_, answer) = world.deliver(&cancel("CHG2", one.clone())).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        for _ in 0..2 {
            world.advance(5 * HOUR);
            world.sweep().await;
        }
        assert!(world.has(BLUEPRINT).is_empty(), "{share} {refused}");
        assert!(world.app.grants().await.unwrap().entries.is_empty());
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_finished_cancel_of_a_clock_that_was_ahead_leaves_later_shares_alone() {
    let world = World::new().await;
    let one = || json!({"accounts": ONE});
    world.deliver(&request("CHG1", one())).await;
    let right = world.now();
    world.advance(2 * HOUR);
    world.deliver(&cancel("CHG2", one())).await;
    assert!(world.has(BLUEPRINT).is_empty());
    world.clock.set(right);
    world.advance(60);
    let (_, answer) = world.deliver(&request("CHG3", one())).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.verify().await.unwrap();
}

/// A cancel is recorded while the clock is two hours ahead, and is still unfinished when the clock
/// is right again.
#[tokio::test]
async fn a_cancel_of_a_clock_that_was_ahead_leaves_later_shares_alone() {
    let world = World::new().await;
    let two = json!({"accounts": &ACCOUNTS[..2]});
    world.deliver(&request("CHG1", two.clone())).await;
    let right = world.now();
    world.advance(2 * HOUR);
    world.cloud.inject(REFUSED.parse().unwrap());
    let stop = cancel("CHG2", two.clone());
    assert_eq!(world.deliver(&stop).await.0, Ending::Pending);
    world.clear_faults().await;
    world.clock.set(right);
    world.advance(60);
    let (_, answer) = world
        .deliver(&request("CHG3", json!({"accounts": ONE})))
        .await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    let waits = json!({"accounts": [ACCOUNTS[1]], "not_before": "2026-11-21T08:30:00Z"});
    world.deliver(&request("CHG4", waits)).await;
    world.advance(60);
    let (_, answer) = world.deliver(&stop).await;
    assert_eq!(answer.status, Status::Partial, "{answer:?}");
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(HOUR);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT).len(), 2);
    // A new cancel comes after all these shares, so it ends them.
    let (_, answer) = world.deliver(&cancel("CHG5", two)).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    assert!(world.has(BLUEPRINT).is_empty());
    world.verify().await.unwrap();
}

/// Stops the cancel's worker at each of its writes, then adds a new share and continues the cancel.
#[tokio::test]
async fn a_cancel_that_is_killed_keeps_its_place_after_a_corrected_clock() {
    let mut world = World::new().await;
    let share = |id| request(id, json!({"accounts": ONE}));
    let stop = cancel("CHG2", json!({"accounts": ONE}));
    let stream = StreamId::of(&Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG2".to_owned(),
    });
    let (mut unrecorded, mut recorded) = (0, 0);
    for how in [Break::CrashBefore, Break::CrashAfter] {
        for nth in 0..40 {
            world.reset().await;
            let right = world.now();
            world.advance(2 * HOUR);
            world.deliver(&share("CHG1")).await;
            world.clock.set(right);
            world.advance(60);
            world.fuse.arm(nth, how);
            let killed = tokio::select! {
                _ = world.deliver(&stop) => false,
                () = world.fuse.crashed() => true,
            };
            if !killed {
                break;
            }
            world.restart();
            let known = world.journal.look_up(stream).await.unwrap().is_some();
            *(if known {
                &mut recorded
            } else {
                &mut unrecorded
            }) += 1;
            world.advance(60);
            world.deliver(&share("CHG3")).await;
            for _ in 0..3 {
                world.advance(60);
                world.deliver(&stop).await;
                world.sweep().await;
            }
            let left = if known { &ONE[..] } else { &[] };
            assert_eq!(world.has(BLUEPRINT), left, "{how:?} {nth}");
            let drift = world.app.drift(&[], deadline()).await.unwrap();
            assert!(drift.agrees(), "{how:?} {nth}: {:?}", drift.differences);
            world.verify().await.unwrap();
        }
    }
    assert!(unrecorded >= 6 && recorded >= 4, "{unrecorded} {recorded}");
}
