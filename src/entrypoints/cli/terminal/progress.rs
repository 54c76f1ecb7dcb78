//! Shows on standard error what a command is doing, and how much of it is done, if it takes longer
//! than a second. Prints nothing if standard error is not a terminal.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Duration;

use tokio::time::Instant;

use crate::journal::WorkDone;

const TICK: Duration = Duration::from_secs(1);

/// Waits for `work`, and meanwhile shows `what` and the elapsed seconds.
pub(in super::super) async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    counting(what, &WorkDone::default(), work).await
}

/// Like [`during`], but also shows how many parts of the work are done, which `progress` counts.
pub(in super::super) async fn counting<T>(
    what: &str,
    progress: &WorkDone,
    work: impl Future<Output = T>,
) -> T {
    if !stderr().is_terminal() {
        return work.await;
    }
    let began = Instant::now();
    let mut ticks = tokio::time::interval_at(began + TICK, TICK);
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
                line(&said(what, progress.counts(), began.elapsed()));
            }
        }
    }
}

fn said(what: &str, counts: Option<(u64, u64)>, elapsed: Duration) -> String {
    let counts = counts.map_or_else(String::new, |(done, all)| format!("{done} of {all}, "));
    format!("{what}: {counts}{} s", elapsed.as_secs())
}

/// Replaces the current line of the terminal. Ignores errors, because a closed terminal must not
/// make the command fail.
fn line(text: &str) {
    let mut out = stderr().lock();
    drop(write!(out, "\r\u{1b}[K{text}").and_then(|()| out.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_where_they_are_known() {
        let progress = WorkDone::default();
        let after = Duration::from_millis(3_200);
        let shown = || said("verifying", progress.counts(), after);
        assert_eq!(shown(), "verifying: 3 s");
        progress.begin(40);
        progress.add(7);
        assert_eq!(shown(), "verifying: 7 of 40, 3 s");
    }
}
