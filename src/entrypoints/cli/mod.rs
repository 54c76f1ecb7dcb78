//! The command line: arguments become one of the roles below, a role becomes an exit code.

mod args;
mod audit;
mod audit_archive;
mod audit_export;
mod audit_proof;
mod check;
mod context;
#[cfg(feature = "sandbox")]
mod demo;
mod drift;
mod images;
mod invoke;
mod journal;
mod print;
mod report;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod signature;
mod test;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};

use crate::config::Vars;
use crate::telemetry::{self, LogFormat};

use super::host::{Host, detect};
use super::reply::Exit;
use args::{Args, Command};
use context::{Context, cannot_start};

/// The whole program: returns the process's exit code.
pub fn main(args: impl Iterator<Item = OsString>, vars: Vars) -> u8 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; they go to stdout.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            drop(error.print());
            return exit as u8;
        }
    };
    let mut context = Context {
        config: args.config,
        json: args.json,
        vars,
    };
    let host = match (&args.command, detect(&context.vars)) {
        (None, Err(problem)) => return usage(&problem) as u8,
        (None, Ok(host)) => host,
        (Some(_), _) => None,
    };
    let format = if host.is_some() {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let filter = ["AWS_LAMBDA_LOG_LEVEL", "RUST_LOG"]
        .iter()
        .find_map(|name| context.vars.get(*name));
    let quiet = quiet_filter(host.is_some(), args.command.as_ref());
    telemetry::init(format, Some(filter.map_or(quiet, String::as_str)));
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sharehook: the runtime cannot start: {error}");
            return Exit::Failed as u8;
        }
    };
    let exit = runtime.block_on(async {
        context.fetch_secrets().await;
        Box::pin(run(&context, host, args.command)).await
    });
    exit as u8
}

/// What is logged where `RUST_LOG` does not say: hosts everything of note, commands only what they
/// do not print anyway.
fn quiet_filter(on_host: bool, command: Option<&Command>) -> &'static str {
    match command {
        _ if on_host => "info",
        Some(Command::Serve { .. }) => "info",
        #[cfg(feature = "sandbox")]
        Some(Command::Demo { .. }) => "error",
        _ => "warn",
    }
}

fn usage(problem: &str) -> Exit {
    eprintln!("sharehook: {problem}");
    Exit::Usage
}

async fn run(context: &Context, host: Option<Host>, command: Option<Command>) -> Exit {
    let Some(command) = command else {
        return match host {
            Some(host) => Box::pin(serve::on_host(context, host)).await,
            None => {
                eprintln!(
                    "sharehook: no command, and no host's variables are set (AWS_LAMBDA_RUNTIME_API, PORT, …)\n"
                );
                drop(Args::command().print_help());
                Exit::Usage
            }
        };
    };
    match command {
        Command::Serve { listen, sandbox } => serve::run(context, listen, sandbox).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => sandbox::run(arguments).await,
        #[cfg(feature = "sandbox")]
        Command::Demo { site, keep } => demo::run(context, site, keep).await,
        Command::Invoke { event, plan } => invoke::run(context, &event, plan).await,
        Command::Check => check::run(context),
        Command::Test { dir } => test::run(context, dir).await,
        Command::Verify(options) => signature::verify(context, &options),
        Command::Sign(options) => signature::sign(context, &options),
        Command::Images(options) => images::run(context, &options).await,
        Command::Requests { id } => journal::requests(context, id).await,
        Command::Grants(options) => journal::grants(context, options).await,
        Command::Sweep(options) => journal::sweep(context, &options).await,
        Command::Drift(options) => drift::run(context, options).await,
        Command::Report { html } => report::run(context, &html).await,
        Command::Audit { what } => audit::run(context, what).await,
    }
}
