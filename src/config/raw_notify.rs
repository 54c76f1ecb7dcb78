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
    /// The target's name, in records, metrics and webhook ids.
    #[cfg_attr(test, schemars(with = "String", regex(pattern = "^[a-z0-9_-]{1,64}$")))]
    pub(super) name: Spanned<String>,
    /// The receiving system and its API.
    #[cfg_attr(test, schemars(with = "Preset"))]
    pub(super) preset: Spanned<Preset>,
    /// The outcomes that are reported to the target. The default is all, or, for a ticket system,
    /// all that belong to a ticket.
    #[cfg_attr(test, schemars(with = "Option<Vec<schema::NoticeName>>"))]
    pub(super) on: Option<Vec<Spanned<String>>>,
    /// The sources whose requests are reported to the target. The default is every source. With the
    /// preset of an app, it is every source that has this app in `fetch`.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) sources: Option<Vec<Spanned<String>>>,
    /// The system's address; plain http on loopback only. No ticket can change it. Not needed for a bot,
    /// whose address is known, nor for a source's app, whose address `fetch` has.
    #[cfg_attr(test, schemars(with = "Option<schema::Address>"))]
    pub(super) url: Option<Spanned<String>>,
    /// How the program authenticates at the target.
    #[cfg_attr(test, schemars(with = "Option<RawAuth>"))]
    pub(super) auth: Option<Spanned<RawAuth>>,
    /// For webhook: the key that signs each message. For a bot: the key in its address; KEY:SECRET if the
    /// bot signs.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) secret: Option<Spanned<String>>,
    /// Your own jq file that writes the messages, relative to this file.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(super) map: Option<Spanned<String>>,
    /// The language of the lines that people read: en or zh (Chinese).
    #[serde(default)]
    pub(super) language: Language,
    /// Whom a requester can ask after a refusal. The messages contain this text.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1, max = 200)))]
    pub(super) contact: Option<Spanned<String>>,
    /// For jira: the id of the transition after an outcome, as in { completed = "31" }.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))]
    pub(super) transitions: BTreeMap<String, Spanned<String>>,
    /// The user in whose name the program writes: for pagerduty a user's address, for feishu and dingtalk a
    /// person's id, for wecom the app's AgentId.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(super) user: Option<Spanned<String>>,
    /// A PEM file of certificates that the program trusts in addition to the public roots. Relative to this
    /// file.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(super) ca_file: Option<Spanned<String>>,
    /// The HTTP proxy for requests to the target.
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
    /// The value of the header.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) value: Option<Spanned<String>>,
}
