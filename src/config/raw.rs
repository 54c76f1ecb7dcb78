//! The types into which `sharehook.toml` is parsed. Their fields are its public format. `Spanned`
//! keeps the place of a value for errors. `resolve.rs` and the files beside it check the values.

mod fetch;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::domain::Site;
use crate::inbound::{Handshake, Replies, SchemeSpec};

use super::raw_check::RawCheck;
use super::raw_notify::RawNotify;
use super::raw_report::RawReport;
#[cfg(test)]
use super::schema;

pub(super) use fetch::RawFetch;

/// The configuration of sharehook. In addition to this schema, `sharehook check` checks files,
/// variables and references to secrets.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "sharehook.toml"))]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[cfg_attr(test, schemars(with = "Option<RawJournal>"))]
    pub(super) journal: Option<Spanned<RawJournal>>,
    #[cfg_attr(test, schemars(with = "Option<RawPolicy>"))]
    pub(super) policy: Option<Spanned<RawPolicy>>,
    #[serde(default)]
    pub(super) cloud: RawCloud,
    #[serde(default)]
    pub(super) http: RawHttp,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) seal: RawSeal,
    #[serde(default)]
    pub(super) check: RawCheck,
    #[serde(default)]
    pub(super) report: RawReport,
    /// The senders. Each uses POST /hooks/{name}, POST /events, or a trigger whose host
    /// authenticates it.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<RawSource>"))]
    pub(super) source: Vec<Spanned<RawSource>>,
    /// The targets of notifications.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<RawNotify>"))]
    pub(super) notify: Vec<Spanned<RawNotify>>,
}

/// `policy = "DIR"`, or `[policy]` with `dir` and `approvals`: TOML allows a key only one form.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTable {
    /// The policy directory: schema.cedarschema, *.cedar, entities.json. Relative to this file.
    #[cfg_attr(test, schemars(length(min = 1), extend("default" = "policy")))]
    pub(super) dir: Option<String>,
    /// How many of a share's named approvers must be allowed to `approve` it; 0 requires none.
    #[cfg_attr(test, schemars(range(max = 50), extend("default" = 1)))]
    pub(super) approvals: Option<usize>,
}

impl Short for PolicyTable {
    const FORMS: &'static str = "a directory, or a table with `dir` and `approvals`";

    fn of(dir: &str) -> Self {
        Self {
            dir: Some(dir.to_owned()),
            approvals: None,
        }
    }
}

/// `journal = "PLACE"`, or `[journal]` with `place` and `index`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct JournalTable {
    /// The journal's location, as in the short form.
    #[cfg_attr(test, schemars(with = "schema::Place"))]
    pub(super) place: String,
    /// The place of the index, if it must lie outside the journal, as under S3 Object Lock.
    #[cfg_attr(test, schemars(with = "Option<schema::Place>"))]
    pub(super) index: Option<String>,
}

impl Short for JournalTable {
    const FORMS: &'static str =
        "a place in quotes, or a table with `place` and, if needed, `index`";

    fn of(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            index: None,
        }
    }
}

/// A table that may also be written as a text, which is the value of its most important field.
pub(super) trait Short: Sized {
    const FORMS: &'static str;

    fn of(text: &str) -> Self;
}

/// A `T` that was written as a table or as a text; see [`Short`].
#[derive(Debug, Default)]
pub(super) struct OrText<T>(pub(super) T);

pub(super) type RawPolicy = OrText<PolicyTable>;
pub(super) type RawJournal = OrText<JournalTable>;

impl<'de, T: Deserialize<'de> + Short> Deserialize<'de> for OrText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Short> Visitor<'de> for TextOrTable<T> {
            type Value = OrText<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::FORMS)
            }

            fn visit_str<E>(self, text: &str) -> Result<OrText<T>, E> {
                Ok(OrText(T::of(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OrText<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OrText)
            }
        }

        deserializer.deserialize_any(TextOrTable(PhantomData))
    }
}

