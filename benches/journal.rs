//! Time against history: what looking at a journal costs when 10⁴ and 10⁵ finished requests lie in
//! it. `SHAREHOOK_BENCH_REQUESTS=10000,100000,1000000` sets other sizes. The journal lies in a
//! directory below `TMPDIR`. Writes `benches/results/journal.json` and a plot, `docs/journal-cost.svg`.

#![allow(clippy::expect_used)] // A benchmark that cannot start fails.
#![allow(clippy::disallowed_methods)] // Its settings come from the environment, as for every benchmark.

#[allow(dead_code)] // Shared with the benchmarks of calls.
#[path = "setup/mod.rs"]
mod setup;

use std::fmt::Write as _;
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
/// Requests that have a share which ends, beside the finished ones.
const ACTIVE: usize = 10;
/// Requests between two seals.
const BATCH: usize = 1_000;
/// Requests that are written at once. A slow disk keeps up with so many within a store's timeout.
const AT_ONCE: usize = 50;
/// A measurement is repeated, and its shortest time counts, until it took so long.
const ENOUGH: Duration = Duration::from_secs(2);
const COLOURS: [&str; 8] = [
    "#1b6ca8", "#c0392b", "#27ae60", "#8e44ad", "#e67e22", "#16a085", "#2c3e50", "#d81b60",
];

/// The times of one journal, in seconds, by what was done.
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let results = root.join("benches/results");
    std::fs::create_dir_all(&results).expect("a folder");
    let text = format!("{:#}\n", json!(rows));
    std::fs::write(results.join("journal.json"), text).expect("a file");
    std::fs::write(root.join("docs/journal-cost.svg"), plot(&all)).expect("a file");
    // The promise of `--sealed`, where there is enough to measure.
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
    let (signer, now) = (history::signer(), end + SignedDuration::from_hours(2));
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
    // The page is made of these three.
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

/// Sweeps until nothing is left to do.
async fn sweep(setup: &Setup) {
    loop {
        let report = setup.app.sweep(deadline()).await.expect("a sweep");
        if report.finished.is_empty() {
            return;
        }
    }
}

/// Finished requests as the application writes them; not synced, which only the writing would feel.
/// Sweeps as a schedule does, because requests without a sweep are not finished.
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
        // The leases of these requests have ended then.
        clock.set(now + SignedDuration::from_mins(2));
        sweep(setup).await;
    }
    now
}

/// Seconds against requests, both logarithmic.
fn plot(all: &[(usize, Times)]) -> String {
    let (width, height, left, bottom) = (760.0, 420.0, 60.0, 50.0);
    let decades = 6.0; // 0.1 ms to 100 s
    let x = |requests: usize| left + 40.0 + ((requests as f64).log10() - 3.0) * 130.0;
    let y = |seconds: f64| {
        let up = (seconds.log10() + 4.0).clamp(0.0, decades);
        height - bottom - up / decades * (height - bottom - 20.0)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for power in -4..=2 {
        let at = y(10_f64.powi(power));
        let label = ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"];
        let label = label.get((power + 4) as usize).copied().unwrap_or_default();
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.0}H500\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{label}</text>",
            left - 6.0,
            at + 4.0
        );
    }
    for (requests, _) in all {
        let (at, down) = (x(*requests), height - bottom + 20.0);
        let _ = writeln!(
            svg,
            "<text x=\"{at:.0}\" y=\"{down:.0}\" text-anchor=\"middle\">{requests} requests</text>"
        );
    }
    let names = all.first().map_or(&[][..], |(_, times)| times.as_slice());
    for (n, (what, _)) in names.iter().enumerate() {
        let colour = COLOURS.get(n % COLOURS.len()).copied().unwrap_or_default();
        let points = all.iter().filter_map(|(requests, times)| {
            let (_, seconds) = times.iter().find(|(known, _)| known == what)?;
            Some(format!("{:.0},{:.0}", x(*requests), y(*seconds)))
        });
        let points: Vec<String> = points.collect();
        let down = 40 + 22 * n;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <path d=\"M530 {down}h24\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"562\" y=\"{}\">{what}</text>",
            points.join(" "),
            down + 4
        );
    }
    svg.push_str("</svg>\n");
    svg
}
