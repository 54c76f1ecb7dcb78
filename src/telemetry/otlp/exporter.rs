//! Sends spans and metrics to the collector. In: queued spans, the current metrics. Out: HTTP
//! requests, one at a time. If the collector is slow, down or busy, the exporter sends the spans
//! again later. Spans that the collector refuses are dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::json;
use super::queue::Queue;
use super::settings::Settings;
use super::sources::Sources;
use crate::domain::{Timestamp, hide_secrets};
use crate::telemetry::lost_spans::LOST_SPANS;
use crate::telemetry::metrics::Metrics;

/// How long the exporter holds back after a request failed. During this time a function sends
/// nothing, and a server sends only at its regular times, not as soon as a batch is full.
const REST: Duration = Duration::from_secs(30);

/// The longest `Retry-After` that is honoured.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// How much is read of an answer. It is normally empty.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How many characters of the collector's reason the log shows.
const MAX_REASON: usize = 300;

/// How a request to the collector ended.
enum End {
    Accepted(Partial),
    /// The collector may take the request later, as after a 503, but not within this time.
    Retry(String, Duration),
    /// The collector will never take the request.
    Refused(String),
}

/// What a collector says about a request that it took.
#[derive(Debug, Default, PartialEq, Eq)]
struct Partial {
    /// The number of spans or data points that the collector rejected.
    rejected: u64,
    /// Why; empty if it rejected nothing and warns of nothing.
    why: String,
}

/// Spans or metrics, and whether the newest request with them failed. A collector may take spans
/// and refuse metrics, or the other way round.
#[derive(Debug)]
struct Signal {
    name: &'static str,
    /// When the newest request failed. `None` if it succeeded, or if there was no request yet.
    failed: parking_lot::Mutex<Option<Instant>>,
    /// Until when the collector wants no request.
    waits_until: parking_lot::Mutex<Option<Instant>>,
    /// Whether the collector rejected a part of the newest request that it took.
    partial: AtomicBool,
}

