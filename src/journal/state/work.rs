//! The work that is left, and the grants. In: a state and the present instant. Out: [`Work`] and
//! [`Grant`]. A revocation takes only what the request itself gave: an account that had the image
//! before keeps it.

use serde::{Deserialize, Serialize};

use crate::domain::{
    AccountId, Action, BlueprintId, Identity, ImageRef, Item, ItemResult, Region, ResultKind,
    Timestamp,
};

use super::super::record::{CallOff, StreamId};
use super::{Phase, Revoking, State};
use crate::domain::spelled;

/// The work that a sweep or the next delivery has to do for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A waiting request is due. Check [`State::expired`] before sharing.
    Start,
    /// A worker began and did not finish. Look at the cloud, then do the rest. Check
    /// [`State::expired`] before sharing.
    Finish,
    /// The share has expired. Revoke what the request gave and nothing has revoked yet.
    Revoke {
        /// The accounts; may be empty when only the outcome is not recorded yet.
        accounts: Vec<AccountId>,
        /// Whether to remove the image from Lighthouse.
        lighthouse: bool,
    },
}

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
    /// The work that is due at `now`, if any.
    pub fn needs_work(&self, now: Timestamp) -> Option<Work> {
        if self.is_due(now) {
            self.work(now)
        } else {
            None
        }
    }

    pub(super) fn work(&self, now: Timestamp) -> Option<Work> {
        match &self.phase {
            Phase::Denied | Phase::Revoked => None,
            Phase::Waiting { .. } => Some(Work::Start),
            Phase::Working { .. } | Phase::Deferred { .. } => Some(Work::Finish),
            Phase::Closed | Phase::RevokeDeferred { .. } if self.revokes_anew(now) => {
                let ended = |item: &Item| self.expired(now) || self.ends_early(item);
                let accounts = self.standing().into_iter();
                Some(Work::Revoke {
                    accounts: accounts
                        .filter(|account| ended(&Item::Account(account.clone())))
                        .collect(),
                    lighthouse: self.lighthouse_given().is_some_and(|item| ended(&item)),
                })
            }
            Phase::Closed | Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => {
                let begun = self.revoking.as_ref();
                let accounts = self.standing().into_iter();
                Some(Work::Revoke {
                    accounts: accounts
                        .filter(|account| {
                            begun.is_some_and(|begun| begun.accounts.contains(account))
                        })
                        .collect(),
                    lighthouse: begun.is_some_and(|begun| begun.lighthouse) && self.in_lighthouse(),
                })
            }
        }
    }

    /// Whether a revocation begins: of a closed request, or of the rest of a share that has ended while
    /// what was called off of it waits.
    pub(in crate::journal) fn revokes_anew(&self, now: Timestamp) -> bool {
        self.phase == Phase::Closed
            || self.expired(now) && self.rest_has_its_end()
            || self.rest_is_called_off()
    }

    /// Whether the revocation under way is only of what was called off, and something else stands.
    fn rest_has_its_end(&self) -> bool {
        let rest = |tried: &Revoking| self.given().iter().any(|item| !tried.names(item));
        let waits = matches!(self.phase, Phase::RevokeDeferred { .. });
        waits && (self.revoking.as_ref()).is_some_and(|tried| !tried.expired && rest(tried))
    }

    /// When the request needs work next; `None` for never.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Denied | Phase::Revoked => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Working { .. } | Phase::Revoking { .. } if self.holder_gone => {
                Some(self.updated_at)
            }
            Phase::Working { lease_until, .. } | Phase::Revoking { lease_until, .. } => {
                Some(*lease_until)
            }
            Phase::Deferred { not_before, .. } => {
                // An expiry during the pause ends it: a request that closes sooner is revoked
                // sooner. An expiry before the pause does not end it; otherwise there would be no
                // pause.
                let end = self.intent.expires_at.filter(|end| *end > self.updated_at);
                Some(end.map_or(*not_before, |end| end.min(*not_before)))
            }
            Phase::RevokeDeferred { .. } if self.rest_is_called_off() => Some(self.updated_at),
            Phase::RevokeDeferred { not_before, .. } => {
                // What was called off waits, for another grant of it perhaps. The rest does not.
                let end = self.intent.expires_at.filter(|_| self.rest_has_its_end());
                Some(end.map_or(*not_before, |end| end.min(*not_before)))
            }
            Phase::Closed => {
                let given = self.given();
                if given.iter().any(|item| self.ends_early(item)) {
                    return Some(self.updated_at);
                }
                self.intent.expires_at.filter(|_| !given.is_empty())
            }
        }
    }

    /// When the index has to be looked at: when something is due, or when what it holds ends. What is
    /// overdue is looked at by every sweep until it is gone, also during a pause.
    pub fn look_at(&self) -> Option<Timestamp> {
        let ends = self.ends_at().filter(|_| self.holds_any());
        let overdue = self.ends_at().filter(|_| !self.uncovered().is_empty());
        self.due_at().into_iter().chain(overdue).min().or(ends)
    }

    /// What stands although the share's end has come, and no other grant covers.
    pub fn overdue(&self, now: Timestamp) -> Vec<Item> {
        if !self.expired(now) {
            return Vec::new();
        }
        match &self.phase {
            Phase::RevokeDeferred { .. } if !self.is_due(now) => self.uncovered(),
            _ => self.given(),
        }
    }

    /// What stands, but for what another grant covers.
    fn uncovered(&self) -> Vec<Item> {
        let mut items = self.given();
        if let Phase::RevokeDeferred { covered, .. } = &self.phase {
            items.retain(|item| !covered.contains(item));
        }
        items
    }

    /// The same as [`State::needs_work`] for a person who does not wait for the end of a pause.
    pub fn needs_work_at_once(&self, now: Timestamp) -> Option<Work> {
        let paused = self.only_paused() && !self.revokes_too_soon(now);
        let early = || self.work(now).filter(|_| paused);
        self.needs_work(now).or_else(early)
    }

    /// Whether the next turn only waits for the end of a pause that spares the cloud.
    pub(super) fn only_paused(&self) -> bool {
        match &self.phase {
            Phase::Deferred { fault, .. } => fault.is_some(),
            Phase::RevokeDeferred { covered, .. } => {
                let tried = self.revoking.as_ref();
                let mut left = self.given();
                left.retain(|item| tried.is_some_and(|tried| tried.names(item)));
                left.iter().any(|item| !covered.contains(item))
            }
            _ => false,
        }
    }

    /// Whether the request is unfinished or holds a grant, so that the index must name it.
    pub fn live(&self, now: Timestamp) -> bool {
        self.due_at().is_some() || self.holds_any() && !self.expired(now)
    }

    /// Whether the receiver has the image through this request, which shared it or found it shared,
    /// and no record takes it away since. What it found shared, a call-off ends at once.
    pub fn holds(&self, item: &Item) -> bool {
        let held = |result: &ItemResult| {
            let found = result.as_wanted(Action::Share) && self.call_off_of(item).is_none();
            self.gave(result) || found
        };
        self.intent.request.action == Action::Share
            && !matches!(self.phase, Phase::Denied | Phase::Revoked)
            && !self.taken_back(item)
            && (self.results.iter()).any(|result| result.item == *item && held(result))
    }

    fn holds_any(&self) -> bool {
        self.results.iter().any(|result| self.holds(&result.item))
    }

    /// What stands because of this request. Whoever had the image before is not part of it.
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

    /// Whether an item was called off and is not revoked yet.
    pub(super) fn ends_early(&self, item: &Item) -> bool {
        let tried = self.revoked.iter().any(|result| result.item == *item);
        self.call_off_of(item).is_some() && !tried
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

    fn taken_back(&self, item: &Item) -> bool {
        let revoked = |result: &ItemResult| result.item == *item && result.succeeded();
        let cancelled = |cancelled: &CallOff| cancelled.items.contains(item);
        self.revoked.iter().any(revoked) || self.cancelled.iter().any(cancelled)
    }
}
