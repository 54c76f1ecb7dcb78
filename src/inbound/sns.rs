//! Verifies messages that Amazon SNS sends over HTTPS. Each message contains an RSA signature and
//! the address of the certificate that verifies the signature. The caller fetches the certificate
//! and passes it as a trusted [`Certificate`], so this file does no I/O.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, TrustAnchor, UnixTime, alg_id, pem::PemObject as _,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use webpki::{EndEntityCert, KeyUsage};

use super::hmac::fresh;
use super::proof::{Proof, Proven};
use super::refusal::Refusal;
use super::trace::{Trace, readable};
use crate::domain::{Problem, Timestamp, read_json};

/// Maximum difference between a message's time and now, in seconds. SNS repeats a failed delivery
/// for at most an hour.
const WINDOW: u32 = 3600;
/// Maximum number of certificates in a fetched file, and in [`Issuers`].
const MAX_CERTIFICATES: usize = 8;

/// What a message says about a topic's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// A GET to this address, which is on a host of SNS, confirms the subscription.
    Confirm(String),
    /// There is nothing to confirm. The message is of another kind, or its address does not confirm
    /// a subscription at SNS in the topic's region.
    Other,
}

/// The fields of an unverified message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    body: Value,
    topic: String,
    certificate: String,
}

impl Message {
    /// Reads a message. Refuses a body that is not JSON, a message from a topic that is not in
    /// `topics`, and a message whose certificate is not on the host of SNS in the topic's region.
    pub(super) fn read(body: &[u8], topics: &[String]) -> Result<Self, Refusal> {
        let body =
            read_json(body).map_err(|_| Refusal::malformed("body", "it is not an SNS message"))?;
        let topic = field(&body, "TopicArn")?.to_owned();
        if !topics.contains(&topic) {
            return Err(Refusal::ForeignOrigin { origin: topic });
        }
        let certificate = field(&body, "SigningCertURL")?.to_owned();
        if !is_certificate_url(&certificate) || !same_region(&certificate, &topic) {
            let why = "it is not the address of an SNS certificate in the topic's region";
            return Err(Refusal::malformed("body field SigningCertURL", why));
        }
        Ok(Self {
            body,
            topic,
            certificate,
        })
    }

    pub(super) fn certificate_url(&self) -> &str {
        &self.certificate
    }

    pub(super) fn subscription(&self) -> Option<Subscription> {
        match self.body.get("Type")?.as_str()? {
            "SubscriptionConfirmation" => {
                let url = field(&self.body, "SubscribeURL").ok()?;
                let confirms =
                    url.contains("Action=ConfirmSubscription") && same_region(url, &self.topic);
                Some(if confirms {
                    Subscription::Confirm(url.to_owned())
                } else {
                    Subscription::Other
                })
            }
            "Notification" => None,
            _ => Some(Subscription::Other),
        }
    }

    pub(super) fn verify(
        &self,
        certificate: &Certificate,
        now: Timestamp,
        trace: &mut Trace,
    ) -> Result<Proven, Refusal> {
        const WHAT: &str = "body field Signature";
        let algorithm: &dyn SignatureVerificationAlgorithm =
            match field(&self.body, "SignatureVersion")? {
                "2" => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
                "1" => &LegacySha1,
                _ => {
                    let what = "body field SignatureVersion";
                    return Err(Refusal::malformed(what, "only 1 and 2 are supported"));
                }
            };
        let signature = STANDARD
            .decode(field(&self.body, "Signature")?)
            .map_err(|_| Refusal::malformed(WHAT, "it is not base64"))?;
        let text = self.string_to_sign()?;
        trace.note("signed bytes", true, || readable(text.as_bytes(), b""));
        let mismatch = |_| Refusal::OtherCertificate;
        let leaf = EndEntityCert::try_from(&certificate.leaf).map_err(mismatch)?;
        let verified = leaf.verify_signature(algorithm, text.as_bytes(), &signature);
        trace.note("signature", verified.is_ok(), || {
            format!("by certificate {}", certificate.fingerprint)
        });
        verified.map_err(mismatch)?;
        self.fresh(now, trace)?;
        let id = field(&self.body, "MessageId").ok().map(str::to_owned);
        Ok(Proven {
            by: Proof::Certificate(certificate.fingerprint.clone()),
            id,
        })
    }

    /// Returns the signed text: name and value of each field on separate lines, sorted by name.
    fn string_to_sign(&self) -> Result<String, Refusal> {
        const EVENT: [&str; 6] = [
            "Message",
            "MessageId",
            "Subject",
            "Timestamp",
            "TopicArn",
            "Type",
        ];
        const ABOUT: [&str; 7] = [
            "Message",
            "MessageId",
            "SubscribeURL",
            "Timestamp",
            "Token",
            "TopicArn",
            "Type",
        ];
        let names: &[&str] = match field(&self.body, "Type")? {
            "Notification" => &EVENT,
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => &ABOUT,
            _ => {
                let why = "it is not a message type of SNS";
                return Err(Refusal::malformed("body field Type", why));
            }
        };
        let mut text = String::new();
        for name in names {
            if *name == "Subject" && self.body.get(name).is_none_or(Value::is_null) {
                continue;
            }
            let value = if *name == "Message" || *name == "Subject" {
                self.body
                    .get(name)
                    .and_then(Value::as_str)
                    .ok_or_else(|| missing(name))?
            } else {
                field(&self.body, name)?
            };
            text.extend([name, "\n", value, "\n"]);
        }
        Ok(text)
    }

