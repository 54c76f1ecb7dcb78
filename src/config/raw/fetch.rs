//! `fetch` of a `[[source]]` as written.

use serde::Deserialize;
use toml::Spanned;

use crate::inbound::FetchPreset;

#[cfg(test)]
use crate::config::schema;

/// How the instance that an event names is fetched: what it says, and not the event, decides.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawFetch {
    /// The system, as in `scheme`.
    #[cfg_attr(test, schemars(with = "FetchPreset"))]
    pub(in crate::config) preset: Spanned<FetchPreset>,
    /// The id of your app; for wecom the corp id.
    #[cfg_attr(
        test,
        schemars(with = "String", regex(pattern = "^[0-9A-Za-z_]{1,64}$"))
    )]
    pub(in crate::config) app_id: Spanned<String>,
    /// Its secret.
    #[cfg_attr(test, schemars(with = "schema::Secret"))]
    pub(in crate::config) app_secret: Spanned<String>,
    /// The codes of the approval definitions whose approvals count.
    #[cfg_attr(
        test,
        schemars(
            with = "Vec<String>",
            length(min = 1),
            inner(regex(pattern = "^[0-9A-Za-z_-]{1,64}$"))
        )
    )]
    pub(in crate::config) definitions: Vec<Spanned<String>>,
    /// The API's address, for tests and proxies; plain http on loopback only.
    #[cfg_attr(
        test,
        schemars(with = "Option<String>", regex(pattern = "^https?://[^?#]+$"))
    )]
    pub(in crate::config) url: Option<Spanned<String>>,
}
