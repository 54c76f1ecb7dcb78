//! Export by OTLP over HTTP, in its JSON encoding (opentelemetry.io/docs/specs/otlp). In: the spans
//! of `tracing` and the metrics. Out: requests to a collector. Spans wait in a bounded queue, and a
//! span that finds no room there is dropped and counted. On a server, work never waits for the
//! collector. A function waits for the collector before it answers, but only for a limited time.
//!
//! This module does not use the SDK of OpenTelemetry's official crates (0.33). The SDK exports from
//! threads that outlive an invocation, and it drops the spans that a busy collector did not accept.
//! It does not count lost spans. It also keeps exporting labels that no longer exist, such as the
//! digest of replaced policies. With the SDK, we would still need our own queue, sender, settings
//! and both outputs of the metrics, and an SDK instrument for each metric. It would save about 160
//! lines and add thirteen packages.

mod exporter;
mod json;
mod layer;
mod queue;
mod recorded;
mod settings;
mod sources;

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Client;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::domain::Problems;

use super::metrics::Metrics;
use exporter::Exporter;
use layer::SpanLayer;

pub(super) use layer::{adopt, context_of};
pub use settings::Settings;
pub use sources::Sources;

/// The exporter of this process, if a collector is configured.
static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Prepares the export to the collector that the settings name. Call this before the subscriber is
/// installed.
///
/// # Errors
/// The HTTP client cannot be built.
pub fn configure(
    settings: Settings,
    client: impl FnOnce() -> Result<Client, Problems>,
    sources: Sources,
) -> Result<(), Problems> {
    if settings.is_off() {
        return Ok(());
    }
    let exporter = Exporter::new(settings, client()?, sources);
    // A second call changes nothing. Only tests call this function twice.
    drop(EXPORTER.set(exporter));
    Ok(())
}

/// Returns the layer that records this program's spans for the collector, or `None` if no collector
/// for spans is configured.
pub(super) fn layer<S>() -> Option<impl Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let exporter = EXPORTER.get()?;
    let ours = filter_fn(|data| data.is_span() && data.target().starts_with("sharehook"));
    let layer = SpanLayer::new(exporter.queue(), exporter.sources());
    exporter.sends_spans().then(|| layer.with_filter(ours))
}

/// Sends the queued spans, for at most `longest`.
pub async fn export_spans(longest: Duration) {
    if let Some(exporter) = EXPORTER.get() {
        drop(tokio::time::timeout(longest, exporter.send_spans(None)).await);
        exporter.log_lost(false);
    }
}

/// Sends the last spans of a process, for at most `longest`. Logs how many are lost with it.
pub async fn end(longest: Duration) {
    export_spans(longest).await;
    EXPORTER.get().into_iter().for_each(Exporter::give_up);
}

/// Sends the metrics, for at most `longest`.
pub async fn export_metrics(metrics: &Metrics, longest: Duration) {
    if let Some(exporter) = EXPORTER.get() {
        drop(tokio::time::timeout(longest, exporter.send_metrics(metrics)).await);
    }
}

/// Sends spans and metrics, for at most `longest` together. Sends nothing if a request to the
/// collector failed shortly before.
pub async fn export_all(metrics: &Metrics, longest: Duration) {
    if let Some(exporter) = EXPORTER.get() {
        if !exporter.rests() {
            exporter.send_all(metrics, longest).await;
        }
        exporter.log_lost(false);
    }
}

/// Waits until a full batch of spans is queued. Never returns if there is no collector, or if a
/// request to it failed shortly before this call.
pub async fn full_batch() {
    match EXPORTER.get().filter(|exporter| !exporter.rests()) {
        Some(exporter) => exporter.queue().filled().await,
        None => std::future::pending().await,
    }
}

/// Returns how often a server sends its metrics, or `None` if no collector for metrics is
/// configured.
pub fn metrics_every() -> Option<Duration> {
    EXPORTER.get()?.metrics_every()
}
