//! A valid configuration: [`Config`] and its parts. Values only; the other files of this folder read
//! and check them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::domain::{
    Danger, Language, Mark, NoticeKind, NoticeRules, Problem, Problems, ServedRegions, Site,
    SourceName, Span, Subscription,
};
use crate::inbound::{Handshake, ReplyRules, SchemeSpec};
use crate::journal::{FilePlace, JournalLocation};
use crate::notify::{Address, Auth, Preset};

use super::fetch_config::Fetch;
use super::secrets::{Secret, Secrets};

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, as given.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// SHA-256, hex, of the file's text.
    pub digest: String,
    /// Every secret that the file names, except the seal's key.
    pub secrets: Secrets,
    /// The journal's location. A directory is relative to the process's current folder.
    pub journal: JournalLocation,
    /// Where its index lies, when that is a place of its own.
    pub index: Option<JournalLocation>,
    /// The policy directory.
    pub policy: PathBuf,
    /// How many of a share's named approvers must be allowed to approve it; 0 requires none.
    pub approvals: usize,
    /// The cloud.
    pub cloud: CloudConfig,
    /// The HTTP function.
    pub http: HttpConfig,
    /// The sources, in the file's order; names are unique.
    pub sources: Vec<SourceConfig>,
    /// The targets of notifications, in the file's order; names are unique.
    pub notify: Vec<NotifyConfig>,
    /// How long before its end a share is `expiring`; `None`: never.
    pub notice: Option<Span>,
    /// How the journal is sealed; `None` when it is not sealed.
    pub seal: Option<SealConfig>,
    /// The largest accepted body, bytes.
    pub body_limit: usize,
    /// Time limit of a delivery in seconds, if the host gives none.
    pub budget_seconds: u64,
    /// How far ahead a request's `not_before` may be.
    pub not_before_within: Duration,
    /// How long a request is retried that fails for no fault of its own.
    pub retry_for: Duration,
    /// How old a request may be that an operator reopens.
    pub retry_age: Duration,
    /// Requests of one source that a server may have unfinished.
    pub unfinished: usize,
    /// The dangers that `check` does not warn of.
    pub allowed: BTreeSet<Danger>,
    /// The report.
    pub report: ReportConfig,
    /// The files that it names, as written: maps, templates, certificates. Neither the policy nor a
    /// file with a secret.
    pub files: BTreeSet<String>,
    /// The environment variables that the file names. Variables that override a setting are not among them.
    pub variables: BTreeSet<String>,
    /// Where the settings are written whose use can fail: `journal`, `policy`, `cloud.endpoint`,
    /// `seal.key`, `report.to`.
    pub marks: BTreeMap<&'static str, Mark>,
}

/// What could be read of a configuration, and what is wrong with the rest.
#[derive(Debug)]
pub struct Draft {
    /// The configuration, with defaults in place of what is wrong. Only for the search for more
    /// problems, unless there are none.
    pub config: Config,
    /// Every problem, each with its place.
    pub problems: Vec<Problem>,
    /// Whether every value of the text has its type.
    pub complete: bool,
}

impl Draft {
    /// The configuration.
    ///
    /// # Errors
    /// Its problems.
    pub fn valid(self) -> Result<Config, Problems> {
        Problems::refuse_any(self.problems)?;
        Ok(self.config)
    }
}

impl Config {
    /// The regions that requests may name.
    pub fn rules(&self) -> ServedRegions {
        ServedRegions {
            site: self.cloud.site,
            added: self.cloud.regions.clone(),
        }
    }

    /// Where a setting is written; the file's first line when it is not.
    pub(crate) fn mark(&self, setting: &'static str) -> Mark {
        let written = self.marks.get(setting).cloned();
        written.unwrap_or_else(|| Mark::whole(&self.file))
    }

    /// A problem of a setting. Its place is the setting's name when it is not written in the file.
    pub(crate) fn problem(&self, setting: &'static str, problem: &str, remedy: &str) -> Problem {
        match self.marks.get(setting) {
            Some(mark) => Problem::at(mark.clone(), format!("{setting}: {problem}"), remedy),
            None => Problem::new(setting, problem, remedy),
        }
    }

    /// Which target is notified of what.
    pub fn notice_rules(&self) -> NoticeRules {
        let subscriptions = self.notify.iter().map(|one| one.subscription.clone());
        NoticeRules {
            subscriptions: subscriptions.collect(),
            before_end: self.notice.clone(),
        }
    }
}

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
    /// The key of the process, if its variables name it in AWS.
    pub key: Option<(SecretString, SecretString)>,
    /// Owner accounts in addition to the default one.
    pub accounts: Vec<AccountConfig>,
}

/// Where a source's map comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapRef {
    /// A map that ships with the program.
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
    /// Active secrets.
    pub secrets: Vec<Secret>,
    /// The origins whose messages a trusted source accepts.
    pub from: Vec<String>,
    /// PEM of certificates beside the public roots, for scheme `sns`.
    pub issuers: Vec<u8>,
    /// The handshake that it answers, if any.
    pub handshake: Option<Handshake>,
    /// How its deliveries are answered.
    pub replies: ReplyRules,
    /// The CloudEvents sources whose events `POST /events` accepts with this source's secret.
    pub events: Vec<String>,
    /// How the instances are fetched that its events name.
    pub fetch: Option<Fetch>,
    /// How an event becomes a request.
    pub map: MapRef,
    /// Its `[[source]]`, for errors found later.
    pub mark: Mark,
    /// Its fields that can be wrong together, as in `secrets[0]`.
    pub fields: BTreeMap<String, Mark>,
    /// Whether all of it could be read. The sources of a [`Config`] that was read without problems are.
    pub sound: bool,
}

