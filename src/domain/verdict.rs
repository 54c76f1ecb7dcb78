//! The policy's verdict as data that the journal can keep: who decided, by which policies, on which
//! policy text.

use serde::{Deserialize, Serialize};

/// A decision as it is recorded. Holding one permits nothing: only `policy::Approved` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether every authorization of the request was allowed.
    pub allowed: bool,
    /// Determining policies, by `@id`, sorted, without duplicates. Empty for a default deny.
    pub policies: Vec<String>,
    /// For a denial: each thing that was refused, and why, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// SHA-256, hex, of schema, policies and entities as loaded.
    pub policy_digest: String,
}

/// One authorization that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// `account 700000164995`, or `Lighthouse`.
    pub what: String,
    /// Which policies forbade it, or that none allowed it, or which error the evaluation met.
    pub why: String,
}
