//! The handshakes that come before any delivery is signed. In: an HTTP request to a source. Out:
//! the reply, or nothing when it is not the handshake that this source is configured to answer.

use crate::inbound::{HandshakeRequest, Headers};

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
                self.handshake(reply)
            }
            Err(refusal) => self.unauthorised(knock.source, &refusal),
        })
    }

    /// Answers a handshake at the address of all CloudEvents, which names no source: senders
    /// validate the address that receives the events. The first source with `events` that answers
    /// it speaks.
    pub(crate) fn greet_events(
        &self,
        method: &str,
        headers: &Headers,
        body: &[u8],
    ) -> Option<Reply> {
        // A POST is a delivery here: only the handshakes of a named source come as one.
        if method == "POST" {
            return None;
        }
        self.prepared.event_sources().iter().find_map(|source| {
            self.greet(&HandshakeRequest {
                source,
                method,
                headers,
                body,
            })
        })
    }
}
