//! A valid configuration: [`Config`] and its parts. Data only; the other files of this folder read
//! and check it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, TrustAnchor};
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
    /// The path of the configuration file, as given.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// SHA-256, hex, of the file's text.
    pub digest: String,
    /// Every secret that was read, except the seal's key: those that the configuration names, and
    /// the process's key for the cloud if it is in AWS.
    pub secrets: Secrets,
    /// The journal's location. A relative path is relative to the process's current folder.
    pub journal: JournalLocation,
    /// The location of the index, if the index lies outside the journal.
    pub index: Option<JournalLocation>,
    /// The name of the host, if the host discards the disk of each instance.
    pub lost_disk: Option<&'static str>,
    /// The policy directory.
    pub policy: PathBuf,
    /// How many of a share's named approvers must be allowed to approve it; 0 requires none.
    pub approvals: usize,
    /// The settings of the cloud.
    pub cloud: CloudConfig,
    /// The settings of the HTTP service.
    pub http: HttpConfig,
    /// The sources, in the file's order; names are unique.
    pub sources: Vec<SourceConfig>,
    /// The targets of notifications, in the file's order; names are unique.
    pub notify: Vec<NotifyConfig>,
    /// How long before a share's expiry the notification `expiring` is sent. `None` if it is never
    /// sent.
    pub notice: Option<Span>,
    /// How the journal is sealed. `None` if it is not sealed, or if this command did not read the
    /// key.
    pub seal: Option<SealConfig>,
    /// The largest accepted body, in bytes.
    pub body_limit: usize,
    /// Time limit of a delivery in seconds, if the host sets none.
    pub budget_seconds: u64,
    /// How far ahead a request's `not_before` may be.
    pub not_before_within: Duration,
    /// How long the program retries a request that fails for no fault of its own.
    pub retry_for: Duration,
    /// Maximum age of a request that an operator reopens.
    pub retry_age: Duration,
    /// Maximum number of requests of one source that a server carries out or that wait for a slot.
    pub unfinished: usize,
    /// The dangers that `check` does not warn of.
    pub allowed: BTreeSet<Danger>,
    /// The settings of the report.
    pub report: ReportConfig,
    /// The files that the configuration names, as written: maps, templates, certificates. Excludes
    /// the policy's files and files that contain a secret.
    pub files: BTreeSet<String>,
    /// The environment variables that the file names. Variables that override a setting are not
    /// among them.
    pub variables: BTreeSet<String>,
    /// The places in the file of the settings whose use can fail: `journal`, `policy`,
    /// `cloud.endpoint`, `seal.key`, `report.to`, `limits.seconds`. Settings that a variable
    /// overrides are not among them.
    pub marks: BTreeMap<&'static str, Mark>,
}

/// The readable part of a configuration, and the problems of the rest.
#[derive(Debug)]
pub struct Draft {
    /// The configuration, with defaults in place of wrong values. If there are problems, use it
    /// only to search for more of them.
    pub config: Config,
    /// Every problem, each with its place.
    pub problems: Vec<Problem>,
    /// False if a field is unknown or its value does not fit its type, or if a table lacks a field
    /// without which it cannot be parsed.
    pub complete: bool,
}

impl Draft {
    /// Returns the configuration.
    ///
    /// # Errors
    /// All problems, if there are any.
    pub fn valid(self) -> Result<Config, Problems> {
        Problems::refuse_any(self.problems)?;
        Ok(self.config)
    }
}

impl Config {
    /// Returns the regions that requests may name.
    pub fn rules(&self) -> ServedRegions {
        ServedRegions {
            site: self.cloud.site,
            added: self.cloud.regions.clone(),
        }
    }

    /// Returns the place of a setting, or the file's first line if `marks` lacks the setting.
    pub(crate) fn mark(&self, setting: &'static str) -> Mark {
        let written = self.marks.get(setting).cloned();
        written.unwrap_or_else(|| Mark::whole(&self.file))
    }

