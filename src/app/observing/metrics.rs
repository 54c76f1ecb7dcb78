//! Sets the gauges that are computed from the journal's index, and renders all metrics of the
//! process as text for Prometheus (`/metrics`) or for CloudWatch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::app::deliveries::NO_SOURCE;
use crate::config::MetricsAccess;
use crate::domain::Timestamp;
use crate::journal::{
    JournalError, MAX_PAUSE_OF_REVOCATION, OPERATIONS, Phase, State, StoreResult, StreamState,
    WakeUp,
};
use crate::telemetry::{DeliveryResult, Metric, NotificationResult};

use super::index_counts::{Counted, Counts, KnownExpiries};
use super::reader_token::presents;

/// Minimum time between two counts of the index. This limits the cost if strangers request
/// `/metrics` often.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

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

    pub(super) async fn refresh_metrics(&self) {
        self.begin_series();
        self.look_at_gauges().await;
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
            let known = Arc::unwrap_or_clone(last.unwrap_or_default().ends);
            let counted = Box::pin(self.count_index(known)).await;
            Ok(counted.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot read the journal's index, so the metrics of grants and unfinished requests are missing");
                Counted::default()
            }))
        };
        let now = tokio::time::Instant::now();
        let counted = self.counts.or_make(now, COUNT_INTERVAL, count).await;
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

    /// Records that a comparison of cloud and journal finished now, and how many differences it
    /// found.
    pub(in crate::app) fn compared(&self, differences: usize) {
        let seconds = self.now().as_second() as f64;
        self.metrics.set(Metric::DriftTimestamp, &[], seconds);
        self.metrics
            .set(Metric::DriftDifferences, &[], differences as f64);
    }

    /// Counts grants, unfinished requests, and receivers with an overdue share. Reads only requests
    /// with a wake-up until `MAX_PAUSE_OF_REVOCATION` from now. Every unfinished or overdue request
    /// has such a wake-up, because no attempt is delayed for longer. `known` says which of these
    /// requests need not be read again yet.
    async fn count_index(&self, known: KnownExpiries) -> Result<Counted, JournalError> {
        let now = self.now();
        let until = now
            .checked_add(MAX_PAUSE_OF_REVOCATION)
            .unwrap_or(Timestamp::MAX);
        let (mut ends, mut unsure) = (KnownExpiries::new(), BTreeMap::<_, Vec<WakeUp>>::new());
        for wake_up in self.journal.due(until).await? {
            let later = |end: &&Option<_>| end.is_none_or(|end| end > now);
            match known.get(&wake_up).filter(later) {
                Some(end) => drop(ends.insert(wake_up, *end)),
                None => unsure.entry(wake_up.stream).or_default().push(wake_up),
            }
        }
        let mut counts = Counts {
            grants: self.journal.count_grants().await?,
            ..Counts::default()
        };
        for state in self.read_all(unsure.keys().copied().collect()).await? {
            let state = match state {
                StreamState::Request(state) => state,
                // Once the instance of an announcement is fetched, it may become a request.
                StreamState::Incident(incident) => {
                    if incident.to_fetch().is_some() {
                        counts.add_unfinished(incident.at());
                    }
                    continue;
                }
            };
            counts.overdue += state.overdue(now).len();
            match unfinished_since(&state, now) {
                None => {
                    let read = unsure.get(&state.stream()).into_iter().flatten();
                    // Read a waiting request again once its work is due.
                    let end = match state.phase() {
                        Phase::Waiting { until } => Some(*until),
                        _ => state.ends_at(),
                    };
                    ends.extend(read.map(|wake_up| (*wake_up, end)));
                }
                Some(since) => counts.add_unfinished(since),
            }
        }
        Ok(Counted {
            counts: Some(counts),
            ends: Arc::new(ends),
        })
    }
}

/// Returns the instant since which work on the request has been due. Returns `None` if the request
/// is closed, denied or revoked, if its work begins later, or if its share is not revoked yet
/// because another grant covers it.
fn unfinished_since(state: &State, now: Timestamp) -> Option<Timestamp> {
    match state.phase() {
        Phase::Denied | Phase::Closed | Phase::Revoked => None,
        Phase::RevokeDeferred { covered, .. } if !covered.is_empty() => None,
        Phase::Waiting { until } => Some(*until).filter(|until| *until <= now),
        Phase::Working { .. } | Phase::Deferred { .. } => Some(state.opened_at()),
        // A called-off share may be revoked before its expiry, or may have no expiry. Then use the
        // time of the last record.
        Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => {
            let ended = state.ends_at().filter(|end| *end <= now);
            Some(ended.unwrap_or_else(|| state.updated_at()))
        }
    }
}
