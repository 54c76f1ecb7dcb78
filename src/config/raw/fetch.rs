//! The types into which `fetch` of a `[[source]]` is parsed. `config/fetch.rs` and
//! `config/ticket_fetch.rs` check the values.

use serde::Deserialize;
use toml::Spanned;

use crate::config::raw_notify::RawAuth;
use crate::inbound::FetchPreset;

#[cfg(test)]
use crate::config::schema;

/// How the program fetches the instance that an event names. The fetched instance decides, not the event.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawFetch {
    /// An approval system, as in `scheme`; or `http` for a GET from any other system.
    #[cfg_attr(test, schemars(with = "RawFetchPreset"))]
    pub(in crate::config) preset: Spanned<RawFetchPreset>,
    /// The id of your app; for wecom the corp id.
    #[cfg_attr(test, schemars(with = "Option<schema::AppId>"))]
    pub(in crate::config) app_id: Option<Spanned<String>>,
    /// The app's secret.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(in crate::config) app_secret: Option<Spanned<String>>,
    /// The codes of the approval definitions whose approvals the program accepts.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<schema::Code>", length(min = 1)))]
    pub(in crate::config) definitions: Vec<Spanned<String>>,
    /// For http: the address of a ticket, with `{id}` once in its path or query. Otherwise the API's address,
    /// for tests and proxies. Plain http on loopback only.
    #[cfg_attr(test, schemars(with = "Option<schema::TicketAddress>"))]
    pub(in crate::config) url: Option<Spanned<String>>,
    /// For http: the jq filter that yields the id of the ticket that an event names, or nothing.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(in crate::config) id: Option<Spanned<String>>,
    /// For http: the jq filter that yields the id of a fetched ticket. This id must equal the id
    /// from the event.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(in crate::config) instance_id: Option<Spanned<String>>,
    /// For http: how the program authenticates at `url`.
    #[cfg_attr(test, schemars(with = "Option<RawAuth>"))]
    pub(in crate::config) auth: Option<Spanned<RawAuth>>,
    /// For http: a PEM file of certificates that the program trusts in addition to the public roots. Relative
    /// to this file.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(in crate::config) ca_file: Option<Spanned<String>>,
    /// For http: the HTTP proxy for requests to `url`.
    #[cfg_attr(test, schemars(with = "Option<String>", regex(pattern = "^http://.+")))]
    pub(in crate::config) proxy: Option<Spanned<String>>,
}

/// The system from which the program fetches.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FetchPreset"))]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RawFetchPreset {
    /// Feishu, in China.
    Feishu,
    /// Lark, which is Feishu outside China.
    Lark,
    /// DingTalk.
    Dingtalk,
    /// WeCom.
    Wecom,
    /// Any system with an HTTP API.
    Http,
}

impl RawFetchPreset {
    /// Returns the approval system, or `None` for `Http`.
    pub(in crate::config) fn system(self) -> Option<FetchPreset> {
        match self {
            Self::Feishu => Some(FetchPreset::Feishu),
            Self::Lark => Some(FetchPreset::Lark),
            Self::Dingtalk => Some(FetchPreset::Dingtalk),
            Self::Wecom => Some(FetchPreset::Wecom),
            Self::Http => None,
        }
    }
}
