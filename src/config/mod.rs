//! Reads the configuration from `sharehook.toml`, environment variables and secrets fetched from
//! AWS. Returns a valid [`Config`], or every mistake with its place. Opens no socket.

mod accounts;
mod bounded;
mod cloud;
mod fetch;
mod fetch_config;
mod followed;
mod http;
mod left_out;
mod lenient;
mod notify;
mod notify_auth;
mod partial;
mod raw;
mod raw_check;
mod raw_notify;
mod raw_report;
mod reader;
mod renewal;
mod report;
mod resolve;
mod sandbox;
#[cfg(test)]
mod schema;
mod seal;
mod secrets;
mod sources;
mod ticket_fetch;
mod valid;
mod vars;

use std::path::Path;

use crate::domain::Problems;
use secrets::SecretValues;

pub use crate::domain::Site;
pub use bounded::{plain_text_at_most, read_at_most, text_at_most, text_of};
pub use fetch_config::{Fetch, FetchConfig, TicketFetch};
pub use followed::{SEAL_KEY_VAR, aws_secrets};
pub use renewal::Renewal;
pub use secrets::{
    AwsSecret, AwsSecrets, AwsStore, FetchError, FetchedSecret, Secret, SecretError, SecretRef,
};
pub use valid::{
    AccountConfig, CloudConfig, CloudKey, Config, DEFAULT_ACCOUNT, Draft, HttpConfig, MapRef,
    MetricsAccess, NotifyConfig, Publication, ReportConfig, SealConfig, SealKey, SourceConfig,
};
pub use vars::{SANDBOX_ENTRY, Vars, lost_disk};

impl Config {
    /// Reads a configuration from `text`. Its relative paths are relative to the folder of `file`.
    /// `fetched` contains the secrets in AWS to which `text` and `vars` refer.
    ///
    /// # Errors
    /// All mistakes. The field of each problem is the file and line, or the variable.
    pub fn read(
        file: &str,
        text: &str,
        vars: &Vars,
        fetched: &AwsSecrets,
    ) -> Result<Self, Problems> {
        resolve::draft(file, text, vars, SecretValues::Configured(fetched))?.valid()
    }

    /// Reads as much of the file as possible, for commands that report all problems.
    ///
    /// # Errors
    /// The file cannot be read or parsed, or has 100 wrong values or one that cannot be left out.
    pub fn draft(path: &Path, vars: &Vars, fetched: &AwsSecrets) -> Result<Draft, Problems> {
        let (file, text) = (path.display().to_string(), text_of(path)?);
        resolve::draft(&file, &text, vars, SecretValues::Configured(fetched))
    }

    /// Reads the configuration file.
    ///
    /// # Errors
    /// The file cannot be read, or [`read`](Self::read) finds mistakes.
    pub fn load(path: &Path, vars: &Vars, fetched: &AwsSecrets) -> Result<Self, Problems> {
        Self::read(&path.display().to_string(), &text_of(path)?, vars, fetched)
    }
}

#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod tests;