    /// Returns a problem of a setting. If `marks` lacks the setting, the problem's place is the
    /// setting's name.
    pub(crate) fn problem(&self, setting: &'static str, problem: &str, remedy: &str) -> Problem {
        match self.marks.get(setting) {
            Some(mark) => Problem::at(mark.clone(), format!("{setting}: {problem}"), remedy),
            None => Problem::new(setting, problem, remedy),
        }
    }

    /// Returns which target subscribes to which notifications.
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
    /// The international or the Chinese site.
    pub site: Site,
    /// One address for all services, for tests and proxies; plain http on loopback only.
    pub endpoint: Option<String>,
    /// Lighthouse calls per second, for each API and region; the published limit is 20.
    pub lighthouse_per_second: f64,
    /// CVM calls per second, for each API and region; the published limit is 10.
    pub cvm_per_second: f64,
    /// Maximum number of accounts in one CVM call; the API page names no maximum.
    pub cvm_accounts_per_call: usize,
    /// Maximum number of accounts with which one CVM image is shared; the published quota is 500.
    pub cvm_accounts_per_image: usize,
    /// Regions of either product that are newer than this program.
    pub regions: BTreeSet<String>,
    /// The process's key, if at least one of its two variables refers to a secret in AWS.
    pub key: Option<CloudKey>,
    /// Owner accounts in addition to the default one.
    pub accounts: Vec<AccountConfig>,
}

/// Where a source's map comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapRef {
    /// A map that ships with the program.
    Builtin(String),
    /// A jq file of the user: its path and its text.
    File(String, String),
}

impl MapRef {
    /// Returns the map of a source that does not name one.
    pub(super) fn native() -> Self {
        Self::Builtin("native".to_owned())
    }
}

/// One configured source.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// The name of the source, as in `POST /hooks/{name}`.
    pub name: SourceName,
    /// How deliveries are authenticated.
    pub scheme: SchemeSpec,
    /// The active secrets; several during a rotation.
    pub secrets: Vec<Secret>,
    /// For a trusted or SNS source, the origins whose messages it accepts. For an approval system,
    /// the receivers that its events may name.
    pub from: Vec<String>,
    /// For scheme `sns`: the certificates that lead from SNS's certificate to a trusted root, or SNS's
    /// certificate itself.
    pub issuers: Vec<CertificateDer<'static>>,
    /// The handshake that the source answers, if any.
    pub handshake: Option<Handshake>,
    /// How deliveries are answered.
    pub replies: ReplyRules,
    /// The CloudEvents sources whose events `POST /events` accepts with this source's secret.
    pub events: Vec<String>,
    /// How the program fetches the instances that events name.
    pub fetch: Option<Fetch>,
    /// How an event becomes a request.
    pub map: MapRef,
    /// The place of the `[[source]]`, for errors found later.
    pub mark: Mark,
    /// The places of some fields, by names such as `secrets[0]`, for errors found later.
    pub fields: BTreeMap<String, Mark>,
    /// Whether the source was read without problems; always true in a valid [`Config`].
    pub read_fully: bool,
}

impl SourceConfig {
    /// Returns the values of the secrets.
    pub fn secret_texts(&self) -> Vec<SecretString> {
        let secrets = self.secrets.iter();
        secrets.map(|secret| secret.text.clone()).collect()
    }
}

