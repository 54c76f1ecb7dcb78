//! Answers handshakes: requests with which a sender checks that an address wants its deliveries. A
//! source answers only the handshake in its configuration and the address checks of its scheme.
//! Replies are bounded, and a signed handshake is answered only after verification.

use serde::Deserialize;
use serde_json::{Value, json};

use super::delivery::{Delivery, Headers, Via};
use super::refusal::Refusal;
use super::replies::{ReplyBody, is_echoable};
use super::scheme_kind::{SchemeKind, SchemeName};
use super::spec::SchemeSpec;
use super::verify::{VerifiedDelivery, Verifier};
use crate::domain::{Problem, SourceName, Timestamp, read_json, shown};

/// The handshake of a source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Handshake {
    /// Slack's Events API: answers a signed `url_verification` event with its challenge.
    Slack,
    /// Okta event hooks: answers a GET that has the source's static secret and the header
    /// `X-Okta-Verification-Challenge`.
    Okta,
    /// Asana: answers a POST that has the new webhook's secret in `X-Hook-Secret`. The reply echoes
    /// the secret, and the program does not store it.
    Asana,
    /// CloudEvents (HTTP 1.1 Web Hooks, section 4): answers an OPTIONS request from one of `origins`.
    Cloudevents {
        /// The accepted values of `WebHook-Request-Origin`, case-insensitive.
        origins: Vec<String>,
        /// The maximum number of deliveries per minute that the reply allows.
        #[serde(default = "hundred")]
        #[cfg_attr(test, schemars(range(min = 1)))]
        per_minute: u32,
    },
}

fn hundred() -> u32 {
    100
}

/// The reply to a handshake, with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeReply {
    /// The headers to send, with lower-case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: ReplyBody,
}

impl HandshakeReply {
    /// Makes a JSON reply without additional headers.
    pub fn json(body: Value) -> Self {
        Self::of(ReplyBody::Json(body))
    }

    fn of(body: ReplyBody) -> Self {
        Self {
            headers: Vec::new(),
            body,
        }
    }

    /// Answers the request with which an approval system checks an address. This check is part of
    /// the scheme and needs no configuration. Returns `None` for any other request.
    ///
    /// # Errors
    /// Fails if the request is malformed, or if it cannot be verified with the source's secrets.
    /// The caller refuses the request as it refuses a delivery.
    pub fn of_scheme(
        request: &HandshakeRequest<'_>,
        verifier: &Verifier,
        now: Timestamp,
    ) -> Option<Result<Self, Refusal>> {
        let answered = verifier.challenge(request.method, request.headers, request.body, now)?;
        Some(answered.map(Self::of))
    }

    /// Returns the reply if the verified delivery only checks the address, and `None` if it is an
    /// event. `configured` is the handshake in the configuration of the source.
    pub fn to(verified: &VerifiedDelivery, configured: Option<&Handshake>) -> Option<Self> {
        if verified.is_challenge() {
            return verified.reply().cloned().map(Self::of);
        }
        configured?.answer(verified)
    }
}

/// An unverified request that may be a handshake.
#[derive(Debug)]
pub struct HandshakeRequest<'a> {
    /// The source in the request's path; for the path `/events`, a source with the setting
    /// `events`.
    pub source: &'a SourceName,
    /// The HTTP method, in capitals.
    pub method: &'a str,
    /// The request's headers.
    pub headers: &'a Headers,
    /// The request's body.
    pub body: &'a [u8],
}

