//! The types into which `[[notify]]` is parsed. `notify.rs` and `notify_auth.rs` check the values.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::domain::Language;
use crate::notify::Preset;

#[cfg(test)]
use super::schema;

/// A target of notifications. docs/notifications.md
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotify {
    /// Its name, in records, metrics and webhook ids.
    #[cfg_attr(test, schemars(with = "String", regex(pattern = "^[a-z0-9_-]{1,64}$")))]
    pub(super) name: Spanned<String>,
    /// The receiving system and its API.
    #[cfg_attr(test, schemars(with = "Preset"))]
    pub(super) preset: Spanned<Preset>,
    /// The outcomes that it gets; the default is all.
    #[cfg_attr(test, schemars(with = "Option<Vec<schema::NoticeName>>"))]
    pub(super) on: Option<Vec<Spanned<String>>>,
    /// The sources whose requests it is notified of; the default is every source.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) sources: Vec<Spanned<String>>,
    /// The system's address; plain http on loopback only. No ticket can change it. A bot's is
    /// known, and `fetch` has that of the source's own app.
    #[cfg_attr(test, schemars(with = "Option<schema::Address>"))]
    pub(super) url: Option<Spanned<String>>,
    /// How the program authenticates there.
    #[cfg_attr(test, schemars(with = "Option<RawAuth>"))]
    pub(super) auth: Option<Spanned<RawAuth>>,
    /// For webhook: the key that signs. For a bot: the key in its address, a colon, and its signing secret.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) secret: Option<Spanned<String>>,
    /// A jq file of yours that writes the messages, relative to this file.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(super) map: Option<Spanned<String>>,
    /// The language of the lines that people read: en or zh (Chinese).
    #[serde(default)]
    pub(super) language: Language,
    /// Whom a requester asks after a refusal, as the messages name them.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1, max = 200)))]
    pub(super) contact: Option<Spanned<String>>,
    /// For jira: the id of the transition after an outcome, as in { completed = "31" }.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))]
    pub(super) transitions: BTreeMap<String, Spanned<String>>,
    /// In whose name notes are written: for pagerduty a user's address, for feishu and dingtalk a person's
    /// id, for wecom the app's AgentId.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(super) user: Option<Spanned<String>>,
    /// A PEM file of certificates that the program trusts there too, relative to this file.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(super) ca_file: Option<Spanned<String>>,
    /// The HTTP proxy on the way there.
    #[cfg_attr(test, schemars(with = "Option<String>", regex(pattern = "^http://.+")))]
    pub(super) proxy: Option<Spanned<String>>,
}

/// One of `basic`, `bearer`, or `header` with `value`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuth {
    /// `user:password`.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) basic: Option<Spanned<String>>,
    /// A token.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) bearer: Option<Spanned<String>>,
    /// The name of a header.
    #[cfg_attr(test, schemars(with = "Option<schema::HeaderName>"))]
    pub(super) header: Option<Spanned<String>>,
    /// What it holds.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) value: Option<Spanned<String>>,
}
