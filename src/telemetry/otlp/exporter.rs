//! Sends spans and metrics to the collector. In: queued spans, the current metrics. Out: HTTP
//! requests, one at a time. If the collector is slow, down or busy, the exporter sends the spans
//! again later. Spans that the collector refuses are dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::json;
use super::queue::Queue;
use super::settings::Settings;
use super::sources::Sources;
use crate::domain::Timestamp;
use crate::telemetry::lost_spans::LOST_SPANS;
use crate::telemetry::metrics::Metrics;

/// How long the exporter holds back after a request failed. During this time a function sends
/// nothing, and a server sends only at its regular times, not as soon as a batch is full.
const REST: Duration = Duration::from_secs(30);

enum End {
    /// The collector accepted the request, but rejected this number of its spans.
    Accepted(u64),
    /// The request failed for this reason. It may succeed later, for example after a 503.
    Retry(String),
    /// The collector refused the request for this reason, and would refuse it again.
    Refused(String),
}

/// The state of the export of spans, or of metrics. Each has its own state, because a collector may
/// accept spans and refuse metrics, or the other way round.
#[derive(Debug)]
struct Signal {
    name: &'static str,
    /// When the newest request failed. `None` if it succeeded, or if there was no request yet.
    failed: parking_lot::Mutex<Option<Instant>>,
}

impl Signal {
    fn new(name: &'static str) -> Self {
        let failed = parking_lot::Mutex::default();
        Self { name, failed }
    }

    fn note_success(&self) {
        *self.failed.lock() = None;
    }

    /// Notes a failure. Logs it if the request before succeeded, or if there was none.
    fn note_failure(&self, why: &str) {
        if self.failed.lock().replace(Instant::now()).is_none() {
            tracing::warn!(
                signal = self.name,
                why,
                "this signal cannot be exported; check the collector and the variables OTEL_EXPORTER_OTLP_*. A further failure is logged only after a success"
            );
        }
    }

    fn failed_just_now(&self) -> bool {
        self.failed.lock().is_some_and(|at| at.elapsed() < REST)
    }
}

#[derive(Debug)]
pub(super) struct Exporter {
    settings: Settings,
    client: Client,
    sources: Sources,
    queue: Arc<Queue>,
    began: Timestamp,
    /// Held while requests are sent, so that only one is sent at a time.
    sending: Mutex<()>,
    spans: Signal,
    metrics: Signal,
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
            spans: Signal::new("spans"),
            metrics: Signal::new("metrics"),
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
                End::Accepted(rejected) => batch.delivered(rejected),
                End::Refused(why) => {
                    batch.refused();
                    return self.spans.note_failure(&why);
                }
                End::Retry(why) => return self.spans.note_failure(&why),
            }
            self.spans.note_success();
        }
    }

    /// Sends the current values. If the request fails, these values are not sent again: the next
    /// call sends the values of its own time.
    pub(super) async fn send_metrics(&self, metrics: &Metrics) {
        let Some(url) = &self.settings.metrics else {
            return;
        };
        let _sending = self.sending.lock().await;
        let times = (self.began, (self.sources.now)());
        let message = json::metrics(&self.settings.resource, &metrics.all(), times);
        match self.post(url, &message).await {
            End::Accepted(_) => self.metrics.note_success(),
            End::Retry(why) | End::Refused(why) => self.metrics.note_failure(&why),
        }
    }

    async fn post(&self, url: &Url, message: &Json) -> End {
        let request = self.client.post(url.clone());
        let request = request.headers(self.settings.headers.clone()).json(message);
        match request.timeout(self.settings.timeout).send().await {
            Ok(answer) if answer.status().is_success() => {
                End::Accepted(rejected(answer.bytes().await.unwrap_or_default().as_ref()))
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                let why = format!("HTTP {status}");
                match status {
                    429 | 502..=504 => End::Retry(why),
                    _ => End::Refused(why),
                }
            }
            // Leave out the URL, because it may contain a password.
            Err(error) => End::Retry(error.without_url().to_string()),
        }
    }

    /// Sends the spans, then the metrics. Gives up after `longest`.
    pub(super) async fn send_all(&self, metrics: &Metrics, longest: Duration) {
        let end = Instant::now() + longest;
        let late = "no answer in time";
        if timeout_at(end, self.send_spans()).await.is_err() {
            self.spans.note_failure(late);
        } else if timeout_at(end, self.send_metrics(metrics)).await.is_err() {
            self.metrics.note_failure(late);
        }
    }

    /// Whether the newest request with spans or the newest request with metrics failed less than
    /// `REST` ago.
    pub(super) fn rests(&self) -> bool {
        self.spans.failed_just_now() || self.metrics.failed_just_now()
    }
}

/// Returns how many spans the collector rejected, according to its response. The response may have
/// this count as a number, or as text, because OTLP's JSON writes 64-bit integers as text.
fn rejected(answer: &[u8]) -> u64 {
    let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = answer.pointer("/partialSuccess/rejectedSpans");
    let text = rejected.and_then(Json::as_str).map(str::parse);
    let number = rejected.and_then(Json::as_u64);
    number.or(text.and_then(Result::ok)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use tokio::net::TcpListener;

    use super::*;

    /// Returns an exporter whose collector accepts metrics and refuses spans with status 404.
    async fn exporter_of_metrics() -> Exporter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        let metrics = post(async || StatusCode::OK);
        let collector = Router::new().route("/v1/metrics", metrics);
        tokio::spawn(async move { axum::serve(listener, collector).await });
        let vars = BTreeMap::from([("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), here)]);
        let sources = Sources {
            now: || Timestamp::UNIX_EPOCH,
            random: || Ok([7; 8]),
        };
        let settings = Settings::of(&vars, "i").unwrap();
        Exporter::new(settings, crate::cloud::http_client().unwrap(), sources)
    }

    #[tokio::test]
    async fn a_success_of_the_metrics_does_not_end_a_failure_of_the_spans() {
        let exporter = exporter_of_metrics().await;
        exporter.send_metrics(&Metrics::default()).await;
        assert!(!exporter.rests());
        exporter.queue().push(Json::Null);
        exporter.send_spans().await;
        assert!(exporter.rests());
        exporter.send_metrics(&Metrics::default()).await;
        assert!(exporter.rests(), "the spans failed");
    }

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
