//! The command line: arguments become one of the roles below, a role becomes an exit code.

mod args;
mod audit;
mod check;
#[cfg(feature = "sandbox")]
mod demo;
mod images;
mod invoke;
mod journal;
mod print;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod signature;
mod test;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser as _};

use crate::app::{App, Prepared, StartError};
use crate::clock::Clock;
use crate::config::{Config, Vars};
use crate::telemetry::{self, LogFormat};

use super::host::{Host, detect};
use super::reply::Exit;
use args::{Args, Command};

/// What every command needs.
pub(crate) struct Context {
    config: Option<PathBuf>,
    json: bool,
    vars: Vars,
}

/// The whole program: returns the process's exit code.
pub fn main(args: impl Iterator<Item = OsString>, vars: Vars) -> u8 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; they go to stdout.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            drop(error.print());
            return exit as u8;
        }
    };
    let context = Context { config: args.config, json: args.json, vars };
    let host = match (&args.command, detect(&context.vars)) {
        (None, Err(problem)) => return usage(&problem) as u8,
        (None, Ok(host)) => host,
        (Some(_), _) => None,
    };
    let format = if host.is_some() { LogFormat::Json } else { LogFormat::Text };
    let filter = ["AWS_LAMBDA_LOG_LEVEL", "RUST_LOG"].iter().find_map(|name| context.vars.get(*name));
    let quiet =
        if host.is_none() && !matches!(args.command, Some(Command::Serve { .. })) { "warn" } else { "info" };
    telemetry::init(format, Some(filter.map_or(quiet, String::as_str)));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sharehook: the runtime cannot start: {error}");
            return Exit::Failed as u8;
        }
    };
    let exit = runtime.block_on(run(&context, host, args.command));
    exit as u8
}

fn usage(problem: &str) -> Exit {
    eprintln!("sharehook: {problem}");
    Exit::Usage
}

async fn run(context: &Context, host: Option<Host>, command: Option<Command>) -> Exit {
    let Some(command) = command else {
        return match host {
            Some(host) => serve::on_host(context, host).await,
            None => {
                eprintln!(
                    "sharehook: no command, and no host's variables (AWS_LAMBDA_RUNTIME_API, PORT) are set\n"
                );
                drop(Args::command().print_help());
                Exit::Usage
            }
        };
    };
    match command {
        Command::Serve { listen, sandbox } => serve::run(context, listen, sandbox).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox { listen, faults } => sandbox::run(listen, &faults).await,
        #[cfg(feature = "sandbox")]
        Command::Demo { keep } => demo::run(context, keep).await,
        Command::Invoke { event, plan } => invoke::run(context, &event, plan).await,
        Command::Check => check::run(context),
        Command::Test { dir } => test::run(context, dir).await,
        Command::Verify(options) => signature::verify(context, &options),
        Command::Sign(options) => signature::sign(context, &options),
        Command::Images(options) => images::run(context, &options).await,
        Command::Requests { id } => journal::requests(context, id).await,
        Command::Grants => journal::grants(context).await,
        Command::Sweep => journal::sweep(context).await,
        Command::Audit { what: args::Audit::Verify } => audit::verify(context).await,
    }
}

impl Context {
    /// The configuration file: `--config`, `SHAREHOOK_CONFIG`, beside the binary, or in the current folder.
    fn config_path(&self) -> PathBuf {
        if let Some(path) = &self.config {
            return path.clone();
        }
        if let Some(path) = self.vars.get("SHAREHOOK_CONFIG").filter(|v| !v.is_empty()) {
            return PathBuf::from(path);
        }
        let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("sharehook.toml")));
        beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("sharehook.toml"))
    }

    fn load(&self) -> Result<Config, StartError> {
        Ok(Config::load(&self.config_path(), &self.vars)?)
    }

    /// Configuration, policies and maps, checked; nothing is opened yet.
    fn prepare(&self) -> Result<Prepared, StartError> {
        Ok(Prepared::new(self.load()?)?)
    }

    /// The whole application.
    async fn start(&self) -> Result<App, StartError> {
        self.prepare()?.open(&self.vars, Clock::System).await
    }
}

/// Prints why the program cannot start, and says with which code it ends.
fn cannot_start(error: &StartError) -> Exit {
    eprintln!("{error}");
    match error {
        StartError::Invalid(_) => Exit::BadConfiguration,
        StartError::Failed(_) => Exit::Failed,
    }
}