/// The cloud's site, address, call rates and owner accounts.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawCloud {
    /// The site; the two sites share no accounts. SHAREHOOK_CLOUD_SITE overrides it.
    pub(super) site: Option<Site>,
    /// One address for all services, for tests and gateways; plain http on loopback only.
    /// SHAREHOOK_CLOUD_ENDPOINT overrides it.
    #[cfg_attr(test, schemars(with = "Option<schema::Endpoint>"))]
    pub(super) endpoint: Option<Spanned<String>>,
    /// Lighthouse calls per second, for each API and region.
    #[cfg_attr(test, schemars(
        with = "Option<f64>",
        range(min = 0.1, max = 20),
        extend("default" = 20)
    ))]
    pub(super) lighthouse_per_second: Option<Spanned<f64>>,
    /// CVM calls per second, for each API and region.
    #[cfg_attr(test, schemars(
        with = "Option<f64>",
        range(min = 0.1, max = 10),
        extend("default" = 10)
    ))]
    pub(super) cvm_per_second: Option<Spanned<f64>>,
    /// Maximum number of accounts in one call for a CVM image; the API page names no maximum.
    #[cfg_attr(test, schemars(
        with = "Option<usize>",
        range(min = 1, max = 500),
        extend("default" = 10)
    ))]
    pub(super) cvm_accounts_per_call: Option<Spanned<usize>>,
    /// Maximum number of accounts with which one CVM image is shared: 500, unless the provider allows more.
    #[cfg_attr(test, schemars(
        with = "Option<usize>",
        range(min = 1, max = 100_000),
        extend("default" = 500)
    ))]
    pub(super) cvm_accounts_per_image: Option<Spanned<usize>>,
    /// Regions that this program does not know because they are newer.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<schema::Region>"))]
    pub(super) regions: Vec<Spanned<String>>,
    /// Owner accounts in addition to the one whose credentials the process finds by default.
    /// docs/credentials.md
    #[serde(default)]
    #[cfg_attr(test, schemars(
        with = "BTreeMap<String, RawAccount>",
        extend("propertyNames" = { "pattern": "^[a-z0-9-]{1,32}$", "not": { "const": "default" } })
    ))]
    pub(super) accounts: BTreeMap<String, Spanned<RawAccount>>,
}

/// One owner account: a role, a key, or both; used for its regions, its images, or both.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend(
    "allOf" = [
        { "anyOf": [{ "required": ["role_arn"] }, { "required": ["secret_id", "secret_key"] }] },
        { "anyOf": [{ "required": ["regions"] }, { "required": ["images"] }] },
    ],
    "dependentRequired" = { "secret_id": ["secret_key"], "secret_key": ["secret_id"] }
)))]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccount {
    /// The role to assume.
    #[cfg_attr(test, schemars(with = "Option<schema::RoleArn>"))]
    pub(super) role_arn: Option<Spanned<String>>,
    /// The id of the account's key.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) secret_id: Option<Spanned<String>>,
    /// The secret of the account's key.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) secret_key: Option<Spanned<String>>,
    /// The regions of the account; none means all.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<schema::Region>"))]
    pub(super) regions: Vec<Spanned<String>>,
    /// The prefixes of the account's image ids; none means all. If several accounts match an image,
    /// the account with the longest matching prefix is used.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<schema::ImagePrefix>"))]
    pub(super) images: Vec<Spanned<String>>,
}

/// How HTTP requests reach the program.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    /// The base path under which a gateway or proxy publishes the service. It is removed from paths
    /// that begin with it.
    #[cfg_attr(test, schemars(with = "Option<schema::BasePath>", extend("examples" = ["/share"])))]
    pub(super) strip_prefix: Option<Spanned<String>>,
    /// Maximum number of open connections. At the maximum, a new connection replaces the one that has
    /// waited longest without a verified request.
    #[cfg_attr(test, schemars(
        with = "Option<usize>",
        range(min = 16, max = 100_000),
        extend("default" = 2_048)
    ))]
    pub(super) max_connections: Option<Spanned<usize>>,
    /// Who may read `/metrics`: `open` (anyone), `off` (no one), or a reference to the token that readers
    /// send as `Authorization: Bearer`. The default is open on a server, off behind a function's URL or API.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) metrics: Option<Spanned<String>>,
    /// A reference to the token that readers of `/report` send, as `Authorization: Bearer` or as the
    /// password in a browser. Without it, `/report` is not served.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) report: Option<Spanned<String>>,
}

