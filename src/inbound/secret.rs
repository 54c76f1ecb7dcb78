//! Turns the text of a configured secret into a [`Key`] for the scheme of its source. Refuses empty
//! and malformed secrets. For real sources, also refuses secrets that are short or publicly known.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use base64::Engine as _;

use super::envelope::EnvelopeKey;
use super::scheme::{KeyDecoding, MIN_KEY};
use super::scheme_kind::SchemeKind;
use super::spec::SchemeSpec;
use super::template::SECRET_BASE64;
use crate::domain::Problem;

/// Which secrets may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretRules {
    /// For real sources. A secret must be long enough, and must not be one of the published secrets
    /// in `KNOWN`.
    Production,
    /// For published test vectors, `sharehook verify --scheme` and signing. Short and published
    /// secrets are allowed too.
    AllowKnown,
}

/// Secrets from public documents and from senders' test functions. Anyone could sign with them.
const KNOWN: [&str; 10] = [
    // Zendesk uses this secret for test deliveries of a webhook that has not been created yet.
    "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
    // GitHub's and Atlassian's documentation.
    "It's a Secret to Everybody",
    // Standard Webhooks' and Svix's documentation and libraries.
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "plJ3nmyCDGBKInavdOK15jsl",
    // Slack's documentation.
    "8f742231b10e8888abcd99yyyzzz85a5",
    // PagerDuty's Go client.
    "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK",
    // The base64 of "testtesttesttesttesttesttesttest", 32 bytes, as in GitLab's examples.
    "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
    // WeCom's documentation, and wechatpy's.
    "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
];

pub(super) enum Key {
    Mac(Hmac<Sha256>),
    /// The SHA-256 of a static secret.
    Digest([u8; 32]),
    /// The secrets of an app at an approval system.
    Envelope(EnvelopeKey),
}

impl Key {
    /// Reads a secret for a scheme. Problems refer to the secret as `field`.
    pub(super) fn read(
        spec: &SchemeSpec,
        secret: &SecretString,
        rules: SecretRules,
        field: &str,
    ) -> Result<Self, Problem> {
        let text = secret.expose_secret();
        let problem = |problem: &str, remedy: &str| Err(Problem::new(field, problem, remedy));
        if text.is_empty() {
            return problem("is empty", "set the secret that the sender uses");
        }
        if text.trim() != text {
            return problem(
                "begins or ends with white space",
                "remove the white space, such as a newline at the end of a file",
            );
        }
        if rules == SecretRules::Production && text.split(':').any(known) {
            return problem(
                "is printed in public documentation",
                "make a secret of your own and set it at the sender",
            );
        }
        let (bytes, min_bytes) = match spec.kind() {
            SchemeKind::Envelope(scheme) => {
                let key = EnvelopeKey::read(*scheme, text, rules == SecretRules::Production);
                return key
                    .map(Self::Envelope)
                    .or_else(|(flaw, remedy)| problem(flaw, remedy));
            }
            SchemeKind::Hmac(record) => match decoded(text, record.key) {
                Some(bytes) => (bytes, record.min_key),
                None => {
                    let remedy = match record.key {
                        KeyDecoding::Whsec => {
                            "copy it as the sender shows it, with or without whsec_"
                        }
                        _ => "copy it as the sender shows it, without a prefix",
                    };
                    return problem("is not base64", remedy);
                }
            },
            SchemeKind::Basic if !text.contains(':') => {
                return problem(
                    "is not user:password",
                    "write user, a colon, and the password",
                );
            }
            _ => (SecretSlice::from(text.as_bytes().to_vec()), MIN_KEY),
        };
        let length = bytes.expose_secret().len();
        if length == 0 || (rules == SecretRules::Production && length < min_bytes) {
            return problem(
                &format!("is {length} bytes long; at least {min_bytes} are required"),
                "make a random one, for example with `openssl rand -base64 32`",
            );
        }
        match spec.kind() {
            SchemeKind::Hmac(_) => match Hmac::new_from_slice(bytes.expose_secret()) {
                Ok(mac) => Ok(Self::Mac(mac)),
                Err(_) => problem("cannot be a key", "make a random one of 32 bytes"),
            },
            _ => Ok(Self::Digest(Sha256::digest(bytes.expose_secret()).into())),
        }
    }

