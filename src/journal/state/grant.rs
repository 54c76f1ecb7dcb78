//! Grants: the items that are shared because of a request, computed from the request's state. An
//! account that had the image before the request is not part of its grant, unless the request
//! adopted that share or another request had made it.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::domain::{
    AccountId, Action, BlueprintId, Identity, ImageRef, Item, ItemResult, Region, ResultKind,
    Status, Timestamp, spelled,
};

use super::super::record::{CallOff, StreamId};
use super::{Phase, State};

/// The items that are still shared because of a request. The command `grants` prints a row for each
/// item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The stream in the journal.
    pub stream: StreamId,
    /// The identity of the request.
    pub identity: Identity,
    /// The ticket, for people.
    pub ticket: Option<String>,
    /// The requester.
    pub requester: String,
    /// The approvers.
    pub approvers: Vec<String>,
    /// The image as the request names it.
    pub image: ImageRef,
    /// The blueprint that was created from the image in Lighthouse. The accounts of a chain see
    /// this blueprint.
    pub blueprint: Option<BlueprintId>,
    /// The region.
    pub region: Region,
    /// The accounts that have the image because of this request.
    pub accounts: Vec<AccountId>,
    /// Whether this request counts as the one that made the image available in Lighthouse.
    pub lighthouse: bool,
    /// The time of the first record that shows the share. If no record shows it yet, the time of
    /// the newest record.
    pub since: Timestamp,
    /// When the share ends: at its expiry, or earlier if its approval was withdrawn. `None` if the
    /// share never ends.
    pub until: Option<Timestamp>,
    /// Items whose revocation is postponed, because another grant covers them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<Covered>,
    /// The policies that allowed the share.
    pub policies: Vec<String>,
}

/// Items that another grant covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The items.
    pub items: Vec<Item>,
    /// The program checks again at this instant, at the latest, whether the items are covered.
    pub until: Timestamp,
}

spelled! {
    /// The state of one item of a grant.
    #[derive(PartialOrd, Ord)]
    Standing {
        /// The share has not ended.
        Active = "active",
        /// The share has ended, and another grant covers the item.
        Covered = "covered",
        /// The share has ended, the item is still shared, and no record shows that another grant
        /// covers it now.
        Overdue = "overdue",
    }
}

impl Grant {
    /// Returns the shared items: Lighthouse first, then the accounts.
    pub fn items(&self) -> Vec<Item> {
        let lighthouse = match &self.image {
            ImageRef::Cvm(image) if self.lighthouse => Some(Item::Lighthouse(image.clone())),
            _ => None,
        };
        let accounts = self.accounts.iter().cloned().map(Item::Account);
        lighthouse.into_iter().chain(accounts).collect()
    }

    /// Returns the state of `item` at `now`.
    pub fn standing(&self, item: &Item, now: Timestamp) -> Standing {
        let covered = |covered: &Covered| covered.until > now && covered.items.contains(item);
        match self.until {
            Some(end) if end <= now && self.covered.as_ref().is_some_and(covered) => {
                Standing::Covered
            }
            Some(end) if end <= now => Standing::Overdue,
            _ => Standing::Active,
        }
    }
}

impl State {
    /// Returns the request's grant. `None` if nothing is shared because of the request.
    pub fn grant(&self) -> Option<Grant> {
        let (accounts, lighthouse) = (self.shared_accounts(), self.in_lighthouse());
        if accounts.is_empty() && !lighthouse || self.phase == Phase::Revoked {
            return None;
        }
        let covered = match &self.phase {
            Phase::RevokeDeferred {
                covered,
                not_before,
                ..
            } if !covered.is_empty() => Some(Covered {
                items: covered.clone(),
                until: *not_before,
            }),
            _ => None,
        };
        Some(self.grant_of(accounts, lighthouse, covered))
    }

    /// Returns the items of this unfinished share that a cancel can call off, in the form of a
    /// grant. These are the items that the request has shared or may still share, without those
    /// that it found shared. Returns `None` if no item is left.
    pub fn awaited_grant(&self) -> Option<Grant> {
        let mut items = self.intent.request.target.items();
        items.retain(|item| self.can_be_called_off(item) && !self.found_before(item));
        let lighthouse = items.iter().any(|i| matches!(i, Item::Lighthouse(_)));
        let account = |item: &Item| match item {
            Item::Account(account) => Some(account.clone()),
            Item::Lighthouse(_) => None,
        };
        let accounts: Vec<AccountId> = items.iter().filter_map(account).collect();
        (!items.is_empty()).then(|| self.grant_of(accounts, lighthouse, None))
    }

