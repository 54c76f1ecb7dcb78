//! Answers handshakes, with which a sender tests an address before it sends deliveries. Takes an
//! HTTP request to a source. Returns the reply, or `None` if neither the source's scheme nor its
//! `handshake` setting recognises the request.

use crate::app::{App, Reply};
use crate::inbound::{HandshakeReply, HandshakeRequest, Headers};

impl App {
    pub(crate) fn answer_handshake(&self, request: &HandshakeRequest<'_>) -> Option<Reply> {
        let intake = self.prepared.intake(request.source)?;
        let (verifier, now) = (&intake.verifier, self.clock.now());
        let configured = || {
            let handshake = intake.handshake.as_ref()?;
            handshake.answer_request(request, verifier, now)
        };
        let answered = HandshakeReply::of_scheme(request, verifier, now).or_else(configured)?;
        Some(match answered {
            Ok(reply) => {
                tracing::info!(source = %request.source, "a handshake was answered");
                Reply::Handshake(reply)
            }
            Err(refusal) => self.unauthorised(request.source, &refusal),
        })
    }

    /// Answers a handshake at the address that receives the CloudEvents of all sources. This
    /// address names no source, so the first source with `events` that recognises the handshake
    /// answers it.
    pub(crate) fn answer_events_handshake(
        &self,
        method: &str,
        headers: &Headers,
        body: &[u8],
    ) -> Option<Reply> {
        // A POST to this address is a delivery.
        if method == "POST" {
            return None;
        }
        self.prepared.event_sources().iter().find_map(|source| {
            self.answer_handshake(&HandshakeRequest {
                source,
                method,
                headers,
                body,
            })
        })
    }
}
