//! Checks the conditions for changing a blueprint's shares: the id and the number of accounts are
//! valid, the blueprint is a custom image of the caller, its state is `NORMAL`, and no other
//! operation on it is running.

use jiff::Timestamp;

use super::context::ActionContext;
use crate::error::{ApiError, clip, refuse};
use crate::world::{Blueprint, BlueprintState, Busy, is_image_id};

/// Maximum number of accounts in one call, according to the API pages of
/// `ShareBlueprintAcrossAccounts` and `CancelShareBlueprintAcrossAccounts`.
const MAX_ACCOUNTS: usize = 10;

/// Checks the form of the id and the number of accounts. Returns
/// `InvalidParameterValue.LimitExceeded` for too many accounts.
/// `CancelShareBlueprintAcrossAccounts` documents this code; `ShareBlueprintAcrossAccounts`
/// documents only the limit.
pub(super) fn check_form(context: &ActionContext<'_>) -> Result<(), ApiError> {
    let id = context.params.text("BlueprintId");
    if !is_image_id(id, "lhbp-") {
        let message = format!("The image ID `{}` is malformed.", clip(id));
        return refuse("InvalidParameterValue.BlueprintIdMalformed", message);
    }
    match context.params.list("AccountIds").len() {
        0 => Err(ApiError::invalid_value("AccountIds", "names no account")),
        1..=MAX_ACCOUNTS => Ok(()),
        count => refuse(
            "InvalidParameterValue.LimitExceeded",
            format!("AccountIds has {count} entries; the maximum is {MAX_ACCOUNTS}."),
        ),
    }
}

/// Finds the blueprint of the call and checks that its shares can be changed.
pub(super) fn ready<'a>(context: &'a mut ActionContext<'_>) -> Result<&'a mut Blueprint, ApiError> {
    let (id, now) = (context.params.text("BlueprintId"), context.now);
    let refused = |code, problem: &str| Err(ApiError::about("image", id, code, problem));
    let (code, problem) = match context.stock.blueprints.get_mut(id) {
        None => (
            "ResourceNotFound.BlueprintIdNotFound",
            "does not exist in this region",
        ),
        Some(blueprint) if !blueprint.is_custom() => (
            "ResourceNotFound.PrivateBlueprintNotFound",
            "is not a custom image",
        ),
        Some(blueprint) => match (blueprint.state_at(now), blueprint.busy) {
            (BlueprintState::Normal, Some(Busy::InOperation)) => (
                "OperationDenied.BlueprintOperationInProgress",
                "is busy with another operation",
            ),
            (BlueprintState::Normal, Some(Busy::LatestUnfinished)) => (
                "UnsupportedOperation.BlueprintLatestOperationUnfinished",
                "has an operation that is not finished",
            ),
            (BlueprintState::Normal, Some(Busy::Occupied)) => {
                ("UnsupportedOperation.BlueprintOccupied", "is in use")
            }
            (BlueprintState::Normal, None) if modifying(blueprint, now) => (
                "ResourceInUse.BlueprintModifyingSharePermission",
                "is busy with another change of its shares",
            ),
            (BlueprintState::Normal, None) => return Ok(blueprint),
            (BlueprintState::Syncing, _) => (
                "UnsupportedOperation.BlueprintCurStateInvalid",
                "is SYNCING",
            ),
            (other, _) => {
                let problem = format!("is {}", other.as_str());
                return refused("InvalidParameterValue.InvalidBlueprintState", &problem);
            }
        },
    };
    refused(code, problem)
}

fn modifying(blueprint: &Blueprint, now: Timestamp) -> bool {
    blueprint.modifying_until.is_some_and(|until| now < until)
}

/// Returns the time at which a change of shares that starts now will be complete, or `None` if the
/// change is complete immediately.
pub(super) fn modifying_until(context: &ActionContext<'_>) -> Option<Timestamp> {
    let wait = context.behaviour.modifying_delay;
    (!wait.is_zero()).then(|| context.after(wait))
}
