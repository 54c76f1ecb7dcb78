//! Verifies a [`Delivery`] with the scheme, secrets and origins from the configuration. Returns a
//! [`VerifiedDelivery`], which only this file can create, or a [`Refusal`]. Knows no host, and
//! takes the time as an argument.

use std::fmt;

use bytes::Bytes;
use secrecy::SecretString;

use super::authorization::{basic, credentials, presented};
use super::delivery::{Delivery, Headers, Via};
use super::envelope::{self, Checked, EnvelopeScheme};
use super::hmac::{self, needed};
use super::media_type::media_type;
use super::origins::{self, listed};
use super::proof::Proof;
use super::refusal::Refusal;
use super::replies::ReplyBody;
use super::scheme_kind::SchemeKind;
use super::secret::{Key, SecretRules};
use super::sns::{Certificate, Message, Subscription};
use super::spec::SchemeSpec;
use super::trace::{Step, Trace};
use crate::domain::{Problem, Problems, SourceName, Timestamp};

/// A delivery whose sender is authentic. Policy decides whether its requests are allowed.
#[derive(Debug, Clone)]
pub struct VerifiedDelivery {
    source: SourceName,
    scheme: &'static str,
    signed: bool,
    body: Bytes,
    form: bool,
    delivery_id: Option<String>,
    proof: Option<Proof>,
    reply: Option<ReplyBody>,
    is_challenge: bool,
}

impl VerifiedDelivery {
    /// The configured source that authenticated the delivery.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The scheme's name, as [`SchemeSpec::name`] returns it.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether the source's scheme signs deliveries. Static secrets and trusted triggers do not.
    pub fn signed(&self) -> bool {
        self.signed
    }

    /// The exact bytes of the body. For an encrypted event, this is the decrypted event as JSON.
    /// For a CloudEvent, and for a delivery made by [`Verifier::fetched`] or [`Verifier::listed`],
    /// it is JSON that the program wrote.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns a delivery for one event of this verified request. The caller must take `body` and
    /// `id` from the request.
    pub(super) fn part(&self, body: Bytes, id: String) -> Self {
        Self {
            body,
            form: false,
            delivery_id: Some(id),
            ..self.clone()
        }
    }

    /// Whether the body is a form instead of JSON.
    pub fn is_form(&self) -> bool {
        self.form
    }

    /// The delivery's id. It is trusted if the signature covers it, if it is inside a plain Feishu
    /// event, if the host assigned it, or if the program made it for a CloudEvent or an instance.
    /// Any other id is ignored, because an attacker who replays a captured request can change it.
    pub fn delivery_id(&self) -> Option<&str> {
        self.delivery_id.as_deref()
    }

    /// The body that the sender expects as acknowledgement, if it prescribes one.
    pub fn reply(&self) -> Option<&ReplyBody> {
        self.reply.as_ref()
    }

    /// Whether the delivery only checks the address. If so, [`VerifiedDelivery::reply`] is the
    /// answer.
    pub(super) fn is_challenge(&self) -> bool {
        self.is_challenge
    }

    /// What authenticated the delivery. `None` if a trigger's host vouches for the sender, or if
    /// the delivery was made from a recorded event or from an approval system's list.
    pub fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }
}

/// The result of a verification, and the steps that led to it.
#[derive(Debug)]
pub struct Explanation {
    /// The steps in order. If the delivery is refused, the last step is not `ok`.
    pub steps: Vec<Step>,
    /// The same result as [`Verifier::verify`].
    pub outcome: Result<VerifiedDelivery, Refusal>,
}

