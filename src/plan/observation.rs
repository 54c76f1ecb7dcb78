//! The state of the cloud before the first call, as far as it could be read.

use std::collections::BTreeSet;

use crate::domain::{AccountId, Action, BlueprintId, CloudError, Item, ResultKind, Target};

use super::readiness::Readiness;

/// What the records say of the items that a cancel or revocation takes away, or that a share may
/// have given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The items that requests have given.
    pub items: BTreeSet<Item>,
    /// The items whose request gave an item, or for which a share made a call without a clear
    /// answer, so recently that the cloud's lists may lack it.
    pub lately: BTreeSet<Item>,
    /// The blueprint that a request made or gave to the accounts.
    pub blueprint: Option<BlueprintId>,
}

impl Given {
    /// Whether an item that the cloud's lists do not show may be shared nevertheless: it was shared
    /// recently, or it is an image in Lighthouse whose blueprint no record names, so the
    /// blueprint cannot be looked up by its id.
    pub fn may_hide(&self, item: &Item) -> bool {
        let lighthouse = matches!(item, Item::Lighthouse(_));
        let unnamed = lighthouse && self.blueprint.is_none() && self.items.contains(item);
        unnamed || self.lately.contains(item)
    }
}

/// The current state of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Accounts that have the image now; `None` if they are not known.
    pub shares: Option<BTreeSet<AccountId>>,
    /// The blueprint that a CVM image has in Lighthouse now; `None` if it has none or none was
    /// read.
    pub blueprint: Option<BlueprintId>,
    /// Whether the image can be shared in its current state.
    pub readiness: Readiness,
    /// Maximum number of accounts that can have the image; `None` if it is not known.
    pub max_accounts: Option<usize>,
    /// Whether all reads succeeded, and the account is not `doubted`. If not, an item that was not
    /// read needs a call.
    pub readable: bool,
    /// The root account under which the cloud was read, if it is known.
    pub owner: Option<AccountId>,
    /// True if the account under which the cloud was read may not own the image. Then reads may not
    /// show all shares.
    pub doubted: bool,
    /// The error of the last read that failed, if any.
    pub unreadable: Option<CloudError>,
    /// What the records say, for a cancel or a revocation.
    pub given: Given,
}

impl Observation {
    /// Returns the result of `action` for `account` if it needs no call.
    ///
    /// `looked_before`: an earlier observation in the journal found this account without the wanted
    /// state. If the account has that state now, the result credits the request's own call,
    /// although no record says that the call was made.
    pub fn settles(
        &self,
        action: Action,
        account: &AccountId,
        looked_before: bool,
    ) -> Option<ResultKind> {
        let has = self.shares.as_ref()?.contains(account);
        match (action, has, looked_before) {
            (Action::Share, true, false) => Some(ResultKind::AlreadyShared),
            (Action::Share, true, true) => Some(ResultKind::Shared),
            (Action::Cancel, false, false) => Some(ResultKind::NotShared),
            (Action::Cancel, false, true) => Some(ResultKind::Cancelled),
            (Action::Share, false, _) | (Action::Cancel, true, _) => None,
        }
    }

    /// Whether the reads show if `item` is shared: they list it, or they would. They would if all of
    /// them succeeded, or the one of this item did. If all succeeded and none listed accounts, the
    /// image has no blueprint, so no account can have it.
    pub fn shows(&self, item: &Item) -> bool {
        let (read, listed) = match (item, &self.shares) {
            (Item::Account(account), Some(shares)) => (true, shares.contains(account)),
            (Item::Account(_), None) => (false, false),
            (Item::Lighthouse(_), _) => (false, self.blueprint.is_some()),
        };
        listed || (read || self.readable) && !self.given.may_hide(item)
    }

    /// Discards the list of shares, because the account under which it was read may not own the
    /// image. Then only a call can show that nothing is shared. Keeps the list if the reads prove
    /// that the account is the owner: they found a blueprint or a receiver, or listed the receivers
    /// of a CVM image, as only its owner can. If another account is known to have given the share
    /// (`differs`), the reads prove nothing.
    pub fn doubt_absence(&mut self, target: &Target, differs: bool) {
        let lists_own_only = matches!(target, Target::Cvm { .. });
        let shares = self.shares.as_ref();
        let found = self.blueprint.is_some()
            || shares.is_some_and(|shares| lists_own_only || !shares.is_empty());
        let is_owner = found && !differs;
        if !is_owner {
            self.doubted = true;
            self.readable = false;
            self.shares = None;
        }
    }

    /// Stores the result of reading the shares. `Ok(None)`: this site does not offer the read.
    pub fn take_shares(&mut self, read: Result<Option<BTreeSet<AccountId>>, CloudError>) {
        match read {
            Ok(Some(shares)) => self.shares = Some(shares),
            Ok(None) => self.readable = false,
            Err(error) => self.cannot_read(error),
        }
    }

    /// Stores the error of a failed read. An item that no read shows needs a call.
    pub fn cannot_read(&mut self, error: CloudError) {
        self.readable = false;
        self.unreadable = Some(error);
    }
}
