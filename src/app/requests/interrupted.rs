//! Determines what an interrupted worker may have shared without recording it. Takes an item's
//! recorded result and the observed state of the cloud, and returns the item's result after that
//! observation.

use crate::app::grants::Ownership;
use crate::cloud::error::image_is_missing;
use crate::domain::{Action, CloudError, Item, ItemResult, ResultCode, ResultKind};
use crate::journal::State;
use crate::plan::Observation;

/// Whether the item is pending, or was called off before any record showed it as shared. In both
/// cases, a call that no record mentions may have shared it.
pub(super) fn is_open(result: &ItemResult) -> bool {
    let called_off = result.called_off_by.is_some() && result.kind == ResultKind::Cancelled;
    result.pending() || called_off
}

/// Returns the result of an item that an interrupted worker may have shared. Returns `None` if the
/// worker did not share the item, or if the known result remains valid. If a later turn must read
/// the cloud again, the result is pending (when the time ran out) or a retryable failure.
pub(super) fn interrupted_result(
    state: &State,
    result: &ItemResult,
    seen: &Observation,
) -> Option<ItemResult> {
    let shares = state.request().action == Action::Share;
    // If the item for Lighthouse is not in doubt, no call was sent or the cloud refused it.
    let refused = matches!(result.item, Item::Lighthouse(_)) && !result.maybe_done;
    // If this request revoked the item, only another request can have shared it again.
    let revoked = |done: &ItemResult| done.succeeded() && done.item == result.item;
    let revoked = state.revoked().iter().any(revoked);
    if !shares || !is_open(result) || state.found_before(&result.item) || refused || revoked {
        return None;
    }
    // The account on record may have shared items that the account in use cannot see. If no record
    // names an account, assume this only for an item in doubt.
    let (mut seen, listed) = (seen.clone(), seen.readable);
    let ownership = Ownership::of(state.owner(), seen.owner.as_ref());
    if !ownership.proven() && (ownership != Ownership::NotRecorded || result.maybe_done) {
        seen.doubt_absence(&state.request().target, ownership.differs());
    }
    let kind = match (&result.item, &seen.shares, &seen.unreadable) {
        (Item::Account(account), Some(shares), _) if shares.contains(account) => {
            Some(ResultKind::Shared)
        }
        (item @ Item::Account(_), Some(_), _) if !seen.given.may_hide(item) => None,
        (Item::Account(_), Some(_), _) => Some(list_is_late(SHARED)),
        (Item::Lighthouse(_), ..) if seen.blueprint.is_some() => Some(ResultKind::Available {
            blueprint: seen.blueprint.clone(),
            already: false,
        }),
        (item, ..) if seen.readable && seen.given.may_hide(item) => Some(list_is_late(SHARED)),
        _ if seen.readable => None,
        (_, _, Some(error)) if !seen.doubted && image_is_missing(&error.code) => None,
        (_, _, Some(error)) if error.is_out_of_time() => Some(ResultKind::Pending),
        (_, _, Some(error)) if error.class.passing() => Some(unseen(Some(error), None)),
        (Item::Account(_), _, error) => {
            let unproven = ownership.why_unproven(&state.request().target.image(), None);
            Some(unseen(error.as_ref(), unproven.filter(|_| listed)))
        }
        (Item::Lighthouse(_), ..) => Some(ResultKind::Available {
            blueprint: None,
            already: false,
        }),
    };
    kind.map(|kind| {
        let known = result.clone();
        let unseen = matches!(kind, ResultKind::Failed { .. });
        ItemResult { kind, ..known }.in_doubt(result.maybe_done || unseen)
    })
}

const SHARED: &str = "an interrupted worker may have shared the image";

/// The result of an item for which a call was made recently. The cloud's lists may not show its
/// effect yet, so a later turn reads them again. `lately` describes the call, for the message.
pub(super) fn list_is_late(lately: &str) -> ResultKind {
    let why = format!(
        "{lately}, and the cloud's list may not show it yet — nothing to do: the program reads the list again"
    );
    ResultKind::failed(ResultCode::Timeout, why, true)
}

/// The result of an item that may be shared, although neither a record nor the cloud shows it. A
/// later revocation cancels the item, which is harmless if the item is not shared. `unproven`
/// explains why the account's absence from a list proves nothing.
fn unseen(error: Option<&CloudError>, unproven: Option<String>) -> ResultKind {
    let retryable = error.is_some_and(|error| error.class.passing());
    let (code, why) = match (error, unproven) {
        (Some(error), _) => (error.code.clone(), error.to_string()),
        (None, Some(unproven)) => (ResultCode::OwnerUnproven.into(), unproven),
        (None, None) => (
            ResultCode::NoReadApi.into(),
            "this site has no API that lists the receivers of a blueprint".to_owned(),
        ),
    };
    let why = format!("{SHARED}, and no reading shows whether it did: {why}");
    ResultKind::failed(code, why, retryable)
}
