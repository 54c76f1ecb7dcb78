//! The state of the cloud before the first call, as far as it could be read.

use std::collections::BTreeSet;

use crate::domain::{AccountId, Action, BlueprintId, CloudError, Item, ResultKind, Target};

use super::readiness::Readiness;

/// What the journal's records say of items that a cancel or a revocation takes away, or that a
/// share may have given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The items that requests have shared.
    pub items: BTreeSet<Item>,
    /// Items that may be shared although the cloud's lists do not show them yet. Either their
    /// request has recently given some item, or a share has recently made a call for them that got
    /// no clear answer.
    pub lately: BTreeSet<Item>,
    /// The blueprint that a request created, or shared with accounts.
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
    /// The accounts that have the image now. `None` if they are not known.
    pub shares: Option<BTreeSet<AccountId>>,
    /// The blueprint that a CVM image has in Lighthouse now. `None` if it has none, or if none was
    /// read.
    pub blueprint: Option<BlueprintId>,
    /// Whether the image can be shared in its current state.
    pub readiness: Readiness,
    /// Maximum number of accounts that can have the image. `None` if it is not known.
    pub max_accounts: Option<usize>,
    /// Whether all reads succeeded and `doubted` is false. If not, an item that was not read needs
    /// a call.
    pub readable: bool,
    /// The root account under which the cloud was read, if it is known.
    pub owner: Option<AccountId>,
    /// True if the account under which the cloud was read may not own the image. Then reads may not
    /// show all shares.
    pub doubted: bool,
    /// The error of the last read that failed, if any.
    pub unreadable: Option<CloudError>,
    /// What the journal's records say of the items.
    pub given: Given,
}

impl Observation {
    /// Returns the result of `action` for `account` if it needs no call.
    ///
    /// `looked_before` is true if an earlier observation in the journal found this account without
    /// the wanted state. If the account has that state now, the result credits the request's own
    /// call, although no record says that the call was made.
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

    /// Whether the reads show if `item` is shared. This is true if they list the item. It is also
    /// true if they would list the item if it were shared: the read for this item succeeded, or all
    /// reads succeeded. [`Given::may_hide`] names items that a list may lack, so for these items
    /// only the first case counts.
    ///
    /// If all reads succeeded and none returned a list of accounts, the image has no blueprint, so
    /// no account can have it.
    pub fn shows(&self, item: &Item) -> bool {
        let (read, listed) = match (item, &self.shares) {
            (Item::Account(account), Some(shares)) => (true, shares.contains(account)),
            (Item::Account(_), None) => (false, false),
            (Item::Lighthouse(_), _) => (false, self.blueprint.is_some()),
        };
        listed || (read || self.readable) && !self.given.may_hide(item)
    }

    /// Marks the observation as `doubted` and discards the list of shares, unless the reads prove
    /// that the account under which they were made owns the image. Afterwards, only a call can show
    /// that nothing is shared.
    ///
    /// The reads prove ownership if they found a blueprint or an account with the image, or if they
    /// listed the accounts of a CVM image, which only the owner can do. They prove nothing if
    /// `differs` is true: another account is known to have given the share.
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

    /// Stores the result of reading the shares. `Ok(None)` means that this site does not offer the
    /// read.
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
