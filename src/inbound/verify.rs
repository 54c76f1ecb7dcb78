//! Verifies a [`Delivery`]. In: scheme, secrets and origins from the configuration, the delivery, and
//! now. Out: a [`VerifiedDelivery`], which only this file can make, or a [`Refusal`]. Knows no host and
//! no clock.

use std::fmt;

use bytes::Bytes;
use secrecy::SecretString;

use super::authorization::{basic, credentials};
use super::delivery::{Delivery, Via};
use super::hmac::{self, needed};
use super::media_type::media_type;
use super::proof::{Proof, Proven};
use super::refusal::Refusal;
use super::scheme_kind::SchemeKind;
use super::secret::{Key, SecretRules};
use super::sns::{Certificate, Message, Subscription};
use super::spec::SchemeSpec;
use super::trace::{Step, Trace};
use crate::domain::{Problem, Problems, SourceName, Timestamp, shown};

/// An authentic delivery. Whether its request is allowed is a matter of policy.
#[derive(Debug, Clone)]
pub struct VerifiedDelivery {
    source: SourceName,
    scheme: &'static str,
    signed: bool,
    body: Bytes,
    form: bool,
    delivery_id: Option<String>,
    claimed_id: Option<String>,
    proof: Option<Proof>,
}

impl VerifiedDelivery {
    /// The configured source that authenticated it.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The scheme's name, [`SchemeSpec::name`].
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether a signature covers this delivery; a static secret or a trusted trigger has none.
    pub fn signed(&self) -> bool {
        self.signed
    }

    /// The exact bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// One of several events in the verified bytes. Only `inbound` calls this, with parts of those
    /// bytes.
    pub(super) fn part(&self, body: Bytes, id: String) -> Self {
        Self {
            body,
            form: false,
            delivery_id: Some(id),
            claimed_id: None,
            ..self.clone()
        }
    }

    /// Whether the body is a form instead of JSON.
    pub fn is_form(&self) -> bool {
        self.form
    }

    /// The delivery's id, only if the signature covers it or the host gave it: an attacker who replays
    /// a captured request can write any unsigned id.
    pub fn delivery_id(&self) -> Option<&str> {
        self.delivery_id.as_deref()
    }

    /// The sender's unsigned id, for the log only.
    pub fn claimed_id(&self) -> Option<&str> {
        self.claimed_id.as_deref()
    }

    /// What authenticated it; `None` for a trusted trigger, for which its host vouches.
    pub fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }
}

/// A verification and its steps.
#[derive(Debug)]
pub struct Explanation {
    /// The steps in order; the last step of a refusal is not `ok`.
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
    /// A verifier for a real source. `secrets`: several during a rotation, of which one must match;
    /// `from`: the exact origins of a trusted source.
    ///
    /// # Errors
    /// Every problem: no secret, an empty, short (fewer than 24 bytes after decoding; for `basic`
    /// user, colon and password together) or published secret, `from` missing or out of place, an
    /// unsafe inline table.
    pub fn new(
        spec: SchemeSpec,
        secrets: Vec<SecretString>,
        from: Vec<String>,
    ) -> Result<Self, Problems> {
        Self::with_rules(spec, secrets, from, SecretRules::Production)
    }

