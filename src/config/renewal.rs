//! The parts of a configuration that may change while the process runs. Takes the current
//! configuration and a secret that was read again, or a later configuration. Returns the
//! configuration with the new secret, or the settings that take effect only after a restart.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use crate::domain::Problems;

use super::resolve;
use super::secrets::{AwsSecrets, Secret, SecretError, SecretRef, SecretValues};
use super::valid::Config;
use super::vars::Vars;

/// The tables and settings for the parts that a process opens only at its start: the journal, the
/// cloud clients with their call rates, the listener.
const OPENED_ONCE: [&[&str]; 5] = [
    &["journal"],
    &["cloud"],
    &["seal"],
    &["http"],
    &["limits", "body_bytes"],
];

/// The reference of a secret that was read again, with the secret or the error.
pub type Renewal = (SecretRef, Result<Secret, SecretError>);

impl Config {
    /// Lists the secrets whose values can change while the process runs.
    pub fn changing_secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.secrets.keys().filter(|one| one.can_change())
    }

    /// Reads again a secret whose value can change. `fetched` contains the secrets in AWS.
    ///
    /// # Errors
    /// Those of [`SecretRef::resolve`].
    pub fn read_secret_again(
        &self,
        secret: &SecretRef,
        fetched: &AwsSecrets,
    ) -> Result<Secret, SecretError> {
        let root = Path::new(&self.file).parent().unwrap_or(Path::new(""));
        // The variables are not needed, because a secret in a variable cannot change.
        secret.resolve(root, &Vars::new(), fetched)
    }

    /// Whether a secret's value can change while the process runs.
    pub fn has_changing_secrets(&self) -> bool {
        self.changing_secrets().next().is_some()
    }

    /// Groups the secrets that can change so that the secrets in one group are replaced together.
    /// The id and the secret of a key for the cloud form a group. Every other secret has a group of
    /// its own.
    pub fn changing_groups(&self) -> Vec<BTreeSet<SecretRef>> {
        let accounts = self.cloud.accounts.iter();
        let keys = accounts.filter_map(|account| account.key.as_ref());
        let keys = keys.chain(&self.cloud.key);
        let keys = keys.map(|(id, key)| [&id.reference, &key.reference].map(SecretRef::clone));
        let alone = self
            .changing_secrets()
            .cloned()
            .map(|one| [one.clone(), one]);
        let mut groups: Vec<BTreeSet<SecretRef>> = Vec::new();
        for pair in keys.chain(alone) {
            let mut group = BTreeSet::from(pair);
            // Two keys may have the id or the secret in common. All of them then form one group.
            let (shared, others) = groups
                .into_iter()
                .partition::<Vec<_>, _>(|other| !other.is_disjoint(&group));
            group.extend(shared.into_iter().flatten());
            groups = others;
            groups.push(group);
        }
        groups
    }

    /// Returns this configuration with new values of these secrets. Nothing else changes: edits of
    /// the files that the configuration names take effect together, at a reload.
    ///
    /// # Errors
    /// A file that the configuration names can no longer be read, or a new value is not valid.
    pub fn with_secrets(
        &self,
        later: impl IntoIterator<Item = Secret>,
        vars: &Vars,
    ) -> Result<Self, Problems> {
        let mut secrets = self.secrets.clone();
        secrets.extend(later.into_iter().map(|one| (one.reference.clone(), one)));
        let values = SecretValues::Known(&secrets);
        let read = resolve::draft(&self.file, &self.text, vars, values)?.valid()?;
        let mut config = self.clone();
        for (source, read) in config.sources.iter_mut().zip(read.sources) {
            source.secrets = read.secrets;
            if let (Some(own), Some(read)) = (&mut source.fetch, read.fetch) {
                own.take_secrets(read);
            }
        }
        for (notify, read) in config.notify.iter_mut().zip(read.notify) {
            notify.auth = read.auth;
        }
        let accounts = config.cloud.accounts.iter_mut();
        for (account, read) in accounts.zip(read.cloud.accounts) {
            account.key = read.key;
        }
        config.cloud.key = read.cloud.key;
        config.http.metrics = read.http.metrics;
        config.http.report = read.http.report;
        Ok(Self { secrets, ..config })
    }

    /// Lists the settings that differ in `later` and that take effect only after a restart.
    pub fn needs_restart(&self, later: &Self) -> Vec<String> {
        let tables = [&self.text, &later.text].map(|text| text.parse::<Table>());
        let [Ok(own), Ok(later)] = tables else {
            return Vec::new();
        };
        let changed = OPENED_ONCE
            .into_iter()
            .filter(|path| at(&own, path) != at(&later, path));
        changed.map(|path| path.join(".")).collect()
    }
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let found = table.get(*first)?;
    if rest.is_empty() {
        Some(found)
    } else {
        at(found.as_table()?, rest)
    }
}
