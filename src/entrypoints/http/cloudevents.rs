//! Builds the reply to a CloudEvent in the form that its sender expects. A Knative broker expects
//! the body of a 2xx response to be an event, and treats any other body as a failed delivery
//! (knative/eventing#6394). Dapr expects an empty body. So a 2xx response is empty, or a CloudEvent
//! in binary mode if the sender requests one with `Prefer: reply`. Other responses, handshakes and
//! bodies that the source's scheme prescribes are not changed.

use crate::app::{Answered, Headers, Reply, short_digest};
use crate::entrypoints::reply::body_of;

use super::response::HttpResponse;

/// The `source` attribute of the events that sharehook sends.
const SOURCE: &str = "/sharehook";

/// The form of the response to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    /// The answer as JSON.
    Json,
    /// Only the status, without a body.
    Empty,
    /// A CloudEvent whose data is the answer.
    Event,
}

impl ReplyMode {
    /// Returns the form of the response to a request to `/events`.
    pub(crate) fn of_event(headers: &Headers) -> Self {
        if prefers_reply(headers) {
            Self::Event
        } else {
            Self::Empty
        }
    }

    /// Returns the form of the response to a request to `/hooks/{source}`, which may also contain a
    /// CloudEvent.
    pub(crate) fn of_delivery(headers: &Headers) -> Self {
        let structured = headers.all("content-type").any(|kind| {
            let kind = kind.trim_start().to_ascii_lowercase();
            kind.starts_with("application/cloudevents")
        });
        if structured || headers.has("ce-specversion") {
            Self::of_event(headers)
        } else {
            Self::Json
        }
    }

    pub(crate) fn response(self, answered: &Answered) -> HttpResponse {
        HttpResponse {
            answer_by: answered.answer_by,
            ..self.form(answered)
        }
    }

    fn form(self, answered: &Answered) -> HttpResponse {
        let Answered {
            reply,
            replies,
            prescribed,
            ..
        } = answered;
        let response = HttpResponse::from(reply);
        let status = response.outcome.status_for(*replies);
        let response = response.with_status(status);
        if !(200..300).contains(&status) {
            return response;
        }
        // A sender that requires a certain body treats every status except 200 as a failure.
        if let Some(body) = prescribed {
            return HttpResponse {
                authenticated: response.authenticated,
                ..HttpResponse::prescribed(response.outcome, body).with_status(200)
            };
        }
        match (self, reply) {
            (Self::Json, _) | (_, Reply::Handshake(_)) => response,
            (Self::Event, Reply::Answers(answers)) => {
                let kind = match answers.as_slice() {
                    [(_, only)] => format!("sharehook.request.{}", only.status),
                    _ => "sharehook.requests.answered".to_owned(),
                };
                let body = body_of(reply);
                let id = short_digest(body.to_string().as_bytes());
                response
                    .with_header("ce-specversion", "1.0")
                    .with_header("ce-id", id)
                    .with_header("ce-source", SOURCE)
                    .with_header("ce-type", kind)
            }
            // This includes a refusal that is answered with 200 because of the source's `replies`.
            (Self::Empty | Self::Event, _) => HttpResponse {
                headers: Vec::new(),
                body: String::new(),
                ..response
            },
        }
    }
}

/// Whether a `Prefer` header (RFC 7240) contains the preference `reply`.
fn prefers_reply(headers: &Headers) -> bool {
    headers.all("prefer").any(|value| {
        value.split(',').any(|preference| {
            let name = preference.split([';', '=']).next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case("reply")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(pairs: &[(&str, &str)]) -> ReplyMode {
        ReplyMode::of_delivery(&Headers::new(pairs.iter().copied()))
    }

    #[test]
    fn a_cloudevent_is_answered_empty_unless_its_sender_prefers_a_reply() {
        let event = ("ce-specversion", "1.0");
        for (pairs, expected) in [
            (&[("content-type", "application/json")][..], ReplyMode::Json),
            (&[("prefer", "reply")], ReplyMode::Json),
            (&[event], ReplyMode::Empty),
            (&[event, ("prefer", "reply")], ReplyMode::Event),
            (
                &[event, ("Prefer", "respond-async, Reply; a=1")],
                ReplyMode::Event,
            ),
            (
                &[event, ("prefer", "wait=5"), ("prefer", "reply")],
                ReplyMode::Event,
            ),
            (
                &[event, ("prefer", "replying, return=reply")],
                ReplyMode::Empty,
            ),
            (
                &[(
                    "Content-Type",
                    "Application/CloudEvents-batch+json; charset=utf-8",
                )],
                ReplyMode::Empty,
            ),
        ] {
            assert_eq!(mode(pairs), expected, "{pairs:?}");
        }
    }
}
