//! What record 0 of a stream ties a request to: the bytes that were received, and what they were
//! read with.

use serde::{Deserialize, Serialize};

/// The delivery and the program that read it. Digests are SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Of the verified body, byte for byte as the sender signed it.
    pub body_digest: String,
    /// Of the map's text.
    pub map_digest: String,
    /// Of the configuration file; variables that override it are not in it.
    pub config_digest: String,
    /// The version of this program.
    pub version: String,
}
