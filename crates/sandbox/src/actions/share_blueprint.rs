//! lighthouse `ShareBlueprintAcrossAccounts`: shares a custom blueprint with other root accounts.
//! Source: its API page. Where the page leaves a question open, the sandbox has an option.

use std::collections::BTreeSet;

use serde_json::Map;

use super::context::{ActionContext, Answer};
use super::custom_blueprint::{check_form, modifying_until, ready};
use super::sharing::{add, distinct};
use crate::accounts::AccountKind;
use crate::error::{ApiError, refuse};
use crate::world::{BlueprintKind, Shares};

const QUOTA: &str = "LimitExceeded.ShareBlueprintAcrossAccountQuotaLimitExceeded";

pub(super) fn run(mut context: ActionContext<'_>) -> Answer {
    check_form(&context)?;
    let (params, behaviour, now) = (context.params, context.behaviour, context.now);
    let known = context.accounts;
    let until = modifying_until(&context);
    let blueprint = ready(&mut context)?;
    if blueprint.kind == BlueprintKind::Shared && !behaviour.shares_published_blueprints {
        return refuse(
            "ResourceNotFound.PrivateBlueprintNotFound",
            "The image is not a custom image of Lighthouse: it was made from a CVM image.",
        );
    }
    let accounts = distinct(params.list("AccountIds"));
    if accounts
        .iter()
        .all(|account| blueprint.shares.contains_key(*account))
    {
        return Err(already_shared());
    }
    let most = behaviour.lighthouse_accounts_per_image;
    let check = |shares: &Shares, account: &str| {
        check_account(known, account)?;
        match shares.contains_key(account) {
            true if behaviour.any_already_shared_refuses => Err(already_shared()),
            false if shares.len() >= most => refuse(
                QUOTA,
                format!("The image is already shared with {most} accounts, the maximum."),
            ),
            _ => Ok(()),
        }
    };
    let before = blueprint.shares.len();
    let outcome = add(
        &mut blueprint.shares,
        &accounts,
        behaviour.lighthouse_batch,
        now,
        check,
    );
    if blueprint.shares.len() != before {
        blueprint.modifying_until = until;
    }
    outcome.map(|()| Map::new())
}

fn check_account(known: &BTreeSet<String>, account: &str) -> Result<(), ApiError> {
    let (code, problem) = match AccountKind::among(known, account) {
        AccountKind::Root => return Ok(()),
        AccountKind::Owner => (
            "InvalidParameterValue.AccountIdSameWithUin",
            "is the current user",
        ),
        AccountKind::Missing | AccountKind::Malformed => {
            ("InvalidParameterValue.AccountIdsNotExist", "does not exist")
        }
        AccountKind::SubAccount => (
            "InvalidParameterValue.AccountIdsNotOwnerAccount",
            "is not a root account",
        ),
        AccountKind::OtherSite => (
            "InvalidParameterValue.AccountIdInvalidAccountArea",
            "belongs to another site",
        ),
        AccountKind::QuotaFull => (QUOTA, "has no image quota left"),
        AccountKind::Frozen => ("InvalidParameterValue.AccountFrozen", "is frozen"),
    };
    Err(ApiError::about("account", account, code, problem))
}

