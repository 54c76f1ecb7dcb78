//! A clock that was wrong for a while postpones nothing: whatever it put off is found once it is right again.

use serde_json::json;
use sharehook::clock::system_now;
use sharehook::domain::Status;
use sharehook_sandbox::{SandboxOptions, Site};

use crate::support::store::Break;
use crate::support::{ACCOUNTS, BLUEPRINT, CVM_IMAGE, Place, World, deadline, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const HOUR: i64 = 3_600;
const AHEAD: i64 = 400 * 24 * HOUR;
const REFUSED: &str = "*:error-before:UnauthorizedOperation@900";

/// A share with an end, and one that waits for the operator; then one sweep 400 days ahead, while the
/// cloud refuses everything.
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
    // Nor does it go on with what the wrong clock began too soon.
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

/// A worker whose clock was ahead took a lease of 400 days and died. Nobody waits for its end.
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
            // The index has the wrong instant. The daily pass puts it right.
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
    // This sweep calls nothing, so it knows nothing.
    assert_eq!(world.sweep().await.clock_difference, None);
    world.advance(HOUR);
    let report = world.sweep().await;
    assert_eq!(report.revoked, ["invoke/CHG1"]);
    let seconds = report.clock_difference.unwrap();
    assert!((110..=121).contains(&seconds), "{seconds}");
    let text = report.to_string();
    assert!(
        text.contains("behind the cloud's clock; correct it"),
        "{text}"
    );
    assert_eq!(world.sweep().await.clock_difference, None);
}
