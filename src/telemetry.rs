//! Logs, metrics and traces. In: events, counts, spans. Out: lines on stderr and stdout,
//! Prometheus' text format, OTLP. No field of an event or a span contains a secret or the body of a
//! delivery. The only headers of a delivery that appear in fields are ids and a refused media type.

mod log_settings;
#[cfg(feature = "otlp")]
mod lost_spans;
mod metric;
mod metrics;
#[cfg(feature = "otlp")]
pub mod otlp;
mod output;
mod step;
mod trace;
mod trace_context;

use std::io::IsTerminal as _;

#[cfg(feature = "otlp")]
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

pub use log_settings::{LogFormat, LogSettings};
pub use metric::{Definition, DeliveryResult, Kind, Metric, NotificationResult};
pub use metrics::{Metrics, NAMESPACE};
pub use output::{copy_evidence, flush, flush_at_exit, write_metrics};
pub use step::{Step, step};
pub use trace::{begin, carry, current};
pub use trace_context::{TraceContext, within};

use output::LogLine;

/// Installs the log subscriber, and logs what is wrong with the settings. A second call changes
/// nothing.
pub fn init(settings: LogSettings) {
    let LogSettings {
        format,
        filter,
        problems,
    } = settings;
    let log = match format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            // The list of spans already includes the current span.
            .with_current_span(false)
            .with_writer(|| LogLine { ansi: false })
            .boxed(),
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            fmt::layer()
                .compact()
                .with_target(false)
                .with_ansi(ansi)
                .with_writer(move || LogLine { ansi })
                .boxed()
        }
    };
    #[cfg(not(feature = "otlp"))]
    let installed = registry().with(filter).with(log).try_init();
    // The spans of steps are meant for the collector, so the log layer leaves them out. The level
    // filter applies only to the log layer, so the collector gets its spans at every log level.
    #[cfg(feature = "otlp")]
    let installed = {
        let steps = filter_fn(|data| !(data.is_span() && data.fields().field("step").is_some()));
        let log = log.with_filter(filter.and(steps));
        registry().with(log).with(otlp::layer()).try_init()
    };
    // In tests, a subscriber may already be installed.
    drop(installed);
    for problem in problems {
        tracing::warn!("{problem}");
    }
}
