//! The handshakes that come before any delivery is signed. In: an HTTP request to a source. Out:
//! the reply, or nothing when it is not the handshake that this source is configured to answer.

use crate::inbound::HandshakeRequest;
use crate::telemetry::Counted;

use super::{App, Reply};

impl App {
    /// Answers a handshake; nothing when the source has none or the request is another.
    pub(crate) fn greet(&self, knock: &HandshakeRequest<'_>) -> Option<Reply> {
        let intake = self.prepared.intake(knock.source)?;
        let answered =
            intake
                .handshake
                .as_ref()?
                .greet(knock, &intake.verifier, self.clock.now())?;
        Some(match answered {
            Ok(reply) => {
                tracing::info!(source = %knock.source, "a handshake was answered");
                self.counters.count(Counted::Ignored);
                Reply::Handshake(reply)
            }
            Err(refusal) => self.unauthorised(knock.source, &refusal),
        })
    }
}
