//! The configuration: `sharehook.toml` and a few variables become a [`Config`], or every mistake with its place.
//! In: text, the file's folder, variables. Out: values that can only be valid. It opens no socket.

mod raw;
mod resolve;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::{Problem, Problems, RequestRules, SourceName};
use crate::inbound::SchemeSpec;
use crate::journal::JournalLocation;

pub use secrets::SecretRef;

/// The process's variables, taken once at the entrance.
pub type Vars = BTreeMap<String, String>;

/// Which of the cloud's two sites the accounts belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// `*.intl.tencentcloudapi.com`
    Intl,
    /// `*.tencentcloudapi.com`
    Cn,
}

/// The cloud's settings.
#[derive(Debug, Clone, PartialEq)]
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
    /// CVM regions newer than this program.
    pub regions: RequestRulesConfig,
}

/// `cloud.regions`, ready for the request reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestRulesConfig(pub std::collections::BTreeSet<String>);

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
    /// How an event becomes a request.
    pub map: MapRef,
    /// The line of its `[[source]]`, for errors found later.
    pub line: usize,
}

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, as given.
    pub file: String,
    /// Where the journal lies; a directory is relative to the process, no longer to the file.
    pub journal: JournalLocation,
    /// The policy directory.
    pub policy: PathBuf,
    /// The cloud.
    pub cloud: CloudConfig,
    /// The sources, in the file's order; names are unique.
    pub sources: Vec<SourceConfig>,
    /// The largest accepted body, bytes.
    pub body_limit: usize,
    /// How long one delivery may take when its host does not say, seconds.
    pub budget_seconds: u64,
}

impl Config {
    /// Reads a configuration from `text`, which stands in `file`; relative paths are relative to its folder.
    ///
    /// # Errors
    /// Every mistake, each with file and line as its field.
    pub fn read(file: &str, text: &str, vars: &Vars) -> Result<Self, Problems> {
        let raw = raw::parse(file, text)?;
        resolve::resolve(file, text, raw, vars)
    }

    /// Reads the configuration file.
    ///
    /// # Errors
    /// When it cannot be read, and everything that [`read`](Self::read) finds.
    pub fn load(path: &Path, vars: &Vars) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problem::new(
                path.display().to_string(),
                format!("cannot be read: {error}"),
                "name an existing file with --config or SHAREHOOK_CONFIG",
            )
        })?;
        Self::read(&path.display().to_string(), &text, vars)
    }

    /// The rules by which requests are read.
    pub fn rules(&self) -> RequestRules {
        RequestRules { extra_regions: self.cloud.regions.0.clone() }
    }
}

#[cfg(test)]
mod tests;
