//! Reads the secrets of one app at an approval system from the configured text. Returns an
//! [`EnvelopeKey`], or why the text cannot be used.

use base64::Engine as _;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::inbound::scheme::MIN_KEY;
use crate::inbound::template::SECRET_BASE64;

use super::scheme::{EnvelopeScheme, EnvelopeSystem};

/// The minimum length of a token, in characters. An administrator may choose the token, and could
/// choose one that is easy to guess.
const MIN_TOKEN: usize = 16;
const MAX_TOKEN: usize = 64;
/// The length of DingTalk's and WeCom's keys: 32 bytes in base64, without the padding.
const KEY_CHARS: usize = 43;

/// Why a text cannot be a secret of its scheme, and how to correct it.
pub(in crate::inbound) type Unusable = (&'static str, &'static str);

pub(in crate::inbound) struct EnvelopeKey {
    /// The token. DingTalk and WeCom sign with it. For Feishu, it is the Verification Token, which
    /// each event contains.
    token: Option<SecretString>,
    /// The key as configured. Feishu's Encrypt Key also signs.
    encrypt_key: SecretString,
    /// The 32 bytes of the AES key; empty for plain events.
    cipher: SecretSlice<u8>,
}

impl EnvelopeKey {
    /// Reads a secret of the form `TOKEN:KEY`. For Feishu, the Encrypt Key alone is accepted too.
    /// For a Feishu app with plain events, the secret must be the token alone. If `strict`, also
    /// refuses a short token or key.
    pub(in crate::inbound) fn read(
        scheme: EnvelopeScheme,
        text: &str,
        strict: bool,
    ) -> Result<Self, Unusable> {
        const PAIR: &str = "write the token, a colon, and the key, as the app's page shows them";
        const ALONE: &str = "write the token alone, as the app's page shows it";
        const SHORT: &str = "make a random one of 32 letters and digits at the sender";
        let (token, key) = match (scheme.system, text.split_once(':')) {
            (EnvelopeSystem::Feishu, _) if !scheme.encrypted => (Some(text), ""),
            (EnvelopeSystem::Feishu, None) => (None, text),
            (_, Some((token, key))) => (Some(token), key),
            (_, None) => return Err(("is not TOKEN:KEY", PAIR)),
        };
        if let Some(token) = token {
            let good = token.bytes().all(|b| b.is_ascii_alphanumeric());
            if !good || !(1..=MAX_TOKEN).contains(&token.len()) {
                let remedy = match scheme.system {
                    EnvelopeSystem::Feishu if !scheme.encrypted => ALONE,
                    _ => PAIR,
                };
                return Err(("has a token that is not 1 to 64 letters and digits", remedy));
            }
            if strict && token.len() < MIN_TOKEN {
                return Err(("has a token of fewer than 16 characters", SHORT));
            }
        }
        let cipher = match scheme.system {
            EnvelopeSystem::Feishu if !scheme.encrypted => Vec::new(),
            EnvelopeSystem::Feishu if key.is_empty() => return Err(("has no Encrypt Key", PAIR)),
            EnvelopeSystem::Feishu if strict && key.len() < MIN_KEY => {
                return Err(("has an Encrypt Key of fewer than 24 characters", SHORT));
            }
            EnvelopeSystem::Feishu => Sha256::digest(key).to_vec(),
            EnvelopeSystem::Dingtalk | EnvelopeSystem::Wecom => {
                const NOT_43: &str = "has a key that is not 43 letters and digits";
                let good = key.len() == KEY_CHARS && key.bytes().all(|b| b.is_ascii_alphanumeric());
                let bytes = SECRET_BASE64.decode(key).ok().filter(|_| good);
                bytes.ok_or((NOT_43, PAIR))?
            }
        };
        Ok(Self {
            token: token.map(SecretString::from),
            encrypt_key: key.into(),
            cipher: cipher.into(),
        })
    }

    pub(super) fn token(&self) -> &str {
        self.token
            .as_ref()
            .map_or("", |token| token.expose_secret())
    }

    pub(super) fn encrypt_key(&self) -> &str {
        self.encrypt_key.expose_secret()
    }

    pub(super) fn cipher(&self) -> &[u8] {
        self.cipher.expose_secret()
    }

    /// Whether `presented` is this app's token. Returns true for any text if the configuration has
    /// no token.
    pub(super) fn has_token(&self, presented: &str) -> bool {
        match &self.token {
            None => true,
            Some(token) => {
                let digest = |text: &str| Sha256::digest(text);
                let (own, other) = (digest(token.expose_secret()), digest(presented));
                own.ct_eq(&other).into()
            }
        }
    }
}
