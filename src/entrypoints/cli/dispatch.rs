//! Runs the command that the arguments name. Without a command, serves the detected host. The files
//! beside this one contain the commands.

use clap::CommandFactory as _;

use crate::entrypoints::host::Host;
use crate::entrypoints::outcome::Exit;

use super::args::{Args, Command};
use super::{
    Context, Failure, audit, check, doctor, drift, explain, grants, images, invoke, notify,
    operator, report, requests, serve, signature, test, try_body,
};
#[cfg(feature = "cli")]
use super::{bundle, init, manual};
#[cfg(feature = "sandbox")]
use super::{demo, sandbox};

pub(super) async fn run(
    context: &Context,
    host: Option<Host>,
    command: Option<Command>,
) -> Result<Exit, Failure> {
    let Some(command) = command else {
        let Some(host) = host else {
            let text = "no command given, and no variable of a host is set (AWS_LAMBDA_RUNTIME_API, PORT, …); see --help";
            drop(Args::command().print_help());
            return Err(Failure::usage(text));
        };
        return Box::pin(serve::on_host(context, host)).await;
    };
    match command {
        Command::Serve(options) => serve::run(context, options).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => sandbox::run(context.json, arguments).await,
        #[cfg(feature = "sandbox")]
        Command::Demo { site, keep } => demo::run(context, site, keep).await,
        Command::Invoke { event, plan, cloud } => {
            invoke::run(&context.calling(&cloud).await?, &event, plan).await
        }
        #[cfg(feature = "cli")]
        Command::Init(options) => init::run(context, &options),
        #[cfg(feature = "cli")]
        Command::Completions { shell } => Ok(manual::completions(shell)),
        #[cfg(feature = "cli")]
        Command::Man { dir } => manual::pages(&dir),
        #[cfg(feature = "cli")]
        Command::Bundle { dir } => bundle::run(context, &dir),
        Command::Check => Ok(check::run(context)),
        Command::Doctor => doctor::run(context).await,
        Command::Test(options) => test::run(context, &options),
        Command::Try(options) => try_body::run(context, &options),
        Command::Verify(options) => signature::verify(context, &options),
        Command::Sign(options) => signature::sign(context, &options),
        Command::Images(options) => images::run(context, &options).await,
        Command::Requests(options) => requests::run(context, options).await,
        Command::Explain(options) => explain::run(context, &options).await,
        Command::Retry(options) => Box::pin(operator::retry(context, options)).await,
        Command::Revoke(options) => Box::pin(operator::revoke(context, options)).await,
        Command::Grants(options) => grants::run(context, options).await,
        Command::Sweep(options) => operator::sweep(context, &options).await,
        Command::Notify(options) => Box::pin(notify::run(context, &options)).await,
        Command::Drift(options) => drift::run(context, options).await,
        Command::Report(options) => report::run(context, &options).await,
        Command::Audit { what } => Box::pin(audit::run(context, what)).await,
    }
}

/// Returns the log level that applies if no variable sets one. Commands other than `serve` print
/// their results themselves, so they log only warnings and errors, and `demo` logs only errors.
pub(super) fn quiet_filter(on_host: bool, command: Option<&Command>) -> &'static str {
    match command {
        _ if on_host => "info",
        Some(Command::Serve(_)) => "info",
        #[cfg(feature = "sandbox")]
        Some(Command::Demo { .. }) => "error",
        _ => "warn",
    }
}
