//! The state of the cloud before the first call, as far as it could be read.

use std::collections::BTreeSet;

use crate::domain::{AccountId, Action, BlueprintId, CloudError, Item, ResultKind, Target};

use super::readiness::Readiness;

/// The current state of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Accounts that have the image now; `None` when they cannot be read.
    pub shares: Option<BTreeSet<AccountId>>,
    /// The blueprint under which a CVM image is in Lighthouse now.
    pub blueprint: Option<BlueprintId>,
    /// Whether the image can be shared as it is.
    pub readiness: Readiness,
    /// Maximum number of accounts that can have the image; `None` when it is not known.
    pub max_accounts: Option<usize>,
    /// Whether the reads above succeeded. If false, every call is made, and none is assumed done.
    pub readable: bool,
    /// The root account that was asked, if it is known.
    pub owner: Option<AccountId>,
    /// Whether the account that was asked may not own the image: then it would miss what is there.
    pub doubted: bool,
    /// Why something could not be read, for the answer and the journal.
    pub unreadable: Option<CloudError>,
}

impl Observation {
    /// The result of `action` for `account` when it needs no call.
    ///
    /// `looked_before`: the journal has an earlier observation of the same request, in which this
    /// account did not have the wanted state. The present state is then the result of this request's
    /// own call, whose answer was lost.
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

    /// Whether the reads show if the item is shared. An image that is not in Lighthouse has no blueprint,
    /// so its receivers need no read.
    pub fn shows(&self, item: &Item) -> bool {
        let read = match item {
            Item::Account(_) => self.shares.is_some(),
            Item::Lighthouse(_) => self.blueprint.is_some(),
        };
        self.readable || read
    }

    /// Forgets that nothing was found, because the account that was asked may not own the image: a call must
    /// show it. The receivers of a CVM image are listed for its owner alone, so these are believed, unless
    /// that account is known to be another one (`differs`): it may see what it received.
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

    /// Takes a read of the shares; `None` when this site does not offer the read.
    pub fn take_shares(&mut self, read: Result<Option<BTreeSet<AccountId>>, CloudError>) {
        match read {
            Ok(Some(shares)) => self.shares = Some(shares),
            Ok(None) => self.readable = false,
            Err(error) => self.cannot_read(error),
        }
    }

    /// Notes that a read failed, so that no call may be assumed done.
    pub fn cannot_read(&mut self, error: CloudError) {
        self.readable = false;
        self.unreadable = Some(error);
    }
}