fn already_shared() -> ApiError {
    ApiError::new(
        "UnsupportedOperation.BlueprintAlreadyShared",
        "The image has already been shared.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, SG};
    use crate::actions::Action;
    use crate::behaviour::Batch;
    use serde_json::{Value, json};
    use std::time::Duration;

    const GOOD: &str = "lhbp-6jc6l8yb";

    fn share(bench: &mut Bench, blueprint: &str, accounts: Value) -> Result<Value, String> {
        bench.call(
            Action::ShareBlueprint,
            json!({"BlueprintId": blueprint, "AccountIds": accounts}),
        )
    }

    #[test]
    fn a_custom_normal_blueprint_is_shared() {
        let mut bench = Bench::new();
        assert_eq!(
            share(
                &mut bench,
                GOOD,
                json!(["700000164995", "909619400", "700000164995"])
            ),
            Ok(json!({}))
        );
        assert_eq!(
            bench.world.blueprint_accounts(SG, GOOD),
            ["700000164995", "909619400"]
        );
        assert!(
            bench
                .world
                .blueprint_accounts("ap-guangzhou", GOOD)
                .is_empty(),
            "regions are apart"
        );
    }

    #[test]
    fn every_condition_has_its_code() {
        let ten: Vec<String> = (1..=11).map(|n| format!("7000000000{n:02}")).collect();
        let one = json!(["700000164995"]);
        for (blueprint, accounts, code) in [
            (
                "lhbp-",
                one.clone(),
                "InvalidParameterValue.BlueprintIdMalformed",
            ),
            (
                "img-6pb6lrmy",
                one.clone(),
                "InvalidParameterValue.BlueprintIdMalformed",
            ),
            (
                "",
                one.clone(),
                "InvalidParameterValue.BlueprintIdMalformed",
            ),
            (GOOD, json!([]), "InvalidParameterValue"),
            (GOOD, json!(ten), "InvalidParameterValue.LimitExceeded"),
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
            (
                GOOD,
                json!(["100000000001"]),
                "InvalidParameterValue.AccountIdSameWithUin",
            ),
            (
                GOOD,
                json!(["999000000001"]),
                "InvalidParameterValue.AccountIdsNotExist",
            ),
            (
                GOOD,
                json!(["not-a-number"]),
                "InvalidParameterValue.AccountIdsNotExist",
            ),
            (
                GOOD,
                json!(["888000000001"]),
                "InvalidParameterValue.AccountIdsNotOwnerAccount",
            ),
            (
                GOOD,
                json!(["777000000001"]),
                "InvalidParameterValue.AccountIdInvalidAccountArea",
            ),
            (
                GOOD,
                json!(["555000000001"]),
                "InvalidParameterValue.AccountFrozen",
            ),
            (
                GOOD,
                json!(["666000000001"]),
                "LimitExceeded.ShareBlueprintAcrossAccountQuotaLimitExceeded",
            ),
        ] {
            let mut bench = Bench::new();
            let before = bench.world.clone();
            assert_eq!(
                share(&mut bench, blueprint, accounts.clone()),
                Err(code.to_owned()),
                "{blueprint} {accounts}"
            );
            assert_eq!(bench.world, before, "{code} changes nothing");
        }
    }

    #[test]
    fn one_bad_account_costs_all_or_those_after_it() {
        let batch = json!(["700000000001", "999000000001", "700000000002"]);
        let mut bench = Bench::new();
        assert!(share(&mut bench, GOOD, batch.clone()).is_err());
        assert!(bench.world.blueprint_accounts(SG, GOOD).is_empty());
        bench.behaviour.lighthouse_batch = Batch::UntilFirstBad;
        assert!(share(&mut bench, GOOD, batch).is_err());
        assert_eq!(bench.world.blueprint_accounts(SG, GOOD), ["700000000001"]);
    }

    #[test]
    fn all_or_any_already_shared_is_refused() {
        let already = Err("UnsupportedOperation.BlueprintAlreadyShared".to_owned());
        let mut bench = Bench::new();
        share(&mut bench, GOOD, json!(["700000000001"])).unwrap();
        assert_eq!(share(&mut bench, GOOD, json!(["700000000001"])), already);
        let mut any = bench.clone();
        any.behaviour.any_already_shared_refuses = true;
        assert_eq!(
            share(&mut any, GOOD, json!(["700000000002", "700000000001"])),
            already
        );
        assert_eq!(any.world, bench.world);
        assert!(share(&mut bench, GOOD, json!(["700000000002", "700000000001"])).is_ok());
        assert_eq!(bench.world.blueprint_accounts(SG, GOOD).len(), 2);
    }

    #[test]
    fn a_published_blueprint_is_shared_or_refused_as_the_reading_says() {
        for (shares, outcome) in [
            (true, Ok(json!({}))),
            (
                false,
                Err("ResourceNotFound.PrivateBlueprintNotFound".to_owned()),
            ),
        ] {
            let mut bench = Bench::new();
            bench.behaviour.shares_published_blueprints = shares;
            let publish = json!({"ImageId": "img-xkd784jw", "Permission": "SHARE"});
            bench.call(Action::PublishImage, publish).unwrap();
            assert_eq!(
                share(&mut bench, "lhbp-su83x02a", json!(["700000000001"])),
                outcome
            );
            assert!(share(&mut bench, GOOD, json!(["700000000001"])).is_ok());
        }
    }

    #[test]
    fn the_quota_of_an_image_is_kept() {
        let mut bench = Bench::new();
        bench.behaviour.lighthouse_accounts_per_image = 2;
        let code = Err("LimitExceeded.ShareBlueprintAcrossAccountQuotaLimitExceeded".to_owned());
        assert_eq!(
            share(
                &mut bench,
                GOOD,
                json!(["700000000001", "700000000002", "700000000003"])
            ),
            code
        );
        assert!(share(&mut bench, GOOD, json!(["700000000001", "700000000002"])).is_ok());
        assert_eq!(share(&mut bench, GOOD, json!(["700000000003"])), code);
    }

    #[test]
    fn a_change_occupies_the_blueprint_for_as_long_as_told() {
        let mut bench = Bench::new();
        bench.behaviour.modifying_delay = Duration::from_secs(5);
        assert!(share(&mut bench, GOOD, json!(["700000000001"])).is_ok());
        let busy = Err("ResourceInUse.BlueprintModifyingSharePermission".to_owned());
        assert_eq!(share(&mut bench, GOOD, json!(["700000000002"])), busy);
        bench.wait(5);
        assert!(share(&mut bench, GOOD, json!(["700000000002"])).is_ok());
    }
}
