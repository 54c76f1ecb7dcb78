//! Sets the gauges that are computed from the journal's index, and renders all metrics of the
//! process as text for Prometheus (`/metrics`) or for CloudWatch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::app::deliveries::NO_SOURCE;
use crate::config::MetricsAccess;
use crate::domain::Timestamp;
use crate::journal::{JournalError, MAX_PAUSE_OF_REVOCATION, OPERATIONS, StoreResult, WakeUp};
use crate::telemetry::{DeliveryResult, Metric, NotificationResult};

use super::index_counts::{Counted, Counts, Known, Part};
use super::reader_token::presents;

/// Minimum time between two counts of the index. This limits the cost if strangers request
/// `/metrics` often.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a reader of the metrics waits for a count. Prometheus drops a reading, with all counters,
/// that takes 10 seconds.
const COUNT_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsReply {
    /// Every metric in Prometheus' text format.
    Text(String),
    Unauthorised,
    /// This process does not serve `/metrics`.
    Off,
}

impl App {
    /// Returns the metrics if a reader with this `Authorization` header may see them.
    pub async fn metrics_for(&self, authorization: Option<&str>) -> MetricsReply {
        match &self.config().http.metrics {
            None if !self.shows_metrics => return MetricsReply::Off,
            Some(MetricsAccess::Off) => return MetricsReply::Off,
            Some(MetricsAccess::Token(token)) if !presents(token, authorization) => {
                return MetricsReply::Unauthorised;
            }
            None | Some(MetricsAccess::Open | MetricsAccess::Token(_)) => {}
        }
        MetricsReply::Text(self.metrics().await)
    }

    /// Returns every metric in Prometheus' text format.
    pub async fn metrics(&self) -> String {
        self.refresh_metrics().await;
        self.metrics.render()
    }

    /// Begins the counters that have alarms, and sets the gauges. If the count of the index takes
    /// longer than `COUNT_WAIT`, the gauges keep their last values until it ends.
    pub(super) async fn refresh_metrics(&self) {
        self.begin_series();
        // At most one count runs, however many readers come and go while the journal is silent.
        let count = async {
            let counting = Arc::clone(&self.counting).lock_owned().await;
            let app = self.clone();
            let count = tokio::spawn(async move {
                Box::pin(app.look_at_gauges()).await;
                drop(counting);
            });
            drop(count.await);
        };
        drop(tokio::time::timeout(COUNT_WAIT, count).await);
    }

    /// Returns the changes of the metrics since the last call, as log lines that CloudWatch reads.
    /// `function` is the name of the function.
    pub fn metrics_for_cloudwatch(&self, function: &str) -> Vec<String> {
        let now = self.now().as_millisecond();
        self.metrics.lines_for_cloudwatch(function, now)
    }

