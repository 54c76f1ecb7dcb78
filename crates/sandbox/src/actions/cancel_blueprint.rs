//! lighthouse `CancelShareBlueprintAcrossAccounts`: stops sharing a blueprint with accounts. The
//! Chinese page requires a custom image of the caller that is shared with the given accounts; the
//! English page mistranslates this. By default, the sandbox skips accounts that the blueprint is
//! not shared with, and refuses the call only if the blueprint has no shares at all. If
//! `any_not_shared_refuses` is set, one such account makes the call fail.

use serde_json::Map;

use super::context::{ActionContext, Answer};
use super::custom_blueprint::{check_form, modifying_until, ready};
use crate::error::refuse;

pub(super) fn run(mut context: ActionContext<'_>) -> Answer {
    check_form(&context)?;
    let (params, refuses_any) = (context.params, context.behaviour.any_not_shared_refuses);
    let until = modifying_until(&context);
    let blueprint = ready(&mut context)?;
    let accounts = params.list("AccountIds");
    let any_missing = accounts
        .iter()
        .any(|account| !blueprint.shares.contains_key(account));
    if blueprint.shares.is_empty() || (any_missing && refuses_any) {
        let message = "The image has not been shared.";
        return refuse("UnsupportedOperation.BlueprintHasNotShared", message);
    }
    let before = blueprint.shares.len();
    for account in accounts {
        blueprint.shares.remove(account);
    }
    if blueprint.shares.len() != before {
        blueprint.modifying_until = until;
    }
    Ok(Map::new())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, SG};
    use crate::actions::Action;
    use serde_json::{Value, json};

    const GOOD: &str = "lhbp-6jc6l8yb";

    fn cancel(bench: &mut Bench, blueprint: &str, accounts: Value) -> Result<Value, String> {
        bench.call(
            Action::CancelBlueprint,
            json!({"BlueprintId": blueprint, "AccountIds": accounts}),
        )
    }

    #[test]
    fn only_the_named_accounts_lose_it() {
        let mut bench = Bench::new();
        let three = json!(["700000000001", "700000000002", "700000000003"]);
        bench
            .call(
                Action::ShareBlueprint,
                json!({"BlueprintId": GOOD, "AccountIds": three}),
            )
            .unwrap();
        assert_eq!(
            cancel(&mut bench, GOOD, json!(["700000000002", "700000000009"])),
            Ok(json!({}))
        );
        assert_eq!(
            bench.world.blueprint_accounts(SG, GOOD),
            ["700000000001", "700000000003"]
        );
        assert!(cancel(&mut bench, GOOD, json!(["700000000001", "700000000003"])).is_ok());
        let none = Err("UnsupportedOperation.BlueprintHasNotShared".to_owned());
        assert_eq!(cancel(&mut bench, GOOD, json!(["700000000001"])), none);
    }

    #[test]
    fn one_account_without_it_refuses_the_call_under_the_other_reading() {
        let mut bench = Bench::new();
        bench.behaviour.any_not_shared_refuses = true;
        let one = json!(["700000000001"]);
        bench
            .call(
                Action::ShareBlueprint,
                json!({"BlueprintId": GOOD, "AccountIds": one}),
            )
            .unwrap();
        let refused = Err("UnsupportedOperation.BlueprintHasNotShared".to_owned());
        let both = json!(["700000000001", "700000000009"]);
        assert_eq!(cancel(&mut bench, GOOD, both), refused);
        assert_eq!(bench.world.blueprint_accounts(SG, GOOD), ["700000000001"]);
        assert!(cancel(&mut bench, GOOD, one).is_ok());
    }

    #[test]
    fn every_condition_has_its_code() {
        let eleven = json!(vec!["700000164995"; 11]);
        let one = json!(["700000164995"]);
        for (blueprint, accounts, code) in [
            (
                "lhbp-x",
                one.clone(),
                "InvalidParameterValue.BlueprintIdMalformed",
            ),
            (GOOD, json!([]), "InvalidParameterValue"),
            (GOOD, eleven, "InvalidParameterValue.LimitExceeded"),
            (
                "lhbp-nowhere0",
                one.clone(),
                "ResourceNotFound.BlueprintIdNotFound",
            ),
            (
                "lhbp-appimage",
                one.clone(),
                "ResourceNotFound.PrivateBlueprintNotFound",
            ),
            (
                "lhbp-syncing0",
                one.clone(),
                "UnsupportedOperation.BlueprintCurStateInvalid",
            ),
            (
                "lhbp-isolated",
                one.clone(),
                "InvalidParameterValue.InvalidBlueprintState",
            ),
            (
                "lhbp-operated",
                one.clone(),
                "OperationDenied.BlueprintOperationInProgress",
            ),
            (
                "lhbp-unfinish",
                one.clone(),
                "UnsupportedOperation.BlueprintLatestOperationUnfinished",
            ),
            (
                "lhbp-occupied",
                one.clone(),
                "UnsupportedOperation.BlueprintOccupied",
            ),
            (GOOD, one, "UnsupportedOperation.BlueprintHasNotShared"),
        ] {
            let mut bench = Bench::new();
            assert_eq!(
                cancel(&mut bench, blueprint, accounts),
                Err(code.to_owned()),
                "{blueprint}"
            );
        }
    }
}
