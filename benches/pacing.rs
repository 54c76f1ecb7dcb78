//! Sends 80 concurrent tickets for 80 images to a cloud that allows 20 calls per second. Counts the
//! calls that the cloud refuses for their rate, and measures the total time. For comparison, runs
//! the loop of a simple script. Writes `benches/results/pacing.json`. The time depends on the
//! machine, so the benchmark exits 1 only if a ticket is not completed.

#![allow(clippy::expect_used)] // A benchmark panics if it cannot start.

#[path = "setup/naive.rs"]
mod naive;
#[path = "setup/mod.rs"]
mod setup;

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use setup::{SHARE, Setup, account, blueprint, refused};

const TICKETS: usize = 80;
/// Calls per second that the cloud allows (API page).
const RATE: f64 = 20.0;

#[tokio::main]
async fn main() -> ExitCode {
    let tickets: Vec<(String, String)> = (0..TICKETS).map(|n| (blueprint(n), account(n))).collect();
    let limit = TICKETS as f64 / RATE;
    println!("{TICKETS} tickets, one image each, {RATE} calls a second: {limit:.2} s at the limit");
    println!("target       +5 % of the limit, none refused for rate");

    let setup = Setup::new(TICKETS).await;
    let begun = Instant::now();
    let done = setup.send(tickets.clone()).await;
    let took = begun.elapsed().as_secs_f64();
    let calls = setup.calls(SHARE);
    let (ours, all) = (refused(&calls), refused(&setup.cloud.calls()));
    let share = 100.0 * (took / limit - 1.0);
    println!(
        "sharehook    {done} completed in {took:.2} s ({share:+.1} % of the limit), {} calls, {ours} of them and {all} of all refused for rate",
        calls.len()
    );

    let plain = Setup::new(TICKETS).await;
    let begun = Instant::now();
    let did = naive::share(&plain, &tickets).await;
    let calls = plain.calls(SHARE);
    println!(
        "naive loop   {did} done in {:.2} s, {} calls, {} refused for rate",
        begun.elapsed().as_secs_f64(),
        calls.len(),
        refused(&calls)
    );
    setup::write_results(
        "pacing",
        &json!({"tickets": TICKETS, "seconds": took, "floor_seconds": limit, "refused": all}),
    );
    if done == TICKETS {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
