//! Counts the instructions of each step of the straight line with callgrind. Other load of the
//! machine does not change this number. Each step runs in two processes, a few times in one and
//! many times in the other: the difference gives the instructions of one run. Exits 1 if a step
//! needs over 5 % more than `benches/results/instructions.json` says. With
//! `SHAREHOOK_WRITE_RESULTS=1` it rewrites this file and exits 0. Needs `valgrind`.

#![allow(clippy::expect_used, clippy::panic)] // A benchmark panics if it cannot start.
#![allow(clippy::disallowed_methods)] // Benchmarks read their settings from the environment.

#[path = "setup/policies.rs"]
mod policies;
#[allow(dead_code)] // The benchmarks of calls use the rest.
#[path = "setup/mod.rs"]
mod setup;

use std::future::ready;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use policies::policy_files;
use serde_json::{Map as Object, Value, json};
use setup::history;
use sharehook::domain::{Identity, ServedRegions, ShareRequest, Timestamp};
use sharehook::inbound::{Delivery, Headers, Map, SchemeName, SchemeSpec, Verifier, Via, sign};
use sharehook::journal::{Access, Journal, JournalLocation};
use sharehook::plan::{Observation, Plan};
use sharehook::policy::{Decision, PolicyFiles, PolicySet, Question, SourceFacts, stamp};

/// The environment variable that makes this program run one step. Its value names the step and how
/// often to run it.
const STEP: &str = "SHAREHOOK_BENCH_STEP";
const EVENT: &str = include_str!("../events/body-jira-approved.json");
const SECRET: &str = "bench-only-jira-secret-0123456789";
const NOW: &str = "2026-11-21T08:00:00Z";
/// Maximum ratio of a step's instructions to the recorded number.
const TOLERANCE: f64 = 1.05;

/// The steps in order, and how often each runs in the process that runs it many times.
const STEPS: [(&str, u32); 11] = [
    ("load 13 policies", 12),
    ("load 13 packaged", 40),
    ("load 1,000 packaged", 12),
    ("first decision of 1,000", 12),
    ("verify", 2_000),
    ("compile and map", 40),
    ("map", 400),
    ("decide", 400),
    ("plan", 2_000),
    ("sign", 2_000),
    ("record", 400),
];

fn main() -> ExitCode {
    if let Ok(step) = std::env::var(STEP) {
        let (name, times) = step.rsplit_once(' ').expect("a step and a number");
        run(name, times.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results/instructions.json");
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    let recorded: Object<String, Value> = serde_json::from_str(&recorded).unwrap_or_default();
    println!("{:<20} {:>14} {:>14}", "step", "instructions", "recorded");
    let (mut found, mut worse) = (Object::new(), false);
    for (name, times) in STEPS {
        let few = times / 4;
        let once = (counted(name, times) - counted(name, few)) / f64::from(times - few);
        let before = recorded.get(name).and_then(Value::as_f64);
        let more = before.is_some_and(|before| once > before * TOLERANCE);
        let mark = if more { "  more than 5 % above" } else { "" };
        let recorded = before.map_or("-".to_owned(), |before| format!("{before:.0}"));
        println!("{name:<20} {once:>14.0} {recorded:>14}{mark}");
        found.insert(name.to_owned(), json!(once.round()));
        worse |= more;
    }
    if std::env::var_os("SHAREHOOK_WRITE_RESULTS").is_some() {
        std::fs::write(&file, format!("{:#}\n", Value::Object(found))).expect("a file");
        return ExitCode::SUCCESS;
    }
    ExitCode::from(u8::from(worse))
}

/// Returns the number of instructions of a process that runs `step` `times` times.
fn counted(step: &str, times: u32) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("callgrind");
    let itself = std::env::current_exe().expect("a path");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(itself)
        .env(STEP, format!("{step} {times}"))
        .stdout(Stdio::null())
        .status()
        .expect("valgrind; install it with the system's package manager");
    assert!(status.success(), "{step} fails");
    let text = std::fs::read_to_string(out).expect("its figures");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.expect("a total")
}

fn run(step: &str, times: u32) {
    let now: Timestamp = NOW.parse().expect("an instant");
    let spec = SchemeSpec::preset(SchemeName::Jira);
    let headers = sign(&spec, &SECRET.into(), EVENT.as_bytes(), "id", now).expect("headers");
    let verifier = Verifier::new(spec, vec![SECRET.into()], Vec::new()).expect("a verifier");
    let delivery = Delivery {
        source: "jira".parse().expect("a name"),
        via: Via::Http(Headers::new(headers.iter().map(|(n, v)| (n, v)))),
        body: EVENT.as_bytes().into(),
    };
    let verify = || verifier.verify(delivery.clone(), now).expect("verified");
    match step {
        "load 13 policies" => {
            let files = policy_files(13, 0);
            repeat(times, || load(&files));
        }
        "load 13 packaged" => {
            let files = packaged(13);
            repeat(times, || load(&files));
        }
        "load 1,000 packaged" => {
            let files = packaged(1_000);
            repeat(times, || load(&files));
        }
        "first decision of 1,000" => {
            let files = packaged(1_000);
            let loaded: Vec<PolicySet> = (0..12).map(|_| load(&files)).collect();
            let mut loaded = loaded.iter();
            repeat(times, || decide(loaded.next().expect("another"), now));
        }
        "verify" => repeat(times, verify),
        "compile and map" => {
            let (verified, regions) = (verify(), ServedRegions::default());
            repeat(times, || {
                let map = Map::builtin("jira").expect("a map");
                map.apply(&verified, now, &regions).expect("requests")
            });
        }
        "map" => {
            let (map, verified) = (Map::builtin("jira").expect("a map"), verify());
            let regions = ServedRegions::default();
            repeat(times, || {
                map.apply(&verified, now, &regions).expect("requests")
            });
        }
        "decide" => {
            let policies = load(&policy_files(13, 0));
            repeat(times, || decide(&policies, now));
        }
        "plan" => {
            let Decision::Allow(approved) = decide(&load(&policy_files(13, 0)), now) else {
                panic!("it is not allowed");
            };
            let seen = Observation {
                readable: true,
                shares: Some(Default::default()),
                ..Observation::default()
            };
            repeat(times, || Plan::of(&approved, &seen, &[], false));
        }
        "sign" => repeat(times, || tc3::sign(&input(now))),
        "record" => record(times, now),
        other => panic!("no step {other}"),
    }
}

fn repeat<T>(times: u32, mut once: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(once());
    }
}