/// Bounds on deliveries, requests and retries.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    /// The size of the largest accepted body, in bytes.
    #[cfg_attr(test, schemars(
        with = "Option<usize>",
        range(min = 1_024, max = 6_291_456),
        extend("default" = 262_144)
    ))]
    pub(super) body_bytes: Option<Spanned<usize>>,
    /// Time limit of a delivery in seconds, if its host sets none.
    #[cfg_attr(test, schemars(
        with = "Option<u64>",
        range(min = 1, max = 900),
        extend("default" = 25)
    ))]
    pub(super) seconds: Option<Spanned<u64>>,
    /// How far ahead the not_before of a request may be, as in 90d.
    #[cfg_attr(test, schemars(with = "Option<schema::Length>", extend("default" = "365d")))]
    pub(super) not_before_within: Option<Spanned<String>>,
    /// How long before a share's expiry the notification `expiring` is sent, as in 3d. The default
    /// is never.
    #[cfg_attr(test, schemars(with = "Option<schema::Length>"))]
    pub(super) notice: Option<Spanned<String>>,
    /// How long the program retries a request that fails for no fault of its own, as in 24h. After this
    /// time the request has failed.
    #[cfg_attr(test, schemars(with = "Option<schema::Length>", extend("default" = "24h")))]
    pub(super) retry_for: Option<Spanned<String>>,
    /// Maximum age of a request that `sharehook retry` reopens, as in 30d.
    #[cfg_attr(test, schemars(with = "Option<schema::Length>", extend("default" = "30d")))]
    pub(super) retry_age: Option<Spanned<String>>,
    /// Maximum number of requests of one source that a server carries out or that wait for a slot.
    /// Further deliveries are answered with 429.
    #[cfg_attr(test, schemars(
        with = "Option<usize>",
        range(min = 1, max = 1_000_000),
        extend("default" = 10_000)
    ))]
    pub(super) unfinished: Option<Spanned<usize>>,
}

/// How the journal is sealed.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawSeal {
    /// The Ed25519 key, stored outside the journal. The default for a directory is file:seal.key,
    /// created on first use. SHAREHOOK_SEAL_KEY overrides it.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) key: Option<Spanned<String>>,
    /// The name in every checkpoint and in the public key.
    #[cfg_attr(test, schemars(
        with = "Option<schema::SealName>",
        extend("default" = "sharehook-journal")
    ))]
    pub(super) name: Option<Spanned<String>>,
    /// Minimum time between two seals, as in 1h; the default is none for a directory, 1h elsewhere.
    #[cfg_attr(test, schemars(with = "Option<schema::Length>"))]
    pub(super) every: Option<Spanned<String>>,
}

/// One sender.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    /// The source's name, as in POST /hooks/{name}. It is part of the identity of each request: under
    /// another name, every past delivery of the source is a new request.
    #[cfg_attr(test, schemars(with = "String", regex(pattern = "^[a-z0-9_-]{1,64}$")))]
    pub(super) name: Spanned<String>,
    /// How a delivery is authenticated: a preset, or an inline table that describes an HMAC sender.
    #[cfg_attr(test, schemars(with = "SchemeSpec"))]
    pub(super) scheme: Spanned<SchemeSpec>,
    /// Active secrets; several during a rotation.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<schema::Secret>"))]
    pub(super) secrets: Vec<Spanned<String>>,
    /// For trusted: the exact queues, topics or buses whose messages the source accepts, or
    /// `invoke`, or `commands` for the commands `revoke` and `drift` only. For sns: the ARNs of its
    /// topics. For feishu, lark, dingtalk and wecom: the app or company that encrypted events must
    /// name. An entry env:NAME is read from that variable.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>", inner(length(min = 1))))]
    pub(super) from: Vec<Spanned<String>>,
    /// For sns: the path of a PEM file, relative to this file, with the certificates that lead from SNS's
    /// certificate to a trusted root, or with SNS's certificate itself.
    #[cfg_attr(test, schemars(with = "Option<String>", length(min = 1)))]
    pub(super) issuers: Option<Spanned<String>>,
    /// The handshake that this source answers, for a sender that requires one.
    #[cfg_attr(test, schemars(with = "Option<Handshake>"))]
    pub(super) handshake: Option<Spanned<Handshake>>,
    /// The HTTP status of answers. With `status`, it shows the outcome of the delivery. With
    /// `accepted`, it is 200 even for a denied, invalid or unreadable delivery. The default depends
    /// on the scheme.
    #[cfg_attr(test, schemars(with = "Option<Replies>"))]
    pub(super) replies: Option<Spanned<Replies>>,
    /// How long a sender waits for an answer, as in 2s; at most [limits] seconds. After this time the answer
    /// is 202, and the work continues. The default depends on the scheme.
    #[cfg_attr(test, schemars(with = "Option<schema::ShortLength>"))]
    pub(super) answer_within: Option<Spanned<String>>,
    /// The CloudEvents `source` attributes that POST /events accepts with this source's secret.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>", inner(length(min = 1))))]
    pub(super) events: Vec<Spanned<String>>,
    /// Fetches the instance that an event names. The map gets the event and the instance.
    #[cfg_attr(test, schemars(with = "Option<RawFetch>"))]
    pub(super) fetch: Option<Spanned<RawFetch>>,
    /// How an event becomes a request: a map that ships, or a jq file, relative to this file.
    #[cfg_attr(test, schemars(with = "Option<schema::MapName>", extend("default" = "native")))]
    pub(super) map: Option<Spanned<String>>,
}
