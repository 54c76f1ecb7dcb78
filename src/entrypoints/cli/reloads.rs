//! Reloads a server's rules on SIGHUP. In: signals. Out: new rules in force, or a log line that
//! says why the present rules stay in force.

use std::sync::Arc;

use crate::app::App;

pub(super) struct Reloads {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Reloads {
    /// Starts to receive SIGHUP. From then on, the signal no longer ends the process.
    pub(super) fn begin() -> Self {
        Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    /// Reloads the rules whenever the signal arrives, until the future is dropped. Returns early
    /// if the process cannot receive the signal.
    pub(super) async fn carry_out(mut self, app: Arc<App>) {
        log_digests(&app, "rules in force");
        while self.next().await.is_some() {
            match app.reload().await {
                Ok(()) => log_digests(
                    &app.in_force(),
                    "reloaded: later deliveries follow these rules",
                ),
                Err(problems) => {
                    tracing::error!(%problems, "not reloaded: the present rules stay in force");
                }
            }
        }
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Option<()> {
        self.signals.as_mut()?.recv().await
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Option<()> {
        None
    }
}

fn log_digests(app: &App, what: &str) {
    let config = &app.config().digest;
    tracing::info!(policy = app.rules().policy_digest(), config, "{what}");
}