    fn grant_of(
        &self,
        accounts: Vec<AccountId>,
        lighthouse: bool,
        covered: Option<Covered>,
    ) -> Grant {
        let request = &self.intent.request;
        Grant {
            stream: self.stream,
            identity: self.intent.identity.clone(),
            ticket: request.ticket.clone(),
            requester: request.requester.clone(),
            approvers: request.approvers.clone(),
            image: request.target.image(),
            blueprint: self.blueprint.clone(),
            region: request.region.clone(),
            accounts,
            lighthouse,
            since: self.given_at.unwrap_or(self.updated_at),
            until: self.ends_at(),
            covered,
            policies: self.verdict().policies.clone(),
        }
    }

    /// Returns the accounts that have the image because of this request.
    pub(super) fn shared_accounts(&self) -> Vec<AccountId> {
        let gave = |account: &&AccountId| {
            self.results.iter().any(|result| {
                matches!(&result.item, Item::Account(id) if id == *account) && self.stands(result)
            })
        };
        let accounts = self.intent.request.target.accounts().iter();
        accounts.filter(gave).cloned().collect()
    }

    /// Whether the image is in Lighthouse because of this request.
    pub(super) fn in_lighthouse(&self) -> bool {
        self.lighthouse_given().is_some()
    }

    /// Returns Lighthouse as an item if the image is there because of this request.
    pub fn lighthouse_given(&self) -> Option<Item> {
        let given = self
            .results
            .iter()
            .find(|result| matches!(result.item, Item::Lighthouse(_)) && self.stands(result));
        given.map(|result| result.item.clone())
    }

    /// Returns every item that is shared because of this request.
    pub fn given(&self) -> Vec<Item> {
        if self.phase == Phase::Revoked {
            return Vec::new();
        }
        let accounts = self.shared_accounts().into_iter().map(Item::Account);
        self.lighthouse_given()
            .into_iter()
            .chain(accounts)
            .collect()
    }

    /// Whether a record that was written less than `time` before `now` has a new result for an item
    /// that the request shared.
    pub fn gave_within(&self, now: Timestamp, time: SignedDuration) -> bool {
        let lately = |at| now.duration_since(at) < time;
        self.last_given_at.is_some_and(lately)
    }

    /// Whether the request may have made a call less than `time` before `now`.
    pub fn called_within(&self, now: Timestamp, time: SignedDuration) -> bool {
        let lately = |at| now.duration_since(at) < time;
        self.called_at.is_some_and(lately)
    }

    /// Whether the request has ended and none of its called-off items is still shared. Revoking
    /// such an item would still change the request's results.
    pub(in crate::journal) fn answered(&self) -> bool {
        let called_off = |item: &Item| self.call_off_of(item).is_some();
        self.status() != Status::Pending && !self.given().iter().any(called_off)
    }

    /// Returns the results for those items that were shared before this request and that stay
    /// shared when this share ends.
    pub fn kept(&self) -> Vec<ItemResult> {
        let mut results = self.results();
        results.retain(|result| {
            let before = self.found_before(&result.item) && result.called_off_by.is_none();
            before && !self.gave(result)
        });
        results
    }

    /// Whether `result` counts as a share that this request made, and no later record shows the
    /// item as revoked or cancelled.
    pub(super) fn stands(&self, result: &ItemResult) -> bool {
        self.gave(result)
            && self.intent.request.action == Action::Share
            && !self.taken_back(&result.item)
    }

    /// Whether `result` counts as a share that this request made.
    pub(super) fn gave(&self, result: &ItemResult) -> bool {
        match result.kind {
            ResultKind::Shared | ResultKind::Available { already: false, .. } => true,
            ResultKind::AlreadyShared | ResultKind::Available { already: true, .. } => {
                self.intent.adopts || result.renewed
            }
            // A share that may have been made is revoked like a share that was made.
            ResultKind::Failed { .. } => result.maybe_done,
            ResultKind::Cancelled | ResultKind::NotShared | ResultKind::Pending => false,
        }
    }

    pub(super) fn taken_back(&self, item: &Item) -> bool {
        let revoked = |result: &ItemResult| result.item == *item && result.succeeded();
        let cancelled = |cancelled: &CallOff| cancelled.items.contains(item);
        self.revoked.iter().any(revoked) || self.cancelled.iter().any(cancelled)
    }
}
