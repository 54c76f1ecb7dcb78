//! Names the version of a secret for records and logs. This is the version that the secret's store
//! names, otherwise a fingerprint under a key that only this deployment has. Because of the key, a
//! reader of the journal cannot use the fingerprint to test guesses of the secret.

use hmac::{Hmac, KeyInit as _, Mac as _};

use crate::app::App;
use crate::app::sweeps::signer_or_new;
use crate::config::Secret;
use crate::inbound::{Proof, VerifiedDelivery};

/// The text whose signature by the seal's key is the key for fingerprints. No checkpoint of the log
/// has this text.
const KEY_TEXT: &str = "sharehook fingerprints of secrets, version 1\n";
/// Number of hex digits of a fingerprint.
const DIGITS: usize = 16;

impl App {
    /// Returns, for the delivery's record, what authenticated the delivery. This is the reference
    /// and the version of a secret, or the fingerprint of a certificate.
    pub(in crate::app) async fn proof_of(&self, delivery: &VerifiedDelivery) -> Option<String> {
        let index = match delivery.proof()? {
            Proof::Certificate(fingerprint) => return Some(fingerprint.clone()),
            Proof::Secret(index) => *index,
        };
        let sources = &self.config().sources;
        let source = sources.iter().find(|one| &one.name == delivery.source())?;
        let secret = source.secrets.get(index)?;
        Some(match self.version_of(secret).await {
            Some(version) => format!("{}@{version}", secret.reference),
            None => secret.reference.to_string(),
        })
    }

    /// Returns the version of a secret. Returns `None` if the secret's store names no version and
    /// the seal's key cannot be used.
    pub(super) async fn version_of(&self, secret: &Secret) -> Option<String> {
        if let Some(version) = &secret.version {
            return Some(version.clone());
        }
        let make = async || {
            // Ignore the error, because sealing also reports a key that cannot be used.
            let signer = signer_or_new(self.config(), &self.journal)
                .await
                .map_err(drop)?;
            let key = signer.signature(KEY_TEXT);
            Hmac::new_from_slice(key.as_bytes()).map_err(drop)
        };
        let mut mac = self.fingerprints.get_or_try_init(make).await.ok()?.clone();
        mac.update(secret.expose_secret().as_bytes());
        let mut fingerprint = hex::encode(mac.finalize().into_bytes());
        fingerprint.truncate(DIGITS);
        Some(fingerprint)
    }
}
