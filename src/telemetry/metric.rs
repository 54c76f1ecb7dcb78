//! The one table of metrics: names, kinds, labels, help. Prometheus' text, the lines for CloudWatch and the
//! alarms of `template.yaml` follow it. Labels come from closed sets or from the configuration, never from
//! a delivery.

use crate::domain::spelled;

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Requests of deliveries, and deliveries without a request.
    Deliveries,
    /// Time from a delivery's arrival to the end of the work on it.
    DeliverySeconds,
    /// Deliveries that were authenticated and not understood.
    DeliveriesRejected,
    /// Calls that change sharing.
    CloudCalls,
    /// Waits for the cloud's rate limit.
    CloudWait,
    /// Operations on the journal's store.
    JournalOperations,
    /// Receivers with a share in effect.
    GrantsActive,
    /// Receivers that should no longer have an image.
    GrantsOverdue,
    /// Requests whose work is due and not finished.
    RequestsUnfinished,
    /// The age of the oldest of these.
    OldestUnfinished,
    /// Attempts to notify.
    Notifications,
    /// When a sweep last ended.
    SweepTimestamp,
    /// When cloud and journal were last compared.
    DriftTimestamp,
    /// Differences that the comparison found.
    DriftDifferences,
    /// Secrets that could not be read again.
    SecretReadFailures,
    /// Log lines without room.
    LogLinesDropped,
    /// Copies of records without room.
    EvidenceCopiesDropped,
    /// Spans that no collector took.
    SpansDropped,
    /// The policies in force.
    PolicyInfo,
    /// The program.
    BuildInfo,
}

/// What a metric's values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// The last value.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name in every output.
    pub name: &'static str,
    /// What its values mean.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence for people.
    pub help: &'static str,
}

impl Metric {
    /// Every metric, in the order of the outputs.
    pub const ALL: [Self; 20] = [
        Self::Deliveries,
        Self::DeliverySeconds,
        Self::DeliveriesRejected,
        Self::CloudCalls,
        Self::CloudWait,
        Self::JournalOperations,
        Self::GrantsActive,
        Self::GrantsOverdue,
        Self::RequestsUnfinished,
        Self::OldestUnfinished,
        Self::Notifications,
        Self::SweepTimestamp,
        Self::DriftTimestamp,
        Self::DriftDifferences,
        Self::SecretReadFailures,
        Self::LogLinesDropped,
        Self::EvidenceCopiesDropped,
        Self::SpansDropped,
        Self::PolicyInfo,
        Self::BuildInfo,
    ];

    /// Its row.
    pub fn definition(self) -> Definition {
        match self {
            Self::Deliveries => DELIVERIES,
            Self::DeliverySeconds => DELIVERY_SECONDS,
            Self::DeliveriesRejected => DELIVERIES_REJECTED,
            Self::CloudCalls => CLOUD_CALLS,
            Self::CloudWait => CLOUD_WAIT,
            Self::JournalOperations => JOURNAL_OPERATIONS,
            Self::GrantsActive => GRANTS_ACTIVE,
            Self::GrantsOverdue => GRANTS_OVERDUE,
            Self::RequestsUnfinished => REQUESTS_UNFINISHED,
            Self::OldestUnfinished => OLDEST_UNFINISHED,
            Self::Notifications => NOTIFICATIONS,
            Self::SweepTimestamp => SWEEP_TIMESTAMP,
            Self::DriftTimestamp => DRIFT_TIMESTAMP,
            Self::DriftDifferences => DRIFT_DIFFERENCES,
            Self::SecretReadFailures => SECRET_READ_FAILURES,
            Self::LogLinesDropped => LOG_LINES_DROPPED,
            Self::EvidenceCopiesDropped => EVIDENCE_COPIES_DROPPED,
            Self::SpansDropped => SPANS_DROPPED,
            Self::PolicyInfo => POLICY_INFO,
            Self::BuildInfo => BUILD_INFO,
        }
    }
}

type Labels = &'static [&'static str];

