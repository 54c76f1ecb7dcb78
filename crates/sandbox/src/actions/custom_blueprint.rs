//! The conditions that sharing a blueprint and cancelling it have in common: a custom image of the
//! caller's, `NORMAL`, and no other operation on it.

use jiff::Timestamp;

use super::context::ActionContext;
use crate::error::{ApiError, clip};
use crate::world::{Blueprint, BlueprintState, Busy, is_image_id};

/// Accounts in one call; both pages say 10.
const MAX_ACCOUNTS: usize = 10;

/// Checks the id's form and the number of accounts. Too many are
/// `InvalidParameterValue.LimitExceeded` for both: the page on sharing states the limit and lists
/// no code for it, the page on cancelling lists this one.
pub(super) fn check_form(context: &ActionContext<'_>) -> Result<(), ApiError> {
    let id = context.params.text("BlueprintId");
    if !is_image_id(id, "lhbp-") {
        let message = format!("The image ID `{}` is malformed.", clip(id));
        return Err(ApiError::new(
            "InvalidParameterValue.BlueprintIdMalformed",
            message,
        ));
    }
    match context.params.list("AccountIds").len() {
        0 => Err(ApiError::invalid_value("AccountIds", "names no account")),
        1..=MAX_ACCOUNTS => Ok(()),
        count => Err(ApiError::new(
            "InvalidParameterValue.LimitExceeded",
            format!("AccountIds has {count} entries; the maximum is {MAX_ACCOUNTS}."),
        )),
    }
}

/// The blueprint of the call, ready for a change of its shares.
pub(super) fn ready<'a>(context: &'a mut ActionContext<'_>) -> Result<&'a mut Blueprint, ApiError> {
    let (id, now) = (context.params.text("BlueprintId"), context.now);
    let refuse = |code: &'static str, problem: &str| {
        Err(ApiError::new(
            code,
            format!("The image `{}` {problem}.", clip(id)),
        ))
    };
    let Some(blueprint) = context.stock.blueprints.get_mut(id) else {
        return refuse(
            "ResourceNotFound.BlueprintIdNotFound",
            "does not exist in this region",
        );
    };
    if !blueprint.is_custom() {
        return refuse(
            "ResourceNotFound.PrivateBlueprintNotFound",
            "is not a custom image",
        );
    }
    match blueprint.state_at(now) {
        BlueprintState::Normal => {}
        BlueprintState::Syncing => {
            return refuse(
                "UnsupportedOperation.BlueprintCurStateInvalid",
                "is SYNCING",
            );
        }
        other => {
            return refuse(
                "InvalidParameterValue.InvalidBlueprintState",
                &format!("is {}", other.as_str()),
            );
        }
    }
    match blueprint.busy {
        Some(Busy::InOperation) => refuse(
            "OperationDenied.BlueprintOperationInProgress",
            "is being operated on",
        ),
        Some(Busy::LatestUnfinished) => refuse(
            "UnsupportedOperation.BlueprintLatestOperationUnfinished",
            "has an operation that is not finished",
        ),
        Some(Busy::Occupied) => refuse("UnsupportedOperation.BlueprintOccupied", "is in use"),
        None if modifying(blueprint, now) => refuse(
            "ResourceInUse.BlueprintModifyingSharePermission",
            "has its shares being changed",
        ),
        None => Ok(blueprint),
    }
}

fn modifying(blueprint: &Blueprint, now: Timestamp) -> bool {
    blueprint.modifying_until.is_some_and(|until| now < until)
}

/// When a change of shares made now is done; `None` when it is done at once.
pub(super) fn modifying_until(context: &ActionContext<'_>) -> Option<Timestamp> {
    let wait = context.behaviour.modifying_delay;
    (!wait.is_zero()).then(|| context.after(wait))
}
