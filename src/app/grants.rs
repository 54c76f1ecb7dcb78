//! Grants of several requests about the same image: who is covered by whom, and until when. In:
//! states. Knows only the journal, not what the cloud holds.

use crate::domain::{AccountId, Action, ImageRef, Item, ItemResult, ResultKind, Timestamp};
use crate::journal::{Phase, State, StreamId};

/// The next look at a share that an endless grant covers too.
const ENDLESS_RECHECK: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// The earliest second look at a share that a worker holds.
const WORK_RECHECK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// The order of the journal: of two requests about the same, the later one decides. Of the same
/// instant a cancel is later.
pub(super) fn order(state: &State) -> (Timestamp, bool, StreamId) {
    let cancels = state.request().action == Action::Cancel;
    (state.approved_at(), cancels, state.stream())
}

/// Which of `accounts` another unexpired request covers for the same image, and until when to leave
/// them alone.
pub(super) fn covered(
    state: &State,
    accounts: &[AccountId],
    all: &[State],
    now: Timestamp,
) -> Vec<(AccountId, Timestamp)> {
    let (mine, target) = (state.subject(), &state.request().target);
    let others = rivals(state, all, now).filter(|other| {
        // A chain at work may not have recorded yet which blueprint comes of its image.
        let theirs = &other.request().target;
        let same_chain =
            target.lighthouse() && theirs.lighthouse() && target.image() == theirs.image();
        same_chain || other.subject() == mine
    });
    let mut held: Vec<(AccountId, Timestamp)> = Vec::new();
    for other in others {
        for (item, until) in holds(other, now) {
            if let Item::Account(id) = item
                && accounts.contains(&id)
            {
                held.push((id, until));
            }
        }
    }
    held
}

/// Until when another grant needs the image that this request put into Lighthouse: a grant of the same
/// image, or of the blueprint that came of it.
pub(super) fn serving(state: &State, all: &[State], now: Timestamp) -> Option<Timestamp> {
    let image = state.request().target.image();
    let blueprint = state.blueprint().cloned().map(ImageRef::Blueprint);
    let ends = rivals(state, all, now).flat_map(|other| {
        let same_image = other.request().target.image() == image;
        let same_blueprint = blueprint.as_ref() == Some(&other.subject());
        let held = holds(other, now).into_iter();
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
pub(super) fn held(share: &State, now: Timestamp) -> Vec<Item> {
    let mut items = share.request().target.items();
    items.retain(|item| {
        share.holds(item) && share.call_off_of(item).is_none() && !share.expired(now)
    });
    items
}

/// What a request holds, whether it gave it or found it there, and until when to leave that alone.
/// What it is about to share at this moment it may have found there already.
fn holds(other: &State, now: Timestamp) -> Vec<(Item, Timestamp)> {
    let later = |pause| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let until = other.expires_at().unwrap_or_else(|| later(ENDLESS_RECHECK));
    let at_work = match other.phase() {
        Phase::Working { .. } | Phase::Deferred { .. } => true,
        Phase::Waiting { until } => *until <= now,
        _ => false,
    };
    let hold = |result: ItemResult| match result.kind {
        ResultKind::Shared | ResultKind::AlreadyShared | ResultKind::Available { .. } => {
            other.holds(&result.item).then_some((result.item, until))
        }
        ResultKind::Pending if at_work => Some((
            result.item,
            other.due_at().unwrap_or(until).max(later(WORK_RECHECK)),
        )),
        _ => None,
    };
    other.results().into_iter().filter_map(hold).collect()
}
