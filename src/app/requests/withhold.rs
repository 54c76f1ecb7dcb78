//! Closes a share that has expired, was called off, or is denied by the current policies. In: each
//! item's recorded result and the observed state. Out: the result to close with.

use crate::app::answer::refused_items;
use crate::app::grants::Ownership;
use crate::cloud::error::image_is_missing;
use crate::domain::{
    Action, CloudError, Item, ItemResult, ResultCode, ResultKind, ShareRequest, Verdict,
};
use crate::journal::State;
use crate::plan::Observation;
use crate::policy::Approved;

/// What a turn may do.
#[derive(Debug)]
pub(in crate::app) enum Permission {
    /// Carry this out.
    Granted(Approved),
    /// Share nothing more, and close.
    Withheld(Withheld),
}

impl Permission {
    /// The verdict of the current policies that lets a share continue.
    pub(super) fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Granted(approved) if approved.request().action == Action::Share => {
                Some(approved.verdict())
            }
            Self::Granted(_) | Self::Withheld(_) => None,
        }
    }
}

/// Why a share stops.
#[derive(Debug)]
pub(in crate::app) enum Withheld {
    /// It expired before it was finished.
    Expired,
    /// Later cancels, or the withdrawal of its approval, called off every item.
    CalledOff,
    /// The current policies refuse it.
    Denied(Verdict),
}

impl Withheld {
    /// The result of an item that was not shared.
    pub(super) fn result(&self, request: &ShareRequest, result: ItemResult) -> ItemResult {
        if !result.pending() {
            return result;
        }
        let refused = match self {
            // A called-off item is never pending.
            Self::Expired | Self::CalledOff => None,
            Self::Denied(verdict) => refused_items(request, verdict)
                .into_iter()
                .find(|refused| refused.item == result.item),
        };
        refused.unwrap_or_else(|| ItemResult {
            kind: ResultKind::Failed {
                code: ResultCode::Expired.into(),
                message: "the share ended before it could be made".to_owned(),
                retryable: false,
            },
            maybe_done: false,
            ..result
        })
    }
}

/// Whether no record says that the item was shared. A call may have shared it all the same.
pub(super) fn is_open(result: &ItemResult) -> bool {
    let called_off = result.called_off_by.is_some() && result.kind == ResultKind::Cancelled;
    result.pending() || called_off
}

/// The result of an item that an interrupted worker may have shared: `None` if it did not, a
/// pending result if a later turn must read the cloud again.
pub(in crate::app) fn trace(
    state: &State,
    result: &ItemResult,
    seen: &Observation,
) -> Option<ItemResult> {
    let shares = state.request().action == Action::Share;
    if !shares || !is_open(result) || state.found_before(&result.item) {
        return None;
    }
    // Another account than the opening's misses what that one may have shared.
    let mut seen = seen.clone();
    let ownership = Ownership::of(state.owner(), seen.owner.as_ref());
    if !ownership.proven() {
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
        (Item::Account(_), _, error) => Some(unseen(error.as_ref())),
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
/// is taken back, which is harmless if it has nothing.
fn unseen(error: Option<&CloudError>) -> ResultKind {
    let (code, why) = match error {
        Some(error) => (error.code.clone(), error.to_string()),
        None => (
            ResultCode::NoReadApi.into(),
            "the site does not list the receivers of a blueprint".to_owned(),
        ),
    };
    ResultKind::Failed {
        code,
        message: format!("the share ended, and whether the account has it is not known: {why}"),
        retryable: false,
    }
}
