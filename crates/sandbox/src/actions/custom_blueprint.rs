//! The conditions for both sharing a blueprint and cancelling: a custom image of the caller, in the
//! state `NORMAL`, without another operation on it.

use jiff::Timestamp;

use super::context::ActionContext;
use crate::error::{ApiError, clip};
use crate::world::{Blueprint, BlueprintState, Busy, is_image_id};

/// Maximum number of accounts in one call, from both pages.
const MAX_ACCOUNTS: usize = 10;

/// Checks the form of the id and the number of accounts. Answers
/// `InvalidParameterValue.LimitExceeded` for too many accounts: the page on cancelling lists this
/// code, the page on sharing states the limit without a code.
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

/// Finds the blueprint of the call and checks that its shares can be changed.
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
            "is busy with another operation",
        ),
        Some(Busy::LatestUnfinished) => refuse(
            "UnsupportedOperation.BlueprintLatestOperationUnfinished",
            "has an operation that is not finished",
        ),
        Some(Busy::Occupied) => refuse("UnsupportedOperation.BlueprintOccupied", "is in use"),
        None if modifying(blueprint, now) => refuse(
            "ResourceInUse.BlueprintModifyingSharePermission",
            "is busy with another change of its shares",
        ),
        None => Ok(blueprint),
    }
}

fn modifying(blueprint: &Blueprint, now: Timestamp) -> bool {
    blueprint.modifying_until.is_some_and(|until| now < until)
}

/// When a change of shares that starts now is complete; `None` when it is complete at once.
pub(super) fn modifying_until(context: &ActionContext<'_>) -> Option<Timestamp> {
    let wait = context.behaviour.modifying_delay;
    (!wait.is_zero()).then(|| context.after(wait))
}
