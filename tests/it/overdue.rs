//! A share that still exists after its expiry is overdue. Every report says so until the share is
//! revoked.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::{Deadline, Standing, SweepReport};
use sharehook::domain::Difference;
use sharehook::domain::Timestamp;

use crate::support::process::{Process, run};
use crate::support::store::Break;
use crate::support::{ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, Place, World, deadline, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const HOUR: i64 = 3_600;
const REFUSED: &str = "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@90";

async fn shared_for_an_hour(world: &World) {
    let (_, answer) = world
        .deliver(&request("CHG1", json!({"expires_in": "1h"})))
        .await;
    assert_eq!(answer.status.as_str(), "completed");
    world.advance(HOUR);
}

async fn at_once(world: &World) -> SweepReport {
    world.app.sweep_at_once(deadline()).await.unwrap()
}

async fn gauge(world: &World) -> String {
    // Use a new process: an existing one updates this count only every five seconds.
    let text = world.another().metrics().await;
    let line = text
        .lines()
        .find(|line| line.starts_with("sharehook_grants_overdue "));
    line.unwrap().to_owned()
}

/// Prometheus drops a reading that takes ten seconds, with all counters.
#[tokio::test]
async fn metrics_do_not_wait_for_a_journal_that_does_not_answer() {
    let world = World::new().await;
    shared_for_an_hour(&world).await;
    world.fuse.stall_read("requests/".to_owned());
    let app = world.another();
    for _ in 0..2 {
        let reading = tokio::time::timeout(Duration::from_secs(5), app.metrics());
        let text = reading.await.unwrap();
        assert!(text.contains("\nsharehook_build_info{"), "{text}");
        assert!(!text.contains("\nsharehook_grants_overdue "), "{text}");
    }
}

#[tokio::test]
async fn a_count_does_not_read_overdue_requests_again_at_once() {
    let world = World::new().await;
    shared_for_an_hour(&world).await;
    let app = world.another();
    let count = async || {
        let before = world.fuse.reads();
        let text = app.metrics().await;
        assert!(text.contains("\nsharehook_grants_overdue 3\n"), "{text}");
        world.fuse.reads() - before
    };
    let first = count().await;
    // The index is counted every five seconds.
    tokio::time::sleep(Duration::from_millis(5_200)).await;
    let second = count().await;
    assert!(0 < second && second < first, "{second} after {first}");
}

async fn states(world: &World) -> Vec<Standing> {
    let grants = world.app.grants().await.unwrap().entries;
    grants.into_iter().map(|grant| grant.state).collect()
}

fn calls(world: &World) -> usize {
    let calls = world.cloud.calls();
    let cancels = calls
        .iter()
        .filter(|call| call.action.starts_with("Cancel"));
    cancels.count()
}

#[tokio::test]
async fn a_cancel_that_the_cloud_refuses_is_reported_until_it_succeeds() {
    let world = World::new().await;
    world.sweep().await;
    assert_eq!(gauge(&world).await, "sharehook_grants_overdue 0");
    shared_for_an_hour(&world).await;
    world.cloud.inject(REFUSED.parse().unwrap());
    let mut next: Option<Timestamp> = None;
    for tries in 1..4 {
        let report = world.sweep().await;
        assert!(report.failed() && report.revoked.is_empty(), "{report}");
        let [overdue] = &report.overdue[..] else {
            panic!("{report}");
        };
        assert_eq!((&overdue.image[..], overdue.to.len()), (BLUEPRINT, 3));
        assert_eq!(overdue.ended_at.to_string(), "2026-11-21T09:00:00Z");
        assert!(overdue.left.why.contains("UnauthorizedOperation"));
        assert!(overdue.left.next_attempt > world.now());
        assert!(next.is_none_or(|next| next < overdue.left.next_attempt));
        let printed = report.to_string();
        assert!(printed.contains("overdue: lhbp-6jc6l8yb"), "{printed}");
        assert!(!printed.contains("all due work was attempted"), "{printed}");
        assert_eq!(calls(&world), tries);
        // A scheduled sweep makes no attempt before the pause ends, but reports the same overdue
        // share.
        let again = world.sweep().await;
        assert_eq!(again.overdue, report.overdue);
        assert_eq!(calls(&world), tries);
        next = Some(overdue.left.next_attempt);
        world.clock.set(overdue.left.next_attempt);
    }
    assert_eq!(states(&world).await, [Standing::Overdue; 3]);
    assert_eq!(gauge(&world).await, "sharehook_grants_overdue 3");
    let drift = world.app.drift(&[], deadline()).await.unwrap();
    let kinds: Vec<_> = drift.differences.iter().map(|d| d.difference).collect();
    assert_eq!(kinds, [Difference::Overdue; 3]);
    assert!(!drift.agrees() && drift.differences.len() == 3);
    world.sweep().await;
    // A sweep by a person attempts the revocation at once, without waiting until the pause ends.
    world.clear_faults().await;
    assert_eq!(world.sweep().await.overdue.len(), 1);
    let report = at_once(&world).await;
    assert_eq!(report.revoked, ["invoke/CHG1"], "{report}");
    assert!(!report.failed() && world.has(BLUEPRINT).is_empty());
    assert!(world.sweep().await.is_quiet());
    assert_eq!(gauge(&world).await, "sharehook_grants_overdue 0");
    assert!(world.app.drift(&[], deadline()).await.unwrap().agrees());
    assert!(states(&world).await.is_empty());
    world.verify().await.unwrap();
}

/// A sweep starts a share that was waiting. The share expires before the sweep has recorded it.
#[tokio::test]
async fn a_share_that_ends_during_the_turn_of_a_sweep_is_revoked_in_that_sweep() {
    let world = World::new().await;
    world.sweep().await;
    let later = json!({"not_before": "2026-11-21T08:30:00Z", "expires_in": "1h"});
    let (_, answer) = world.deliver(&request("CHG1", later)).await;
    assert_eq!(answer.status.as_str(), "pending");
    world.advance(HOUR / 2);
    world.fuse.arm_at("000003.json", Break::Stall);
    let end = async {
        world.fuse.stalled().await;
        assert!(!world.has(BLUEPRINT).is_empty());
        world.advance(HOUR);
        world.fuse.release();
    };
    let (report, ()) = tokio::join!(world.sweep(), end);
    assert_eq!(report.revoked, ["invoke/CHG1"], "{report}");
    assert!(!report.failed(), "{report}");
    assert!(world.has(BLUEPRINT).is_empty());
    world.verify().await.unwrap();
}

/// The API of this site cannot list receivers, so `drift` knows overdue shares only from the
/// journal.
#[tokio::test]
async fn drift_names_what_is_overdue_where_the_cloud_cannot_be_asked() {
    let world = World::with(Place::Brittle, |options| {
        *options = options.clone().on(sharehook_sandbox::Site::Intl);
    })
    .await;
    shared_for_an_hour(&world).await;
    let drift = world.app.drift(&[], deadline()).await.unwrap();
    assert_eq!((drift.compared, drift.differences.len()), (0, 3));
    assert!(!drift.agrees());
    world.sweep().await;
    assert!(world.app.drift(&[], deadline()).await.unwrap().agrees());
}

#[tokio::test]
async fn a_grant_that_another_one_covers_is_explained_and_not_overdue() {
    let world = World::new().await;
    world.sweep().await;
    let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": &ACCOUNTS[1..],
        "expires_in": "1h"});
    world.deliver(&request("CHG1", chain)).await;
    let longer = json!({"image": CHAINED, "accounts": ONE, "expires_in": "5h"});
    world.deliver(&request("CHG2", longer)).await;
    world.advance(HOUR);
    world.cloud.inject(REFUSED.parse().unwrap());
    // The two accounts of CHG1 should not have the image any more, but CHG2 still needs it in
    // Lighthouse.
    let report = world.sweep().await;
    assert_eq!(report.overdue[0].to.len(), 2, "{report}");
    let sorted = {
        let mut states = states(&world).await;
        states.sort();
        states
    };
    use Standing::{Active, Covered, Overdue};
    assert_eq!(sorted, [Active, Covered, Overdue, Overdue]);
    world.clear_faults().await;
    let report = at_once(&world).await;
    assert!(!report.failed() && report.unfinished.is_empty(), "{report}");
    let why = &report.covered[0].why;
    assert_eq!(
        why,
        &format!("invoke/CHG2 covers {CHAIN_IMAGE} in Lighthouse until 2026-11-21T13:00:00Z")
    );
    assert!(at_once(&world).await.is_quiet());
    let mut left = states(&world).await;
    left.sort();
    assert_eq!(left, [Active, Covered]);
    assert_eq!(gauge(&world).await, "sharehook_grants_overdue 0");
    assert!(world.app.drift(&[], deadline()).await.unwrap().agrees());
    world.advance(4 * HOUR);
    assert!(!world.sweep().await.failed());
    assert!(world.has(CHAINED).is_empty());
    world.verify().await.unwrap();
}