const DELIVERIES: Definition = counter(
    "sharehook_deliveries_total",
    &["source", "result"],
    "Requests of deliveries, and deliveries without a request, by how they ended.",
);
const DELIVERY_SECONDS: Definition = histogram(
    "sharehook_delivery_duration_seconds",
    &["source"],
    "Time from a delivery's arrival to the end of the work on it.",
);
const DELIVERIES_REJECTED: Definition = counter(
    "sharehook_deliveries_rejected_total",
    &["source"],
    "Deliveries that were authenticated and not understood.",
);
const CLOUD_CALLS: Definition = counter(
    "sharehook_cloud_calls_total",
    &["action", "code"],
    "Calls that change sharing, by the cloud's answer.",
);
const CLOUD_WAIT: Definition = histogram(
    "sharehook_cloud_wait_seconds",
    &["action"],
    "Waits of calls for the cloud's rate limit; a call that does not wait has none.",
);
const JOURNAL_OPERATIONS: Definition = counter(
    "sharehook_journal_operations_total",
    &["operation", "result"],
    "Operations on the journal's store, by how they ended.",
);
const GRANTS_ACTIVE: Definition = gauge(
    "sharehook_grants_active",
    &[],
    "Grants in the journal's index: requests whose share is in effect.",
);
const GRANTS_OVERDUE: Definition = gauge(
    "sharehook_grants_overdue",
    &[],
    "Receivers that still have an image after the share's end.",
);
const REQUESTS_UNFINISHED: Definition = gauge(
    "sharehook_requests_unfinished",
    &[],
    "Requests whose work is due and not finished.",
);
const OLDEST_UNFINISHED: Definition = gauge(
    "sharehook_oldest_unfinished_seconds",
    &[],
    "Age of the oldest request whose work is due and not finished; 0 without one.",
);
const NOTIFICATIONS: Definition = counter(
    "sharehook_notifications_total",
    &["notify", "result"],
    "Attempts to notify, by how they ended.",
);
const SWEEP_TIMESTAMP: Definition = gauge(
    "sharehook_sweep_timestamp_seconds",
    &[],
    "When this process last ended a sweep, in seconds since 1970.",
);
const DRIFT_TIMESTAMP: Definition = gauge(
    "sharehook_drift_timestamp_seconds",
    &[],
    "When this process last compared cloud and journal, in seconds since 1970.",
);
const DRIFT_DIFFERENCES: Definition = gauge(
    "sharehook_drift_differences",
    &[],
    "Differences that the last comparison of cloud and journal found.",
);
const SECRET_READ_FAILURES: Definition = counter(
    "sharehook_secret_read_failures_total",
    &[],
    "Secrets that could not be read again; their last values stay in use.",
);
const LOG_LINES_DROPPED: Definition = counter(
    "sharehook_log_lines_dropped_total",
    &[],
    "Log lines that the host did not read in time.",
);
const EVIDENCE_COPIES_DROPPED: Definition = counter(
    "sharehook_evidence_copies_dropped_total",
    &[],
    "Copies of records on stdout that the host did not read in time.",
);
const SPANS_DROPPED: Definition = counter(
    "sharehook_spans_dropped_total",
    &[],
    "Spans that the collector refused or did not take in time.",
);
const POLICY_INFO: Definition = gauge(
    "sharehook_policy_info",
    &["digest"],
    "The digest of the policies in force, which decisions in the journal name.",
);
const BUILD_INFO: Definition = gauge(
    "sharehook_build_info",
    &["version"],
    "The program's version.",
);

const fn counter(name: &'static str, labels: Labels, help: &'static str) -> Definition {
    row(name, Kind::Counter, labels, help)
}

const fn gauge(name: &'static str, labels: Labels, help: &'static str) -> Definition {
    row(name, Kind::Gauge, labels, help)
}

const fn histogram(name: &'static str, labels: Labels, help: &'static str) -> Definition {
    row(name, Kind::Histogram, labels, help)
}

const fn row(name: &'static str, kind: Kind, labels: Labels, help: &'static str) -> Definition {
    Definition {
        name,
        kind,
        labels,
        help,
    }
}

impl Definition {
    /// Its unit in CloudWatch. Prometheus' names end in theirs.
    pub fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "Count",
            _ if self.name.ends_with("_seconds") => "Seconds",
            Kind::Gauge | Kind::Histogram => "None",
        }
    }
}

spelled! {
    /// How a request of a delivery, or a delivery without one, ended.
    DeliveryResult {
        /// Every item succeeded.
        Completed = "completed",
        /// Some items failed.
        Partial = "partial",
        /// Every item failed.
        Failed = "failed",
        /// Refused by policy.
        Denied = "denied",
        /// The map found no request.
        Ignored = "ignored",
        /// Recorded in the journal, not finished.
        Pending = "pending",
        /// Answered from the journal.
        Duplicate = "duplicate",
        /// Same identity, other content.
        Conflict = "conflict",
        /// Failed authentication.
        Unauthorised = "unauthorised",
        /// Verified, but unreadable, unmappable or invalid.
        Invalid = "invalid",
        /// Refused because its source has too many unfinished requests.
        Busy = "busy",
        /// The journal or a certificate is not available.
        Unavailable = "unavailable",
    }
}

spelled! {
    /// How an attempt to notify ended.
    NotificationResult {
        /// Delivered.
        Sent = "sent",
        /// Failed, and to be tried again.
        Failed = "failed",
        /// Failed for the last time.
        GivenUp = "given_up",
    }
}
