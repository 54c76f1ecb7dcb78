//! Logs why a delivery was not believed, and makes the reply.

use crate::app::answer::Reply;
use crate::app::application::App;
use crate::domain::SourceName;
use crate::inbound::Refusal;

use super::sns_certificates::Unverified;

impl App {
    pub(in crate::app) fn unverified(&self, source: &SourceName, unverified: Unverified) -> Reply {
        match unverified {
            Unverified::UnknownSource => Reply::UnknownSource,
            Unverified::Refused(refusal) => self.unauthorised(source, &refusal),
            Unverified::NotNow(why) => self.not_now(&why),
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

    /// Logs a failure of authentication, or counts it for the summary.
    pub(super) fn log_refusal(&self, source: &SourceName, refusal: &Refusal) {
        self.log_refusals();
        if self.refusals.note(source, self.now()) {
            tracing::warn!(%source, reason = %refusal, "a delivery was not believed");
        }
    }

    /// Logs the number of failures that were only counted.
    pub(in crate::app) fn log_refusals(&self) {
        for (source, more) in self.refusals.ended(self.now()) {
            tracing::warn!(%source, more, "more deliveries were not believed");
        }
    }

    /// The reply when verification lacks a certificate; the sender must repeat the delivery.
    fn not_now(&self, why: &str) -> Reply {
        tracing::error!(why, "a delivery cannot be decided now");
        Reply::NotNow
    }
}
