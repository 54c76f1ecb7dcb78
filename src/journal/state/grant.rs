//! The grants. In: a state. Out: what stands because of its request, and how. An account that had the
//! image before is not part of it.

use serde::{Deserialize, Serialize};

use crate::domain::{
    AccountId, Action, BlueprintId, Identity, ImageRef, Item, ItemResult, Region, ResultKind,
    Timestamp, spelled,
};

use super::super::record::{CallOff, StreamId};
use super::{Phase, State};

/// What a request gave and what is still shared: one row of `grants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The stream in the journal.
    pub stream: StreamId,
    /// The identity of the request.
    pub identity: Identity,
    /// The ticket, for human readers.
    pub ticket: Option<String>,
    /// The requester.
    pub requester: String,
    /// The approvers.
    pub approvers: Vec<String>,
    /// The image as the request names it.
    pub image: ImageRef,
    /// The blueprint made from it in Lighthouse, which the accounts of a chain see.
    pub blueprint: Option<BlueprintId>,
    /// The region.
    pub region: Region,
    /// The accounts that have it because of this request.
    pub accounts: Vec<AccountId>,
    /// Whether it is in Lighthouse because of this request.
    pub lighthouse: bool,
    /// The time of the first record that shows the share.
    pub since: Timestamp,
    /// When it ends; `None` for a share without an end.
    pub until: Option<Timestamp>,
    /// Items that another grant covers after the expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<Covered>,
    /// The policies that allowed it.
    pub policies: Vec<String>,
}

/// Items that another grant covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The items.
    pub items: Vec<Item>,
    /// Until the next look.
    pub until: Timestamp,
}

spelled! {
    /// How an item of a grant stands.
    #[derive(PartialOrd, Ord)]
    Standing {
        /// Its end has not come.
        Active = "active",
        /// Its end has come; another grant covers it.
        Covered = "covered",
        /// Its end has come, and it still stands.
        Overdue = "overdue",
    }
}

impl Grant {
    /// What stands: Lighthouse first, then the accounts.
    pub fn items(&self) -> Vec<Item> {
        let lighthouse = match &self.image {
            ImageRef::Cvm(image) if self.lighthouse => Some(Item::Lighthouse(image.clone())),
            _ => None,
        };
        let accounts = self.accounts.iter().cloned().map(Item::Account);
        lighthouse.into_iter().chain(accounts).collect()
    }

    /// How one of its items stands at `now`.
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
    /// What stands because of this request. An account that had the image before is not part of it.
    pub fn grant(&self) -> Option<Grant> {
        let (accounts, lighthouse) = (self.standing(), self.in_lighthouse());
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
        let request = &self.intent.request;
        Some(Grant {
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
        })
    }

    /// The accounts that got the image from this request and still have it.
    pub(super) fn standing(&self) -> Vec<AccountId> {
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

    /// Lighthouse as an item, when the image is there because of this request.
    pub fn lighthouse_given(&self) -> Option<Item> {
        let given = self
            .results
            .iter()
            .find(|result| matches!(result.item, Item::Lighthouse(_)) && self.stands(result));
        given.map(|result| result.item.clone())
    }

    /// Every item that stands because of this request.
    pub fn given(&self) -> Vec<Item> {
        if self.phase == Phase::Revoked {
            return Vec::new();
        }
        let accounts = self.standing().into_iter().map(Item::Account);
        self.lighthouse_given()
            .into_iter()
            .chain(accounts)
            .collect()
    }

    /// Whether a recorded result says that this request gave the item, and no later one took it
    /// away.
    pub(super) fn stands(&self, result: &ItemResult) -> bool {
        self.gave(result)
            && self.intent.request.action == Action::Share
            && !self.taken_back(&result.item)
    }

    /// Whether a result counts as given by this request.
    pub(super) fn gave(&self, result: &ItemResult) -> bool {
        match result.kind {
            ResultKind::Shared | ResultKind::Available { already: false, .. } => true,
            ResultKind::AlreadyShared | ResultKind::Available { already: true, .. } => {
                self.intent.adopts
            }
            // What may have been carried out is taken back like what was.
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
