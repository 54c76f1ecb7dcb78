//! Measures how long commands take on journals with 10⁴ and with 10⁵ finished requests.
//! `SHAREHOOK_BENCH_REQUESTS=10000,100000,1000000` sets other sizes. The journal is a directory
//! below `TMPDIR`. Writes `benches/results/journal.json`, from which `scripts/bench` draws a plot.

#![allow(clippy::expect_used)] // A benchmark panics if it cannot start.
#![allow(clippy::disallowed_methods)] // Benchmarks read their settings from the environment.

#[allow(dead_code)] // The benchmarks of calls use the rest.
#[path = "setup/mod.rs"]
mod setup;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use object_store::local::LocalFileSystem;
use serde_json::json;
use setup::{Setup, account, blueprint, history};
use sharehook::app::Deadline;
use sharehook::clock::Clock;
use sharehook::domain::Timestamp;
use sharehook::journal::{Access, Journal, JournalLocation};

const START: &str = "2026-11-21T08:00:00Z";
/// Requests with a share that will expire, in addition to the finished ones.
const ACTIVE: usize = 10;
/// The number of requests between two seals.
const BATCH: usize = 1_000;
/// The maximum number of requests that are written at once. Even a slow disk writes that many
/// within the store's timeout.
const AT_ONCE: usize = 50;
/// How long a measurement is repeated. The shortest time counts.
const ENOUGH: Duration = Duration::from_secs(2);
/// For one journal, the name of each measured operation and its time in seconds.
type Times = Vec<(&'static str, f64)>;

#[tokio::main]
async fn main() -> ExitCode {
    let set = std::env::var("SHAREHOOK_BENCH_REQUESTS").unwrap_or("10000,100000".to_owned());
    let sizes: Vec<usize> = set.split(',').filter_map(|n| n.parse().ok()).collect();
    let mut all: Vec<(usize, Times)> = Vec::new();
    for size in sizes {
        all.push((size, Box::pin(measure(size)).await));
    }
    let rows: Vec<_> = all
        .iter()
        .map(|(requests, times)| {
            let seconds: serde_json::Map<_, _> = times
                .iter()
                .map(|(what, seconds)| ((*what).to_owned(), json!(seconds)))
                .collect();
            json!({"requests": requests, "records": 2 * requests, "seconds": seconds})
        })
        .collect();
    setup::write_results("journal", &json!(rows));
    // `audit verify --sealed` must take at most a fifth of the time of `audit verify`. Journals
    // below 1,000 requests are too small to measure this.
    let kept = all.iter().all(|(size, times)| {
        let of = |name| times.iter().find(|(what, _)| *what == name);
        let (Some((_, whole)), Some((_, sealed))) =
            (of("audit verify"), of("audit verify --sealed"))
        else {
            return false;
        };
        *size < 1_000 || sealed * 5.0 <= *whole
    });
    ExitCode::from(u8::from(!kept))
}

async fn measure(size: usize) -> Times {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let place = folder.path().join("journal");
    let start: Timestamp = START.parse().expect("an instant");
    let clock = Clock::at(start);
    let setup = Setup::with(ACTIVE, &format!("file:{}", place.display()), clock.clone()).await;
    let begun = Instant::now();
    let end = fill(&setup, &place, size, &clock).await;
    println!(
        "{size} finished requests, written, swept and sealed in {:.1?}",
        begun.elapsed()
    );

    clock.set(end + SignedDuration::from_hours(1));
    let tickets = (0..ACTIVE).map(|n| (blueprint(n), account(n))).collect();
    assert_eq!(setup.send_for(tickets, Some("30d")).await, ACTIVE);
    clock.set(end + SignedDuration::from_hours(2));
    let begun = Instant::now();
    sweep(&setup).await;
    println!("its index compared in {:.1?}", begun.elapsed());
    let location = JournalLocation::Directory(place);
    let journal = Journal::open(&location, &Access::default()).expect("a journal");
    let (signer, mut now) = (history::signer(), end + SignedDuration::from_hours(2));
    journal.seal(&signer, now).await.expect("a seal");

    let mut times = Times::new();
    let app = &setup.app;
    time(&mut times, "grants, 10 active", async || {
        assert_eq!(app.grants().await.expect("a list").entries.len(), ACTIVE);
    })
    .await;
    time(&mut times, "sweep, nothing due", async || {
        assert!(
            app.sweep(deadline())
                .await
                .expect("a sweep")
                .revoked
                .is_empty()
        );
    })
    .await;
    let mut next = size;
    for _ in 0..3 {
        // Segments that were sealed at the same instant are read together, so that a list of the
        // newest requests would read all of these.
        now += SignedDuration::from_mins(2);
        clock.set(now);
        for n in next..next + 50 {
            history::finish(&journal, n, now).await;
        }
        next += 50;
        let begun = Instant::now();
        let sealing = journal.seal(&signer, now).await.expect("a seal");
        assert_eq!(sealing.sealed, 100);
        note(&mut times, "seal, 100 new records", begun.elapsed());
    }
    time(&mut times, "requests --limit 50", async || {
        assert_eq!(
            app.requests(Some(50)).await.expect("a list").entries.len(),
            50
        );
    })
    .await;
    time(&mut times, "requests", async || {
        let all = app.requests(None).await.expect("a list");
        assert_eq!(all.entries.len(), next + ACTIVE);
    })
    .await;
    let key = signer.verifier();
    time(&mut times, "audit verify --sealed", async || {
        let report = journal
            .verify_segments(key, None)
            .await
            .expect("a verification");
        assert!(report.clean() && report.records >= 2 * next as u64);
    })
    .await;
    time(&mut times, "audit verify", async || {
        let report = journal
            .verify_sealed(key, None)
            .await
            .expect("a verification");
        assert!(report.clean(), "{:?}", report.findings.first());
    })
    .await;
    let of = |name| {
        times
            .iter()
            .find(|(what, _)| *what == name)
            .map_or(0.0, |found| found.1)
    };
    // The time of `report` is not measured but added up, because `report` reads what these three
    // commands read.
    let report = of("grants, 10 active") + of("requests") + of("audit verify");
    times.push(("report", report));
    for (what, seconds) in &times {
        println!("{what:<24} {seconds:>9.4} s");
    }
    times
}

async fn time(times: &mut Times, what: &'static str, work: impl AsyncFn()) {
    let begun = Instant::now();
    while begun.elapsed() < ENOUGH {
        let one = Instant::now();
        work().await;
        note(times, what, one.elapsed());
    }
}

fn note(times: &mut Times, what: &'static str, took: Duration) {
    let took = took.as_secs_f64();
    match times.iter_mut().find(|(known, _)| *known == what) {
        Some((_, best)) => *best = best.min(took),
        None => times.push((what, took)),
    }
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(7_200))
}

