//! The type into which `[check]` is parsed. `resolve.rs` checks the values.

use serde::Deserialize;
use toml::Spanned;

#[cfg(test)]
use super::schema;

/// The warnings that `sharehook check` leaves out.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawCheck {
    /// The names of warnings that `sharehook check` leaves out. docs/check.md
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<schema::DangerName>"))]
    pub(super) allow: Vec<Spanned<String>>,
}
