//! The log subscriber and the counters behind `/metrics`. In: events and counts. Out: lines on
//! stderr, Prometheus text. Bodies, headers and secrets are never fields of an event.

mod output;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

pub use output::{copy_evidence, flush, flush_at_exit};

use crate::domain::{NotifyName, SourceName};
use output::LogLine;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, for a host's log service.
    Json,
    /// For people at a terminal.
    Text,
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

/// The outcomes that `sharehook_deliveries_total` counts, with their labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Every item succeeded.
    Completed,
    /// Some items failed.
    Partial,
    /// Every item failed.
    Failed,
    /// Refused by policy.
    Denied,
    /// The map found no request.
    Ignored,
    /// Recorded in the journal, not finished.
    Pending,
    /// Answered from the journal.
    Duplicate,
    /// Same identity, other content.
    Conflict,
    /// Failed authentication.
    Unauthorised,
    /// Verified, but unreadable, unmappable or invalid.
    Invalid,
    /// Refused because its source has too many unfinished requests.
    Busy,
    /// The journal or the configuration is not available.
    Unavailable,
}

impl Counted {
    /// Every variant, in its order.
    const ALL: [Self; 12] = [
        Self::Completed,
        Self::Partial,
        Self::Failed,
        Self::Denied,
        Self::Ignored,
        Self::Pending,
        Self::Duplicate,
        Self::Conflict,
        Self::Unauthorised,
        Self::Invalid,
        Self::Busy,
        Self::Unavailable,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Ignored => "ignored",
            Self::Pending => "pending",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Unauthorised => "unauthorised",
            Self::Invalid => "invalid",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}

/// How an attempt to notify ended, as `sharehook_notifications_total` labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotificationResult {
    /// Delivered.
    Sent,
    /// Failed, and to be tried again.
    Failed,
    /// Failed for the last time.
    GivenUp,
}

impl NotificationResult {
    fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// The process's counters. They start at zero with the process, as Prometheus expects.
#[derive(Debug, Default)]
pub struct Counters {
    deliveries: [AtomicU64; Counted::ALL.len()],
    calls: AtomicU64,
    notifications: Mutex<BTreeMap<(NotifyName, NotificationResult), u64>>,
    rejections: Mutex<BTreeMap<SourceName, u64>>,
    unread_secrets: AtomicU64,
}

impl Counters {
    /// Counts a secret that could not be read again.
    pub fn count_unread_secret(&self) {
        self.unread_secrets.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the outcome of one delivery.
    pub fn count(&self, what: Counted) {
        if let Some(counter) = self.deliveries.get(what as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts one call to the cloud that changes something.
    pub fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one attempt to notify.
    pub fn count_notification(&self, notify: &NotifyName, result: NotificationResult) {
        let mut all = self
            .notifications
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *all.entry((notify.clone(), result)).or_default() += 1;
    }

    fn render_notifications(&self, text: &mut String) {
        let all = self
            .notifications
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        text.push_str("# HELP sharehook_notifications_total Attempts to notify, by how they ended.\n# TYPE sharehook_notifications_total counter\n");
        for ((notify, result), value) in all.iter() {
            let result = result.label();
            let _ = writeln!(
                text,
                "sharehook_notifications_total{{notify=\"{notify}\",result=\"{result}\"}} {value}"
            );
        }
    }

    /// Counts a delivery of `source` that was authenticated and not understood.
    pub fn count_rejection(&self, source: &SourceName) {
        let mut all = self
            .rejections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *all.entry(source.clone()).or_default() += 1;
    }

    fn render_rejections(&self, text: &mut String) {
        let all = self
            .rejections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !all.is_empty() {
            text.push_str("# HELP sharehook_deliveries_rejected_total Deliveries that were authenticated and not understood.\n# TYPE sharehook_deliveries_rejected_total counter\n");
        }
        for (source, value) in all.iter() {
            let _ = writeln!(
                text,
                "sharehook_deliveries_rejected_total{{source=\"{source}\"}} {value}"
            );
        }
    }

    /// The counters in Prometheus' text format, version 0.0.4. `overdue`: how many receivers still
    /// have what should be gone, when that is known.
    pub fn render(&self, overdue: Option<usize>, policy: &str) -> String {
        let mut text = String::from(
            "# HELP sharehook_deliveries_total Deliveries by how they ended.\n# TYPE sharehook_deliveries_total counter\n",
        );
        for (counted, counter) in Counted::ALL.iter().zip(&self.deliveries) {
            let (label, value) = (counted.label(), counter.load(Ordering::Relaxed));
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "sharehook_deliveries_total{{result=\"{label}\"}} {value}"
            );
        }
        text.push_str("# HELP sharehook_cloud_calls_total Calls that change sharing.\n# TYPE sharehook_cloud_calls_total counter\n");
        let _ = writeln!(
            text,
            "sharehook_cloud_calls_total {}",
            self.calls.load(Ordering::Relaxed)
        );
        let _ = writeln!(
            text,
            "# HELP sharehook_policy_info The policies in force.\n# TYPE sharehook_policy_info gauge\n\
             sharehook_policy_info{{digest=\"{policy}\"}} 1\n\
             # HELP sharehook_secret_read_failures_total Secrets that could not be read again.\n\
             # TYPE sharehook_secret_read_failures_total counter\n\
             sharehook_secret_read_failures_total {}",
            self.unread_secrets.load(Ordering::Relaxed)
        );
        self.render_notifications(&mut text);
        self.render_rejections(&mut text);
        if let Some(overdue) = overdue {
            let _ = writeln!(
                text,
                "# HELP sharehook_grants_overdue Receivers that still have an image after the share's end.\n\
                 # TYPE sharehook_grants_overdue gauge\nsharehook_grants_overdue {overdue}"
            );
        }
        let (lines, copies) = output::dropped();
        for (name, help, dropped) in [
            (
                "log_lines",
                "Log lines that the host did not read in time.",
                lines,
            ),
            (
                "evidence_copies",
                "Copies of records on stdout that the host did not read in time.",
                copies,
            ),
        ] {
            let name = format!("sharehook_{name}_dropped_total");
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {dropped}"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_label() {
        for (index, counted) in Counted::ALL.into_iter().enumerate() {
            assert_eq!(counted as usize, index, "{counted:?}");
        }
        let counters = Counters::default();
        counters.count(Counted::Completed);
        counters.count(Counted::Unavailable);
        counters.count_call();
        let text = counters.render(Some(2), "d");
        assert!(text.contains("sharehook_grants_overdue 2\n"));
        assert!(!counters.render(None, "d").contains("overdue"));
        assert!(text.contains("sharehook_deliveries_total{result=\"completed\"} 1\n"));
        assert!(text.contains("sharehook_deliveries_total{result=\"unavailable\"} 1\n"));
        assert!(text.contains("sharehook_cloud_calls_total 1\n"));
    }
}