/// One configured target of notifications.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    /// Whether this process lacks a secret of the target, so that only another process, such as the
    /// service, can send its notifications. Only for a command of the operator.
    pub lacks_secret: bool,
    /// The target's name, and the kinds and sources of its notifications.
    pub subscription: Subscription,
    /// The receiving system and its API.
    pub preset: Preset,
    /// The target's address. `None` if the address is that of the source's `fetch`.
    pub address: Option<Address>,
    /// Whether `--sandbox` replaced the address by the stand-in cloud's inbox.
    pub to_inbox: bool,
    /// How the program authenticates at the target.
    pub auth: Auth,
    /// The operator's own template, as path and text. `None` if the target uses the template that
    /// ships.
    pub map: Option<(String, String)>,
    /// The language of the texts that people read.
    pub language: Language,
    /// Whom a requester can ask after a refusal, as messages name them.
    pub contact: Option<String>,
    /// For Jira: the id of the transition for each outcome.
    pub transitions: Vec<(NoticeKind, String)>,
    /// The user in whose name the program writes, if the preset needs one.
    pub user: Option<String>,
    /// Certificates that the program trusts in addition to the public roots.
    pub ca: Vec<TrustAnchor<'static>>,
    /// The HTTP proxy for requests to the target.
    pub proxy: Option<String>,
    /// The place of the `[[notify]]`, for errors found later.
    pub mark: Mark,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone)]
pub enum MetricsAccess {
    /// Anyone.
    Open,
    /// The service does not serve `/metrics`.
    Off,
    /// Readers that send this token.
    Token(SecretString),
}

/// Settings of the HTTP service.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The base path under which a gateway or proxy publishes the service, as in `/share`. The
    /// program removes it from paths that begin with it.
    pub strip_prefix: Option<String>,
    /// Maximum number of open connections. The limit on open files may lower it.
    pub max_connections: usize,
    /// Who may read `/metrics`. If `None`, anyone may read it on a server, and no one on a
    /// function.
    pub metrics: Option<MetricsAccess>,
    /// The token that readers of `/report` send. If `None`, the service does not serve `/report`.
    pub report: Option<SecretString>,
}

/// A key for the cloud: its id and its secret.
pub type CloudKey = (Secret, Secret);

/// The name of the owner account that has no table and uses the credentials of the process.
pub const DEFAULT_ACCOUNT: &str = "default";

/// One owner account.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// The account's name, as the journal and the plan show it.
    pub name: String,
    /// The ARN of the role to assume, and the ARN's place in the file.
    pub role_arn: Option<(String, Mark)>,
    /// The account's own key. If `None`, the credentials of the process are used.
    pub key: Option<CloudKey>,
    /// The regions of the account; empty means all.
    pub regions: BTreeSet<String>,
    /// The prefixes of the account's image ids; empty means all.
    pub images: BTreeSet<String>,
    /// The place of the account's table, for errors found later.
    pub mark: Mark,
}

impl AccountConfig {
    /// Returns how well the account matches: the length of the longest matching prefix, then
    /// whether the account names the region. Returns `None` if it does not match.
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
    /// Returns the account that best matches an image in a region, or `None` for the default
    /// account. Without an image, considers only accounts that have no image prefixes.
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

/// The settings of the report.
#[derive(Debug, Clone)]
pub struct ReportConfig {
    /// The language of the report's texts.
    pub language: Language,
    /// Where and how often sweeps publish the report. `None` if they do not publish it.
    pub published: Option<Publication>,
}

/// Where and how often sweeps publish the report.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The file or object of the page.
    pub to: FilePlace,
    /// The age at which a sweep replaces the page.
    pub every: Duration,
}

/// How the journal is sealed.
#[derive(Debug, Clone)]
pub struct SealConfig {
    /// The name in every checkpoint and in the public key.
    pub name: String,
    /// The private key that signs seals.
    pub key: SealKey,
    /// Minimum time between two seals. `None` if there is no minimum, which is the default for a
    /// directory.
    pub every: Option<Span>,
}

/// The private key that signs seals, or the file that contains it.
#[derive(Debug, Clone)]
pub enum SealKey {
    /// A file. For a journal in a directory, the program creates it on first use.
    File(PathBuf),
    /// The value of `SHAREHOOK_SEAL_KEY`.
    Variable(SecretString),
    /// The value of a variable that the file names, or of a secret in AWS.
    Secret(Secret),
}
