//! Variables that name a secret in AWS instead of containing one, so that one configuration serves a laptop and a
//! function. In: the configuration's text and the variables. Out: the secrets in AWS to fetch.

use std::collections::BTreeSet;

use super::secrets::{AwsSecret, SecretRef};
use super::vars::Vars;

/// Overrides `[seal] key`, so that deployments with different keys can use the same file.
pub const SEAL_KEY_VAR: &str = "SHAREHOOK_SEAL_KEY";
/// The key of the process that calls the cloud.
pub(super) const KEY_ID_VAR: &str = "TENCENTCLOUD_SECRET_ID";
pub(super) const KEY_VAR: &str = "TENCENTCLOUD_SECRET_KEY";
/// The variables with secrets that no field names.
const UNNAMED: [&str; 3] = [KEY_ID_VAR, KEY_VAR, SEAL_KEY_VAR];

/// The secret in AWS that a variable names.
pub(super) fn in_variable(name: &str, vars: &Vars) -> Option<AwsSecret> {
    AwsSecret::parse(vars.get(name)?)
}

impl SecretRef {
    /// The reference in the variable, if this names a variable with one.
    pub(super) fn followed(self, vars: &Vars) -> Self {
        match &self {
            Self::Env(name) => in_variable(name, vars).map_or(self, Self::Aws),
            Self::File(_) | Self::Aws(_) => self,
        }
    }
}

/// Lists the secrets in AWS that a configuration names, in any field or by a variable. A text that is not
/// TOML names none.
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
