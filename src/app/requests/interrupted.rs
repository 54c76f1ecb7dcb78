//! What an interrupted worker may have shared without recording it. In: an item's recorded result and the observed
//! state. Out: the result that it then has.

use crate::app::grants::Ownership;
use crate::cloud::error::image_is_missing;
use crate::domain::{Action, CloudError, Item, ItemResult, ResultCode, ResultKind};
use crate::journal::State;
use crate::plan::Observation;

/// Whether no record says that the item was shared. A call may have shared it all the same.
pub(super) fn is_open(result: &ItemResult) -> bool {
    let called_off = result.called_off_by.is_some() && result.kind == ResultKind::Cancelled;
    result.pending() || called_off
}

/// The result of an item that an interrupted worker may have shared: `None` if it did not, a
/// pending result if a later turn must read the cloud again.
pub(super) fn interrupted_result(
    state: &State,
    result: &ItemResult,
    seen: &Observation,
) -> Option<ItemResult> {
    let shares = state.request().action == Action::Share;
    if !shares || !is_open(result) || state.found_before(&result.item) {
        return None;
    }
    // Another account than the opening's misses what that one may have shared. Where no record names the account,
    // only an item in doubt may have been shared by another one.
    let (mut seen, listed) = (seen.clone(), seen.readable);
    let ownership = Ownership::of(state.owner(), seen.owner.as_ref());
    if !ownership.proven() && (ownership != Ownership::NotRecorded || result.maybe_done) {
        seen.doubt_absence(&state.request().target, ownership.differs());
    }
    let kind = match (&result.item, &seen.shares, &seen.unreadable) {
        (Item::Account(account), Some(shares), _) => {
            shares.contains(account).then_some(ResultKind::Shared)
        }
        (Item::Lighthouse(_), ..) if seen.blueprint.is_some() => Some(ResultKind::Available {
            blueprint: seen.blueprint.clone(),
            already: false,
        }),
        _ if seen.readable => None,
        (_, _, Some(error)) if !seen.doubted && image_is_missing(&error.code) => None,
        (_, _, Some(error)) if error.class.passing() => Some(ResultKind::Pending),
        (Item::Account(_), _, error) => {
            let unproven = ownership.explain(&state.request().target.image(), None);
            Some(unseen(error.as_ref(), unproven.filter(|_| listed)))
        }
        (Item::Lighthouse(_), ..) if result.maybe_done => Some(ResultKind::Available {
            blueprint: None,
            already: false,
        }),
        _ => None,
    };
    kind.map(|kind| {
        let known = result.clone();
        let unseen = matches!(kind, ResultKind::Failed { .. });
        ItemResult { kind, ..known }.in_doubt(result.maybe_done || unseen)
    })
}

/// The result of an account that may have got the image: no record says so, and the cloud does not show it. It
/// is taken back, which is harmless if it has nothing. `unproven`: why a list without it shows nothing.
fn unseen(error: Option<&CloudError>, unproven: Option<String>) -> ResultKind {
    let (code, why) = match (error, unproven) {
        (Some(error), _) => (error.code.clone(), error.to_string()),
        (None, Some(unproven)) => (ResultCode::OwnerUnproven.into(), unproven),
        (None, None) => (
            ResultCode::NoReadApi.into(),
            "the site does not list the receivers of a blueprint".to_owned(),
        ),
    };
    let why = format!("the share ended, and whether the account has it is not known: {why}");
    ResultKind::failed(code, why, false)
}
