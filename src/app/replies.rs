//! Counts the outcomes of deliveries, and logs why a delivery was refused.

use crate::domain::{SourceName, Status};
use crate::inbound::{HandshakeReply, Refusal};
use crate::telemetry::Counted;

use super::answer::{Answer, Ending, Reply};
use super::application::App;
use super::sns_certificates::Unverified;

impl App {
    /// Counts an answer by its status.
    pub(super) fn counted(&self, end: (Ending, Answer)) -> (Ending, Answer) {
        self.counters.count(match end.1.status {
            Status::Completed => Counted::Completed,
            Status::Partial => Counted::Partial,
            Status::Failed => Counted::Failed,
            Status::Denied => Counted::Denied,
            Status::Ignored | Status::Planned => Counted::Ignored,
            Status::Pending => Counted::Pending,
        });
        end
    }

    pub(super) fn unverified(&self, source: &SourceName, unverified: Unverified) -> Reply {
        match unverified {
            Unverified::UnknownSource => self.turned_away(Reply::UnknownSource),
            Unverified::Refused(refusal) => self.unauthorised(source, &refusal),
            Unverified::NotNow(why) => self.not_now(&why),
        }
    }

    pub(super) fn unauthorised(&self, source: &SourceName, refusal: &Refusal) -> Reply {
        self.log_refusal(source, refusal);
        if refusal.is_media_type() {
            self.turned_away(Reply::UnsupportedType)
        } else {
            self.turned_away(Reply::Unauthorised)
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
    pub(super) fn log_refusals(&self) {
        for (source, more) in self.refusals.ended(self.now()) {
            tracing::warn!(%source, more, "more deliveries were not believed");
        }
    }

    pub(super) fn turned_away(&self, reply: Reply) -> Reply {
        self.counters.count(match reply {
            Reply::Unauthorised | Reply::UnknownSource => Counted::Unauthorised,
            _ => Counted::Invalid,
        });
        reply
    }

    /// The reply when verification lacks a certificate; the sender must repeat the delivery.
    fn not_now(&self, why: &str) -> Reply {
        tracing::error!(why, "a delivery cannot be decided now");
        self.counters.count(Counted::Unavailable);
        Reply::NotNow
    }

    pub(super) fn handshake(&self, reply: HandshakeReply) -> Reply {
        self.counters.count(Counted::Ignored);
        Reply::Handshake(reply)
    }
}
