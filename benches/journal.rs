//! A journal of 100 000 finished requests and a hundred due ones: measures a sweep, beside a sweep
//! without an index that reads every request, and how many records a second `audit verify`
//! checks, with `--sealed` too.
//! The journal lies in a directory below `TMPDIR`; `SHAREHOOK_BENCH_REQUESTS` sets its size.

#![allow(clippy::expect_used)] // A benchmark that cannot start fails.
#![allow(clippy::disallowed_methods)] // Its settings come from the environment, as for every benchmark.

#[allow(dead_code)] // Shared with the benchmarks of calls.
#[path = "setup/mod.rs"]
mod setup;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use object_store::local::LocalFileSystem;
use serde_json::json;
use setup::{REGION, Setup, account, blueprint};
use sharehook::app::Deadline;
use sharehook::clock::Clock;
use sharehook::domain::{
    Identity, Item, ItemResult, ResultKind, ServedRegions, ShareRequest, Status, Timestamp, Verdict,
};
use sharehook::journal::log::NoteSigner;
use sharehook::journal::{
    Access, Event, Journal, JournalLocation, Opened, Opening, Received, Report, Worker, WorkerLease,
};

const DUE: usize = 100;
const IMAGES: usize = 100;
const START: &str = "2026-11-21T08:00:00Z";
/// Number of concurrent writers.
const LANES: usize = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let finished: usize = std::env::var("SHAREHOOK_BENCH_REQUESTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a scratch folder");
    let place = folder.path().join("journal");
    let start: Timestamp = START.parse().expect("an instant");
    let hours = |hours| start + SignedDuration::from_hours(hours);

    let begun = Instant::now();
    fill(&place, finished, start).await;
    let clock = Clock::at(start);
    let setup = Setup::with(IMAGES, &format!("file:{}", place.display()), clock.clone()).await;
    let due = (0..DUE).map(|n| (blueprint(n % 10), account(n))).collect();
    let shared = setup.send_for(due, Some("24h")).await;
    println!(
        "{finished} finished requests and {shared} that expire, written in {:.1?}",
        begun.elapsed()
    );

    let journal = Journal::open(
        &JournalLocation::Directory(place.clone()),
        &Access::default(),
    )
    .expect("a journal");
    let sweep = async |at: Timestamp, what: &str| {
        clock.set(at);
        let begun = Instant::now();
        let report = setup
            .app
            .sweep(Deadline::after(Duration::from_secs(3_600)))
            .await
            .expect("a sweep");
        println!(
            "sweep        {:>9.3} s  {what}",
            begun.elapsed().as_secs_f64()
        );
        report
    };
    sweep(
        hours(1),
        "the first: it makes the index and looks at every lease once",
    )
    .await;
    let quiet = sweep(hours(2), "nothing is due").await;
    let report = sweep(hours(25), &format!("{DUE} shares have expired")).await;
    let begun = Instant::now();
    let all = setup.app.requests(None).await.expect("a list");
    println!(
        "full scan    {:>9.3} s  every request is read",
        begun.elapsed().as_secs_f64()
    );

    let signer = NoteSigner::read("bench", &NoteSigner::pem(&[7; 32])).expect("a key");
    let begun = Instant::now();
    let sealing = journal.seal(&signer, hours(26)).await.expect("a seal");
    println!(
        "audit seal   {:>9.3} s  {} records",
        begun.elapsed().as_secs_f64(),
        sealing.sealed
    );
    let begun = Instant::now();
    let verified = journal.verify_sealed(signer.verifier(), None).await;
    let verified = verified.expect("a verification");
    shown("audit verify", begun, &verified);
    let begun = Instant::now();
    let segments = journal.verify_segments(signer.verifier(), None).await;
    let segments = segments.expect("a verification");
    shown("… --sealed", begun, &segments);
    let kept = quiet.is_quiet()
        && report.revoked.len() == DUE
        && report.failures.is_empty()
        && verified.clean()
        && segments.clean()
        && segments.records == sealing.sealed;
    if kept && all.entries.len() == finished + DUE {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn shown(what: &str, begun: Instant, report: &Report) {
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{what:<12} {took:>9.3} s  {} records, {:.0} a second, {} findings",
        report.records,
        report.records as f64 / took,
        report.findings.len()
    );
}

/// Requests that were carried out and closed, as the application writes them; not synced, which
/// only the writing would feel.
async fn fill(place: &std::path::Path, count: usize, now: Timestamp) {
    std::fs::create_dir_all(place).expect("a folder");
    let store = LocalFileSystem::new_with_prefix(place).expect("a directory");
    let journal = Journal::over(Arc::new(store));
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let journal = journal.clone();
        lanes.spawn(async move {
            for n in (lane..count).step_by(LANES) {
                finish(&journal, n, now).await;
            }
        });
    }
    lanes.join_all().await;
}

async fn finish(journal: &Journal, n: usize, now: Timestamp) {
    let to = account(1_000_000 + n / IMAGES);
    let request = json!({
        "action": "share", "image": blueprint(n % IMAGES), "region": REGION, "accounts": [to],
        "requester": "alice@example.com", "approvers": ["bob@example.com"], "ticket": format!("CHG{n}"),
    });
    let request = ShareRequest::from_json(&request, &ServedRegions::default()).expect("a request");
    let policies = vec!["golden-images-to-staging".to_owned()];
    let verdict = Verdict {
        allowed: true,
        policies,
        approvals: Vec::new(),
        refused: vec![],
        policy_digest: "00".to_owned(),
    };
    let worker = Worker::from_random((n as u64).to_be_bytes());
    let opening = Opening {
        identity: Identity {
            source: "jira".parse().expect("a source"),
            id: format!("CHG{n}"),
        },
        delivery_id: None,
        secret_fingerprint: None,
        scheme: "jira".to_owned(),
        received: Received {
            body_digest: "00".repeat(32),
            map_digest: "00".repeat(32),
            config_digest: "00".repeat(32),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        request,
        verdict,
        lease: WorkerLease {
            now,
            until: now + SignedDuration::from_secs(60),
            worker,
        },
    };
    let Opened::New(mut claim) = journal.open_request(opening).await.expect("a write") else {
        return;
    };
    let item = Item::Account(to.parse().expect("an account"));
    let results = vec![ItemResult::new(
        item,
        ResultKind::Shared,
        Some(format!("request-{n}")),
    )];
    let progress = sharehook::journal::Progress {
        results: results.clone(),
        blueprint: None,
        calls: vec![],
    };
    claim
        .record(journal, now, Event::Progress(progress))
        .await
        .expect("a write");
    claim
        .record(
            journal,
            now,
            Event::Closed {
                status: Status::Completed,
                results,
            },
        )
        .await
        .expect("a write");
}
