//! Compares the grants of several requests. Finds the grants that cover the items of an ended share
//! and until when, the grants that inherit an item, and the items that several requests gave. Reads
//! states from the journal, not the cloud.

use std::collections::BTreeSet;

use crate::domain::{
    AccountId, Action, Identity, ImageRef, Item, ItemResult, ResultKind, Target, Timestamp,
};
use crate::journal::{MAX_COVER, Phase, State};

/// The minimum time for which an unfinished request covers an item, even if its work is due now.
/// After this time, the revocation looks for covers again.
const WORK_RECHECK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Another grant that covers an item of an ended share.
#[derive(Debug)]
pub(in crate::app) struct Cover {
    pub(super) item: Item,
    pub(super) by: Identity,
    /// The item must not be revoked before this time. After it, the revocation looks for covers
    /// again.
    pub(super) until: Timestamp,
    /// Whether the covering request also gave the item and is at rest. If so, the end of that
    /// request revokes the item, and the ended share need not wait for it.
    pub(super) inherits: bool,
}

/// Returns the covers of `accounts` by other unexpired shares of the same image. If this request is
/// a chain, other chains of the same CVM image count, too.
pub(in crate::app) fn covers_of_accounts(
    state: &State,
    accounts: &[AccountId],
    all: &[State],
    now: Timestamp,
) -> Vec<Cover> {
    let others = other_shares(state, all, now).filter(|other| same_subject(state, other));
    let mine = |item: &Item| matches!(item, Item::Account(id) if accounts.contains(id));
    // If this chain's blueprint is not on record, only the covers of its accounts show that the
    // image must stay in Lighthouse. These covers therefore do not inherit the items.
    let unmade =
        matches!(state.request().target, Target::Chain { .. }) && state.blueprint().is_none();
    let covers = others.flat_map(|other| {
        let same = !unmade && other.subject() == state.subject();
        covers_of(other, now).into_iter().map(move |cover| Cover {
            inherits: cover.inherits && same,
            ..cover
        })
    });
    covers.filter(|cover| mine(&cover.item)).collect()
}

/// Returns the cover by another share that also put the image into Lighthouse and that removes the
/// image from there at its own end.
pub(super) fn heir_in_lighthouse(
    state: &State,
    item: &Item,
    all: &[State],
    now: Timestamp,
) -> Option<Cover> {
    let mut covers = other_shares(state, all, now).flat_map(|other| covers_of(other, now));
    covers.find(|cover| cover.inherits && cover.item == *item)
}

/// Returns the cover that ends first among those of other shares that need this request's image in
/// Lighthouse. A share needs it if it puts the same image into Lighthouse, or if it shares the
/// blueprint of the image with accounts. Call it for a request that put an image into Lighthouse.
pub(in crate::app) fn serving(state: &State, all: &[State], now: Timestamp) -> Option<Cover> {
    let image = state.request().target.image();
    let blueprint = state.blueprint().cloned().map(ImageRef::Blueprint);
    let ends = other_shares(state, all, now).flat_map(|other| {
        let same_image = other.request().target.image() == image;
        let same_blueprint = blueprint.as_ref() == Some(&other.subject());
        let held = covers_of(other, now).into_iter();
        held.filter(move |cover| match cover.item {
            Item::Lighthouse(_) => same_image,
            Item::Account(_) => same_blueprint,
        })
    });
    ends.min_by_key(|cover| cover.until)
}

/// Whether the accounts of both requests see the same image. Chains are also equal if their CVM
/// images are, because a chain that is being carried out may not have recorded its blueprint yet.
fn same_subject(state: &State, other: &State) -> bool {
    let (target, theirs) = (&state.request().target, &other.request().target);
    let same_chain = target.lighthouse() && theirs.lighthouse() && target.image() == theirs.image();
    same_chain || other.subject() == state.subject()
}

/// Returns the items of this share that other requests gave and that are still shared, except those
/// that a share with a later end also gave. The end of this share revokes the returned items.
pub(in crate::app) fn given_before(share: &State, all: &[State]) -> BTreeSet<Item> {
    let (items, longer) = (share.request().target.items(), kept_longer(share, all));
    let given = all.iter().flat_map(|other| same_given(share, other));
    given
        .filter(|item| items.contains(item) && !longer.contains(item))
        .collect()
}

