//! Runs the service until a stop signal arrives. The command `serve` uses this, and so does the
//! program without a command, which serves the detected host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
#[cfg(feature = "sandbox")]
use sharehook_sandbox::cli::Stocked;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::app::{App, Backlog, Deadline};
use crate::clock;
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::host::{Host, HttpHost, brings_credentials, may_freeze};
use crate::entrypoints::http::descriptors::connections_within_limit;
use crate::entrypoints::http::server::{self, Bounds, Handler};
use crate::entrypoints::http::{respond, unread_of};
use crate::entrypoints::outcome::Exit;
use crate::entrypoints::{azure, function_compute, lambda, scf};
use crate::journal::JournalLocation;
use crate::telemetry;

#[cfg(not(feature = "sandbox"))]
use super::args::CloudChoice;
use super::args::ServeOptions;
use super::reloads::Reloads;
use super::stop_signal::STOP_WITHIN;
use super::{Context, Failure};

/// Interval of the background sweeps if the journal is a directory. There, a sweep notices dead
/// workers, and costs little.
const SWEEP_DIRECTORY_EVERY: Duration = Duration::from_secs(10);
/// Interval of the background sweeps if the journal is anywhere else, where each sweep must list
/// objects.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_BUDGET: Duration = Duration::from_secs(50);
/// When a server starts, it tests that the journal's place refuses to create a file twice. It waits
/// at most this long for the result.
const PROVE_WITHIN: Duration = Duration::from_secs(3);
/// Time limit of the seal when the process stops.
const SEAL_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn on_host(context: &Context, host: Host) -> Result<Exit, Failure> {
    let reloads = Reloads::begin();
    match host {
        Host::Lambda => on_lambda(context).await?,
        Host::Scf => {
            let app = Arc::new(start(context).await?);
            let served = scf::run(app, &context.vars).await;
            served.map_err(Failure::failed)?;
        }
        Host::Http(address, host) => {
            return start_and_listen(context, host, address, reloads).await;
        }
    }
    Ok(Exit::Done)
}

/// Serves Lambda. If the configuration names secrets in AWS, the application starts at the first
/// event, because the AWS extension that serves the secrets answers "not ready" before that.
/// Otherwise the application starts at once, so that a wrong configuration ends the process.
async fn on_lambda(context: &Context) -> Result<(), Failure> {
    let started = match context.keeps_secrets_in_aws() {
        true => None,
        false => Some(Arc::new(start(context).await?)),
    };
    let context = context.clone();
    let start_later = move || {
        let mut context = context.clone();
        async move {
            context.fetch_secrets().await;
            start(&context).await.map(Arc::new)
        }
    };
    let served = lambda::run(started, start_later).await;
    served.map_err(|error| Failure::Failed(format!("cannot use the runtime API: {error}")))
}

/// Returns the request handler for a kind of HTTP host. If the host may freeze the process after an
/// answer, the handler flushes logs, spans and metrics before it answers. If the request is a POST,
/// the handler also sends notifications before it flushes.
fn handler_of(host: HttpHost, context: &Context, app: &Arc<App>) -> Handler {
    let freezes = may_freeze(&context.vars);
    let azure = (host == HttpHost::Azure).then(|| Arc::new(azure_handler(context)));
    let app = Arc::clone(app);
    Box::new(move |request| {
        let (app, azure) = (Arc::clone(&app), azure.clone());
        Box::pin(async move {
            let app = app.now_in_force().await;
            let budget = app.budget();
            // A probe is no POST. Its answer must not wait for the notifications of deliveries.
            let delivers = request.method == "POST";
            let response = match (host, azure) {
                (_, Some(azure)) => azure.respond(&app, request, budget).await,
                (HttpHost::FunctionCompute, _) => {
                    function_compute::respond_to(&app, request, budget).await
                }
                _ => respond(&app, request, budget).await,
            };
            let answer_by = response.answer_by;
            if freezes && delivers {
                app.notify_before_answer(budget.or_sooner(answer_by)).await;
            }
            if freezes {
                app.flush_telemetry(answer_by).await;
            }
            response
        })
    })
}

fn azure_handler(context: &Context) -> azure::Handler {
    // Azure's host starts the program in the folder that contains `host.json`.
    let text = std::fs::read_to_string("host.json");
    if let Err(error) = &text {
        tracing::warn!(%error, "cannot read host.json in the current folder, so only forwarded HTTP requests are served; start the program in the folder that has it");
    }
    azure::Handler::new(text.ok().as_deref(), &context.vars)
}

