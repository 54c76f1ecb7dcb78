//! Reads `[cloud.accounts.NAME]`: several owner accounts, selected by image and region. Takes the
//! raw tables, returns the accounts, and reports each mistake with its line. Two accounts that
//! match an image in a region equally well are a mistake.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::raw::RawAccount;
use super::reader::{Reader, texts};
use super::valid::{AccountConfig, CloudKey, DEFAULT_ACCOUNT};

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
                        "accounts {} and {name} would both match the same image",
                        other.name
                    ),
                    "give each account its own regions, or its own prefixes of image ids",
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
                "use 1 to 32 of a-z, 0-9 and -; \"default\" means the credentials of the process",
            );
        }
        if raw.regions.is_empty() && raw.images.is_empty() {
            self.problem(
                entry,
                format!("account {name} has neither regions nor images"),
                "write regions, or images with prefixes of image ids; requests that match no account use the credentials of the process",
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
            .map(|r| (r.get_ref().clone(), self.mark(r.span())));
        AccountConfig {
            name: name.to_owned(),
            role_arn,
            key: self.key(name, entry),
            regions: self.regions(&raw.regions),
            images: self.prefixes(&raw.images),
            mark: self.mark(entry.span()),
        }
    }

    fn key(&mut self, name: &str, entry: &Spanned<RawAccount>) -> Option<CloudKey> {
        let raw = entry.get_ref();
        match (&raw.secret_id, &raw.secret_key) {
            (None, None) => None,
            (Some(id), Some(key)) => {
                let what = format!("account {name}");
                let (id, key) = (self.cloud_key(&what, id), self.cloud_key(&what, key));
                id.zip(key)
            }
            _ => {
                self.problem(
                    entry,
                    format!("account {name} has only one half of a key"),
                    "write secret_id and secret_key together",
                );
                None
            }
        }
    }

    fn prefixes(&mut self, written: &[Spanned<String>]) -> BTreeSet<String> {
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
                    format!("{text:?} is not the prefix of an image id"),
                    "write \"lhbp-…\" or \"img-…\" with the common beginning of the account's image ids",
                );
            }
        }
        texts(written)
    }
}
