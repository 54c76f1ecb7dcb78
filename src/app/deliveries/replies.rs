//! Logs why a delivery failed authentication or a request was not accepted, and makes the reply.
//! In: the refusal or the error. Out: a reply, or the answer to a request.

use crate::app::answer::{Answer, Ending, Reply};
use crate::app::application::App;
use crate::domain::{Identity, SourceName};
use crate::inbound::Refusal;
use crate::journal::JournalError;

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

    /// Logs a failure of authentication, or counts it for the summary.
    pub(super) fn log_refusal(&self, source: &SourceName, refusal: &Refusal) {
        self.log_refusals();
        if self.refusals.note(source, self.now()) {
            tracing::warn!(%source, reason = %refusal, "a delivery was refused");
        }
    }

    /// Logs the failures that were only counted, for each period that has ended.
    pub(in crate::app) fn log_refusals(&self) {
        for (source, more) in self.refusals.ended(self.now()) {
            tracing::warn!(%source, more, "more deliveries were refused");
        }
    }
}

/// The answer if the source already has as many unfinished requests as `[limits] unfinished`
/// allows, or too many bytes of them.
pub(in crate::app) fn overloaded(identity: &Identity) -> (Ending, Answer) {
    tracing::warn!(%identity, "a request was not recorded: the unfinished requests of its source are too many or too large");
    let message = format!(
        "the unfinished requests of source {} are too many or too large, so this one was not recorded; send the delivery again later",
        identity.source
    );
    (Ending::Busy, Answer::failed(&identity.id, message))
}

/// The answer if a known identity came with other content.
pub(in crate::app) fn conflict(identity: &Identity) -> (Ending, Answer) {
    tracing::warn!(%identity, "a delivery with the id of a recorded request has other content and is not carried out");
    let answer = Answer::invalid(&identity.id, vec![identity.used_before()]);
    (Ending::Conflict, answer)
}

/// The answer if the journal cannot be used, so that the work stops.
pub(in crate::app) fn unavailable(identity: &Identity, error: &JournalError) -> (Ending, Answer) {
    tracing::error!(%error, %identity, "the journal cannot be used");
    let message = format!(
        "the journal cannot be used now, so the work stopped: {error}; send the delivery again later"
    );
    (Ending::Unavailable, Answer::failed(&identity.id, message))
}