#[cfg(feature = "sandbox")]
pub(super) async fn run(context: &Context, options: ServeOptions) -> Result<Exit, Failure> {
    let stocked = options.stocked;
    let Some(sandbox) = options.sandbox else {
        if stocked != Stocked::default() {
            let text = "--image, --account and --state belong to the stand-in cloud; add --sandbox";
            return Err(Failure::usage(text));
        }
        return serve(context, options.listen).await;
    };
    let config = context.at_sandbox(sandbox).load()?;
    let running = super::sandbox::start(config.cloud.site, sandbox, stocked).await?;
    let (url, journal) = (running.url(), config.journal);
    if context.json {
        out(json!({ "sandbox": url, "journal": journal.to_string() }));
    } else {
        outln!("stand-in cloud on {url} (state: {url}/sandbox/state)");
        outln!("its journal: {journal} (`sharehook grants --sandbox` reads it)");
        if config.notify.iter().any(|notify| notify.to_inbox) {
            outln!("notifications go to {url}/sandbox/inbox, not to your systems");
        }
    }
    serve(&context.at_sandbox(running.addr), options.listen).await
}

#[cfg(not(feature = "sandbox"))]
pub(super) async fn run(context: &Context, options: ServeOptions) -> Result<Exit, Failure> {
    let cloud = CloudChoice {
        sandbox: options.sandbox,
    };
    serve(&context.calling(&cloud).await?, options.listen).await
}

async fn serve(context: &Context, address: SocketAddr) -> Result<Exit, Failure> {
    let reloads = Reloads::begin();
    start_and_listen(context, HttpHost::Plain, address, reloads).await
}

/// Starts and serves, unless the stop signal comes before the start has ended.
async fn start_and_listen(
    context: &Context,
    host: HttpHost,
    address: SocketAddr,
    reloads: Reloads,
) -> Result<Exit, Failure> {
    tokio::select! {
        app = start(context) => listen(context, host, app?, address, reloads).await,
        () = context.stop.received() => Ok(Exit::Done),
    }
}

/// Opens the application for a server or a function. It copies each record to standard output.
async fn start(context: &Context) -> Result<App, Failure> {
    let mut app = context
        .start()
        .await?
        .echoing(|record| telemetry::copy_evidence(clock::system_now(), record));
    app.log_lost_journal();
    if brings_credentials(&context.vars) {
        app = app.using_invocation_credentials();
    }
    Ok(app)
}

/// Lets work continue after an answer, and opens `/metrics`. If the host may freeze the process,
/// does neither. On such a host, `/metrics` would show only one of many instances.
fn on_server(freezes: bool, app: App) -> App {
    match freezes {
        false => app.continuing_after_answers().showing_metrics(),
        true => app,
    }
}

/// Tests the place of the journal. If it does not answer in time, it is tested before the first
/// record.
async fn prove(app: &App) -> Result<(), Failure> {
    match tokio::time::timeout(PROVE_WITHIN, app.prove_create_only()).await {
        Ok(proven) => {
            proven.map_err(Failure::failed)?;
            app.log_undeletable();
        }
        Err(_) => tracing::warn!(
            "the journal has not answered for {} s, and nothing is written until it does; `sharehook doctor` examines its place",
            PROVE_WITHIN.as_secs()
        ),
    }
    Ok(())
}

async fn listen(
    context: &Context,
    host: HttpHost,
    app: App,
    address: SocketAddr,
    reloads: Reloads,
) -> Result<Exit, Failure> {
    let freezes = may_freeze(&context.vars);
    let (app, backlog) = on_server(freezes, app).with_slots();
    let app = Arc::new(app);
    let handlers = (handler_of(host, context, &app), unread_of(&app));
    prove(&app).await?;
    let listener = server::bind(address).await;
    let listener = listener.map_err(|error| cannot_listen(address, &error))?;
    print_address(context, listener.local_addr());
    let config = app.config();
    let bounds = Bounds {
        max_connections: connections_within_limit(config.http.max_connections),
        body_bytes: config.body_limit,
    };
    let (stopping, stopped) = watch::channel(false);
    let mut work = Background::begin(&app, reloads);
    match freezes {
        false => work.begin_on_server(&app, backlog),
        // The sweeps of this or another instance carry out the waiting requests. Drop the backlog,
        // so that these requests do not count as unfinished requests of this process.
        true => drop(backlog),
    }
    if !(freezes && has_timer(host)) {
        work.begin_sweeping(&app, &stopped);
    }
    let (signal, deliveries) = (context.stop.clone(), Arc::clone(&app));
    let stop = async move {
        signal.received().await;
        tracing::info!("stopping: no new connections; running work may finish");
        deliveries.end_soon();
        stopping.send_replace(true);
    };
    let served = server::serve(handlers, bounds, listener, stop);
    let finished = async {
        served.await;
        work.finish(&app).await;
    };
    let bound = async {
        // This future completes `STOP_WITHIN` after the stop signal.
        until_stopped(stopped).await;
        tokio::time::sleep(STOP_WITHIN).await;
    };
    tokio::select! {
        () = finished => {}
        () = bound => {
            tracing::warn!("stopped before all work was done; the next start or sweep continues the unfinished requests");
        }
    }
    work.abort();
    match tokio::time::timeout(SEAL_WITHIN, app.seal_when_due()).await {
        Ok(None) => {}
        Ok(Some(problem)) => tracing::error!(problem),
        Err(_) => tracing::warn!("stopped before the journal was sealed; a later sweep seals it"),
    }
    app.flush_telemetry(Deadline::NEVER).await;
    Ok(Exit::Done)
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let stop = match error.kind() {
        std::io::ErrorKind::AddrInUse => "stop what listens there, or ",
        _ => "",
    };
    Failure::Failed(format!(
        "cannot listen on {address}: {error}; {stop}choose another address: --listen for `serve`, PORT or the host's own variable otherwise"
    ))
}

