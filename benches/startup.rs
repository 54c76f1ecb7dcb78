//! Measures the time from the start of a process to its first request for an event from the Lambda
//! runtime API. Compares a bare function with `lambda_runtime`, sharehook with different numbers of
//! maps and policies, and a Python function with the vendor's SDK. The functions start in turns, so
//! that other load of the machine affects all of them alike. Writes `benches/results/startup.json`.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // A benchmark panics if it cannot start.
#![allow(clippy::disallowed_methods)] // The bare function is this program, started with a variable.

#[path = "setup/policies.rs"]
mod policies;

use std::fmt::Write as _;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lambda_runtime::{LambdaEvent, service_fn};
use policies::policy_files;
use serde_json::{Value, json};
use sharehook::inbound::Map;

const STARTS: usize = 25;
/// The index of the shipped configuration in the list of functions.
const AS_IT_SHIPS: usize = 4;
/// The variable that makes this program the bare function.
const BARE: &str = "SHAREHOOK_BENCH_BARE";

fn main() {
    if std::env::var_os(BARE).is_some() {
        return bare();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().expect("a folder");
    let sharehook = env!("CARGO_BIN_EXE_sharehook");
    let own = |maps, policies| {
        let file = configuration(scratch.path(), maps, policies);
        bundled(sharehook, &file, &file.with_file_name("bundle"))
    };
    let itself = std::env::current_exe().expect("a path");
    let shipped = root.join("sharehook.toml");
    let as_it_ships = bundled(sharehook, &shipped, &scratch.path().join("as-it-ships"));
    let mut functions = vec![
        ("a bare function with lambda_runtime", command(&itself, &[])),
        (
            "sharehook, 1 map, 13 policies",
            function(sharehook, own(1, 13)),
        ),
        (
            "sharehook, 13 maps, 13 policies",
            function(sharehook, own(13, 13)),
        ),
        (
            "sharehook, 1 map, 1 000 policies",
            function(sharehook, own(1, 1_000)),
        ),
        ("sharehook as it ships", function(sharehook, as_it_ships)),
    ];
    functions[0].1.env(BARE, "1");
    let python = root.join(".peers/bench/bin/python");
    if python.exists() {
        let mut python = command(&python, &["-m", "awslambdaric", "function.handler"]);
        python.env("PYTHONPATH", root.join("benches/peers"));
        functions.push(("a Python function", python));
    } else {
        println!("the Python function is not measured: run scripts/peers bench");
    }
    let mut times = vec![Vec::new(); functions.len()];
    for _ in 0..STARTS {
        for ((_, function), times) in functions.iter_mut().zip(&mut times) {
            times.push(first_next(function));
        }
    }
    times.iter_mut().for_each(|times| times.sort());
    let ours = ms(times[AS_IT_SHIPS][0]);
    println!(
        "{:<38} least ms  median ms  least, beside sharehook as it ships",
        "start to the first GET /next"
    );
    let mut rows = Vec::new();
    for ((name, _), times) in functions.iter().zip(&times) {
        let (least, median) = (times[0], times[STARTS / 2]);
        println!(
            "{name:<38} {:>8.1}  {:>9.1}  {:>6.2}",
            ms(least),
            ms(median),
            ms(least) / ours
        );
        rows.push(json!({"function": name, "least_ms": ms(least), "median_ms": ms(median)}));
    }
    let results = root.join("benches/results");
    std::fs::create_dir_all(&results).expect("a folder");
    let text = format!("{:#}\n", Value::Array(rows));
    std::fs::write(results.join("startup.json"), text).expect("a file");
}

#[tokio::main]
async fn bare() {
    let echo = async |event: LambdaEvent<Value>| Ok::<_, lambda_runtime::Error>(event.payload);
    drop(lambda_runtime::run(service_fn(echo)).await);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Writes a configuration with one source for each of `maps` maps, and with `policies` policies.
fn configuration(scratch: &Path, maps: usize, policies: usize) -> PathBuf {
    let folder = scratch.join(format!("{maps}-{policies}"));
    let policy = folder.join("policy");
    std::fs::create_dir_all(&policy).expect("a folder");
    let files = policy_files(policies, 10);
    for (name, text) in &files.policies {
        std::fs::write(policy.join(name), text).expect("a file");
    }
    std::fs::write(
        policy.join("entities.json"),
        files.entities.unwrap_or_default(),
    )
    .expect("a file");
    let mut text =
        "[cloud]\nsite = \"intl\"\n[policy]\ndir = \"policy\"\napprovals = 1\n".to_owned();
    // The maps of these senders need a fetched instance, which only a source with `fetch` has.
    let by_event = |map: &&str| !["feishu", "dingtalk", "wecom", "zendesk-ticket"].contains(map);
    for (n, map) in Map::builtin_names().filter(by_event).take(maps).enumerate() {
        let _ = write!(
            text,
            "[[source]]\nname = \"s{n}\"\nscheme = \"jira\"\nsecrets = [\"env:JIRA_WEBHOOK_SECRET\"]\nmap = \"{map}\"\n"
        );
    }
    let file = folder.join("sharehook.toml");
    std::fs::write(&file, text).expect("a file");
    file
}

/// Returns the configuration as a deployed package contains it.
fn bundled(sharehook: &str, file: &Path, folder: &Path) -> PathBuf {
    let mut bundle = Command::new(sharehook);
    bundle
        .arg("--config")
        .args([file])
        .arg("bundle")
        .arg(folder)
        .env("SHAREHOOK_JOURNAL", "memory:"); // `bundle` requires a journal.
    let output = bundle.output().expect("a bundle");
    assert!(output.status.success(), "{output:?}");
    folder.join("sharehook.toml")
}

fn function(program: &str, configuration: PathBuf) -> Command {
    let mut command = command(Path::new(program), &[]);
    command.env("SHAREHOOK_CONFIG", configuration);
    command
}

/// Returns a function's command with the environment that Lambda sets.
fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let journal = std::env::temp_dir().join("sharehook-bench-startup");
    command.env("SHAREHOOK_JOURNAL", format!("file:{}", journal.display()));
    command.envs([
        ("AWS_LAMBDA_FUNCTION_NAME", "sharehook"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        (
            "SHAREHOOK_QUEUE_ARN",
            "arn:aws:sqs:us-east-1:000000000000:share-requests",
        ),
        ("JIRA_WEBHOOK_SECRET", "bench-only-jira-secret-0123456789"),
        (
            "GITHUB_WEBHOOK_SECRET",
            "bench-only-github-secret-0123456789",
        ),
        ("TENCENTCLOUD_SECRET_ID", "AKIDbench"),
        ("TENCENTCLOUD_SECRET_KEY", "bench"),
    ]);
    command
}

/// Starts a function with a runtime API that accepts connections but never answers. Returns the
/// time until the function's first request.
fn first_next(function: &mut Command) -> Duration {
    let api = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = api.local_addr().expect("an address").to_string();
    let began = Instant::now();
    let child = function.env("AWS_LAMBDA_RUNTIME_API", address).spawn();
    let mut child = Ended(child.expect("a process"));
    api.set_nonblocking(true).expect("a socket");
    let mut stream = loop {
        match api.accept() {
            Ok((stream, _)) => break stream,
            Err(_) => assert!(
                child.0.try_wait().is_ok_and(|end| end.is_none()),
                "it ended"
            ),
        }
        std::thread::sleep(Duration::from_micros(50));
    };
    stream.set_nonblocking(false).expect("a socket");
    let mut request = [0; 256];
    let read = stream.read(&mut request).expect("a request");
    let took = began.elapsed();
    drop(child);
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    assert!(
        request.starts_with("GET /2018-06-01/runtime/invocation/next"),
        "not the runtime's first call: {request}"
    );
    took
}

/// Kills its process when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
