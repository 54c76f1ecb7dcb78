//! What record 0 ties a request to: digests of the received bytes and of what read them.

use serde::{Deserialize, Serialize};

/// The delivery and the program that read it. Digests are SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Of the verified body, exactly as the sender signed it.
    pub body_digest: String,
    /// Of the map's text.
    pub map_digest: String,
    /// Of the configuration file, without the variables that override it.
    pub config_digest: String,
    /// The version of this program.
    pub version: String,
}
