//! Counts the calls for 1 000 concurrent tickets, each with one account, for one image. For
//! comparison, runs the loop of a simple script, with one call per ticket. Writes
//! `benches/results/batching.json`. The number of accounts in a call depends on the machine, so the
//! benchmark exits 1 only if an account does not get the image.

#![allow(clippy::expect_used)] // A benchmark panics if it cannot start.

#[path = "setup/naive.rs"]
mod naive;
#[path = "setup/mod.rs"]
mod setup;

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use setup::{SHARE, Setup, account, blueprint, refused};

const TICKETS: usize = 1_000;
const TARGET_CALLS: usize = 110;

#[tokio::main]
async fn main() -> ExitCode {
    let tickets: Vec<(String, String)> = (0..TICKETS).map(|n| (blueprint(0), account(n))).collect();
    println!("{TICKETS} tickets of one account for one image");
    println!("target       {TARGET_CALLS} calls that share, at most");

    let setup = Setup::new(1).await;
    let begun = Instant::now();
    let done = setup.send(tickets.clone()).await;
    let took = begun.elapsed().as_secs_f64();
    let (sharing, all) = (setup.calls(SHARE).len(), setup.cloud.calls());
    println!(
        "sharehook    {done} completed in {took:.2} s, {sharing} calls that share and {} that read, {} refused for rate",
        all.len() - sharing,
        refused(&all)
    );
    let has = setup
        .cloud
        .state()
        .blueprint_accounts(setup::REGION, &blueprint(0))
        .len();
    println!("             the cloud lists {has} accounts");

    let plain = Setup::new(1).await;
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
        "batching",
        &json!({"tickets": TICKETS, "calls": sharing, "naive_calls": calls.len()}),
    );
    if done == TICKETS && has == TICKETS {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