/// Whether the host sends timer events, which start sweeps. If such a host may freeze the process,
/// the process starts no sweep by itself. Otherwise the host could freeze the process after a sweep
/// has decided to make a call, and let it make the call long after the decision was withdrawn.
fn has_timer(host: HttpHost) -> bool {
    matches!(host, HttpHost::Azure | HttpHost::FunctionCompute)
}

/// The background tasks of the process.
struct Background {
    tasks: JoinSet<()>,
    /// The task that works off the backlog. `None` on a host that may freeze the process, because
    /// sweeps work off the backlog there.
    working_off: Option<AbortHandle>,
    /// The task that sweeps at intervals. `None` if only timer events start sweeps.
    sweeping: Option<JoinHandle<()>>,
}

impl Background {
    fn begin(app: &Arc<App>, reloads: Reloads) -> Self {
        let mut tasks = JoinSet::new();
        let looking = Arc::clone(app);
        tasks.spawn(async move {
            looking.log_missing_locks().await;
            looking.log_missing_credentials().await;
        });
        tasks.spawn(reloads.carry_out(Arc::clone(app)));
        Self {
            tasks,
            working_off: None,
            sweeping: None,
        }
    }

    /// Starts the tasks that must not run on a host that may freeze the process.
    fn begin_on_server(&mut self, app: &Arc<App>, backlog: Backlog) {
        #[cfg(feature = "otlp")]
        self.tasks.spawn(Arc::clone(app).export());
        self.tasks.spawn(Arc::clone(app).deliver_notifications());
        let working_off = self.tasks.spawn(Arc::clone(app).work_off(backlog));
        self.working_off = Some(working_off);
    }

    /// Starts to sweep at intervals, and to seal the journal after writes.
    fn begin_sweeping(&mut self, app: &Arc<App>, stopped: &watch::Receiver<bool>) {
        let sealer = Arc::clone(app);
        self.tasks
            .spawn(async move { sealer.seal_after_writes().await });
        let sweeping = sweep_until(stopped.clone(), Arc::clone(app));
        self.sweeping = Some(tokio::spawn(sweeping));
    }

    /// Stops working off the backlog, and waits for running work: requests that were answered
    /// before they were finished, requests of the backlog, and a sweep.
    async fn finish(&mut self, app: &App) {
        if let Some(working_off) = &self.working_off {
            working_off.abort();
        }
        app.all_carried_out().await;
        if let Some(sweeping) = &mut self.sweeping {
            drop(sweeping.await);
        }
    }

    fn abort(mut self) {
        if let Some(sweeping) = self.sweeping {
            sweeping.abort();
        }
        self.tasks.abort_all();
    }
}

fn print_address(context: &Context, address: std::io::Result<SocketAddr>) {
    match address {
        Ok(address) if context.json => {
            out(json!({ "listening": format!("http://{address}") }));
        }
        Ok(address) => outln!("listening on http://{address}"),
        Err(error) => tracing::warn!(%error, "cannot read the address that the server listens on"),
    }
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// Sweeps at intervals. Returns after the stop signal, as soon as no sweep is running.
async fn sweep_until(stopped: watch::Receiver<bool>, app: Arc<App>) {
    let every = match app.config().journal {
        JournalLocation::Directory(_) => SWEEP_DIRECTORY_EVERY,
        _ => SWEEP_EVERY,
    };
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = until_stopped(stopped.clone()) => return,
            _ = ticks.tick() => {}
        }
        let app = app.now_in_force().await;
        match app.sweep(Deadline::after(SWEEP_BUDGET)).await {
            Ok(report) if report.is_quiet() => {}
            Ok(report) if report.failed() && !*stopped.borrow() => {
                tracing::error!(report = %serde_json::json!(report.shorten()), "a sweep left work undone: the report names overdue shares and failures, or says that the time ran out (out_of_time)");
            }
            Ok(report) => tracing::info!(report = %serde_json::json!(report.shorten()), "swept"),
            Err(error) => {
                tracing::error!(%error, "the sweep failed; the next one follows soon")
            }
        }
    }
}
