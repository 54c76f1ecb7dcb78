//! The end of a delivery: one log line for each of its requests, or one for a delivery without, and
//! their counts. In: the reply, also of work that outlived its answer. Out: lines and counts. What went
//! wrong on the way has lines of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::app::answer::{Answer, Ending, Reply};
use crate::domain::{SourceName, Status};
use crate::telemetry::{DeliveryResult, Metric};

/// Whether this process has ended no delivery yet.
static COLD_START: AtomicBool = AtomicBool::new(true);
/// The label of deliveries for no configured source.
pub(in crate::app) const NO_SOURCE: &str = "none";

impl App {
    /// Logs and counts the end of a delivery. `source`: the one that it claims, if it names one.
    pub(in crate::app) fn delivery_ended(
        &self,
        source: Option<&SourceName>,
        took: Duration,
        reply: &Reply,
    ) {
        // A label is never what a stranger wrote.
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
            // Strangers could fill the log: `log_refusal` bounds these lines.
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
