//! Grants of several requests about the same image: who is covered by whom, and until when. In:
//! states. Knows only the journal, not what the cloud holds.

use crate::domain::{
    AccountId, Action, Identity, ImageRef, Item, ItemResult, ResultKind, Timestamp,
};
use crate::journal::{MAX_COVER, Phase, State};

/// The earliest second look at a share that a worker holds.
const WORK_RECHECK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Another grant that covers an item of an ended share.
#[derive(Debug)]
pub(in crate::app) struct Cover {
    pub(super) item: Item,
    /// The request that holds it.
    pub(super) by: Identity,
    /// Until when to leave it alone.
    pub(super) until: Timestamp,
}

/// Which of `accounts` another unexpired request covers for the same image.
pub(in crate::app) fn covered(
    state: &State,
    accounts: &[AccountId],
    all: &[State],
    now: Timestamp,
) -> Vec<Cover> {
    let (mine, target) = (state.subject(), &state.request().target);
    let others = rivals(state, all, now).filter(|other| {
        // A chain at work may not have recorded yet which blueprint comes of its image.
        let theirs = &other.request().target;
        let same_chain =
            target.lighthouse() && theirs.lighthouse() && target.image() == theirs.image();
        same_chain || other.subject() == mine
    });
    let mine = |item: &Item| matches!(item, Item::Account(id) if accounts.contains(id));
    let covers = others.flat_map(|other| holds(other, now));
    covers.filter(|cover| mine(&cover.item)).collect()
}

/// What of another grant needs the image that this request put into Lighthouse: a grant of the same
/// image, or of the blueprint that came of it.
pub(in crate::app) fn serving(state: &State, all: &[State], now: Timestamp) -> Option<Cover> {
    let image = state.request().target.image();
    let blueprint = state.blueprint().cloned().map(ImageRef::Blueprint);
    let ends = rivals(state, all, now).flat_map(|other| {
        let same_image = other.request().target.image() == image;
        let same_blueprint = blueprint.as_ref() == Some(&other.subject());
        let held = holds(other, now).into_iter();
        held.filter(move |cover| match cover.item {
            Item::Lighthouse(_) => same_image,
            Item::Account(_) => same_blueprint,
        })
    });
    ends.min_by_key(|cover| cover.until)
}

/// The other requests of the region that share and whose end has not come.
fn rivals<'a>(
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

/// What a share gave or found given, and nothing has taken away or called off since.
pub(in crate::app) fn held(share: &State, now: Timestamp) -> Vec<Item> {
    let mut items = share.request().target.items();
    items.retain(|item| {
        share.holds(item) && share.call_off_of(item).is_none() && !share.expired(now)
    });
    items
}

/// What a request holds, whether it gave it or found it there, and until when to leave that alone.
/// What it is about to share at this moment it may have found there already. What was called off it
/// does not hold: two shares that wait to be taken back must not keep each other.
fn holds(other: &State, now: Timestamp) -> Vec<Cover> {
    let later = |pause| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let recheck = later(MAX_COVER);
    let until = other.ends_at().map_or(recheck, |end| end.min(recheck));
    let cover = |item, until| Cover {
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
