//! What policies can know about a configured source. Data only.

use crate::domain::SourceName;

/// A configured source as policies see it. The values come from the configuration, never from
/// `entities.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// The source's name, as in `/hooks/{source}`.
    pub name: SourceName,
    /// The source's signature scheme, as configured: `jira`, `token`, `trusted` …
    pub scheme: String,
    /// Whether the scheme signs the request body. A static token, a password and a bearer key do
    /// not sign it.
    pub signed: bool,
}
