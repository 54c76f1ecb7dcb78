//! Logs why a delivery failed authentication or a request was not accepted. Returns the reply to
//! the delivery or the answer to the request.

use crate::app::answer::{Answer, Ending, Reply};
use crate::app::application::App;
use crate::domain::{Identity, SourceName};
use crate::inbound::Refusal;
use crate::journal::JournalError;
use crate::telemetry::{DeliveryResult, Metric};

use super::sns_certificates::Unverified;

impl App {
    pub(in crate::app) fn unverified(&self, source: &SourceName, unverified: Unverified) -> Reply {
        match unverified {
            Unverified::UnknownSource => Reply::UnknownSource,
            Unverified::Refused(refusal) => self.unauthorised(source, &refusal),
            Unverified::NotNow(why) => {
                tracing::error!(%source, why, "a delivery cannot be handled now; its sender must send it again");
                Reply::NotNow
            }
        }
    }

    pub(super) fn unauthorised(&self, source: &SourceName, refusal: &Refusal) -> Reply {
        self.log_refusal(source, refusal);
        if refusal.is_media_type() {
            Reply::UnsupportedType
        } else {
            Reply::Unauthorised
        }
    }

    /// Logs a failed authentication, or counts it for the summary if too many were logged.
    pub(super) fn log_refusal(&self, source: &SourceName, refusal: &Refusal) {
        self.warn_of_refusal(source, &refusal.to_string());
    }

    fn warn_of_refusal(&self, source: &SourceName, reason: &str) {
        self.log_refusals();
        if self.refusals.note(source, self.now()) {
            tracing::warn!(%source, reason, "a delivery was refused");
        }
    }

    /// Logs and counts a delivery to a configured source whose body was not read, so that it could
    /// not be authenticated.
    pub fn unread_delivery(&self, source: &SourceName, why: &'static str) {
        if self.prepared.intake(source).is_some() {
            self.warn_of_refusal(source, why);
            let labels = [source.as_str(), DeliveryResult::Invalid.as_str()];
            self.metrics.count(Metric::Deliveries, &labels);
        }
    }

    /// For each period that has ended, logs how many failures were counted without a log line.
    pub(in crate::app) fn log_refusals(&self) {
        for (source, more) in self.refusals.ended(self.now()) {
            tracing::warn!(%source, more, "more deliveries were refused");
        }
    }
}

/// Returns the answer if the source already has as many unfinished requests as
/// `[limits] unfinished` allows, or if these requests are too large in total.
pub(in crate::app) fn overloaded(identity: &Identity) -> (Ending, Answer) {
    tracing::warn!(%identity, "a request was not recorded: the unfinished requests of its source are too many or too large");
    let message = format!(
        "the unfinished requests of source {} are too many or too large, so this one was not recorded; send the delivery again later",
        identity.source
    );
    (Ending::Busy, Answer::failed(&identity.id, message))
}

/// Returns the answer to a request that has the identity of a recorded request but other content.
pub(in crate::app) fn conflict(identity: &Identity) -> (Ending, Answer) {
    tracing::warn!(%identity, "a delivery with the id of a recorded request has other content and is not carried out");
    let answer = Answer::invalid(&identity.id, vec![identity.used_before()]);
    (Ending::Conflict, answer)
}

/// Returns the answer if the work stopped because the journal cannot be used.
pub(in crate::app) fn unavailable(identity: &Identity, error: &JournalError) -> (Ending, Answer) {
    tracing::error!(%error, %identity, "the journal cannot be used");
    let message = format!(
        "the journal cannot be used now, so the work stopped: {error}; send the delivery again later"
    );
    (Ending::Unavailable, Answer::failed(&identity.id, message))
}