/// A person's sweep repeats a failed revocation before its pause ends. A new share of the image
/// that arrives meanwhile must wait for that revocation.
#[tokio::test]
async fn an_early_attempt_holds_a_lease() {
    let world = World::new().await;
    world.sweep().await;
    shared_for_an_hour(&world).await;
    world.cloud.inject(REFUSED.parse().unwrap());
    world.sweep().await;
    world.clear_faults().await;
    let slow = "CancelShareBlueprintAcrossAccounts:slow:2s";
    world.cloud.inject(slow.parse().unwrap());
    let attempt = async { at_once(&world).await };
    let share = async {
        for _ in 0..100 {
            if calls(&world) == 2 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        world.deliver(&request("CHG2", json!({}))).await
    };
    let (report, (_, answer)) = tokio::join!(attempt, share);
    assert_eq!(report.revoked, ["invoke/CHG1"]);
    assert_eq!(answer.status.as_str(), "pending");
    assert!(answer.message.unwrap().contains("invoke/CHG1 is revoking"));
    world.advance(200);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT).len(), 3);
}

/// Runs `meanwhile` while another process repeats the revocation of CHG1, whose first attempt
/// failed. At that time, the other process has already read which other requests share the image,
/// and waits for a slow answer of the cloud.
async fn during_a_repeated_attempt<T>(world: &World, meanwhile: impl Future<Output = T>) -> T {
    world.sweep().await;
    shared_for_an_hour(world).await;
    world.cloud.inject(REFUSED.parse().unwrap());
    world.sweep().await;
    world.clear_faults().await;
    world.advance(10);
    let reads = || world.cloud.calls().len() - calls(world);
    let (other, before) = (world.another(), reads());
    let slow = "DescribeBlueprintsShareAcrossAccountInfos:slow:3s";
    world.cloud.inject(slow.parse().unwrap());
    let meanwhile = async {
        for _ in 0..100 {
            if reads() > before {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(reads(), before + 1);
        meanwhile.await
    };
    let (report, end) = tokio::join!(other.sweep(deadline()), meanwhile);
    assert_eq!(report.unwrap().failures, [""; 0]);
    end
}

/// Asserts that CHG2 still shares the image, and that journal and cloud agree.
async fn the_new_share_keeps_its_access(world: &World) {
    world.advance(10);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT).len(), 3);
    let listed = world.app.grants().await.unwrap().entries;
    assert!(listed.iter().all(|grant| grant.state != Standing::Overdue));
    let drift = world.app.drift(&[], deadline()).await.unwrap();
    assert!(drift.agrees(), "{:?}", drift.differences);
    world.verify().await.unwrap();
}

