//! The program `sharehook-sandbox`.

use std::process::ExitCode;

use clap::Parser;
use sharehook_sandbox::cli::{Arguments, run};

/// A stand-in for the Tencent Cloud APIs that share images, on loopback.
#[derive(Debug, Parser)]
#[command(name = "sharehook-sandbox", version, max_term_width = 80)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Program { arguments, json } = Program::parse();
    match run(arguments, json, system_now).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sharehook-sandbox: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::disallowed_methods)] // The program's one reader of the clock.
fn system_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
