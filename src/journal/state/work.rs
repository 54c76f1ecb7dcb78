//! What is left to do, and what is shared. In: a state and the present instant. Out: [`Work`] and
//! [`Grant`]. Only what a request itself gave is ever taken back: who had the image before keeps
//! it.

use crate::domain::{
    AccountId, Action, BlueprintId, Identity, ImageRef, Item, Region, ResultKind, Timestamp,
};

use super::super::record::StreamId;
use super::{Phase, State};

/// What a sweep, or the next delivery, has to do for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// The moment of a request that was to wait has come. Look at [`State::expired`] before
    /// anything is shared.
    Start,
    /// Begun and not finished: find out what is done already and finish it. The same look at the
    /// expiry applies.
    Finish,
    /// The share has expired: take it back from whom it was given to and is not yet taken from.
    Revoke {
        /// The accounts; may be empty when only the outcome has to be recorded.
        accounts: Vec<AccountId>,
        /// Whether the image is to leave Lighthouse.
        lighthouse: bool,
    },
}

/// What a request gave and what is still standing: one line of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where the journal holds it.
    pub stream: StreamId,
    /// Which request gave it.
    pub identity: Identity,
    /// The ticket, for people.
    pub ticket: Option<String>,
    /// Who asked.
    pub requester: String,
    /// Who approved.
    pub approvers: Vec<String>,
    /// The image as the request names it.
    pub image: ImageRef,
    /// The blueprint that came of it in Lighthouse; it is what the accounts of a chain see.
    pub blueprint: Option<BlueprintId>,
    /// Where.
    pub region: Region,
    /// The accounts that have it because of this request.
    pub accounts: Vec<AccountId>,
    /// Whether it is in Lighthouse because of this request.
    pub lighthouse: bool,
    /// Since when: the first record that tells of a share.
    pub since: Timestamp,
    /// Until when; none for a share without an end.
    pub until: Option<Timestamp>,
    /// Whether its end has come and it still stands.
    pub overdue: bool,
    /// The policies that allowed it.
    pub policies: Vec<String>,
}

impl State {
    /// What has to be done at `now`, when anything has.
    pub fn needs_work(&self, now: Timestamp) -> Option<Work> {
        if self.due_at()? > now {
            return None;
        }
        match &self.phase {
            Phase::Denied | Phase::Revoked => None,
            Phase::Waiting { .. } => Some(Work::Start),
            Phase::Working { .. } | Phase::Deferred { .. } => Some(Work::Finish),
            Phase::Closed | Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => {
                Some(Work::Revoke {
                    accounts: self.standing(),
                    lighthouse: self.in_lighthouse(),
                })
            }
        }
    }

    /// When there will be something to do if nobody does anything before; `None` when the story is
    /// over.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Denied | Phase::Revoked => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Working { lease_until, .. } | Phase::Revoking { lease_until, .. } => {
                Some(*lease_until)
            }
            Phase::Deferred { not_before, .. } => {
                // An expiry that falls into the pause ends it: the sooner it is closed, the sooner
                // it is taken back. One that was over already when the pause began does not, or the
                // pause would be none.
                let end = self.intent.expires_at.filter(|end| *end > self.updated_at);
                Some(end.map_or(*not_before, |end| end.min(*not_before)))
            }
            Phase::RevokeDeferred { not_before, .. } => Some(*not_before),
            Phase::Closed => {
                let stands = !self.standing().is_empty() || self.in_lighthouse();
                self.intent.expires_at.filter(|_| stands)
            }
        }
    }

    /// What stands because of this request. Whoever had the image before is not part of it.
    pub fn grant(&self, now: Timestamp) -> Option<Grant> {
        let (accounts, lighthouse) = (self.standing(), self.in_lighthouse());
        if accounts.is_empty() && !lighthouse {
            return None;
        }
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
            until: self.intent.expires_at,
            overdue: self.expired(now),
            policies: self.intent.verdict.policies.clone(),
        })
    }

    /// The accounts that got the image from this request and have not been seen without it since.
    pub(super) fn standing(&self) -> Vec<AccountId> {
        let gave = |item: &Item| {
            self.results
                .iter()
                .any(|result| result.item == *item && result.kind == ResultKind::Shared)
        };
        let accounts = self.intent.request.target.accounts().iter();
        accounts
            .filter(|account| {
                let item = Item::Account((*account).clone());
                self.shares() && gave(&item) && !self.taken_back(&item)
            })
            .cloned()
            .collect()
    }

    /// Whether the image is in Lighthouse because of this request.
    pub(super) fn in_lighthouse(&self) -> bool {
        self.shares()
            && self.results.iter().any(|result| {
                matches!(result.kind, ResultKind::Available { already: false, .. })
                    && !self.taken_back(&result.item)
            })
    }

    fn shares(&self) -> bool {
        self.intent.request.action == Action::Share
    }

    fn taken_back(&self, item: &Item) -> bool {
        self.revoked
            .iter()
            .any(|result| result.item == *item && result.succeeded())
    }
}
