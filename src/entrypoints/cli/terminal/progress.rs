//! Tells a person at a terminal what takes longer than a second, on standard error. Prints nothing
//! elsewhere.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Duration;

use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for `work`, and shows `what` and the seconds while it lasts.
pub(in super::super) async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    if !stderr().is_terminal() {
        return work.await;
    }
    let began = Instant::now();
    let mut ticks = tokio::time::interval_at(began + PATIENCE, PATIENCE);
    let mut work = std::pin::pin!(work);
    let mut shown = false;
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if shown {
                    line("");
                }
                return done;
            }
            _ = ticks.tick() => {
                shown = true;
                line(&format!("{what}: {} s", began.elapsed().as_secs()));
            }
        }
    }
}

/// Replaces the terminal's present line. A terminal that has gone away is no failure.
fn line(text: &str) {
    let mut out = stderr().lock();
    drop(write!(out, "\r\u{1b}[K{text}").and_then(|()| out.flush()));
}