    /// As [`Verifier::new`], with other rules for secrets, so that published vectors use the same code.
    ///
    /// # Errors
    /// As [`Verifier::new`], but with [`SecretRules::AllowKnown`] only an empty or undecodable
    /// secret is refused.
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
        problems.extend(origins(&spec, &from));
        let listed = spec.speaks_for_listed();
        if listed && !secrets.is_empty() {
            let problem = format!("a source with scheme {} has none", spec.name());
            problems.push(Problem::new(
                "secrets",
                problem,
                "remove them; `from` says who may speak",
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
        if problems.is_empty() {
            Ok(Self { spec, keys, from })
        } else {
            Err(Problems(problems))
        }
    }

    /// The scheme.
    pub fn spec(&self) -> &SchemeSpec {
        &self.spec
    }

    /// Verifies a delivery at this instant.
    ///
    /// # Errors
    /// The internal reason; the sender gets [`Refusal::public_text`].
    pub fn verify(&self, delivery: Delivery, now: Timestamp) -> Result<VerifiedDelivery, Refusal> {
        self.check(delivery, None, now, &mut Trace::off())
    }

    /// Verifies a delivery whose sender signs with a certificate, which the caller fetched and checked.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify_certified(
        &self,
        delivery: Delivery,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<VerifiedDelivery, Refusal> {
        self.check(delivery, Some(certificate), now, &mut Trace::off())
    }

    /// The address of the certificate that a delivery needs; `None` if its scheme has no certificates.
    /// Nothing is verified yet, so this returns only addresses of SNS, and only for listed topics.
    ///
    /// # Errors
    /// A refusal that no certificate can change.
    pub fn certificate_url(&self, delivery: &Delivery) -> Result<Option<String>, Refusal> {
        match (self.spec.kind(), &delivery.via) {
            (SchemeKind::Sns, Via::Http(_)) => {
                let message = Message::read(&delivery.body, &self.from)?;
                Ok(Some(message.certificate_url().to_owned()))
            }
            _ => Ok(None),
        }
    }

    /// The state of the subscription in a verified SNS message; `None` for an event.
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
        let mut verified = VerifiedDelivery {
            source,
            scheme: self.spec.name(),
            signed: self.spec.signed(),
            body,
            form: false,
            delivery_id: None,
            claimed_id: None,
            proof: None,
        };
        let headers = match (self.spec.kind(), via) {
            (SchemeKind::Trusted, Via::Host { origin, id }) => {
                self.vouched(&origin, trace)?;
                verified.delivery_id = id;
                return Ok(verified);
            }
            (SchemeKind::Trusted, Via::Http(_)) => return Err(self.wrong_door("HTTP")),
            (_, Via::Host { .. }) => return Err(self.wrong_door("a trigger")),
            (_, Via::Http(headers)) => headers,
        };
        let proven = match self.spec.kind() {
            SchemeKind::Hmac(record) => {
                hmac::check(record, &self.keys, &headers, &verified.body, now, trace)?
            }
            SchemeKind::Sns => {
                let message = Message::read(&verified.body, &self.from)?;
                trace.note("certificate", certificate.is_some(), || {
                    message.certificate_url().to_owned()
                });
                let certificate = certificate.ok_or_else(|| Refusal::Missing {
                    what: "the signing certificate, which only a running server fetches,"
                        .to_owned(),
                })?;
                message.verify(certificate, now, trace)?
            }
            SchemeKind::Token { header } => {
                self.presented(header, needed(&headers, header)?.as_bytes(), trace)?
            }
            SchemeKind::Basic => self.presented("authorization", &basic(&headers)?, trace)?,
            SchemeKind::Bearer => self.presented(
                "authorization",
                credentials(&headers, "bearer")?.as_bytes(),
                trace,
            )?,
            SchemeKind::Trusted => return Err(self.wrong_door("HTTP")),
        };
        verified.form = media_type(self.spec.kind(), &headers, trace)?;
        verified.delivery_id = proven.id;
        verified.claimed_id = proven.claimed_id;
        verified.proof = Some(proven.by);
        Ok(verified)
    }

    fn wrong_door(&self, door: &'static str) -> Refusal {
        Refusal::WrongDoor {
            scheme: self.spec.name(),
            door,
        }
    }

    /// Checks that the source lists the exact origin of a trusted trigger.
    fn vouched(&self, origin: &str, trace: &mut Trace) -> Result<(), Refusal> {
        let listed = self.from.iter().any(|from| from == origin);
        trace.note("origin", listed, || shown(origin));
        if listed {
            Ok(())
        } else {
            Err(Refusal::ForeignOrigin {
                origin: origin.to_owned(),
            })
        }
    }

    /// Compares a presented static secret with every key; no comparison ends early.
    fn presented(
        &self,
        header: &str,
        presented: &[u8],
        trace: &mut Trace,
    ) -> Result<Proven, Refusal> {
        let mut matched = None;
        for (index, key) in self.keys.iter().enumerate() {
            let found = key.is(presented);
            let by = Proof::Secret(index);
            trace.note("compared", found, || format!("header {header} with {by}"));
            if found && matched.is_none() {
                matched = Some(by);
            }
        }
        let what = || format!("header {header}");
        let by = matched.ok_or_else(|| Refusal::Mismatch { what: what() })?;
        Ok(Proven {
            by,
            id: None,
            claimed_id: None,
        })
    }
}

/// `from` belongs to a trusted source, which needs it, and has no wildcards.
fn origins(spec: &SchemeSpec, from: &[String]) -> Option<Problem> {
    let trusted = spec.speaks_for_listed();
    let (problem, remedy) = if !trusted && !from.is_empty() {
        (
            format!("does nothing for scheme {}", spec.name()),
            "remove it, or use scheme = \"trusted\"",
        )
    } else if trusted && from.is_empty() {
        (
            "is missing".to_owned(),
            "list the exact queues, topics, buses or CloudEvents sources that may speak",
        )
    } else if let Some(wild) = from
        .iter()
        .find(|from| from.trim().is_empty() || from.contains('*'))
    {
        (
            format!("{} is not an origin", shown(wild)),
            "write each origin in full; there are no wildcards",
        )
    } else {
        return None;
    };
    Some(Problem::new("from", problem, remedy))
}
