//! Sends spans and metrics to the collector. In: queued spans, the current metrics. Out: HTTP
//! requests, one at a time. If the collector is slow, down or busy, the exporter sends the spans
//! again later. Spans that the collector refuses are dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use serde_json::Value as Json;
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

/// The shortest time between two log lines about lost spans.
const LOST_EVERY: Duration = Duration::from_secs(60);
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
    failed: Mutex<Option<Instant>>,
    /// Until when the collector wants no request.
    waits_until: Mutex<Option<Instant>>,
    /// Whether the collector rejected a part of the newest request that it took.
    partial: AtomicBool,
}

impl Signal {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            failed: Mutex::default(),
            waits_until: Mutex::default(),
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
    sending: tokio::sync::Mutex<()>,
    spans: Signal,
    metrics: Signal,
    /// How many requests with spans in a row were cut off before the collector answered. Every
    /// second one drops its spans.
    cut_off: AtomicU32,
    lost: Mutex<Lost>,
}

/// What the log has said about lost spans.
#[derive(Debug, Default)]
struct Lost {
    spans: u64,
    at: Option<Instant>,
}

impl Lost {
    /// Returns how many of `spans` lost spans the log must name now, and counts them as named.
    fn name_now(&mut self, spans: u64, at_end: bool) -> Option<u64> {
        let soon = self.at.is_some_and(|at| at.elapsed() < LOST_EVERY);
        let more = spans.saturating_sub(self.spans);
        if more == 0 || (soon && !at_end) {
            return None;
        }
        (self.spans, self.at) = (spans, Some(Instant::now()));
        Some(more)
    }
}

impl Exporter {
    pub(super) fn new(settings: Settings, client: Client, sources: Sources) -> Self {
        Self {
            settings,
            client,
            sources,
            queue: Arc::new(Queue::new(&LOST_SPANS)),
            began: (sources.now)(),
            sending: tokio::sync::Mutex::default(),
            spans: Signal::new("spans"),
            metrics: Signal::new("metrics"),
            cut_off: AtomicU32::default(),
            lost: Mutex::default(),
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

    /// Sends the queued spans until the queue is empty or a request fails. If the future is
    /// dropped before the collector answers, the spans return to the queue. If that happens twice
    /// in a row to requests that begin by `in_time`, they are dropped and counted instead.
    pub(super) async fn send_spans(&self, in_time: Option<Instant>) {
        let Some(url) = &self.settings.traces else {
            return;
        };
        let _sending = self.sending.lock().await;
        if self.spans.must_wait() {
            return;
        }
        while let Some(mut batch) = self.queue.batch() {
            let message = json::traces(&self.settings.resource, batch.spans());
            if in_time.is_some_and(|end| Instant::now() <= end) {
                let before = self.cut_off.fetch_add(1, Ordering::Relaxed);
                batch.give_way(before % 2 == 1);
            }
            let end = self.post(url, &message).await;
            self.cut_off.store(0, Ordering::Relaxed);
            batch.give_way(false);
            match end {
                End::Accepted(partial) => {
                    batch.delivered(partial.rejected);
                    self.spans.note_success(&partial);
                }
                End::Refused(why) => {
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
    /// way to newer ones. A request that begins in the second half of the time does not count.
    pub(super) async fn send_all(&self, metrics: &Metrics, longest: Duration) {
        let begun = Instant::now();
        let end = begun + longest;
        let late = "no answer in time";
        if timeout_at(end, self.send_spans(Some(begun + longest / 2)))
            .await
            .is_err()
        {
            self.spans.note_failure(late);
        } else if timeout_at(end, self.send_metrics(metrics)).await.is_err() {
            self.metrics.note_failure(late);
        }
    }

    /// Drops and counts the spans that wait, because the process ends.
    pub(super) fn give_up(&self) {
        self.queue.give_up();
        self.log_lost(true);
    }

    /// Logs how many spans were lost since it last did, but at most once a minute, unless the
    /// process ends.
    pub(super) fn log_lost(&self, at_end: bool) {
        let lost = LOST_SPANS.load(Ordering::Relaxed);
        if let Some(spans) = self.lost.lock().name_now(lost, at_end) {
            tracing::warn!(
                spans,
                "lost spans: the collector refused them, or did not take them in time"
            );
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
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use std::collections::BTreeMap;
    use std::convert::Infallible;
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
            exporter.send_spans(None).await;
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
        assert_eq!(LOST_SPANS.load(Ordering::Relaxed), 2);
    }

    /// A host can let a function answer several requests at a time. Only one of them sends.
    #[tokio::test]
    async fn spans_that_were_sent_once_do_not_give_way() {
        let slow = post(async || tokio::time::sleep(Duration::from_secs(60)).await);
        let exporter = exporter(Router::new().route("/v1/traces", slow)).await;
        let (metrics, longest) = (Metrics::default(), Duration::from_millis(100));
        exporter.queue().push(Json::Null);
        let both = [(); 2].map(|()| exporter.send_all(&metrics, longest));
        futures_util::future::join_all(both).await;
        assert_eq!(exporter.queue().batch().unwrap().spans().len(), 1);
        assert_eq!(LOST_SPANS.load(Ordering::Relaxed), 0);
    }

    /// Between two late answers, the collector says that it is busy.
    #[tokio::test]
    async fn an_answer_ends_the_row_of_late_ones() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let answer = post(async move || {
            if count.fetch_add(1, Ordering::Relaxed) != 1 {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            StatusCode::SERVICE_UNAVAILABLE
        });
        let exporter = exporter(Router::new().route("/v1/traces", answer)).await;
        let (metrics, longest) = (Metrics::default(), Duration::from_millis(300));
        exporter.queue().push(Json::Null);
        for _ in 0..3 {
            exporter.send_all(&metrics, longest).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert_eq!(exporter.queue().batch().unwrap().spans().len(), 1);
    }

    #[test]
    fn the_log_names_each_lost_span_once() {
        let mut lost = Lost::default();
        assert_eq!(lost.name_now(0, false), None);
        assert_eq!(lost.name_now(3, false), Some(3));
        assert_eq!(lost.name_now(5, false), None, "a minute has not passed");
        assert_eq!(lost.name_now(5, true), Some(2));
        assert_eq!(lost.name_now(5, true), None);
    }

    #[tokio::test]
    async fn a_success_of_the_metrics_does_not_end_a_failure_of_the_spans() {
        let metrics = post(async || StatusCode::OK);
        let exporter = exporter(Router::new().route("/v1/metrics", metrics)).await;
        exporter.send_metrics(&Metrics::default()).await;
        assert!(!exporter.rests());
        exporter.queue().push(Json::Null);
        exporter.send_spans(None).await;
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
