//! Digests of what a request, a conflict, a rejection or an announcement was made from. Its record
//! stores them as evidence.

use serde::{Deserialize, Serialize};

/// Digests of the delivery and of the map and configuration that read it, as SHA-256 in lower-case
/// hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Digest of the verified body, byte for byte. If the program made another body from it, such
    /// as a decrypted event, one event of a batch or a fetched instance: the digest of that body.
    pub body_digest: String,
    /// Digest of the map's text.
    pub map_digest: String,
    /// Digest of the configuration file. Variables that override a setting are not part of it.
    pub config_digest: String,
    /// The version of this program.
    pub version: String,
}