    pub(super) fn mac(&self, prefix: &[u8], body: &[u8]) -> Option<[u8; 32]> {
        let Self::Mac(mac) = self else {
            return None;
        };
        let mut mac = mac.clone();
        mac.update(prefix);
        mac.update(body);
        Some(mac.finalize().into_bytes().into())
    }

    pub(super) fn envelope(&self) -> Option<&EnvelopeKey> {
        match self {
            Self::Envelope(key) => Some(key),
            Self::Mac(_) | Self::Digest(_) => None,
        }
    }

    /// Whether the presented bytes are this static secret. Compares digests, so that the duration
    /// reveals neither the length nor the content of the secret.
    pub(super) fn is(&self, presented: &[u8]) -> bool {
        let Self::Digest(digest) = self else {
            return false;
        };
        let presented: [u8; 32] = Sha256::digest(presented).into();
        digest.ct_eq(&presented).into()
    }
}

fn known(text: &str) -> bool {
    let bare = |text: &str| {
        text.trim_start_matches("whsec_")
            .trim_end_matches('=')
            .to_owned()
    };
    KNOWN.iter().any(|known| bare(known) == bare(text))
}

fn decoded(text: &str, decoding: KeyDecoding) -> Option<SecretSlice<u8>> {
    let base64 = |text: &str| SECRET_BASE64.decode(text).ok();
    let bytes = match decoding {
        KeyDecoding::Utf8 => Some(text.as_bytes().to_vec()),
        KeyDecoding::Base64 => base64(text),
        KeyDecoding::Whsec => base64(text.strip_prefix("whsec_").unwrap_or(text)),
    };
    bytes.map(SecretSlice::from)
}

#[cfg(test)]
mod tests {
    use super::super::scheme_kind::SchemeName;
    use super::*;

    fn read(name: SchemeName, secret: &str) -> Result<Key, Problem> {
        Key::read(
            &SchemeSpec::preset(name),
            &SecretString::from(secret),
            SecretRules::Production,
            "secrets[0]",
        )
    }

    #[test]
    fn weak_and_published_secrets_are_refused() {
        use SchemeName as N;
        for (name, secret, says) in [
            (N::Github, "", "empty"),
            (N::Github, "0123456789abcdef0123456", "23 bytes"),
            (N::Github, "0123456789abcdef01234567\n", "white space"),
            (N::Github, "It's a Secret to Everybody", "public"),
            (N::Jira, "It's a Secret to Everybody", "public"),
            (
                N::Zendesk,
                "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
                "public",
            ),
            (
                N::StandardWebhooks,
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "public",
            ),
            (
                N::Gitlab,
                "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q",
                "public",
            ),
            (N::StandardWebhooks, "whsec_", "0 bytes"),
            (
                N::StandardWebhooks,
                "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",
                "23 bytes",
            ),
            (N::StandardWebhooks, "whsec_!!!not-base64!!!", "not base64"),
            (
                N::StandardWebhooks,
                "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx",
                "not base64",
            ),
            (N::Token, "short-token", "11 bytes"),
            (N::Bearer, "short-token", "11 bytes"),
            (N::Basic, "long-enough-but-without-a-colon", "user:password"),
            (N::Basic, "svc_share:pa:ss", "15 bytes"),
        ] {
            let problem = read(name, secret)
                .err()
                .unwrap_or_else(|| panic!("{name:?} {secret:?} was taken"));
            assert!(
                problem.problem.contains(says),
                "{name:?} {secret:?}: {problem}"
            );
            assert!(
                secret.is_empty() || !problem.to_string().contains(secret),
                "the secret stands in: {problem}"
            );
        }
    }

    #[test]
    fn padding_of_a_secret_does_not_matter() {
        let padded = read(
            SchemeName::StandardWebhooks,
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA==",
        )
        .unwrap();
        let bare = read(
            SchemeName::StandardWebhooks,
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA",
        )
        .unwrap();
        assert_eq!(
            padded.mac(b"a.", b"b").unwrap(),
            bare.mac(b"a", b".b").unwrap()
        );
    }

    #[test]
    fn a_static_secret_matches_only_itself_and_signs_nothing() {
        let key = read(SchemeName::Token, "s3cr3t-token-0123456789abcdef").unwrap();
        assert!(
            key.is(b"s3cr3t-token-0123456789abcdef") && !key.is(b"s3cr3t-token-0123456789abcdeF")
        );
        assert_eq!(key.mac(b"", b""), None);
    }
}