impl Handshake {
    /// Returns a problem if this handshake does not fit the scheme `spec`, or if its own values are
    /// unusable.
    pub fn problem(&self, spec: &SchemeSpec) -> Option<Problem> {
        let (preset, kind) = (spec.preset_name(), spec.kind());
        let (fits, wanted) = match self {
            Self::Slack => (preset == Some(SchemeName::Slack), "scheme = \"slack\""),
            Self::Asana => (preset == Some(SchemeName::Asana), "scheme = \"asana\""),
            Self::Okta => (
                matches!(kind, SchemeKind::Token { .. }),
                "scheme = { like = \"token\", header = \"authorization\" }",
            ),
            Self::Cloudevents { .. } => (
                !matches!(kind, SchemeKind::Trusted | SchemeKind::Sns),
                "a scheme that verifies a secret",
            ),
        };
        if !fits {
            let problem = format!("does not fit scheme {}", spec.name());
            let remedy = format!("use {wanted}, or remove the handshake");
            return Some(Problem::new("handshake", problem, remedy));
        }
        let Self::Cloudevents {
            origins,
            per_minute,
        } = self
        else {
            return None;
        };
        let wrong = |problem: &str, remedy| Problem::new("handshake.cloudevents", problem, remedy);
        if origins.is_empty() || *per_minute == 0 {
            let remedy = "list at least one origin, and set per_minute to 1 or more";
            return Some(wrong("lists no origin, or allows no deliveries", remedy));
        }
        let mut wild = origins
            .iter()
            .filter(|one| !is_echoable(one) || one.contains('*'));
        let problem = format!("{} is not an exact name", shown(wild.next()?));
        let remedy = "write host names in full; there are no wildcards";
        Some(wrong(&problem, remedy))
    }

    /// Answers the request that a sender makes before its first delivery. Returns `None` if the
    /// request is not this handshake, or comes from an origin that is not listed.
    ///
    /// # Errors
    /// Fails if Okta's challenge cannot be verified, for example because it lacks the source's
    /// secret. The caller refuses the request as it refuses a delivery.
    pub fn answer_request(
        &self,
        request: &HandshakeRequest<'_>,
        verifier: &Verifier,
        now: Timestamp,
    ) -> Option<Result<HandshakeReply, Refusal>> {
        let header = |name: &str| {
            request
                .headers
                .one(name)
                .ok()
                .flatten()
                .filter(|text| is_echoable(text))
        };
        match (self, request.method) {
            (Self::Okta, "GET") => {
                let challenge = header("x-okta-verification-challenge")?.to_owned();
                let via = Via::Http(request.headers.clone());
                let delivery = Delivery {
                    source: request.source.clone(),
                    via,
                    body: bytes::Bytes::new(),
                };
                let known = verifier.verify(delivery, now);
                Some(known.map(|_| HandshakeReply::json(json!({ "verification": challenge }))))
            }
            (Self::Asana, "POST") => {
                let secret = header("x-hook-secret")?;
                let empty = matches!(request.body, b"" | b"{}");
                if !empty || request.headers.has("x-hook-signature") {
                    return None;
                }
                Some(Ok(HandshakeReply {
                    headers: vec![("x-hook-secret", secret.to_owned())],
                    body: ReplyBody::Json(json!({})),
                }))
            }
            (
                Self::Cloudevents {
                    origins,
                    per_minute,
                },
                "OPTIONS",
            ) => {
                let asked = header("webhook-request-origin")?;
                let origin = origins
                    .iter()
                    .find(|origin| origin.eq_ignore_ascii_case(asked))?;
                let rate = header("webhook-request-rate").and_then(|text| text.parse::<u32>().ok());
                let rate = rate
                    .filter(|rate| *rate > 0)
                    .map_or(*per_minute, |rate| rate.min(*per_minute));
                let headers = vec![
                    ("webhook-allowed-origin", origin.clone()),
                    ("webhook-allowed-rate", rate.to_string()),
                    ("allow", "POST".to_owned()),
                ];
                Some(Ok(HandshakeReply {
                    headers,
                    body: ReplyBody::Json(json!({})),
                }))
            }
            _ => None,
        }
    }

    /// Answers a verified delivery if it is a handshake, and returns `None` if it is an event. Of
    /// the handshakes that can be configured, only Slack's is a signed delivery.
    fn answer(&self, verified: &VerifiedDelivery) -> Option<HandshakeReply> {
        if *self != Self::Slack || verified.is_form() {
            return None;
        }
        let body = read_json(verified.body()).ok()?;
        let text = |name: &str| body.get(name)?.as_str().filter(|text| is_echoable(text));
        let challenge = text("challenge").filter(|_| text("type") == Some("url_verification"))?;
        Some(HandshakeReply::json(json!({ "challenge": challenge })))
    }
}
