//! `[cloud.accounts.NAME]`: several owner accounts, chosen by image and region. In: the tables as
//! written. Out: accounts of which at most one answers any question, or every mistake with its
//! place.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;

use super::CloudConfig;
use super::raw::line_of;
use super::resolve::Reader;
#[cfg(test)]
use super::schema;

/// What is used when no account answers: the credentials that the process finds by itself.
pub const DEFAULT_ACCOUNT: &str = "default";

/// One owner account: a role, a key, or both; used for its regions, its images, or both.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend(
    "allOf" = [
        { "anyOf": [{ "required": ["role_arn"] }, { "required": ["secret_id", "secret_key"] }] },
        { "anyOf": [{ "required": ["regions"] }, { "required": ["images"] }] },
    ],
    "dependentRequired" = { "secret_id": ["secret_key"], "secret_key": ["secret_id"] }
)))]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccount {
    /// The role to assume there.
    #[cfg_attr(
        test,
        schemars(
            with = "Option<String>",
            regex(pattern = "^qcs::cam::uin/[0-9]{1,20}:role(Name)?/[!-~]{1,128}$")
        )
    )]
    pub(super) role_arn: Option<Spanned<String>>,
    /// The id of its key.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) secret_id: Option<Spanned<String>>,
    /// Its key.
    #[cfg_attr(test, schemars(with = "Option<schema::Secret>"))]
    pub(super) secret_key: Option<Spanned<String>>,
    /// The regions it serves; none means all.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<schema::Region>"))]
    pub(super) regions: Vec<Spanned<String>>,
    /// How its images' ids begin; none means all. The longest beginning wins.
    #[serde(default)]
    #[cfg_attr(
        test,
        schemars(
            with = "Vec<String>",
            inner(regex(pattern = "^(lhbp|img)-[0-9a-z]{0,16}$"))
        )
    )]
    pub(super) images: Vec<Spanned<String>>,
}

/// One owner account.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Its name, as the journal and the plan show it.
    pub name: String,
    /// The role to assume there, as written, and the line where it stands.
    pub role_arn: Option<(String, usize)>,
    /// Its own key, id and secret half; else the credentials that the process finds by itself.
    pub key: Option<(SecretString, SecretString)>,
    /// The regions it serves; none means all.
    pub regions: BTreeSet<String>,
    /// How its images' ids begin; none means all.
    pub images: BTreeSet<String>,
    /// The line of its table.
    pub line: usize,
}

impl AccountConfig {
    /// How well it answers: the longest beginning that fits, then whether it names the region.
    /// `None`: not at all.
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

    /// Whether some image in some region would be both accounts' with equal right.
    fn collides(&self, other: &Self) -> bool {
        let images = self.images.is_empty() && other.images.is_empty()
            || self.images.intersection(&other.images).next().is_some();
        let regions = self.regions.is_empty() && other.regions.is_empty()
            || self.regions.intersection(&other.regions).next().is_some();
        images && regions
    }
}

impl CloudConfig {
    /// The account for an image in a region; for a list of all images, by the region alone. `None`
    /// is the default.
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

impl Reader<'_> {
    pub(super) fn accounts(
        &mut self,
        raw: &BTreeMap<String, Spanned<RawAccount>>,
    ) -> Vec<AccountConfig> {
        let mut accounts: Vec<AccountConfig> = Vec::with_capacity(raw.len());
        for (name, entry) in raw {
            let account = self.account(name, entry);
            for other in accounts.iter().filter(|other| other.collides(&account)) {
                self.problem(
                    entry,
                    format!(
                        "accounts {} and {name} would both answer for the same image",
                        other.name
                    ),
                    "give each its own regions, or its own beginnings of image ids",
                );
            }
            accounts.push(account);
        }
        accounts
    }

    fn account(&mut self, name: &str, entry: &Spanned<RawAccount>) -> AccountConfig {
        let raw = entry.get_ref();
        let plain = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !plain || name == DEFAULT_ACCOUNT {
            self.problem(
                entry,
                format!("{name:?} cannot be an account's name"),
                "use 1 to 32 of a-z, 0-9 and -; \"default\" is what the process finds by itself",
            );
        }
        if raw.regions.is_empty() && raw.images.is_empty() {
            self.problem(
                entry,
                format!("account {name} does not say when it is used"),
                "name its regions, or how its images' ids begin; for everything else set the process's own credentials",
            );
        }
        if raw.role_arn.is_none() && raw.secret_id.is_none() && raw.secret_key.is_none() {
            self.problem(
                entry,
                format!("account {name} has neither a role nor a key"),
                "write role_arn, or secret_id and secret_key, or both",
            );
        }
        let role_arn = raw
            .role_arn
            .as_ref()
            .map(|r| (r.get_ref().clone(), line_of(self.text, r.span().start)));
        AccountConfig {
            name: name.to_owned(),
            role_arn,
            key: self.key(name, entry),
            regions: self.account_regions(&raw.regions),
            images: self.beginnings(&raw.images),
            line: line_of(self.text, entry.span().start),
        }
    }

    fn key(
        &mut self,
        name: &str,
        entry: &Spanned<RawAccount>,
    ) -> Option<(SecretString, SecretString)> {
        let raw = entry.get_ref();
        match (&raw.secret_id, &raw.secret_key) {
            (None, None) => None,
            (Some(id), Some(key)) => {
                let what = format!("account {name}");
                let (id, key) = (self.secret(&what, id), self.secret(&what, key));
                id.zip(key)
            }
            _ => {
                self.problem(
                    entry,
                    format!("account {name} has half a key"),
                    "write secret_id and secret_key together",
                );
                None
            }
        }
    }

    fn account_regions(&mut self, written: &[Spanned<String>]) -> BTreeSet<String> {
        for region in written {
            if let Err(problem) = region.get_ref().parse::<crate::domain::Region>() {
                self.problem(region, problem.problem, problem.remedy);
            }
        }
        written
            .iter()
            .map(|region| region.get_ref().clone())
            .collect()
    }

    fn beginnings(&mut self, written: &[Spanned<String>]) -> BTreeSet<String> {
        for beginning in written {
            let text = beginning.get_ref();
            let rest = text
                .strip_prefix("lhbp-")
                .or_else(|| text.strip_prefix("img-"));
            let right = rest.is_some_and(|rest| {
                rest.len() <= 16
                    && rest
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
            if !right {
                self.problem(
                    beginning,
                    format!("{text:?} is not how an image's id begins"),
                    "write \"lhbp-…\" or \"img-…\", as much of it as all of the account's images share",
                );
            }
        }
        written
            .iter()
            .map(|beginning| beginning.get_ref().clone())
            .collect()
    }
}
