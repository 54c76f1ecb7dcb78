//! The type into which `[report]` is parsed. `report.rs` checks the values.

use serde::Deserialize;
use toml::Spanned;

use crate::domain::Language;

#[cfg(test)]
use super::schema;

/// The report, and where sweeps publish it.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawReport {
    /// The page: a file relative to this one, or an object such as s3://bucket/report.html.
    #[cfg_attr(
        test,
        schemars(with = "Option<String>", length(min = 1), extend("examples" = ["s3://acme-reports/shares.html"]))
    )]
    pub(super) to: Option<Spanned<String>>,
    /// The age at which a sweep replaces the page, as in 1h. Each new page reads the whole journal.
    #[cfg_attr(test, schemars(with = "Option<schema::Length>", extend("default" = "24h")))]
    pub(super) every: Option<Spanned<String>>,
    /// The language of the page: en or zh (Chinese).
    #[serde(default)]
    pub(super) language: Language,
}
