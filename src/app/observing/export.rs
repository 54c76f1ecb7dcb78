//! Writes the recorded log lines to the host's log. With the feature `otlp`, also sends spans and
//! metrics to a collector if one is configured. On a server, this does not delay deliveries. The
//! host of a function freezes the process after the answer, so a function exports before it
//! answers, if there is time left.

#[cfg(feature = "otlp")]
use std::sync::Arc;
#[cfg(feature = "otlp")]
use std::time::Duration;

#[cfg(feature = "otlp")]
use tokio::time::{Instant, timeout};

#[cfg(feature = "otlp")]
use crate::app::context::left;
use crate::app::{App, Deadline};
use crate::telemetry;
#[cfg(feature = "otlp")]
use crate::telemetry::otlp;

/// How often a server sends its spans. This is the default value of `OTEL_BSP_SCHEDULE_DELAY`.
#[cfg(feature = "otlp")]
const SPANS_EVERY: Duration = Duration::from_secs(5);
/// The longest time to wait for the collector before a function answers or a process exits. It is
/// shorter than the time that a function reserves before its host's time limit.
#[cfg(feature = "otlp")]
const MAX_WAIT: Duration = Duration::from_millis(500);
/// Time limit for one attempt of a server to send spans or metrics.
#[cfg(feature = "otlp")]
const MAX_ATTEMPT: Duration = Duration::from_secs(60);

impl App {
    /// Writes the buffered log lines and copies of records, then sends spans and metrics to the
    /// collector for at most `MAX_WAIT`. If less time than that is left until `answer_by`, the
    /// spans and metrics are kept for the next call. Call this before the host freezes the process
    /// or the process exits.
    pub async fn flush_telemetry(
        &self,
        #[cfg_attr(
            not(feature = "otlp"),
            expect(unused_variables, reason = "limits only the wait for the collector")
        )]
        answer_by: Deadline,
    ) {
        telemetry::flush().await;
        #[cfg(feature = "otlp")]
        if left(answer_by) >= MAX_WAIT {
            otlp::export_all(&self.metrics, MAX_WAIT).await;
        }
    }

    /// Sends the spans and metrics of a server until the future is dropped.
    #[cfg(feature = "otlp")]
    pub async fn export(self: Arc<Self>) {
        let mut sent = Instant::now();
        loop {
            // A full batch is sent at once, before `SPANS_EVERY` has passed.
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