/// Returns the items that both this share and another share gave, if the other share ends later or
/// never. The end of this share does not revoke these items.
pub(in crate::app) fn given_for_longer(share: &State, all: &[State]) -> Vec<Item> {
    let longer = kept_longer(share, all);
    let mut items = share.given();
    items.retain(|item| longer.contains(item));
    items
}

/// Returns the items that were given by other shares that end later than this one or never. Leaves
/// out items in doubt and items that were called off, because they cover nothing.
fn kept_longer(share: &State, all: &[State]) -> BTreeSet<Item> {
    let later = |other: &&State| match (share.ends_at(), other.ends_at()) {
        (Some(mine), Some(theirs)) => theirs > mine,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let kept = all.iter().filter(later).flat_map(|other| {
        let results = other.results();
        let mut given = same_given(share, other);
        given.retain(|item| {
            let made = |result: &ItemResult| result.item == *item && result.succeeded();
            other.call_off_of(item).is_none() && results.iter().any(made)
        });
        given
    });
    kept.collect()
}

/// Returns the items that live workers of other shares may have given without a record yet: they saw
/// the cloud without these items.
pub(in crate::app) fn being_given(share: &State, all: &[State], now: Timestamp) -> BTreeSet<Item> {
    let at_work = other_shares(share, all, now).filter(|other| {
        let working = matches!(other.phase(), Phase::Working { .. }) && !other.is_due(now);
        working && other.looked_before()
    });
    let open = at_work.flat_map(|other| {
        let pending = other.results().into_iter().filter(ItemResult::pending);
        concerned(share, other, pending.map(|result| result.item).collect())
    });
    open.collect()
}

/// Returns the items that `other` gave and that `share` may concern.
fn same_given(share: &State, other: &State) -> Vec<Item> {
    concerned(share, other, other.given())
}

/// Returns those `items` of `other` that `share` may concern.
fn concerned(share: &State, other: &State, mut items: Vec<Item>) -> Vec<Item> {
    let concerns =
        other.identity() != share.identity() && other.request().region == share.request().region;
    items.retain(|item| match item {
        _ if !concerns => false,
        Item::Account(_) => same_subject(share, other),
        Item::Lighthouse(_) => true,
    });
    items
}

/// Returns the other shares in the region that are neither denied, revoked nor expired.
fn other_shares<'a>(
    state: &'a State,
    all: &'a [State],
    now: Timestamp,
) -> impl Iterator<Item = &'a State> {
    all.iter().filter(move |other| {
        other.identity() != state.identity()
            && other.request().action == Action::Share
            && !matches!(other.phase(), Phase::Denied | Phase::Revoked)
            && !other.expired(now)
            && other.request().region == state.request().region
    })
}

/// Returns the items that an unexpired share gave or found shared, except those that were taken
/// away or called off later.
pub(in crate::app) fn held_items(share: &State, now: Timestamp) -> Vec<Item> {
    let mut items = share.request().target.items();
    items.retain(|item| {
        share.holds(item) && share.call_off_of(item).is_none() && !share.expired(now)
    });
    items
}

/// Returns a cover for each item that a request gave or found shared, and for each item that it may
/// still find shared while it is carried out. Leaves out called-off items: otherwise, two shares
/// that are about to be revoked could cover each other.
fn covers_of(other: &State, now: Timestamp) -> Vec<Cover> {
    let later = |pause| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let recheck = later(MAX_COVER);
    let until = other.ends_at().map_or(recheck, |end| end.min(recheck));
    // Once its revocation has begun, a share inherits nothing, because its worker may be reading
    // what this share gave.
    let inherited = match other.phase() {
        Phase::Closed => other.given(),
        _ => Vec::new(),
    };
    let cover = |item, until| Cover {
        inherits: inherited.contains(&item),
        item,
        by: other.identity().clone(),
        until,
    };
    let at_work = match other.phase() {
        Phase::Working { .. } | Phase::Deferred { .. } => true,
        Phase::Waiting { until } => *until <= now,
        _ => false,
    };
    let hold = |result: ItemResult| match result.kind {
        _ if result.called_off_by.is_some() => None,
        ResultKind::Shared | ResultKind::AlreadyShared | ResultKind::Available { .. } => {
            other.holds(&result.item).then(|| cover(result.item, until))
        }
        ResultKind::Pending if at_work => {
            let until = other.due_at().unwrap_or(until).max(later(WORK_RECHECK));
            Some(cover(result.item, until))
        }
        _ => None,
    };
    other.results().into_iter().filter_map(hold).collect()
}
