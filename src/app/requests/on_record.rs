//! Collects what the journal records about the items that a cancel or a revocation takes away, from
//! the states of the shares that gave them.

use std::collections::BTreeSet;

use crate::app::context::LIST_DELAY;
use crate::app::grants::Ownership;
use crate::domain::{AccountId, ImageRef, Item, ItemResult, ShareRequest, Timestamp};
use crate::journal::State;
use crate::plan::{Given, Observation};

use super::cancelled_items::{AffectedImages, items_lost};

/// What the journal records about the items that a cancel or a revocation takes away. Empty for a
/// share.
#[derive(Debug, Default)]
pub(in crate::app) struct OnRecord {
    /// The results of items for which no call is made, such as items that a later share holds.
    pub(super) kept: Vec<ItemResult>,
    /// The owner account of each share from which items are taken, or `None` if no record names it.
    pub(super) owners: Vec<Option<AccountId>>,
    pub(super) given: Given,
}

impl OnRecord {
    /// Collects what is on record about those shares among `states` from which `cancel` takes
    /// items.
    pub(super) fn of_cancel(
        cancel: &State,
        states: &[State],
        images: &AffectedImages,
        now: Timestamp,
    ) -> Self {
        let mut known = Self::default();
        for share in states {
            let mut items = items_lost(cancel, share, images);
            items.retain(|item| share.holds(item));
            if !items.is_empty() {
                known.add(share, items.into_iter().collect(), now);
            }
        }
        known
    }

    /// Collects what is on record about `share`, of which `items` are being revoked.
    pub(in crate::app) fn of_revocation(share: &State, items: Vec<Item>, now: Timestamp) -> Self {
        let mut known = Self::default();
        known.add(share, items.into_iter().collect(), now);
        known
    }

    /// Results for the items of a revocation if another account is known to have given all
    /// these shares: they get no call, because what the key in use finds under the image's name is
    /// not what was shared. `seen` names the account of that key; `entry`: its name in the
    /// configuration. Omits the items that `done` settles.
    pub(super) fn of_another_owner(
        &self,
        request: &ShareRequest,
        seen: &Observation,
        done: &[ItemResult],
        entry: Option<&str>,
    ) -> Vec<ItemResult> {
        let asked = seen.owner.as_ref();
        let owners = self.owners.iter();
        let ownerships: Vec<_> = owners
            .map(|given| Ownership::of(given.as_ref(), asked))
            .collect();
        let foreign = ownerships
            .first()
            .filter(|_| ownerships.iter().all(Ownership::differs));
        let Some(kind) = foreign.and_then(|one| one.open_result(&request.target.image(), entry))
        else {
            return Vec::new();
        };
        let settled = |item: &Item| {
            done.iter()
                .any(|result| result.item == *item && !result.pending())
        };
        let items = request
            .target
            .items()
            .into_iter()
            .filter(|item| !settled(item));
        items
            .map(|item| ItemResult::new(item, kind.clone(), None))
            .collect()
    }

    pub(super) fn add(&mut self, share: &State, items: BTreeSet<Item>, now: Timestamp) {
        self.owners.push(share.owner().cloned());
        let named = match share.subject() {
            ImageRef::Blueprint(blueprint) => Some(blueprint),
            ImageRef::Cvm(_) => share.blueprint().cloned(),
        };
        self.given.blueprint = named.or(self.given.blueprint.take());
        if share.gave_within(now, LIST_DELAY) {
            self.given.lately.extend(items.iter().cloned());
        }
        self.given.items.extend(items);
    }
}