/// While a process repeats the revocation, a sweep of another process must not make the same
/// attempt, and a new share must wait.
#[tokio::test]
async fn two_sweeps_never_make_the_same_repeated_attempt() {
    let world = World::new().await;
    let answer = during_a_repeated_attempt(&world, async {
        let refused = "CancelShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation";
        world.cloud.inject(refused.parse().unwrap());
        world.sweep().await;
        world.clear_faults().await;
        world.deliver(&request("CHG2", json!({}))).await.1
    });
    let answer = Box::pin(answer).await;
    assert_eq!(answer.status.as_str(), "pending");
    assert!(answer.message.unwrap().contains("invoke/CHG1 is revoking"));
    assert_eq!(calls(&world), 2);
    the_new_share_keeps_its_access(&world).await;
}

/// The machine stops for longer than the lease. The worker's own deadline does not notice that.
#[tokio::test]
async fn a_repeated_attempt_calls_nothing_after_its_lease() {
    let world = World::new().await;
    let attempt = during_a_repeated_attempt(&world, async {
        world.deliver(&request("CHG2", json!({}))).await;
        world.advance(300);
        world.sweep().await;
    });
    Box::pin(attempt).await;
    assert_eq!(calls(&world), 1);
    the_new_share_keeps_its_access(&world).await;
}

