//! Waits for the signal that stops a process: SIGTERM from a host, Ctrl-C from a person. Lets the
//! running work of a server or a command end first, so that no request waits for the end of a lease.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;

use super::Failure;
use crate::app::App;

/// How long running work may continue after the stop signal. A later sweep continues what is
/// unfinished.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(9);

/// Whether the signal has come. The default never comes.
#[derive(Clone)]
pub(super) struct StopSignal(watch::Receiver<bool>);

impl Default for StopSignal {
    fn default() -> Self {
        Self(watch::channel(false).1)
    }
}

impl StopSignal {
    /// Begins to receive the signals. Call it before anything that takes time: the kernel drops a
    /// signal that process 1 of a container does not receive yet.
    pub(super) fn begin() -> Self {
        let (sender, receiver) = watch::channel(false);
        let signal = signal();
        tokio::spawn(async move {
            signal.await;
            sender.send_replace(true);
        });
        Self(receiver)
    }

    /// Completes after the signal, at once if it came before.
    pub(super) async fn received(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|received| *received).await.is_err() {
            pending().await
        }
    }
}

/// Does the work of a command that takes turns at requests. After a stop signal, a sweep begins no
/// further turn, and running work may continue for [`STOP_WITHIN`].
pub(super) async fn stoppable<T>(app: &App, work: impl Future<Output = T>) -> Result<T, Failure> {
    let signal = StopSignal::begin();
    let bound = async {
        signal.received().await;
        tracing::warn!("stopping: no further work begins; running work may finish");
        app.end_soon();
        tokio::time::sleep(STOP_WITHIN).await;
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = bound => Err(Failure::Failed(
            "stopped before all work was done; a sweep continues what is on record within about 3 minutes; repeat the command for the rest".to_owned(),
        )),
    }
}

/// Begins to receive when it is called, not when it is polled.
#[cfg(unix)]
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn next(signal: std::io::Result<Signal>) {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::error!(%error, "cannot receive a stop signal, so stopping this process interrupts its work; the next start or sweep continues it");
                pending().await
            }
        }
    }
    let terminated = signal(SignalKind::terminate());
    let interrupted = signal(SignalKind::interrupt());
    async {
        tokio::select! {
            () = next(terminated) => {}
            () = next(interrupted) => {}
        }
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending().await
    }
}
