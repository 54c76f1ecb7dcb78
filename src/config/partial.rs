//! Reads the configuration for commands that do not need every secret. Returns a valid [`Config`], or
//! every mistake with its place.

use std::path::Path;

use secrecy::SecretString;

use crate::domain::Problems;

use super::bounded::text_of;
use super::resolve;
use super::secrets::{AwsSecrets, SecretValues};
use super::valid::Config;
use super::vars::Vars;

impl Config {
    /// Reads the configuration file for a command of the operator, which receives no delivery: the
    /// secrets of senders, and those of notification targets, need not be readable.
    ///
    /// # Errors
    /// As [`load`](Self::load), except those secrets.
    pub fn load_to_operate(
        path: &Path,
        vars: &Vars,
        fetched: &AwsSecrets,
    ) -> Result<Self, Problems> {
        let (file, text) = (path.display().to_string(), text_of(path)?);
        resolve::draft(&file, &text, vars, SecretValues::Operator(fetched))?.valid()
    }

    /// Reads the configuration file with `stand_in` for each secret, for commands that neither verify
    /// deliveries nor call the cloud. Drops `[seal]` if its key is in AWS or in a variable.
    ///
    /// # Errors
    /// As [`load`](Self::load), except problems with the value of a secret.
    pub fn load_without_secrets(
        path: &Path,
        vars: &Vars,
        stand_in: &SecretString,
    ) -> Result<Self, Problems> {
        let (file, text) = (path.display().to_string(), text_of(path)?);
        resolve::draft(&file, &text, vars, SecretValues::StandIn(stand_in))?.valid()
    }

    /// Reads the configuration for a command that changes nothing. Uses `stand_in` for each secret
    /// that cannot be read. Drops `[seal]` if its key in AWS or in a variable cannot be read. If
    /// `calls_cloud` is true, an unreadable key for the cloud is an error.
    ///
    /// # Errors
    /// As [`load`](Self::load), except secrets that cannot be read.
    pub fn load_to_read(
        path: &Path,
        vars: &Vars,
        fetched: &AwsSecrets,
        stand_in: &SecretString,
        calls_cloud: bool,
    ) -> Result<Self, Problems> {
        let (file, text) = (path.display().to_string(), text_of(path)?);
        let values = SecretValues::OrStandIn {
            fetched,
            stand_in,
            calls_cloud,
        };
        resolve::draft(&file, &text, vars, values)?.valid()
    }
}