    fn fresh(&self, now: Timestamp, trace: &mut Trace) -> Result<(), Refusal> {
        let written = field(&self.body, "Timestamp")?;
        let why = "it is not an RFC 3339 instant";
        let at = super::template::rfc3339(written)
            .ok_or_else(|| Refusal::malformed("body field Timestamp", why))?;
        fresh(WINDOW, at, now, trace)
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::missing(format!("body field {name}"))
}

fn field<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    body.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| missing(name))
}

/// Returns the region in an `https` address on a host of SNS. `None` for any other host, and for an
/// address with a user or a port.
fn region_of(url: &str) -> Option<&str> {
    let (host, _) = url.strip_prefix("https://sns.")?.split_once('/')?;
    let region = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (region.len() >= 3 && region.bytes().all(plain)).then_some(region)
}

fn is_certificate_url(url: &str) -> bool {
    let path = region_of(url).and_then(|_| url.strip_prefix("https://")?.split_once('/'));
    let name = path.and_then(|(_, path)| {
        path.strip_prefix("SimpleNotificationService-")?
            .strip_suffix(".pem")
    });
    name.is_some_and(|name| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn same_region(url: &str, topic: &str) -> bool {
    region_of(url).is_some() && topic.split(':').nth(3) == region_of(url)
}

/// RSA with SHA-1, which SNS's signature version 1 uses. A topic with `SignatureVersion = 2` uses
/// SHA-256.
#[derive(Debug)]
struct LegacySha1;

impl SignatureVerificationAlgorithm for LegacySha1 {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_PKCS1_SHA256
    }
}

/// The trusted certificates: roots, and the certificates that the operator added.
#[derive(Debug, Clone)]
pub struct Issuers {
    roots: Vec<TrustAnchor<'static>>,
    added: Vec<CertificateDer<'static>>,
}

impl Issuers {
    /// Collects the trusted certificates. A chain must lead to one of `roots`. The operator
    /// provides `added`, which may contain two kinds of certificates: intermediate certificates
    /// that a fetched file lacks, and signing certificates, which are then trusted without a chain.
    ///
    /// # Errors
    /// Fails if there are too many certificates in `added`.
    pub fn new(
        roots: Vec<TrustAnchor<'static>>,
        added: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Problem> {
        if added.len() > MAX_CERTIFICATES {
            let problem = format!("has more than {MAX_CERTIFICATES} certificates");
            return Err(Problem::new(
                "issuers",
                problem,
                "remove those that are not needed",
            ));
        }
        Ok(Self { roots, added })
    }

    /// Returns the added certificates as possible signing certificates. With them, a host that
    /// cannot reach the internet can verify messages.
    pub fn pinned(&self) -> impl Iterator<Item = Certificate> {
        self.added.iter().cloned().map(Certificate::of)
    }
}

/// A trusted signing certificate: its chain was checked, or the operator added it.
#[derive(Debug, Clone)]
pub struct Certificate {
    leaf: CertificateDer<'static>,
    fingerprint: String,
}

impl Certificate {
    /// Checks the PEM file that was fetched from `url`, and returns its first certificate. At
    /// `now`, that certificate must have a chain to a root, and must be issued for the host in
    /// `url` or for `sns.amazonaws.com`. Neither is required of a certificate that the operator
    /// added.
    ///
    /// # Errors
    /// Returns the reason why the certificate is not trusted.
    pub fn check(
        pem: &[u8],
        url: &str,
        issuers: &Issuers,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let refused = |why| Refusal::malformed("the signing certificate", why);
        let mut chain = certificates(pem)
            .ok_or_else(|| refused("it is not PEM"))?
            .into_iter();
        let empty = || refused("the file contains no certificate");
        let leaf = chain.next().ok_or_else(empty)?;
        if !issuers.added.contains(&leaf) {
            let between: Vec<_> = chain.chain(issuers.added.iter().cloned()).collect();
            let parsed = EndEntityCert::try_from(&leaf).map_err(|_| refused("it is not X.509"))?;
            let seconds = u64::try_from(now.as_second()).unwrap_or_default();
            let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
            let usage = KeyUsage::server_auth();
            parsed
                .verify_for_usage(
                    webpki::ALL_VERIFICATION_ALGS,
                    &issuers.roots,
                    &between,
                    at,
                    usage,
                    None,
                    None,
                )
                .map_err(|_| {
                    refused("it has expired, or no chain leads from it to a trusted root; add missing intermediate certificates to `issuers`")
                })?;
            let host = url
                .strip_prefix("https://")
                .and_then(|rest| rest.split('/').next())
                .unwrap_or_default();
            let named = |name: &str| {
                ServerName::try_from(name)
                    .is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok())
            };
            if !named(host) && !named("sns.amazonaws.com") {
                return Err(refused("it was issued for another host"));
            }
        }
        Ok(Self::of(leaf))
    }

    fn of(leaf: CertificateDer<'static>) -> Self {
        let mut fingerprint = hex::encode(Sha256::digest(&leaf));
        fingerprint.truncate(8);
        Self { leaf, fingerprint }
    }
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem)
        .take(MAX_CERTIFICATES + 1)
        .collect();
    list.ok().filter(|list| list.len() <= MAX_CERTIFICATES)
}
