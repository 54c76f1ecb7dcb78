//! The register of grants over all requests: what one gave, a later cancel may have taken. In:
//! states. Out: grants that stand, and who is covered by whom. Knows only the journal, not what the
//! cloud holds.

use crate::domain::{AccountId, Action, ImageRef, Item, ItemResult, ResultKind, Timestamp};
use crate::journal::{Grant, Phase, State, StreamId};

/// When a share that another, endless grant covers too is looked at again.
const LOOK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// When a share that somebody is at work on is looked at again, at the earliest.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// The order of the journal: of two requests about the same, the later one decides. Of the same
/// instant a cancel is later.
pub(super) fn order(state: &State) -> (Timestamp, bool, StreamId) {
    let cancels = state.request().action == Action::Cancel;
    (state.approved_at(), cancels, state.stream())
}

/// The requests that cancelled something.
pub(super) fn cancels(states: &[State]) -> Vec<&State> {
    let gone =
        |result: &ItemResult| matches!(result.kind, ResultKind::Cancelled | ResultKind::NotShared);
    let cancels = states
        .iter()
        .filter(|state| state.request().action == Action::Cancel);
    cancels
        .filter(|state| state.results().iter().any(gone))
        .collect()
}

/// What a request gave and nothing has taken away since: neither its own expiry nor a later cancel.
pub(super) fn standing(state: &State, cancels: &[&State], now: Timestamp) -> Option<Grant> {
    let mut grant = state.grant(now)?;
    let since = grant.since;
    grant
        .accounts
        .retain(|account| !taken(state, &Item::Account(account.clone()), since, cancels));
    if let ImageRef::Cvm(image) = &grant.image {
        grant.lighthouse &= !taken(state, &Item::Lighthouse(image.clone()), since, cancels);
    }
    (grant.lighthouse || !grant.accounts.is_empty()).then_some(grant)
}

/// Whether a cancel that ended at or after `since` took this item of the request away.
fn taken(state: &State, item: &Item, since: Timestamp, cancels: &[&State]) -> bool {
    let same_image = |cancel: &State| cancel.subject() == state.subject();
    let left_lighthouse = |cancel: &State| {
        // What leaves Lighthouse leaves everybody who had it there.
        state.request().target.lighthouse()
            && cancel.request().target.lighthouse()
            && cancel.request().target.image() == state.request().target.image()
    };
    cancels.iter().any(|cancel| {
        let mut gone = cancel
            .results()
            .into_iter()
            .filter(ItemResult::succeeded)
            .map(|result| result.item);
        // A cancel that was approved before the share and ended after it left the share alone.
        order(cancel) > order(state)
            && cancel.updated_at() >= since
            && cancel.request().region == state.request().region
            && gone.any(|other| match &other {
                Item::Account(_) => other == *item && same_image(cancel),
                Item::Lighthouse(_) => left_lighthouse(cancel),
            })
    })
}

/// Which of `accounts` another unexpired request covers for the same image, and until when to leave
/// them alone.
pub(super) fn covered(
    state: &State,
    accounts: &[AccountId],
    all: &[State],
    now: Timestamp,
) -> Vec<(AccountId, Timestamp)> {
    let (cancels, mine) = (cancels(all), state.subject());
    let others = rivals(state, all, now).filter(|other| other.subject() == mine);
    let mut held: Vec<(AccountId, Timestamp)> = Vec::new();
    for other in others {
        for (item, until) in holds(other, &cancels, now) {
            if let Item::Account(id) = item
                && accounts.contains(&id)
            {
                held.push((id, until));
            }
        }
    }
    held
}

/// Until when the image that this request put into Lighthouse serves somebody else there: another
/// request for the same, or whoever has the blueprint that came of it.
pub(super) fn serving(state: &State, all: &[State], now: Timestamp) -> Option<Timestamp> {
    let cancels = cancels(all);
    let image = state.request().target.image();
    let blueprint = state.blueprint().cloned().map(ImageRef::Blueprint);
    let ends = rivals(state, all, now).flat_map(|other| {
        let same_image = other.request().target.image() == image;
        let same_blueprint = blueprint.as_ref() == Some(&other.subject());
        let held = holds(other, &cancels, now).into_iter();
        held.filter(move |(item, _)| match item {
            Item::Lighthouse(_) => same_image,
            Item::Account(_) => same_blueprint,
        })
    });
    ends.map(|(_, until)| until).min()
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
pub(super) fn held(share: &State, cancels: &[&State], now: Timestamp) -> Vec<Item> {
    if matches!(share.phase(), Phase::Denied | Phase::Revoked) || share.expired(now) {
        return Vec::new();
    }
    let since = share
        .grant(now)
        .map_or(share.approved_at(), |grant| grant.since);
    let given = share.results().into_iter().filter(|result| {
        let given = matches!(
            result.kind,
            ResultKind::Shared | ResultKind::AlreadyShared | ResultKind::Available { .. }
        );
        given && result.called_off_by.is_none() && !taken(share, &result.item, since, cancels)
    });
    given.map(|result| result.item).collect()
}

/// What a request holds, whether it gave it or found it there, and until when to leave that alone.
/// What it is about to share at this moment it may have found there already.
fn holds(other: &State, cancels: &[&State], now: Timestamp) -> Vec<(Item, Timestamp)> {
    let later = |pause| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let until = other.expires_at().unwrap_or_else(|| later(LOOK_AGAIN));
    let at_work = matches!(
        other.phase(),
        Phase::Working { .. } | Phase::Deferred { .. }
    );
    let given = other
        .grant(now)
        .map_or(other.approved_at(), |grant| grant.since);
    let hold = |result: ItemResult| match result.kind {
        ResultKind::Shared | ResultKind::AlreadyShared | ResultKind::Available { .. } => {
            (!taken(other, &result.item, given, cancels)).then_some((result.item, until))
        }
        ResultKind::Pending if at_work => Some((
            result.item,
            other.due_at().unwrap_or(until).max(later(SOON)),
        )),
        _ => None,
    };
    other.results().into_iter().filter_map(hold).collect()
}