    /// Sets the gauges that are computed from the journal's index and from the rules.
    pub async fn look_at_gauges(&self) {
        self.metrics
            .set(Metric::PolicyInfo, &[self.prepared.policy_digest()], 1.0);
        self.metrics
            .set(Metric::BuildInfo, &[env!("CARGO_PKG_VERSION")], 1.0);
        let count = async |last: Option<Counted>| {
            let known = last.unwrap_or_default().known;
            let counted = Box::pin(self.count_index(&known)).await;
            Ok(counted.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot read the journal's index, so the metrics of grants and unfinished requests are missing");
                Counted::default()
            }))
        };
        let counted = self.counts.or_make(COUNT_INTERVAL, count).await;
        let counts = counted.ok().and_then(|counted| counted.counts);
        let age = |since: Timestamp| self.now().duration_since(since).as_secs_f64();
        for (metric, number) in [
            (Metric::GrantsActive, counts.map(|of| of.grants as f64)),
            (Metric::GrantsOverdue, counts.map(|of| of.overdue as f64)),
            (
                Metric::RequestsUnfinished,
                counts.map(|of| of.unfinished as f64),
            ),
            (
                Metric::OldestUnfinished,
                counts.map(|of| of.oldest.map_or(0.0, age)),
            ),
        ] {
            match number {
                Some(number) => self.metrics.set(metric, &[], number),
                None => self.metrics.forget(metric),
            }
        }
        if let Some(compared) = counts.and_then(|of| of.compared) {
            let (seconds, differences) = (compared.at.as_second(), compared.differences);
            for (metric, number) in [
                (Metric::DriftTimestamp, seconds as f64),
                (Metric::DriftDifferences, differences as f64),
            ] {
                self.metrics.show(metric, &[], number);
            }
        }
    }

    /// Initializes the counters that have alarms to zero, for all configured sources and targets.
    /// Counters that exist keep their values.
    fn begin_series(&self) {
        let config = self.config();
        let sources = config.sources.iter().map(|source| source.name.as_str());
        for source in sources.chain([NO_SOURCE]) {
            for result in DeliveryResult::ALL {
                self.metrics
                    .begin(Metric::Deliveries, &[source, result.as_str()]);
            }
            self.metrics.begin(Metric::DeliveriesRejected, &[source]);
        }
        for notify in &config.notify {
            for result in NotificationResult::ALL {
                let labels = [notify.subscription.name.as_str(), result.as_str()];
                self.metrics.begin(Metric::Notifications, &labels);
            }
        }
        for operation in OPERATIONS {
            for result in [StoreResult::Failed, StoreResult::TimedOut] {
                let labels = [operation, result.as_str()];
                self.metrics.begin(Metric::JournalOperations, &labels);
            }
        }
        self.metrics.begin(Metric::SecretReadFailures, &[]);
    }

    /// Records the time of a finished sweep.
    pub(in crate::app) fn swept(&self) {
        let seconds = self.now().as_second() as f64;
        self.metrics.set(Metric::SweepTimestamp, &[], seconds);
    }

    /// Records when a scheduled comparison ended, and how many differences it found.
    pub(in crate::app) fn compared(&self, at: Timestamp, differences: u64) {
        let seconds = at.as_second() as f64;
        self.metrics.set(Metric::DriftTimestamp, &[], seconds);
        self.metrics
            .set(Metric::DriftDifferences, &[], differences as f64);
    }

    /// Counts grants, unfinished requests, and receivers with an overdue share. Reads only requests
    /// with a wake-up until `MAX_PAUSE_OF_REVOCATION` from now. Every unfinished or overdue request
    /// has such a wake-up, because no attempt is delayed for longer. `known` says which of these
    /// requests need not be read again yet.
    async fn count_index(&self, known: &Known) -> Result<Counted, JournalError> {
        let now = self.now();
        let until = now
            .checked_add(MAX_PAUSE_OF_REVOCATION)
            .unwrap_or(Timestamp::MAX);
        let mut due = BTreeMap::<_, Vec<WakeUp>>::new();
        for wake_up in self.journal.due(until).await? {
            due.entry(wake_up.stream).or_default().push(wake_up);
        }
        let mut counts = Counts {
            grants: self.journal.count_grants().await?,
            compared: self.journal.last_comparison(now).await?,
            ..Counts::default()
        };
        let (mut kept, mut unsure) = (Known::new(), BTreeSet::new());
        for (stream, wake_ups) in &due {
            match known.get(stream) {
                Some((of, part)) if of == wake_ups && part.holds_at(now) => {
                    counts.add(part);
                    kept.insert(*stream, (of.clone(), *part));
                }
                _ => drop(unsure.insert(*stream)),
            }
        }
        for state in self.read_all(unsure).await? {
            let part = Part::of(&state, now);
            counts.add(&part);
            let stream = state.stream();
            // A wake-up exists before its record: without the record, the part may soon change.
            let wake_ups = due.remove(&stream).unwrap_or_default();
            if wake_ups
                .iter()
                .all(|wake_up| wake_up.seq < state.head().next_seq)
            {
                kept.insert(stream, (wake_ups, part));
            }
        }
        Ok(Counted {
            counts: Some(counts),
            known: Arc::new(kept),
        })
    }
}
