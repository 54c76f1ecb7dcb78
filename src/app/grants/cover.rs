//! Which grants of other requests cover the items of an ended share, and until when; which of them
//! inherit an item; which items several requests gave. In: states. Out: covers, items. Knows only
//! the journal, not the cloud.

use std::collections::BTreeSet;

use crate::domain::{
    AccountId, Action, Identity, ImageRef, Item, ItemResult, ResultKind, Target, Timestamp,
};
use crate::journal::{MAX_COVER, Phase, State};

/// How long an unfinished request covers an item at least, even if its work is due now. After that
/// the revocation looks for covers again.
const WORK_RECHECK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Another grant that covers an item of an ended share.
#[derive(Debug)]
pub(in crate::app) struct Cover {
    pub(super) item: Item,
    /// The request that covers the item.
    pub(super) by: Identity,
    /// Until when the item must not be revoked. Then covers are looked for again.
    pub(super) until: Timestamp,
    /// Whether that request gave the item, too, and is at rest. Its own end then revokes the item,
    /// so the ended share need not wait for it.
    pub(super) inherits: bool,
}

/// Returns the covers of `accounts` by other unexpired shares of the same image, or by other chains
/// of the same CVM image if this request is a chain.
pub(in crate::app) fn covers_of_accounts(
    state: &State,
    accounts: &[AccountId],
    all: &[State],
    now: Timestamp,
) -> Vec<Cover> {
    let others = other_shares(state, all, now).filter(|other| same_subject(state, other));
    let mine = |item: &Item| matches!(item, Item::Account(id) if accounts.contains(id));
    // Without its blueprint on record, this request needs the covers of its accounts to see that
    // the image must stay in Lighthouse.
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

/// Returns the cover by another share that put the same image into Lighthouse, too, and whose end
/// removes it from there.
pub(super) fn heir_in_lighthouse(
    state: &State,
    item: &Item,
    all: &[State],
    now: Timestamp,
) -> Option<Cover> {
    let mut covers = other_shares(state, all, now).flat_map(|other| covers_of(other, now));
    covers.find(|cover| cover.inherits && cover.item == *item)
}

/// Returns, of the covers by other shares that need this request's image in Lighthouse, the one
/// that ends first. Such a share is one of the same image to Lighthouse, or one of its blueprint
/// with accounts. Call it for a request that put an image into Lighthouse.
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

/// Whether the accounts of both requests see the same image. A chain that is being carried out may
/// not have recorded yet which blueprint its image has, so this compares the CVM images of chains
/// too.
fn same_subject(state: &State, other: &State) -> bool {
    let (target, theirs) = (&state.request().target, &other.request().target);
    let same_chain = target.lighthouse() && theirs.lighthouse() && target.image() == theirs.image();
    same_chain || other.subject() == state.subject()
}

/// Returns the items of this share that other requests gave and that are still shared, if this share
/// ends last. Its end then revokes them.
pub(in crate::app) fn given_before(share: &State, all: &[State]) -> BTreeSet<Item> {
    let (items, longer) = (share.request().target.items(), kept_longer(share, all));
    let given = all.iter().flat_map(|other| same_given(share, other));
    given
        .filter(|item| items.contains(item) && !longer.contains(item))
        .collect()
}

/// Returns the items that this share gave and that another share, which ends later or never, gave
/// too: the end of this share does not revoke them.
pub(in crate::app) fn given_for_longer(share: &State, all: &[State]) -> Vec<Item> {
    let longer = kept_longer(share, all);
    let mut items = share.given();
    items.retain(|item| longer.contains(item));
    items
}

/// The items that other shares gave which end later than this one, or never. Leaves out items in
/// doubt and those that were called off: they cover nothing.
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

/// The items that another request gave, among those that this share may concern.
fn same_given(share: &State, other: &State) -> Vec<Item> {
    let concerns =
        other.identity() != share.identity() && other.request().region == share.request().region;
    let mut given = other.given();
    given.retain(|item| match item {
        _ if !concerns => false,
        Item::Account(_) => same_subject(share, other),
        Item::Lighthouse(_) => true,
    });
    given
}

/// The other shares in the region that are neither denied, revoked nor expired.
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

/// The items that an unexpired share gave or found shared, without those that were taken away or
/// called off since.
pub(in crate::app) fn held_items(share: &State, now: Timestamp) -> Vec<Item> {
    let mut items = share.request().target.items();
    items.retain(|item| {
        share.holds(item) && share.call_off_of(item).is_none() && !share.expired(now)
    });
    items
}

/// The items that a request covers: those that it gave or found shared, and those that it may find
/// shared while it is carried out. Called-off items are left out. Otherwise two shares that are to
/// be revoked could cover each other.
fn covers_of(other: &State, now: Timestamp) -> Vec<Cover> {
    let later = |pause| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let recheck = later(MAX_COVER);
    let until = other.ends_at().map_or(recheck, |end| end.min(recheck));
    // A share whose revocation has begun inherits nothing: it may be reading what this share gave.
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
