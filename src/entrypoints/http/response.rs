//! An HTTP response, independent of framework and host.

use serde_json::Value;

use crate::app::{Deadline, Reply, ReplyBody};
use crate::entrypoints::outcome::Outcome;
use crate::entrypoints::reply;

/// A response. Its status follows from `outcome`, unless `with_status` replaces it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HttpResponse {
    pub(crate) outcome: Outcome,
    /// True only if the sender of the request has proved who it is.
    pub(crate) authenticated: bool,
    pub(crate) status: u16,
    /// Pairs of a name in lower case and a value.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// When the sender must have the response. `Deadline::NEVER` if the source has no
    /// `answer_within`.
    pub(crate) answer_by: Deadline,
}

impl HttpResponse {
    /// A response with a JSON body and the status of `outcome`.
    pub(crate) fn json(outcome: Outcome, body: &Value) -> Self {
        Self::new(outcome, "application/json", body.to_string())
    }

    pub(crate) fn prescribed(outcome: Outcome, body: &ReplyBody) -> Self {
        match body {
            ReplyBody::Json(value) => Self::json(outcome, value),
            ReplyBody::Text(text) => Self::new(outcome, "text/plain", text.clone()),
        }
    }

    pub(crate) fn error(outcome: Outcome, text: impl Into<String>) -> Self {
        Self::json(outcome, &reply::error(text))
    }

    pub(crate) fn new(outcome: Outcome, content_type: &str, body: String) -> Self {
        let retry_after = outcome
            .retry_after()
            .map(|seconds| ("retry-after", seconds.to_string()));
        Self {
            outcome,
            authenticated: false,
            status: outcome.row().http_status,
            headers: [("content-type", content_type.to_owned())]
                .into_iter()
                .chain(retry_after)
                .collect(),
            body,
            answer_by: Deadline::NEVER,
        }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::error(
            Outcome::TooLarge,
            format!(
                "the body is larger than {limit} bytes; send less, or raise `[limits] body_bytes` of sharehook"
            ),
        )
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Marks the response as authenticated if `Row::authenticated` is set for its outcome. Must not
    /// be used for probes and handshakes, because any sender may get the outcome `Done` for these.
    pub(crate) fn for_known_sender(self) -> Self {
        Self {
            authenticated: self.outcome.row().authenticated,
            ..self
        }
    }

    /// Replaces the status, for a host or a sender that expects another status.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

impl From<&Reply> for HttpResponse {
    fn from(reply: &Reply) -> Self {
        let outcome = Outcome::of(reply);
        // No handshake counts as authenticated, because some handshakes need no proof.
        let Reply::Handshake(handshake) = reply else {
            return Self::json(outcome, &reply::body_of(reply)).for_known_sender();
        };
        let response = Self::prescribed(outcome, &handshake.body);
        let headers = handshake.headers.iter();
        headers.fold(response, |response, (name, value)| {
            response.with_header(name, value)
        })
    }
}
