//! The parts of a valid configuration: the cloud, the sources.

use std::collections::BTreeSet;

use crate::domain::{Site, SourceName};
use crate::inbound::{Handshake, SchemeSpec};

use super::AccountConfig;

/// The cloud's settings.
#[derive(Debug, Clone)]
pub struct CloudConfig {
    /// Which site.
    pub site: Site,
    /// One address for all services, for tests and proxies; plain http on loopback only.
    pub endpoint: Option<String>,
    /// Calls per second, API and region; the published limit is 20.
    pub lighthouse_per_second: f64,
    /// Calls per second and region; the published limit is 10.
    pub cvm_per_second: f64,
    /// Accounts in one cvm call; the API page names no maximum.
    pub cvm_accounts_per_call: usize,
    /// Accounts that one CVM image can be shared with; the published quota is 500.
    pub cvm_accounts_per_image: usize,
    /// Regions newer than this program, of both products.
    pub regions: BTreeSet<String>,
    /// Owner accounts beside the one that the process finds by itself.
    pub accounts: Vec<AccountConfig>,
}

/// Where a source's map comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapRef {
    /// One that ships with the program.
    Builtin(String),
    /// A file of the user's: its path as written, and its text.
    File(String, String),
}

/// One configured source.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name: `POST /hooks/{name}`.
    pub name: SourceName,
    /// How its deliveries are authenticated.
    pub scheme: SchemeSpec,
    /// Active secrets, resolved.
    pub secrets: Vec<secrecy::SecretString>,
    /// Which hosts may speak for a trusted source.
    pub from: Vec<String>,
    /// PEM of certificates beside the public roots, for scheme `sns`.
    pub issuers: Vec<u8>,
    /// The handshake that it answers, if any.
    pub handshake: Option<Handshake>,
    /// The CloudEvents sources whose events `POST /events` takes when this source's secret
    /// authenticates them.
    pub events: Vec<String>,
    /// How an event becomes a request.
    pub map: MapRef,
    /// The line of its `[[source]]`, for errors found later.
    pub line: usize,
}

/// How the service is reached over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// The base path under which a gateway or proxy publishes the service, as in `/share`: it is
    /// removed from paths that begin with it.
    pub strip_prefix: Option<String>,
}
