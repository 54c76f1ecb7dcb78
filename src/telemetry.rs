//! Logs, metrics and traces. In: events, counts, spans. Out: lines on stderr and stdout,
//! Prometheus' text format, OTLP. No field of an event or a span contains a secret or the body of a
//! delivery. The only headers of a delivery that appear in fields are ids and a refused media type.

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
use tracing_subscriber::{EnvFilter, fmt, registry};

pub use metric::{Definition, DeliveryResult, Kind, Metric, NotificationResult};
pub use metrics::{Metrics, NAMESPACE};
pub use output::{copy_evidence, flush, flush_at_exit, write_metrics};
pub use step::{Step, step};
pub use trace::{begin, carry, current};
pub use trace_context::{TraceContext, within};

use crate::domain::spelled;
use output::LogLine;

spelled! {
    /// The format of log lines.
    LogFormat {
        /// One JSON object per line, for a host's log service.
        Json = "json",
        /// Plain text, for people at a terminal.
        Text = "text",
    }
}

impl LogFormat {
    /// Returns the format that `SHAREHOOK_LOG` names, or else the one that `AWS_LAMBDA_LOG_FORMAT`
    /// names. If neither names a format, returns `Json` on a host and `Text` for a command.
    pub fn chosen<'v>(variable: impl Fn(&str) -> Option<&'v String>, on_host: bool) -> Self {
        let written = ["SHAREHOOK_LOG", "AWS_LAMBDA_LOG_FORMAT"];
        // Ignore the case, because Lambda writes `JSON` and `Text`.
        let read = |name: &str| variable(name)?.to_ascii_lowercase().parse().ok();
        let usual = if on_host { Self::Json } else { Self::Text };
        written.into_iter().find_map(read).unwrap_or(usual)
    }
}

/// Installs the log subscriber. A second call changes nothing.
///
/// `filter` has the syntax of `RUST_LOG`. An invalid filter becomes `info`, so that a typing error
/// does not disable the log.
pub fn init(format: LogFormat, filter: Option<&str>) {
    let filter =
        EnvFilter::try_new(filter.unwrap_or("info")).unwrap_or_else(|_| EnvFilter::new("info"));
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
}
