//! The table of metrics: names, kinds, labels, help. All outputs follow this table, and so do the
//! alarms in `template.yaml`. The values of labels come from closed sets or from the configuration,
//! never from a delivery.

use crate::domain::spelled;

spelled! {
    /// The kind of a metric, spelled as Prometheus spells it.
    Kind {
        /// A number that is zero at the start of the process, and never decreases.
        Counter = "counter",
        /// The value that was set last.
        Gauge = "gauge",
        /// Durations, counted in buckets.
        Histogram = "histogram",
    }
}

/// One row of the table of metrics.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The metric's name in every output.
    pub name: &'static str,
    /// The kind of the metric.
    pub kind: Kind,
    /// The names of the metric's labels.
    pub labels: &'static [&'static str],
    /// A sentence for people that says what the metric shows.
    pub help: &'static str,
}

/// Declares the enum `Metric`, the list of all metrics, and the definition of each.
macro_rules! metrics {
    ($($metric:ident: $kind:ident $name:literal $labels:tt $help:literal;)+) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $help] $metric),+
        }

        impl Metric {
            /// Every metric, in the order of the outputs.
            pub const ALL: [Self; [$(Self::$metric),+].len()] = [$(Self::$metric),+];

            /// Returns the metric's row of the table.
            pub const fn definition(self) -> Definition {
                match self {
                    $(Self::$metric => Definition {
                        name: $name,
                        kind: Kind::$kind,
                        labels: &$labels,
                        help: $help,
                    }),+
                }
            }
        }
    };
}

metrics! {
    Deliveries: Counter "sharehook_deliveries_total" ["source", "result"]
        "Requests of deliveries, and deliveries without a request, by result.";
    DeliverySeconds: Histogram "sharehook_delivery_duration_seconds" ["source"]
        "Time from a delivery's arrival to the end of the work on it.";
    DeliveriesRejected: Counter "sharehook_deliveries_rejected_total" ["source"]
        "Authenticated deliveries that were not understood.";
    CloudCalls: Counter "sharehook_cloud_calls_total" ["action", "code"]
        "Calls that change sharing, by the cloud's answer; calls that were not sent in time are not included.";
    CloudWait: Histogram "sharehook_cloud_wait_seconds" ["action"]
        "How long calls waited for the cloud's rate limit; calls that did not wait are not included.";
    JournalOperations: Counter "sharehook_journal_operations_total" ["operation", "result"]
        "Operations on the journal's store, by operation and result.";
    GrantsActive: Gauge "sharehook_grants_active" []
        "Requests in the journal's index of grants: unfinished, or with a share that is not completely revoked (active, covered or overdue).";
    GrantsOverdue: Gauge "sharehook_grants_overdue" []
        "Receivers that still have an image after the share's end.";
    RequestsUnfinished: Gauge "sharehook_requests_unfinished" []
        "Requests whose work is due and not finished, and announcements whose instance must still be fetched.";
    OldestUnfinished: Gauge "sharehook_oldest_unfinished_seconds" []
        "How long the longest-due unfinished work has been due; 0 if none is due.";
    Notifications: Counter "sharehook_notifications_total" ["notify", "result"]
        "Attempts to notify, by result.";
    SweepTimestamp: Gauge "sharehook_sweep_timestamp_seconds" []
        "When this process last ended a sweep, in seconds since 1970.";
    DriftTimestamp: Gauge "sharehook_drift_timestamp_seconds" []
        "When a scheduled comparison of the cloud with the journal last ended, in seconds since 1970.";
    DriftDifferences: Gauge "sharehook_drift_differences" []
        "Differences that the last scheduled comparison of the cloud with the journal found.";
    SecretReadFailures: Counter "sharehook_secret_read_failures_total" []
        "Failed attempts to read secrets again or to use what was read; their last values stay in use.";
    LogLinesDropped: Counter "sharehook_log_lines_dropped_total" []
        "Log lines, and lines with metrics, that were dropped: the host did not read them in time, or they could not be written.";
    EvidenceCopiesDropped: Counter "sharehook_evidence_copies_dropped_total" []
        "Copies of records on stdout that were dropped: the host did not read them in time, or they could not be written.";
    SpansDropped: Counter "sharehook_spans_dropped_total" []
        "Spans that the collector refused or did not take in time.";
    PolicyInfo: Gauge "sharehook_policy_info" ["digest"]
        "The digest of the policies in force, which decisions in the journal name.";
    BuildInfo: Gauge "sharehook_build_info" ["version"]
        "The program's version.";
}

impl Definition {
    /// Returns the metric's unit in CloudWatch. In Prometheus, the metric's name shows the unit.
    pub fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "Count",
            _ if self.name.ends_with("_seconds") => "Seconds",
            Kind::Gauge | Kind::Histogram => "None",
        }
    }
}

spelled! {
    /// The result of one request in a delivery. A delivery without any request also has one result.
    DeliveryResult {
        /// Every item succeeded.
        Completed = "completed",
        /// Some items succeeded, and the others failed.
        Partial = "partial",
        /// No item succeeded.
        Failed = "failed",
        /// The policies denied the request.
        Denied = "denied",
        /// There is no request to carry out: the map returned none, the event names no instance,
        /// the program only plans, or the delivery was a handshake or about a subscription.
        Ignored = "ignored",
        /// The work on the request, or on the event that names an instance, is not finished. It is
        /// recorded in the journal, unless the program only plans.
        Pending = "pending",
        /// The journal knows the request or event from an earlier delivery.
        Duplicate = "duplicate",
        /// An earlier request had the same identity, but different content.
        Conflict = "conflict",
        /// The delivery failed authentication, names no configured source, or has an origin that no
        /// source lists.
        Unauthorised = "unauthorised",
        /// The media type is not supported, or a verified delivery could not be read, mapped, or
        /// turned into a valid request.
        Invalid = "invalid",
        /// The delivery was refused because its source has too many unfinished requests.
        Busy = "busy",
        /// The delivery cannot be handled now, for example because the journal cannot be reached.
        Unavailable = "unavailable",
    }
}

spelled! {
    /// The result of an attempt to notify.
    NotificationResult {
        /// The notification was delivered, or there was nothing to send.
        Sent = "sent",
        /// The attempt failed and will be repeated.
        Failed = "failed",
        /// The attempt failed and was the last one.
        GivenUp = "given_up",
    }
}
