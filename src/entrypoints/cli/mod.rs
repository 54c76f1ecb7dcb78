//! The command line: parses the arguments, runs a command or a host, and returns an exit code.

mod args;
mod audit;
mod audit_args;
mod audit_export;
mod audit_input;
mod audit_proof;
mod audit_retire;
#[cfg(feature = "cli")]
mod bundle;
mod by_text;
mod check;
mod context;
#[cfg(feature = "sandbox")]
mod demo;
mod dispatch;
mod doctor;
mod drift;
mod excerpt;
mod explain;
mod failure;
mod filters;
mod grants;
mod images;
#[cfg(feature = "cli")]
mod init;
mod invoke;
mod list_args;
mod listing;
#[cfg(feature = "cli")]
mod manual;
mod notify;
mod observing;
mod operator;
mod print;
mod reading;
mod reloads;
mod report;
mod requests;
mod review;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod signature;
mod stop_signal;
mod terminal;
mod test;
mod try_body;

use std::ffi::OsString;

use clap::Parser as _;

use crate::config::{AwsSecrets, Vars};
use crate::telemetry;

use super::host::detect;
use super::outcome::Exit;
use args::Args;
use context::Context;
use failure::Failure;
use print::errln;

/// Maximum number of threads for blocking work, mostly for reading and writing files.
/// `http/descriptors.rs` reserves two file descriptors for each of these threads.
const MAX_BLOCKING_THREADS: usize = 32;

/// Runs the program and returns the process's exit code.
pub fn main(args: impl Iterator<Item = OsString>, vars: Vars) -> u8 {
    failure::unless_output_is_lost(run(args, vars)) as u8
}

fn run(args: impl Iterator<Item = OsString>, vars: Vars) -> Exit {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => return failure::print_usage(error),
    };
    let mut context = Context {
        config: args.config,
        json: args.json,
        vars,
        secrets: AwsSecrets::new(),
        stop: Default::default(),
    };
    let host = match (&args.command, detect(&context.vars)) {
        (None, Err(problem)) => return print_failure(&Failure::usage(problem)),
        (None, Ok(host)) => host,
        (Some(_), _) => None,
    };
    let quiet = dispatch::quiet_filter(host.is_some(), args.command.as_ref());
    observing::begin(&context.vars, host.is_some(), quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        // A policy decision needs 32 MiB of stack. With less, it would allocate a second stack.
        .thread_stack_size(40 << 20)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let text = format!("cannot start the async runtime: {error}");
            return print_failure(&Failure::Failed(text));
        }
    };
    let ended = runtime.block_on(async {
        context.begin(host.as_ref(), args.command.as_ref()).await;
        let ended = Box::pin(dispatch::run(&context, host, args.command)).await;
        observing::end().await;
        ended
    });
    telemetry::flush_at_exit();
    ended.unwrap_or_else(|failure| print_failure(&failure))
}

fn print_failure(failure: &Failure) -> Exit {
    errln!("{failure}");
    failure.exit()
}
