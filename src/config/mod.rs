//! The configuration: `sharehook.toml` and a few variables become a [`Config`], or every mistake
//! with its place. In: text, the file's folder, variables. Out: values that can only be valid. It
//! opens no socket.

mod accounts;
mod parts;
mod raw;
mod resolve;
#[cfg(test)]
mod schema;
mod seal;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::{Problem, Problems, ServedRegions};
use crate::journal::JournalLocation;

pub use crate::domain::Site;
pub use accounts::{AccountConfig, DEFAULT_ACCOUNT};
pub use parts::{CloudConfig, HttpConfig, MapRef, SourceConfig};
pub use seal::{SEAL_KEY_VAR, SealConfig, SealKey};
pub use secrets::{AwsSecret, AwsStore, SecretRef, aws_secrets};

/// The process's variables, taken once at the entrance.
pub type Vars = BTreeMap<String, String>;

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, as given.
    pub file: String,
    /// SHA-256, hex, of the file's text.
    pub digest: String,
    /// Where the journal lies; a directory is relative to the process, no longer to the file.
    pub journal: JournalLocation,
    /// The policy directory.
    pub policy: PathBuf,
    /// How many of the approvers whom a share names must be allowed to approve it; 0 asks none.
    pub approvals: usize,
    /// The cloud.
    pub cloud: CloudConfig,
    /// The HTTP function.
    pub http: HttpConfig,
    /// The sources, in the file's order; names are unique.
    pub sources: Vec<SourceConfig>,
    /// How the journal is sealed; `None`: not at all.
    pub seal: Option<SealConfig>,
    /// The largest accepted body, bytes.
    pub body_limit: usize,
    /// How long one delivery may take when its host does not say, seconds.
    pub budget_seconds: u64,
}

impl Config {
    /// Reads a configuration from `text`, which stands in `file`; relative paths are relative to
    /// its folder.
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

    /// The regions that requests may name.
    pub fn rules(&self) -> ServedRegions {
        ServedRegions {
            site: self.cloud.site,
            added: self.cloud.regions.clone(),
        }
    }
}

#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod tests;