/// Sweeps until a sweep finishes no request.
async fn sweep(setup: &Setup) {
    loop {
        let report = setup.app.sweep(deadline()).await.expect("a sweep");
        if report.finished.is_empty() {
            return;
        }
    }
}

/// Writes closed requests as the application does, but does not sync them to disk, which would only
/// take time. Sweeps after each batch, as a schedule would, so that the index entries of finished
/// requests are deleted.
async fn fill(setup: &Setup, place: &Path, count: usize, clock: &Clock) -> Timestamp {
    std::fs::create_dir_all(place).expect("a folder");
    let store = LocalFileSystem::new_with_prefix(place).expect("a directory");
    let journal = Journal::over(Arc::new(store));
    let mut now = clock.now();
    for first in (0..count).step_by(BATCH) {
        now += SignedDuration::from_mins(2);
        let mut writers = tokio::task::JoinSet::new();
        for n in first..count.min(first + BATCH) {
            if writers.len() == AT_ONCE {
                writers.join_next().await;
            }
            let journal = journal.clone();
            writers.spawn(async move { history::finish(&journal, n, now).await });
        }
        writers.join_all().await;
        journal.seal(&history::signer(), now).await.expect("a seal");
        // By this instant the leases of these requests have ended.
        clock.set(now + SignedDuration::from_mins(2));
        sweep(setup).await;
    }
    now
}
