//! Hands over what observers get: lines to the host's log, spans and metrics to a collector, where one is
//! configured (feature `otlp`). In: what the process has recorded. Never delays a delivery on a server; a
//! function's host freezes the process after the answer, so there both happen before it.

#[cfg(feature = "otlp")]
use std::sync::Arc;
#[cfg(feature = "otlp")]
use std::time::Duration;

#[cfg(feature = "otlp")]
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::telemetry;
#[cfg(feature = "otlp")]
use crate::telemetry::otlp;

/// How often a server sends its spans, as `OTEL_BSP_SCHEDULE_DELAY` by default.
#[cfg(feature = "otlp")]
const SPANS_EVERY: Duration = Duration::from_secs(5);
/// How long a function's answer, or a process that ends, waits for the collector at most. Shorter than the
/// margin that a function keeps before its host's time limit.
#[cfg(feature = "otlp")]
const MAX_WAIT: Duration = Duration::from_millis(500);
/// The most that a server gives one attempt.
#[cfg(feature = "otlp")]
const MAX_ATTEMPT: Duration = Duration::from_secs(60);

impl App {
    /// Writes the waiting log lines and copies of records, then sends spans and metrics to the collector for at
    /// most `MAX_WAIT`. Call it before the host freezes or ends the process.
    pub async fn flush_telemetry(&self) {
        telemetry::flush().await;
        #[cfg(feature = "otlp")]
        otlp::export_all(&self.metrics, MAX_WAIT).await;
    }

    /// Sends spans and metrics of a server, until it is dropped.
    #[cfg(feature = "otlp")]
    pub async fn export(self: Arc<Self>) {
        let mut sent = Instant::now();
        loop {
            // A full batch does not wait.
            drop(timeout(SPANS_EVERY, otlp::full_batch()).await);
            otlp::export_spans(MAX_ATTEMPT).await;
            if otlp::metrics_every().is_some_and(|every| sent.elapsed() >= every) {
                sent = Instant::now();
                self.refresh_metrics().await;
                otlp::export_metrics(&self.metrics, MAX_ATTEMPT).await;
            }
        }
    }
}
