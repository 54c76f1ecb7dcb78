//! Waits for the signal that stops a server: SIGTERM from a host, Ctrl-C from a person.

use std::future::pending;

use tokio::sync::watch;

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
