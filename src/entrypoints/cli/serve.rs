//! `serve`, and the program without a command: the function on its host, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, Deadline};
use crate::entrypoints::azure;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::dialect::Dialect;
use crate::entrypoints::host::{Host, HttpHost, brings_credentials};
use crate::entrypoints::reply::Exit;
use crate::entrypoints::{http, lambda, scf};

use super::{Context, cannot_start};

/// How often `serve` sweeps in the background.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long a background sweep may take.
const SWEEP_BUDGET: Duration = Duration::from_secs(50);
/// How long after the signal running deliveries may go on; what is not finished then is in the
/// journal.
const STOP_WITHIN: Duration = Duration::from_secs(9);
/// How long the last seal may take.
const SEAL_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn on_host(context: &Context, host: Host) -> Exit {
    let app = match context.start().await {
        Ok(app) => ready(app, context),
        Err(error) => return cannot_start(&error),
    };
    match host {
        Host::Lambda => match lambda::run(app).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                tracing::error!(%error, "the runtime API failed");
                Exit::Failed
            }
        },
        Host::Scf => match scf::run(app, &context.vars).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                tracing::error!(error, "the runtime API failed");
                Exit::Failed
            }
        },
        Host::Http(address, host) => listen(app, dialect(host, context), address).await,
    }
}

/// Azure's host starts a handler in the folder of its `host.json`.
fn dialect(host: HttpHost, context: &Context) -> Dialect {
    match host {
        HttpHost::Plain => Dialect::Plain,
        HttpHost::Alibaba => Dialect::Alibaba,
        HttpHost::Azure => {
            let text = std::fs::read_to_string("host.json");
            if let Err(error) = &text {
                tracing::warn!(%error, "host.json cannot be read, so only forwarded HTTP requests are served");
            }
            Dialect::Azure(azure::Handler::new(text.ok().as_deref(), &context.vars))
        }
    }
}

#[cfg(feature = "sandbox")]
pub(super) async fn run(context: &Context, address: SocketAddr, sandbox: bool) -> Exit {
    if !sandbox {
        return match context.start().await {
            Ok(app) => listen(ready(app, context), Dialect::Plain, address).await,
            Err(error) => cannot_start(&error),
        };
    }
    let site = match context.load() {
        Ok(config) => config.cloud.site,
        Err(error) => return cannot_start(&error),
    };
    let running = match super::sandbox::start(site).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("sharehook: the sandbox cannot start: {error}");
            return Exit::Failed;
        }
    };
    let vars = super::sandbox::vars_for(&context.vars, &running.url());
    let context = Context {
        config: context.config.clone(),
        json: context.json,
        vars,
    };
    outln!(
        "stand-in cloud on {} (state: {}/sandbox/state)",
        running.url(),
        running.url()
    );
    match context.start().await {
        Ok(app) => listen(ready(app, &context), Dialect::Plain, address).await,
        Err(error) => cannot_start(&error),
    }
}

#[cfg(not(feature = "sandbox"))]
pub(super) async fn run(context: &Context, address: SocketAddr, sandbox: bool) -> Exit {
    if sandbox {
        eprintln!("sharehook: this build has no sandbox; build it with the default features");
        return Exit::Usage;
    }
    match context.start().await {
        Ok(app) => listen(ready(app, context), Dialect::Plain, address).await,
        Err(error) => cannot_start(&error),
    }
}

/// The application as a server has it.
fn ready(app: App, context: &Context) -> Arc<App> {
    let app = app.echoing(to_stdout);
    Arc::new(if brings_credentials(&context.vars) {
        app.believing_invocations()
    } else {
        app
    })
}

/// Each record's line goes to the host's log service too. A host that has closed our output must
/// not end the work.
fn to_stdout(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

async fn listen(app: Arc<App>, dialect: Dialect, address: SocketAddr) -> Exit {
    let listener = match http::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!(
                "sharehook: cannot listen on {address}: {error}; choose another address with --listen"
            );
            return Exit::Failed;
        }
    };
    match listener.local_addr() {
        Ok(address) => outln!("listening on http://{address}"),
        Err(error) => tracing::warn!(%error, "the address is not known"),
    }
    let sweeper = tokio::spawn(sweep_for_ever(Arc::clone(&app)));
    let sealer = Arc::clone(&app);
    let sealer = tokio::spawn(async move { sealer.seal_after_writes().await });
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop = async move {
        signal().await;
        tracing::info!("stopping: no new connections; what runs may finish");
        drop(stopping);
    };
    let served = http::serve(Arc::clone(&app), dialect, listener, stop);
    let bound = async {
        // Resolves when the signal came and the time to finish is over.
        drop(stopped.await);
        tokio::time::sleep(STOP_WITHIN).await;
    };
    let exit = tokio::select! {
        end = served => match end {
            Ok(()) => Exit::Done,
            Err(error) => {
                tracing::error!(%error, "the listener failed");
                Exit::Failed
            }
        },
        () = bound => {
            tracing::warn!("stopped before every delivery was answered; the journal knows what is unfinished");
            Exit::Done
        }
    };
    sweeper.abort();
    sealer.abort();
    match tokio::time::timeout(SEAL_WITHIN, app.seal_when_due()).await {
        Ok(None) => {}
        Ok(Some(problem)) => tracing::error!(problem),
        Err(_) => tracing::warn!("stopped before the journal was sealed; the next start seals it"),
    }
    exit
}

async fn sweep_for_ever(app: Arc<App>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match app.sweep(Deadline::after(SWEEP_BUDGET)).await {
            Ok(report) if report.is_quiet() => {}
            Ok(report) => tracing::info!(report = %serde_json::json!(report), "swept"),
            Err(error) => tracing::error!(%error, "the sweep failed; it is tried again"),
        }
    }
}

/// Ends when the process is asked to stop: SIGTERM from a host, Ctrl-C from a person.
async fn signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminated) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        else {
            drop(interrupted.await);
            return;
        };
        tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    drop(interrupted.await);
}
