//! The register of grants over all requests: what one gave, a later cancel may have taken. In: states. Out: grants that
//! stand, and who is covered by whom. Knows only the journal, not what the cloud holds.

use crate::domain::{AccountId, Action, ImageRef, Item, ItemResult, Region, ResultKind, Target, Timestamp};
use crate::journal::{Grant, Phase, State};

/// When a share that another, endless grant covers too is looked at again.
const LOOK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// What the accounts of a request see: of a chain the blueprint, once it is known.
pub(super) fn subject(state: &State) -> ImageRef {
    match (&state.request().target, state.blueprint()) {
        (Target::Chain { .. }, Some(blueprint)) => ImageRef::Blueprint(blueprint.clone()),
        (target, _) => target.image(),
    }
}

/// The requests that cancelled something.
pub(super) fn cancels(states: &[State]) -> Vec<&State> {
    let gone = |result: &ItemResult| matches!(result.kind, ResultKind::Cancelled | ResultKind::NotShared);
    let cancels = states.iter().filter(|state| state.request().action == Action::Cancel);
    cancels.filter(|state| state.results().iter().any(gone)).collect()
}

/// What a request gave and nothing has taken away since: neither its own expiry nor a later cancel.
pub(super) fn standing(state: &State, cancels: &[&State], now: Timestamp) -> Option<Grant> {
    let mut grant = state.grant(now)?;
    let since = grant.since;
    grant.accounts.retain(|account| !taken(state, &Item::Account(account.clone()), since, cancels));
    if let ImageRef::Cvm(image) = &grant.image {
        grant.lighthouse &= !taken(state, &Item::Lighthouse(image.clone()), since, cancels);
    }
    (grant.lighthouse || !grant.accounts.is_empty()).then_some(grant)
}

/// Whether a cancel that ended at or after `since` took this item of the request away.
fn taken(state: &State, item: &Item, since: Timestamp, cancels: &[&State]) -> bool {
    let same_image = |cancel: &State| subject(cancel) == subject(state);
    let left_lighthouse = |cancel: &State| {
        // What leaves Lighthouse leaves everybody who had it there.
        state.request().target.lighthouse()
            && cancel.request().target.lighthouse()
            && cancel.request().target.image() == state.request().target.image()
    };
    cancels.iter().any(|cancel| {
        let mut gone = cancel.results().into_iter().filter(ItemResult::succeeded).map(|result| result.item);
        cancel.updated_at() >= since
            && cancel.request().region == state.request().region
            && gone.any(|other| match &other {
                Item::Account(_) => other == *item && same_image(cancel),
                Item::Lighthouse(_) => left_lighthouse(cancel),
            })
    })
}

/// Which of `accounts` another unexpired request covers for the same image, and until when to leave them alone.
pub(super) fn covered(
    state: &State,
    accounts: &[AccountId],
    all: &[State],
    now: Timestamp,
) -> Vec<(AccountId, Timestamp)> {
    let (mine, region): (ImageRef, &Region) = (subject(state), &state.request().region);
    let cancels = cancels(all);
    let others = all.iter().filter(|other| {
        other.identity() != state.identity()
            && other.request().action == Action::Share
            && !matches!(other.phase(), Phase::Denied | Phase::Revoked)
            && !other.expired(now)
            && &other.request().region == region
            && subject(other) == mine
    });
    let mut held: Vec<(AccountId, Timestamp)> = Vec::new();
    for other in others {
        let until = other.expires_at().or_else(|| now.checked_add(LOOK_AGAIN).ok()).unwrap_or(Timestamp::MAX);
        let given = other.grant(now).map_or(other.approved_at(), |grant| grant.since);
        for result in other.results() {
            let has = matches!(result.kind, ResultKind::Shared | ResultKind::AlreadyShared);
            if has
                && let Item::Account(id) = &result.item
                && accounts.contains(id)
                && !taken(other, &result.item, given, &cancels)
            {
                held.push((id.clone(), until));
            }
        }
    }
    held
}
