//! Variables that contain a reference to a secret in AWS instead of the secret, so that one
//! configuration file serves a laptop and a function. Takes the configuration's text and the
//! variables, and returns the secrets in AWS to fetch. Does not fetch them.

use std::collections::BTreeSet;

use super::secrets::{AwsSecret, SecretRef};
use super::vars::Vars;

/// Overrides `[seal] key`, so that deployments with different keys can use the same file.
pub const SEAL_KEY_VAR: &str = "SHAREHOOK_SEAL_KEY";
/// The variables with the process's own key for the cloud: the key's id and its secret.
pub(super) const KEY_ID_VAR: &str = "TENCENTCLOUD_SECRET_ID";
pub(super) const KEY_VAR: &str = "TENCENTCLOUD_SECRET_KEY";
/// The variables with the token of a temporary key, as `cloud::credentials` reads them. They must
/// not contain a reference to a secret.
pub(super) const TOKEN_VARS: [&str; 3] = [
    "TENCENTCLOUD_TOKEN",
    "TENCENTCLOUD_SESSION_TOKEN",
    "TENCENTCLOUD_SECURITY_TOKEN",
];
/// The variables that may contain a secret although no field of the file names them.
const UNNAMED: [&str; 3] = [KEY_ID_VAR, KEY_VAR, SEAL_KEY_VAR];

/// Returns the secret in AWS to which a variable refers. Returns `None` if the variable contains no
/// such reference.
pub(super) fn in_variable(name: &str, vars: &Vars) -> Option<AwsSecret> {
    AwsSecret::parse(vars.get(name)?)
}

impl SecretRef {
    /// If this is `env:NAME` and the variable NAME contains a reference to AWS, returns that
    /// reference. Returns every other reference unchanged.
    pub fn followed(self, vars: &Vars) -> Self {
        match &self {
            Self::Env(name) => in_variable(name, vars).map_or(self, Self::Aws),
            Self::File(_) | Self::Aws(_) => self,
        }
    }
}

/// Lists the secrets in AWS to which a configuration refers, in any field or through a variable.
/// If the text is not TOML, looks only at the variables that no field names.
pub fn aws_secrets(text: &str, vars: &Vars) -> BTreeSet<AwsSecret> {
    fn walk(value: &toml::Value, vars: &Vars, found: &mut BTreeSet<AwsSecret>) {
        match value {
            toml::Value::String(text) => match SecretRef::parse(text).map(|one| one.followed(vars))
            {
                Ok(SecretRef::Aws(secret)) => drop(found.insert(secret)),
                Ok(SecretRef::Env(_) | SecretRef::File(_)) | Err(_) => {}
            },
            toml::Value::Array(values) => values.iter().for_each(|value| walk(value, vars, found)),
            toml::Value::Table(table) => table.values().for_each(|value| walk(value, vars, found)),
            _ => {}
        }
    }
    let unnamed = UNNAMED.iter();
    let mut found: BTreeSet<_> = unnamed.filter_map(|name| in_variable(name, vars)).collect();
    if let Ok(table) = text.parse::<toml::Table>() {
        walk(&toml::Value::Table(table), vars, &mut found);
    }
    found
}
