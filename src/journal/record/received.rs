//! Digests of the input from which a request, a conflict, a rejection or an announcement was
//! created. The record stores them as evidence.

use serde::{Deserialize, Serialize};

/// Digests of the delivery and of the map and configuration that read it, as SHA-256 in lower-case
/// hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Digest of the verified body, byte for byte. If the program derived another body from it,
    /// such as a decrypted event, one event of a batch or a fetched instance, this is the digest of
    /// the derived body.
    pub body_digest: String,
    /// Digest of the map's text.
    pub map_digest: String,
    /// Digest of the configuration file. Variables that override a setting are not part of it.
    pub config_digest: String,
    /// The version of this program.
    pub version: String,
}
