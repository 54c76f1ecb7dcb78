//! Sends spans and metrics to the collector. In: queued spans, the current metrics. Out: HTTP
//! requests, one at a time. If the collector is slow, down or busy, spans are sent again later.
//! Spans that it refuses are dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::json;
use super::queue::Queue;
use super::settings::Settings;
use super::sources::Sources;
use crate::domain::Timestamp;
use crate::telemetry::lost_spans::LOST_SPANS;
use crate::telemetry::metrics::Metrics;

/// How long a function sends nothing after the collector failed, and a server sends no full batch
/// before its time.
const REST: Duration = Duration::from_secs(30);

/// How a request to the collector ended.
enum End {
    /// The collector took the request, but rejected this number of spans.
    Taken(u64),
    /// The collector may take the request later, as after a 503.
    Later(String),
    /// The collector will never take the request.
    Refused(String),
}

#[derive(Debug)]
pub(super) struct Exporter {
    settings: Settings,
    client: Client,
    sources: Sources,
    queue: Arc<Queue>,
    began: Timestamp,
    /// Locked while a request is being sent.
    sending: Mutex<()>,
    /// When the newest request failed; `None` after a success. Only the first failure after a
    /// success is logged.
    failed: parking_lot::Mutex<Option<Instant>>,
}

impl Exporter {
    pub(super) fn new(settings: Settings, client: Client, sources: Sources) -> Self {
        Self {
            settings,
            client,
            sources,
            queue: Arc::new(Queue::new(&LOST_SPANS)),
            began: (sources.now)(),
            sending: Mutex::default(),
            failed: parking_lot::Mutex::default(),
        }
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    pub(super) fn sources(&self) -> Sources {
        self.sources
    }

    pub(super) fn sends_spans(&self) -> bool {
        self.settings.traces.is_some()
    }

    pub(super) fn metrics_every(&self) -> Option<Duration> {
        let every = self.settings.metrics_every;
        self.settings.metrics.as_ref().map(|_| every)
    }

    /// Sends the queued spans until the queue is empty or a request fails.
    pub(super) async fn send_spans(&self) {
        let Some(url) = &self.settings.traces else {
            return;
        };
        let _sending = self.sending.lock().await;
        while let Some(batch) = self.queue.batch() {
            let message = json::traces(&self.settings.resource, batch.spans());
            match self.post(url, &message).await {
                End::Taken(rejected) => batch.delivered(rejected),
                End::Refused(why) => {
                    batch.refused();
                    return self.note_failure(&why);
                }
                End::Later(why) => return self.note_failure(&why),
            }
            *self.failed.lock() = None;
        }
    }

    /// Sends the current values. If they do not arrive, the next values replace them.
    pub(super) async fn send_metrics(&self, metrics: &Metrics) {
        let Some(url) = &self.settings.metrics else {
            return;
        };
        let _sending = self.sending.lock().await;
        let times = (self.began, (self.sources.now)());
        let message = json::metrics(&self.settings.resource, &metrics.all(), times);
        match self.post(url, &message).await {
            End::Taken(_) => *self.failed.lock() = None,
            End::Later(why) | End::Refused(why) => self.note_failure(&why),
        }
    }

    async fn post(&self, url: &Url, message: &Json) -> End {
        let request = self.client.post(url.clone());
        let request = request.headers(self.settings.headers.clone()).json(message);
        match request.timeout(self.settings.timeout).send().await {
            Ok(answer) if answer.status().is_success() => {
                End::Taken(rejected(answer.bytes().await.unwrap_or_default().as_ref()))
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                let why = format!("HTTP {status}");
                match status {
                    429 | 502..=504 => End::Later(why),
                    _ => End::Refused(why),
                }
            }
            // The URL may contain a password.
            Err(error) => End::Later(error.without_url().to_string()),
        }
    }

    /// Whether a request failed less than `REST` ago.
    pub(super) fn rests(&self) -> bool {
        self.failed.lock().is_some_and(|at| at.elapsed() < REST)
    }

    pub(super) fn note_failure(&self, why: &str) {
        if self.failed.lock().replace(Instant::now()).is_none() {
            tracing::warn!(
                why,
                "the collector of OTEL_EXPORTER_OTLP_ENDPOINT does not take what it is sent; the next success is not logged"
            );
        }
    }
}

/// Returns how many spans a partial success rejected: text, as OTLP's JSON has 64-bit integers, or
/// a number.
fn rejected(answer: &[u8]) -> u64 {
    let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = answer.pointer("/partialSuccess/rejectedSpans");
    let text = rejected.and_then(Json::as_str).map(str::parse);
    let number = rejected.and_then(Json::as_u64);
    number.or(text.and_then(Result::ok)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_success_names_the_rejected_spans() {
        for (answer, spans) in [
            (
                r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#,
                3,
            ),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3),
            (r#"{"partialSuccess":{}}"#, 0),
            ("{}", 0),
            ("", 0),
        ] {
            assert_eq!(rejected(answer.as_bytes()), spans, "{answer}");
        }
    }
}