impl SourceConfig {
    /// The values of its secrets.
    pub fn secret_texts(&self) -> Vec<SecretString> {
        let secrets = self.secrets.iter();
        secrets.map(|secret| secret.text.clone()).collect()
    }
}

/// One configured target of notifications.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    /// Its name, subjects and sources.
    pub subscription: Subscription,
    /// Which system it is.
    pub preset: Preset,
    /// The target's address. `None`: the address in the source's `fetch`.
    pub address: Option<Address>,
    /// How the program authenticates there.
    pub auth: Auth,
    /// A template of the operator's, as path and text; `None`: the one that ships.
    pub map: Option<(String, String)>,
    /// The language of the lines for people.
    pub language: Language,
    /// Whom a requester asks after a refusal.
    pub contact: Option<String>,
    /// The ids of transitions, for Jira.
    pub transitions: Vec<(NoticeKind, String)>,
    /// The program's user at the target, where it has one.
    pub user: Option<String>,
    /// PEM of certificates beside the public roots.
    pub ca: Vec<u8>,
    /// The HTTP proxy on the way there.
    pub proxy: Option<String>,
    /// Its `[[notify]]`, for errors found later.
    pub mark: Mark,
}

/// Who reads `/metrics`.
#[derive(Debug, Clone)]
pub enum MetricsAccess {
    /// Anyone.
    Open,
    /// They are not served.
    Off,
    /// Who sends this token.
    Token(SecretString),
}

/// Settings of the HTTP service.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The base path under which a gateway or proxy publishes the service, as in `/share`: it is
    /// removed from paths that begin with it.
    pub strip_prefix: Option<String>,
    /// The most connections that are open at once, as far as the limit on open files allows.
    pub max_connections: usize,
    /// Who reads `/metrics`; `None`: as fits the host.
    pub metrics: Option<MetricsAccess>,
    /// The token of readers of `/report`; `None`: it is not served.
    pub report: Option<SecretString>,
}

/// The name of the account without a table, which uses the credentials of the process.
pub const DEFAULT_ACCOUNT: &str = "default";

/// One owner account.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Its name, as the journal and the plan show it.
    pub name: String,
    /// The role to assume, as written, and its place.
    pub role_arn: Option<(String, Mark)>,
    /// Its own key, as id and secret; `None` for the credentials of the process.
    pub key: Option<(SecretString, SecretString)>,
    /// The regions of the account; empty means all.
    pub regions: BTreeSet<String>,
    /// The prefixes of its images' ids; empty means all.
    pub images: BTreeSet<String>,
    /// Its table.
    pub mark: Mark,
}

impl AccountConfig {
    /// How well it matches: the length of the longest matching prefix, then whether it names the
    /// region. `None` when it does not match.
    fn fit(&self, image: Option<&str>, region: &str) -> Option<(usize, bool)> {
        let begins = |prefix: &&String| image.is_some_and(|id| id.starts_with(prefix.as_str()));
        let longest = self.images.iter().filter(begins).map(String::len).max();
        let image = if self.images.is_empty() {
            Some(0)
        } else {
            longest
        };
        let region = self.regions.is_empty() || self.regions.contains(region);
        image
            .filter(|_| region)
            .map(|length| (length, !self.regions.is_empty()))
    }

    /// Whether both accounts match some image in some region equally well.
    pub(super) fn collides(&self, other: &Self) -> bool {
        let images = self.images.is_empty() && other.images.is_empty()
            || self.images.intersection(&other.images).next().is_some();
        let regions = self.regions.is_empty() && other.regions.is_empty()
            || self.regions.intersection(&other.regions).next().is_some();
        images && regions
    }
}

impl CloudConfig {
    /// The account for an image in a region, or for a region when there is no image. `None` is the
    /// default account.
    pub fn account_for(&self, image: Option<&str>, region: &str) -> Option<&AccountConfig> {
        let fitting = self
            .accounts
            .iter()
            .filter_map(|a| Some((a.fit(image, region)?, a)));
        fitting
            .max_by_key(|(fit, _)| *fit)
            .map(|(_, account)| account)
    }
}

/// The report.
#[derive(Debug, Clone)]
pub struct ReportConfig {
    /// The language of its texts.
    pub language: Language,
    /// Where sweeps publish it; `None`: nowhere.
    pub published: Option<Publication>,
}

/// Where and how often sweeps publish the report.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The page.
    pub to: FilePlace,
    /// The age at which a sweep replaces it.
    pub every: Duration,
}

/// How the journal is sealed.
#[derive(Debug, Clone)]
pub struct SealConfig {
    /// The name in every checkpoint and in the public key.
    pub name: String,
    /// Where the private key is.
    pub key: SealKey,
    /// Minimum time between two seals. With `None`, the default for a directory, a seal follows each
    /// write.
    pub every: Option<Span>,
}

/// Where the private key is.
#[derive(Debug, Clone)]
pub enum SealKey {
    /// A file. For a journal in a directory, the program creates it on first use.
    File(PathBuf),
    /// The value of a variable, or of a secret in AWS.
    Secret(SecretString),
}