impl Signal {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            failed: parking_lot::Mutex::default(),
            waits_until: parking_lot::Mutex::default(),
            partial: AtomicBool::default(),
        }
    }

    /// Logs only the first rejection of a part after a complete success.
    fn note_success(&self, partial: &Partial) {
        *self.failed.lock() = None;
        let Partial { rejected, why } = partial;
        let complete = *rejected == 0 && why.is_empty();
        if !self.partial.swap(!complete, Ordering::Relaxed) && !complete {
            tracing::warn!(
                signal = self.name,
                rejected,
                why,
                "the collector rejected a part of what was sent, or sent a warning. Logged again only after it accepted everything once"
            );
        }
    }

    fn note_retry(&self, why: &str, after: Duration) {
        *self.waits_until.lock() = Some(Instant::now() + after);
        self.note_failure(why);
    }

    fn must_wait(&self) -> bool {
        let until = *self.waits_until.lock();
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes a failure. Logs it if the request before succeeded, or if there was none.
    fn note_failure(&self, why: &str) {
        if self.failed.lock().replace(Instant::now()).is_none() {
            tracing::warn!(
                signal = self.name,
                why,
                "cannot send to the collector; check it and the variables OTEL_EXPORTER_OTLP_*. Logged again only after a success"
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
    /// Whether the time of a function was up during the newest request with spans.
    cut_off: AtomicBool,
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
            cut_off: AtomicBool::default(),
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
        if self.spans.must_wait() {
            return;
        }
        while let Some(batch) = self.queue.batch() {
            let message = json::traces(&self.settings.resource, batch.spans());
            match self.post(url, &message).await {
                End::Accepted(partial) => {
                    batch.delivered(partial.rejected);
                    self.cut_off.store(false, Ordering::Relaxed);
                    self.spans.note_success(&partial);
                }
                End::Refused(why) => {
                    self.cut_off.store(false, Ordering::Relaxed);
                    batch.refused();
                    return self.spans.note_failure(&why);
                }
                End::Retry(why, after) => return self.spans.note_retry(&why, after),
            }
        }
    }

    /// Sends the current values. If the request fails, these values are not sent again: the next
    /// call sends the values of its own time.
    pub(super) async fn send_metrics(&self, metrics: &Metrics) {
        let Some(url) = &self.settings.metrics else {
            return;
        };
        let _sending = self.sending.lock().await;
        if self.metrics.must_wait() {
            return;
        }
        let times = (self.began, (self.sources.now)());
        let message = json::metrics(&self.settings.resource, &metrics.all(), times);
        match self.post(url, &message).await {
            End::Accepted(partial) => self.metrics.note_success(&partial),
            End::Retry(why, after) => self.metrics.note_retry(&why, after),
            End::Refused(why) => self.metrics.note_failure(&why),
        }
    }

    async fn post(&self, url: &Url, message: &Json) -> End {
        let request = self.client.post(url.clone());
        let request = request.headers(self.settings.headers.clone()).json(message);
        match request.timeout(self.settings.timeout).send().await {
            Ok(answer) if answer.status().is_success() => {
                End::Accepted(self.partial(&beginning(answer).await))
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                let why = format!("HTTP {status}");
                match status {
                    429 | 502..=504 => End::Retry(why, retry_after(answer.headers())),
                    _ => End::Refused(why),
                }
            }
            // Leave out the URL: it may contain a password.
            Err(error) => End::Retry(error.without_url().to_string(), Duration::ZERO),
        }
    }

    /// Reads a partial success. Hides in its text the values of the headers and the password in the
    /// collector's address, which a collector may repeat.
    fn partial(&self, answer: &[u8]) -> Partial {
        let Settings {
            headers,
            traces,
            metrics,
            ..
        } = &self.settings;
        let urls = [traces, metrics].into_iter().flatten();
        let values = headers.values().filter_map(|value| value.to_str().ok());
        let secrets =
            values.flat_map(|value| [Some(value), value.split_once(' ').map(|(_, key)| key)]);
        let secrets = secrets.flatten().chain(urls.filter_map(Url::password));
        partial(answer, &secrets.collect::<Vec<_>>())
    }

    /// Sends spans and metrics, for at most `longest` together. The collector may have taken spans
    /// although its answer came too late, so after a second time in a row they are dropped, and give
    /// way to newer ones.
    pub(super) async fn send_all(&self, metrics: &Metrics, longest: Duration) {
        let end = Instant::now() + longest;
        let late = "no answer in time";
        if timeout_at(end, self.send_spans()).await.is_err() {
            self.spans.note_failure(late);
            if self.cut_off.swap(true, Ordering::Relaxed)
                && let Some(batch) = self.queue.batch()
            {
                batch.refused();
                self.cut_off.store(false, Ordering::Relaxed);
            }
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

/// Reads the beginning of an answer, as far as it arrives.
async fn beginning(mut answer: Response) -> Vec<u8> {
    let mut read = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        let room = MAX_ANSWER_BYTES - read.len();
        read.extend(chunk.iter().take(room));
        if read.len() >= MAX_ANSWER_BYTES {
            break;
        }
    }
    read
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let seconds = seconds.and_then(|text| text.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(MAX_RETRY_AFTER)
}

/// Reads what a partial success rejected, without `secrets`. A count is a number or a string, because
/// OTLP's JSON writes 64-bit integers as strings.
fn partial(answer: &[u8], secrets: &[&str]) -> Partial {
    let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
    let field = |name: &str| answer.pointer(&format!("/partialSuccess/{name}"));
    let count = |name: &str| {
        let count = field(name)?;
        let text = count.as_str().and_then(|text| text.parse().ok());
        count.as_u64().or(text)
    };
    let rejected = count("rejectedSpans").or_else(|| count("rejectedDataPoints"));
    let why = field("errorMessage").and_then(Json::as_str).unwrap_or("");
    let why = hide_secrets(why.as_bytes(), secrets, "***");
    let why = String::from_utf8_lossy(&why);
    Partial {
        rejected: rejected.unwrap_or(0),
        why: why.chars().take(MAX_REASON).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::sync::atomic::AtomicU32;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use tokio::net::TcpListener;

    use super::*;

    /// Returns an exporter whose collector accepts metrics and refuses spans with status 404.
    async fn exporter(collector: Router) -> Exporter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, collector).await });
        let vars = BTreeMap::from([("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), here)]);
        let sources = Sources {
            now: || Timestamp::UNIX_EPOCH,
            random: || Ok([7; 8]),
        };
        let settings = Settings::of(&vars, "i").unwrap();
        Exporter::new(settings, crate::cloud::http_client().unwrap(), sources)
    }

    /// The endless answer of a collector that is none.
    #[tokio::test]
    async fn an_answer_without_an_end_is_not_read_to_its_end() {
        let endless = || {
            let chunk = vec![b'x'; 8_192];
            let chunks =
                futures_util::stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()));
            axum::body::Body::from_stream(chunks)
        };
        let exporter =
            exporter(Router::new().route("/v1/metrics", post(async move || endless()))).await;
        let metrics = Metrics::default();
        let sending = exporter.send_metrics(&metrics);
        tokio::time::timeout(Duration::from_secs(5), sending)
            .await
            .unwrap();
        assert!(!exporter.rests(), "the collector took the metrics");
    }

    #[tokio::test]
    async fn the_collector_says_how_long_it_wants_no_request() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let busy = post(async move || {
            count.fetch_add(1, Ordering::Relaxed);
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "30")])
        });
        let exporter = exporter(Router::new().route("/v1/traces", busy)).await;
        exporter.queue().push(Json::Null);
        for _ in 0..2 {
            exporter.send_spans().await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(exporter.queue().batch().unwrap().spans().len(), 1);
    }

    /// A function's host freezes the process before the collector answers.
    #[tokio::test]
    async fn spans_that_time_out_twice_give_way_to_newer_ones() {
        let slow = post(async || tokio::time::sleep(Duration::from_secs(60)).await);
        let exporter = exporter(Router::new().route("/v1/traces", slow)).await;
        let (metrics, longest) = (Metrics::default(), Duration::from_millis(100));
        for left in [1, 0, 1] {
            exporter.queue().push(Json::Null);
            exporter.send_all(&metrics, longest).await;
            let queue = exporter.queue();
            let waiting = queue.batch().map_or(0, |batch| batch.spans().len());
            assert_eq!(waiting, left);
        }
    }

    #[tokio::test]
    async fn a_success_of_the_metrics_does_not_end_a_failure_of_the_spans() {
        let metrics = post(async || StatusCode::OK);
        let exporter = exporter(Router::new().route("/v1/metrics", metrics)).await;
        exporter.send_metrics(&Metrics::default()).await;
        assert!(!exporter.rests());
        exporter.queue().push(Json::Null);
        exporter.send_spans().await;
        assert!(exporter.rests());
        exporter.send_metrics(&Metrics::default()).await;
        assert!(exporter.rests(), "the spans failed");
    }

    #[test]
    fn a_partial_success_names_what_it_rejected() {
        for (answer, rejected, why) in [
            (
                r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#,
                3,
                "old",
            ),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3, ""),
            (r#"{"partialSuccess":{"rejectedDataPoints":"2"}}"#, 2, ""),
            (r#"{"partialSuccess":{"errorMessage":"slow"}}"#, 0, "slow"),
            (r#"{"partialSuccess":{}}"#, 0, ""),
            ("{}", 0, ""),
            ("", 0, ""),
        ] {
            let why = why.to_owned();
            assert_eq!(
                partial(answer.as_bytes(), &["hush"]),
                Partial { rejected, why },
                "{answer}"
            );
        }
    }
}