/// Verifies the deliveries of a configured source.
pub struct Verifier {
    spec: SchemeSpec,
    keys: Vec<Key>,
    from: Vec<String>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.spec.name())
            .field("secrets", &self.keys.len())
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Creates a verifier for a real source. A delivery must match one of `secrets`; a source has
    /// several of them during a rotation. A trusted or SNS source has no secrets, and `from` lists
    /// the exact origins that it accepts. For encrypted events, `from` lists the receivers.
    ///
    /// # Errors
    /// Returns every problem:
    ///
    /// - A secret is missing, superfluous, empty, malformed, short or published.
    /// - `from` is missing or superfluous, or contains a wildcard.
    /// - The inline table is unsafe.
    ///
    /// A secret is short if it has fewer than 24 bytes after decoding, unless its scheme sets
    /// another minimum. For `basic`, user, colon and password count together.
    pub fn new(
        spec: SchemeSpec,
        secrets: Vec<SecretString>,
        from: Vec<String>,
    ) -> Result<Self, Problems> {
        Self::with_rules(spec, secrets, from, SecretRules::Production)
    }

    /// Creates a verifier like [`Verifier::new`], but checks secrets by `rules`. This allows
    /// published test vectors to run through the production code.
    ///
    /// # Errors
    /// Fails like [`Verifier::new`], except that [`SecretRules::AllowKnown`] accepts short and
    /// published secrets.
    pub fn with_rules(
        spec: SchemeSpec,
        secrets: Vec<SecretString>,
        from: Vec<String>,
        rules: SecretRules,
    ) -> Result<Self, Problems> {
        let mut problems = match spec.kind() {
            SchemeKind::Hmac(record) => record.problems(),
            _ => Vec::new(),
        };
        problems.extend(origins::problem(&spec, &from));
        let listed = spec.lists_origins();
        if listed && !secrets.is_empty() {
            let problem = format!("are not used with scheme {}", spec.name());
            problems.push(Problem::new(
                "secrets",
                problem,
                "remove them; `from` lists who may send",
            ));
        }
        if !listed && secrets.is_empty() {
            problems.push(Problem::new(
                "secrets",
                "is missing",
                "name at least one, as in [\"env:WEBHOOK_SECRET\"]",
            ));
        }
        let mut keys = Vec::with_capacity(secrets.len());
        for (index, secret) in secrets.iter().enumerate().filter(|_| !listed) {
            match Key::read(&spec, secret, rules, &format!("secrets[{index}]")) {
                Ok(key) => keys.push(key),
                Err(problem) => problems.push(problem),
            }
        }
        Problems::refuse_any(problems)?;
        Ok(Self { spec, keys, from })
    }

    /// Verifies a delivery at the instant `now`.
    ///
    /// # Errors
    /// Returns the reason why the delivery is refused. The reason is for the log; the sender learns
    /// only whether the media type is wrong.
    pub fn verify(&self, delivery: Delivery, now: Timestamp) -> Result<VerifiedDelivery, Refusal> {
        self.check(delivery, None, now, &mut Trace::off())
    }

    /// Verifies a delivery from SNS, which must be signed with the key of `certificate`.
    ///
    /// # Errors
    /// Fails like [`Verifier::verify`].
    pub fn verify_certified(
        &self,
        delivery: Delivery,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<VerifiedDelivery, Refusal> {
        self.check(delivery, Some(certificate), now, &mut Trace::off())
    }

    /// Returns the address of the certificate that a delivery needs. Returns `None` if the delivery
    /// came from a trigger, or if its scheme uses no certificates. The delivery is not verified
    /// yet, so only addresses of SNS are returned, and only for topics that the source lists.
    ///
    /// # Errors
    /// Fails if the delivery must be refused whatever its certificate is.
    pub fn certificate_url(&self, delivery: &Delivery) -> Result<Option<String>, Refusal> {
        match (self.spec.kind(), &delivery.via) {
            (SchemeKind::Sns, Via::Http(_)) => {
                let message = Message::read(&delivery.body, &self.from)?;
                Ok(Some(message.certificate_url().to_owned()))
            }
            _ => Ok(None),
        }
    }

    /// Returns what a verified SNS message says about its topic's subscription. Returns `None` for
    /// an event, and for a delivery with another scheme.
    pub fn subscription(&self, verified: &VerifiedDelivery) -> Option<Subscription> {
        let sns = *self.spec.kind() == SchemeKind::Sns;
        sns.then(|| {
            Message::read(&verified.body, &self.from)
                .ok()?
                .subscription()
        })
        .flatten()
    }

    /// Verifies a delivery and returns the steps. The outcome is that of [`Verifier::verify`].
    pub fn explain(&self, delivery: Delivery, now: Timestamp) -> Explanation {
        let mut trace = Trace::on();
        trace.note("scheme", true, || self.spec.name().to_owned());
        let outcome = self.check(delivery, None, now, &mut trace);
        match &outcome {
            Ok(verified) => trace.note("accepted", true, || match verified.proof() {
                Some(proof) => format!("with {proof}"),
                None => "the host vouches for the sender".to_owned(),
            }),
            Err(refusal) => trace.note("refused", false, || refusal.to_string()),
        }
        Explanation {
            steps: trace.steps(),
            outcome,
        }
    }

    fn check(
        &self,
        delivery: Delivery,
        certificate: Option<&Certificate>,
        now: Timestamp,
        trace: &mut Trace,
    ) -> Result<VerifiedDelivery, Refusal> {
        let Delivery { source, via, body } = delivery;
        let mut verified = self.unproven(source, body);
        let headers = match (self.spec.kind(), via) {
            (SchemeKind::Trusted, Via::Host { origin, id }) => {
                listed(&self.from, &origin, "origin", trace)?;
                verified.delivery_id = id;
                return Ok(verified);
            }
            (SchemeKind::Trusted, Via::Http(_)) => return Err(self.wrong_transport("HTTP")),
            (_, Via::Host { .. }) => return Err(self.wrong_transport("a trigger")),
            (_, Via::Http(headers)) => headers,
        };
        let proven = match self.spec.kind() {
            SchemeKind::Hmac(record) => {
                hmac::check(record, &self.keys, &headers, &verified.body, now, trace)?
            }
            SchemeKind::Envelope(scheme) => {
                let checked = self.checked(*scheme, now);
                let opened = envelope::open(&checked, &headers, &verified.body, trace)?;
                verified.body = opened.body;
                verified.reply = Some(opened.reply);
                verified.is_challenge = opened.is_challenge;
                opened.proven
            }
            SchemeKind::Sns => {
                let message = Message::read(&verified.body, &self.from)?;
                trace.note("certificate", certificate.is_some(), || {
                    message.certificate_url().to_owned()
                });
                let what = "the signing certificate, which only a running server fetches,";
                let certificate = certificate.ok_or_else(|| Refusal::missing(what))?;
                message.verify(certificate, now, trace)?
            }
            SchemeKind::Token { header } => presented(
                &self.keys,
                header,
                needed(&headers, header)?.as_bytes(),
                trace,
            )?,
            SchemeKind::Basic => presented(&self.keys, "authorization", &basic(&headers)?, trace)?,
            SchemeKind::Bearer => presented(
                &self.keys,
                "authorization",
                credentials(&headers, "bearer")?.as_bytes(),
                trace,
            )?,
            SchemeKind::Trusted => return Err(self.wrong_transport("HTTP")),
        };
        verified.form = media_type(self.spec.kind(), &headers, trace)?;
        verified.delivery_id = proven.id;
        verified.proof = Some(proven.by);
        Ok(verified)
    }

    pub(super) fn challenge(
        &self,
        method: &str,
        headers: &Headers,
        body: &[u8],
        now: Timestamp,
    ) -> Option<Result<ReplyBody, Refusal>> {
        let SchemeKind::Envelope(scheme) = self.spec.kind() else {
            return None;
        };
        envelope::challenge(&self.checked(*scheme, now), method, headers, body)
    }

    /// Creates a delivery without a proof. Its event was verified earlier, before it was recorded, or
    /// comes from the list of an approval system. `body` is JSON.
    pub(super) fn without_proof(
        &self,
        source: SourceName,
        delivery_id: String,
        body: Bytes,
    ) -> VerifiedDelivery {
        VerifiedDelivery {
            delivery_id: Some(delivery_id),
            ..self.unproven(source, body)
        }
    }

    fn unproven(&self, source: SourceName, body: Bytes) -> VerifiedDelivery {
        VerifiedDelivery {
            source,
            scheme: self.spec.name(),
            signed: self.spec.signed(),
            body,
            form: false,
            delivery_id: None,
            proof: None,
            reply: None,
            is_challenge: false,
        }
    }

    fn checked(&self, scheme: EnvelopeScheme, now: Timestamp) -> Checked<'_> {
        Checked {
            scheme,
            keys: self.keys.iter().filter_map(Key::envelope).collect(),
            from: &self.from,
            now,
        }
    }

    fn wrong_transport(&self, transport: &'static str) -> Refusal {
        Refusal::WrongTransport {
            scheme: self.spec.name(),
            transport,
        }
    }
}
