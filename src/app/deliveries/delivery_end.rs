//! Logs and counts the end of a delivery. Writes one log line for each of its requests, or one line
//! if it has no request. A delivery that failed authentication is counted without a line. This also
//! covers work that ended after an early answer. Other failures are logged where they happen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::app::answer::{Answer, Ending, Reply};
use crate::domain::{SourceName, Status};
use crate::telemetry::{DeliveryResult, Metric};

/// True until this process has handled its first delivery.
static COLD_START: AtomicBool = AtomicBool::new(true);
/// The label of deliveries that name no configured source.
pub(in crate::app) const NO_SOURCE: &str = "none";

impl App {
    /// Counts a delivery that belongs to no configured source, because it names none or because no
    /// source lists its origin. Returns the reply to the delivery.
    pub fn unknown_source(&self) -> Reply {
        self.delivery_ended(None, Duration::ZERO, &Reply::UnknownSource);
        Reply::UnknownSource
    }

    /// Logs and counts the end of a delivery. `source` is the source that the delivery names, if
    /// it names one.
    pub(in crate::app) fn delivery_ended(
        &self,
        source: Option<&SourceName>,
        took: Duration,
        reply: &Reply,
    ) {
        // Use only configured names as labels, so that strangers cannot create labels.
        let known = source.filter(|source| self.prepared.intake(source).is_some());
        let source = known.map_or(NO_SOURCE, SourceName::as_str);
        self.metrics
            .observe(Metric::DeliverySeconds, &[source], took);
        let cold_start = COLD_START.swap(false, Ordering::Relaxed);
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let count = |result: DeliveryResult| {
            let labels = [source, result.as_str()];
            self.metrics.count(Metric::Deliveries, &labels);
            result.as_str()
        };
        let Reply::Answers(answers) = reply else {
            let result = count(result_without_request(reply));
            // Do not log these here, because strangers could fill the log. `log_refusal` logs a
            // limited number of failed authentications.
            if !matches!(reply, Reply::Unauthorised | Reply::UnknownSource) {
                tracing::info!(source, result, milliseconds, cold_start, "a delivery ended");
            }
            return;
        };
        for (ending, answer) in answers {
            let result = count(result_of(*ending, answer));
            tracing::info!(
                source,
                id = answer.id,
                ticket = answer.ticket,
                result,
                status = %answer.status,
                milliseconds,
                cold_start,
                "a delivery ended"
            );
        }
    }
}

fn result_of(ending: Ending, answer: &Answer) -> DeliveryResult {
    match (ending, answer.status) {
        (Ending::Conflict, _) => DeliveryResult::Conflict,
        (Ending::Invalid, _) => DeliveryResult::Invalid,
        (Ending::Busy, _) => DeliveryResult::Busy,
        (Ending::Unavailable, _) => DeliveryResult::Unavailable,
        _ if answer.duplicate => DeliveryResult::Duplicate,
        (_, Status::Completed) => DeliveryResult::Completed,
        (_, Status::Partial) => DeliveryResult::Partial,
        (_, Status::Failed) => DeliveryResult::Failed,
        (_, Status::Denied) => DeliveryResult::Denied,
        (_, Status::Ignored | Status::Planned) => DeliveryResult::Ignored,
        (_, Status::Pending) => DeliveryResult::Pending,
    }
}

fn result_without_request(reply: &Reply) -> DeliveryResult {
    match reply {
        Reply::Unauthorised | Reply::UnknownSource => DeliveryResult::Unauthorised,
        Reply::Answers(_) | Reply::Handshake(_) => DeliveryResult::Ignored,
        Reply::NotNow => DeliveryResult::Unavailable,
        Reply::UnsupportedType | Reply::Unreadable(_) | Reply::Invalid(_) => {
            DeliveryResult::Invalid
        }
    }
}
