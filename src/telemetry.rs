//! The log subscriber and the metrics. In: events and counts. Out: lines on stderr and stdout,
//! Prometheus' text. Bodies, headers and secrets are never fields of an event.

mod metric;
mod metrics;
mod output;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

pub use metric::{Definition, DeliveryResult, Kind, Metric, NotificationResult};
pub use metrics::{Metrics, NAMESPACE};
pub use output::{copy_evidence, flush, flush_at_exit, write_metrics};

use output::LogLine;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, for a host's log service.
    Json,
    /// For people at a terminal.
    Text,
}

impl LogFormat {
    /// As the process's variables say; else JSON on a host and text for commands.
    pub fn chosen<'v>(variable: impl Fn(&str) -> Option<&'v String>, on_host: bool) -> Self {
        let written = ["SHAREHOOK_LOG", "AWS_LAMBDA_LOG_FORMAT"];
        let read = |name: &str| Self::read(variable(name)?);
        let usual = if on_host { Self::Json } else { Self::Text };
        written.into_iter().find_map(read).unwrap_or(usual)
    }

    /// Reads `json` or `text`, in any case.
    fn read(text: &str) -> Option<Self> {
        let is = |name| text.eq_ignore_ascii_case(name);
        match () {
            () if is("json") => Some(Self::Json),
            () if is("text") => Some(Self::Text),
            () => None,
        }
    }
}

/// Installs the log subscriber once; a second call changes nothing.
///
/// `filter` has the syntax of `RUST_LOG`. An invalid filter becomes `info`, so that a typing error
/// does not disable the log.
pub fn init(format: LogFormat, filter: Option<&str>) {
    let filter =
        EnvFilter::try_new(filter.unwrap_or("info")).unwrap_or_else(|_| EnvFilter::new("info"));
    let installed = match format {
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                // The list of spans has it too.
                .with_current_span(false)
                .with_env_filter(filter);
            layer.with_writer(|| LogLine { ansi: false }).try_init()
        }
        LogFormat::Text => {
            let layer = tracing_subscriber::fmt()
                .compact()
                .with_target(false)
                .with_env_filter(filter);
            let ansi = std::io::stderr().is_terminal();
            let layer = layer.with_ansi(ansi);
            layer.with_writer(move || LogLine { ansi }).try_init()
        }
    };
    // Tests install a second subscriber in the same process; ignore the error.
    drop(installed);
}
