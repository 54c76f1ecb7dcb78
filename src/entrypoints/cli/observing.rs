//! Installs the log and the export of spans and metrics when the program starts. In: the
//! environment variables. Invalid variables of OpenTelemetry only disable the export.

use crate::config::Vars;
use crate::telemetry::{self, LogSettings};

/// Installs the log and the export. `quiet` is the log level that applies if no variable sets one.
pub(super) fn begin(vars: &Vars, on_host: bool, quiet: &str) {
    let settings = LogSettings::of(|name| vars.get(name), on_host, quiet);
    #[cfg(feature = "otlp")]
    let configured = configure(vars);
    telemetry::init(settings);
    #[cfg(feature = "otlp")]
    if let Err(problems) = configured {
        tracing::error!(%problems, "traces and metrics are not exported");
    }
    #[cfg(not(feature = "otlp"))]
    if vars.contains_key("OTEL_EXPORTER_OTLP_ENDPOINT") {
        tracing::warn!(
            "OTEL_EXPORTER_OTLP_ENDPOINT has no effect: this build exports nothing; build it with --features otlp"
        );
    }
}

#[cfg(feature = "otlp")]
fn configure(vars: &Vars) -> Result<(), crate::domain::Problems> {
    use crate::app::http_client;
    use crate::clock;
    use crate::telemetry::otlp::{Settings, Sources};

    let instance = clock::fresh_bytes::<8>()
        .map(hex::encode)
        .unwrap_or_default();
    let settings = Settings::of(vars, &instance)?;
    let sources = Sources {
        now: clock::system_now,
        random: clock::fresh_bytes,
    };
    telemetry::otlp::configure(settings, http_client, sources)
}

/// Sends the last spans after a command has finished.
pub(super) async fn end() {
    #[cfg(feature = "otlp")]
    telemetry::otlp::end(std::time::Duration::from_secs(1)).await;
}
