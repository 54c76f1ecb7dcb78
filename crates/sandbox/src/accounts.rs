//! Defines which accounts exist in the sandbox. The digits of an account id decide what kind of
//! account it is, so that tests and readers need no list of accounts.

use std::collections::BTreeSet;

use super::seed::SANDBOX_OWNER;

/// The meaning of an account id.
///
/// | id | is |
/// |---|---|
/// | [`SANDBOX_OWNER`] | the caller's own root account |
/// | `999…` | no account |
/// | `888…` | a sub-account (collaborator), not a root account |
/// | `777…` | a root account of the other site (mainland or international) |
/// | `666…` | a root account whose quota of received images is used up |
/// | `555…` | a root account that is frozen: refused with a code that no page lists |
/// | any other 5 to 20 digits without a leading zero | a root account that can receive images |
/// | anything else | no account id at all |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A root account that can receive images.
    Root,
    /// The caller's own root account.
    Owner,
    /// No account has this id.
    Missing,
    /// A sub-account, which cannot receive an image.
    SubAccount,
    /// A root account of the other site.
    OtherSite,
    /// A root account whose quota is used up.
    QuotaFull,
    /// A root account that is frozen.
    Frozen,
    /// Not an account id.
    Malformed,
}

impl AccountKind {
    /// Like [`AccountKind::of`], but every id in `known` is a root account.
    pub(super) fn among(known: &BTreeSet<String>, id: &str) -> Self {
        if known.contains(id) {
            return Self::Root;
        }
        Self::of(id)
    }

    /// Returns the kind of an account id, according to the table of [`AccountKind`].
    pub fn of(id: &str) -> Self {
        let decimal = id.bytes().all(|b| b.is_ascii_digit()) && (5..=20).contains(&id.len());
        match id.get(..3) {
            _ if !decimal || id.starts_with('0') => Self::Malformed,
            _ if id == SANDBOX_OWNER => Self::Owner,
            Some("999") => Self::Missing,
            Some("888") => Self::SubAccount,
            Some("777") => Self::OtherSite,
            Some("666") => Self::QuotaFull,
            Some("555") => Self::Frozen,
            _ => Self::Root,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_on_the_text() {
        for (id, kind) in [
            ("700000164995", AccountKind::Root),
            ("1038493875", AccountKind::Root),
            ("909619400", AccountKind::Root),
            ("100022975249", AccountKind::Root),
            ("700000000001", AccountKind::Root),
            ("700000000012", AccountKind::Root),
            (SANDBOX_OWNER, AccountKind::Owner),
            ("999000000001", AccountKind::Missing),
            ("888000000001", AccountKind::SubAccount),
            ("777000000001", AccountKind::OtherSite),
            ("666000000001", AccountKind::QuotaFull),
            ("555000000001", AccountKind::Frozen),
            ("1234", AccountKind::Malformed),
            ("0700000164995", AccountKind::Malformed),
            ("", AccountKind::Malformed),
            ("uin/100022975249", AccountKind::Malformed),
            ("７00000164995", AccountKind::Malformed),
        ] {
            assert_eq!(AccountKind::of(id), kind, "{id}");
        }
    }
}