/// Shares that a sweep does not reach may be overdue, but it cannot list them. So it fails.
#[tokio::test]
async fn a_sweep_without_time_for_what_is_due_fails() {
    let world = World::new().await;
    let short = || Deadline::after(Duration::from_secs(1));
    shared_for_an_hour(&world).await;
    let report = world.app.sweep(short()).await.unwrap();
    assert!(report.out_of_time && report.overdue.is_empty(), "{report}");
    assert!(report.failed(), "{report}");
    let report = world.sweep().await;
    assert!(!report.failed() && report.revoked.len() == 1, "{report}");
    let report = world.app.sweep(short()).await.unwrap();
    assert!(!report.failed(), "nothing is due: {report}");
}

// The commands call the sandbox, which runs in this process. It needs a second thread while the
// test waits for a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_schedules_fail_visibly() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    shared_for_an_hour(&world).await;
    world.cloud.inject(REFUSED.parse().unwrap());
    let done = |args: &[&str]| {
        let output = run(world.folder.path(), args);
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (code, text) = done(&["sweep"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("overdue: lhbp-") && text.contains("next attempt at"));
    assert!(!text.contains("all due work was attempted"), "{text}");
    let event = world.folder.path().join("sweep.json");
    fs::write(&event, json!({"task": "sweep"}).to_string()).unwrap();
    let (code, _) = done(&["invoke", "sweep.json"]);
    assert_eq!(code, Some(1));
    let event = world.folder.path().join("drift.json");
    fs::write(&event, json!({"task": "drift"}).to_string()).unwrap();
    assert_eq!(done(&["invoke", "drift.json"]).0, Some(1));
    let (code, text) = done(&["drift", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["differences"][0]["difference"], "overdue");
    assert_eq!(code, Some(1));
    let (code, text) = done(&["grants"]);
    assert_eq!(text.matches(" overdue ").count(), 3, "{text}");
    assert_eq!(code, Some(1));
    assert_eq!(done(&["grants", "--review"]).0, Some(1));
    assert_eq!(done(&["grants", "--state", "active"]).0, Some(0));
    let page = world.folder.path().join("page.html");
    let (code, _) = done(&["report", "--html", page.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<b class=\"bad\">3</b> overdue"), "{page}");
    let served = Process::serve(world.folder.path());
    let text = reqwest_text(&format!("{}/metrics", served.url)).await;
    assert!(text.contains("sharehook_grants_overdue 3"), "{text}");
    world.clear_faults().await;
    assert_eq!(done(&["sweep"]).0, Some(0));
    assert_eq!(done(&["drift"]).0, Some(0));
    assert_eq!(done(&["invoke", "drift.json"]).0, Some(0));
}

async fn reqwest_text(url: &str) -> String {
    let client = sharehook::app::http_client().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}
