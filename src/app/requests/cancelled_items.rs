//! Computes which items of a share a cancel takes away, from the states of both requests and the
//! images that the cancel affects.

use std::collections::BTreeSet;

use crate::domain::{Action, ImageRef, Item, ItemResult, ShareRequest, Target};
use crate::journal::State;

#[derive(Debug, Default)]
pub(super) struct AffectedImages {
    /// The images that accounts lose: the cancelled image or, if a chain is cancelled, the
    /// blueprints created from its image.
    pub(super) from_accounts: BTreeSet<ImageRef>,
    /// The CVM image in Lighthouse: the cancelled image, or the image from which the cancelled
    /// blueprint was created.
    pub(super) published: Option<ImageRef>,
    /// The blueprints that were created from `published`.
    pub(super) made: BTreeSet<ImageRef>,
}

/// Returns the items of `share` that this cancel calls off, including items that already have a
/// final result. Returns nothing if the share does not precede the cancel.
pub(super) fn items_called_off(
    cancel: &State,
    share: &State,
    images: &AffectedImages,
) -> Vec<Item> {
    if !precedes(share, cancel) {
        return Vec::new();
    }
    items_lost(cancel, share, images)
}

/// Whether the share comes before this cancel, which then takes its items away.
pub(super) fn precedes(share: &State, cancel: &State) -> bool {
    // Only a cancel of a comparison is ordered before its own approval. It did not see a share that
    // was recorded after the comparison began, even if that share was approved before.
    let compared = cancel.ordered_at() < cancel.approved_at();
    let unseen = compared && share.recorded_at() > cancel.ordered_at();
    !unseen && share.order() < cancel.order()
}

/// Returns the items of `share` that the calls of this cancel take away. If the cancel's own
/// approval was withdrawn for some items, the cancel makes no call for them, so they are left out.
pub(super) fn items_lost(cancel: &State, share: &State, images: &AffectedImages) -> Vec<Item> {
    let request = cancel.remaining();
    request.map_or_else(Vec::new, |request| items_lost_by(&request, share, images))
}

/// Returns the items of `share` that a cancel with this `request` takes away by its calls.
pub(super) fn items_lost_by(
    request: &ShareRequest,
    share: &State,
    images: &AffectedImages,
) -> Vec<Item> {
    let target = &share.request().target;
    if share.request().action != Action::Share || share.request().region != request.region {
        return Vec::new();
    }
    let same_publication = target.lighthouse() && images.published == Some(target.image());
    let in_lighthouse = same_publication || images.made.contains(&share.subject());
    if in_lighthouse && request.target.lighthouse() {
        // Removing an image from Lighthouse takes it from every account that has it there.
        return target.items();
    }
    let unmade = matches!(target, Target::Chain { .. }) && share.blueprint().is_none();
    let same_image = if unmade {
        same_publication
    } else {
        images.from_accounts.contains(&share.subject())
    };
    let lost = request
        .target
        .accounts()
        .iter()
        .filter(|account| same_image && target.accounts().contains(account));
    lost.cloned().map(Item::Account).collect()
}

/// Whether `result`, a result of a cancel, shows that `item` of the share is gone.
pub(in crate::app) fn gone(result: &ItemResult, item: &Item, share: &State) -> bool {
    // Removing an image from Lighthouse takes it from every account that has it there.
    let in_lighthouse =
        share.request().target.lighthouse() || matches!(share.subject(), ImageRef::Blueprint(_));
    let left = matches!(result.item, Item::Lighthouse(_)) && in_lighthouse;
    result.succeeded() && (result.item == *item || left)
}

/// Returns the items of `share` that would be lost if a cancel took away `item`.
pub(super) fn items_that_need(item: &Item, share: &State, images: &AffectedImages) -> Vec<Item> {
    let (target, subject) = (&share.request().target, share.subject());
    let mut items = target.items();
    items.retain(|of_share| match (item, of_share) {
        (Item::Account(_), Item::Account(_)) => {
            item == of_share && images.from_accounts.contains(&subject)
        }
        (Item::Lighthouse(_), Item::Lighthouse(_)) => images.published == Some(target.image()),
        // An image must stay in Lighthouse for every account that has its blueprint.
        (Item::Lighthouse(_), Item::Account(_)) => images.made.contains(&subject),
        (Item::Account(_), Item::Lighthouse(_)) => false,
    });
    items
}