fn load(files: &PolicyFiles) -> PolicySet {
    let facts = SourceFacts {
        name: "jira".parse().expect("a name"),
        scheme: "jira".to_owned(),
        signed: true,
    };
    PolicySet::load(files, &[facts], 1).expect("policies")
}

/// Returns policy files as `bundle` packs them.
fn packaged(policies: usize) -> PolicyFiles {
    let mut files = policy_files(policies, 0);
    files.validated = Some(stamp(load(&files).digest()));
    files
}

fn native() -> Value {
    share_of("lhbp-6jc6l8yb")
}

fn share_of(image: &str) -> Value {
    json!({"action": "share", "image": image, "region": "ap-singapore", "accounts": ["700000164995"],
        "requester": "alice@example.com", "approvers": ["bob@example.com"], "expires_in": "10d"})
}

fn decide(policies: &PolicySet, now: Timestamp) -> Decision {
    let request = ShareRequest::from_json(&native(), &ServedRegions::default());
    let request = request.expect("a request");
    let identity = Identity {
        source: "jira".parse().expect("a name"),
        id: "CHG-1".to_owned(),
    };
    policies.decide(Question {
        identity: &identity,
        request: &request,
        now,
        approved_at: now,
    })
}

fn input(now: Timestamp) -> tc3::SigningInput<'static> {
    tc3::SigningInput {
        secret_id: "AKIDbench",
        secret_key: "bench",
        service: "lighthouse",
        timestamp: now,
        request: tc3::SignedParts {
            method: "POST",
            query: "",
            headers: &[
                ("content-type", "application/json; charset=utf-8"),
                ("host", "lighthouse.intl.tencentcloudapi.com"),
            ],
            payload: br#"{"AccountIds":["700000164995"],"BlueprintId":"lhbp-6jc6l8yb"}"#,
        },
    }
}

/// Writes record 0 of `times` requests into a journal in memory.
fn record(times: u32, now: Timestamp) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let journal = Journal::open(&JournalLocation::Memory, &Access::default()).expect("a journal");
    runtime.expect("a runtime").block_on(async {
        for n in 0..times {
            // A new image each time: a share lists the other requests for its image, so with one
            // image each request would take longer than the last.
            let share = share_of(&format!("lhbp-{n:08}"));
            let opening = history::opening(&format!("CHG-{n}"), &share, 1, now);
            let opened = journal.open_request(opening, true, ready(Ok(None))).await;
            black_box(opened.expect("a record"));
        }
    });
}
