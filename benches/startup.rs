//! Measures the time from the start of the process to its first request for an event from the
//! Lambda runtime. For comparison, measures the start of Python and the import of the vendor's SDK.
//! Run: `cargo bench --bench startup`. Prints the minimum and the median of 25 starts, in
//! milliseconds.

// Unwrapping is fine here: a benchmark that cannot run must fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STARTS: usize = 25;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    report(
        "sharehook: start to its first GET /next",
        &times(|| first_next(root)),
    );
    let python = root
        .join(".peers")
        .join("tencent")
        .join("bin")
        .join("python");
    if python.exists() {
        report(
            "python: start and import of the vendor's SDK alone",
            &times(|| import(&python)),
        );
    } else {
        println!("python: not measured, scripts/peers has not been run");
    }
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_sharehook"))
        .unwrap()
        .len();
    println!("the binary of this build (with the stand-in cloud): {size} bytes");
}

fn times(mut once: impl FnMut() -> Duration) -> Vec<Duration> {
    let mut all: Vec<Duration> = (0..STARTS).map(|_| once()).collect();
    all.sort();
    all
}

fn report(what: &str, sorted: &[Duration]) {
    let ms = |d: Duration| d.as_secs_f64() * 1_000.0;
    println!(
        "{what}: min {:.1} ms, median {:.1} ms",
        ms(sorted[0]),
        ms(sorted[sorted.len() / 2])
    );
}

/// Starts the function with the sample configuration against a runtime API that only listens.
fn first_next(root: &Path) -> Duration {
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let journal = std::env::temp_dir().join("sharehook-bench-startup");
    let variables: [(&str, String); 11] = [
        (
            "AWS_LAMBDA_RUNTIME_API",
            api.local_addr().unwrap().to_string(),
        ),
        ("AWS_LAMBDA_FUNCTION_NAME", "sharehook".into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".into()),
        (
            "SHAREHOOK_CONFIG",
            root.join("sharehook.toml").display().to_string(),
        ),
        ("SHAREHOOK_JOURNAL", format!("file:{}", journal.display())),
        (
            "SHAREHOOK_QUEUE_ARN",
            "arn:aws:sqs:us-east-1:000000000000:share-requests".into(),
        ),
        (
            "JIRA_WEBHOOK_SECRET",
            "bench-only-jira-secret-0123456789".into(),
        ),
        (
            "GITHUB_WEBHOOK_SECRET",
            "bench-only-github-secret-0123456789".into(),
        ),
        ("TENCENTCLOUD_SECRET_ID", "AKIDbench".into()),
        ("TENCENTCLOUD_SECRET_KEY", "bench".into()),
    ];
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sharehook"))
        .env_clear()
        .envs(variables)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stream, _) = api.accept().unwrap();
    let mut request = [0; 256];
    let read = stream.read(&mut request).unwrap();
    let took = began.elapsed();
    assert!(
        request[..read].starts_with(b"GET /2018-06-01/runtime/invocation/next"),
        "not the runtime's first call"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    drop(std::fs::remove_dir_all(journal));
    took
}

fn import(python: &Path) -> Duration {
    let code = "from tencentcloud.lighthouse.v20200324 import lighthouse_client\n\
                from tencentcloud.cvm.v20170312 import cvm_client";
    let began = Instant::now();
    assert!(
        Command::new(python)
            .args(["-c", code])
            .status()
            .unwrap()
            .success()
    );
    began.elapsed()
}
