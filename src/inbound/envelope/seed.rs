//! Derives the random bytes for encryption. Verification is pure and has no source of randomness,
//! so the bytes are a digest of the key, the text and the time. Strangers cannot predict them,
//! because they do not know the key.

use sha2::{Digest as _, Sha256};

use crate::domain::Timestamp;

use super::key::EnvelopeKey;

pub(super) struct Seed {
    pub(super) random: [u8; 16],
    pub(super) nonce: String,
}

impl Seed {
    pub(super) fn of(key: &EnvelopeKey, text: &[u8], now: Timestamp) -> Option<Self> {
        let mut hash = Sha256::new();
        for part in [key.cipher(), text, &now.as_nanosecond().to_be_bytes()] {
            hash.update(part);
        }
        let digest = hash.finalize();
        Some(Self {
            random: *digest.first_chunk()?,
            nonce: hex::encode(digest.last_chunk::<8>()?),
        })
    }
}
