//! cvm `ModifyImageSharePermission`: shares a CVM custom image with accounts in the same region, or
//! stops sharing it. Source: its API page. The sandbox chooses what the page does not document:
//! CANCEL skips accounts that do not have the image, and requires only that the image belongs to
//! the caller, is `NORMAL` and is not occupied.

use std::collections::BTreeSet;

use serde_json::Map;

use super::context::{ActionContext, Answer};
use super::sharing::{add, distinct};
use crate::accounts::AccountKind;
use crate::error::{ApiError, clip, refuse};
use crate::world::{CvmImage, ImageClass, ImageState, ImageType, Shares, is_image_id};

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let (params, behaviour) = (context.params, context.behaviour);
    let share = params.shares()?;
    let accounts = distinct(params.list("AccountIds"));
    if accounts.is_empty() {
        return Err(ApiError::invalid_value("AccountIds", "names no account"));
    }
    let (count, most) = (
        params.list("AccountIds").len(),
        behaviour.cvm_accounts_per_call,
    );
    if count > most {
        let message = format!("AccountIds has {count} entries; the maximum is {most}.");
        return refuse("InvalidParameterValue.LimitExceeded", message);
    }
    let (now, known) = (context.now, context.accounts);
    let image = own_image(context)?;
    if image.state != ImageState::Normal || image.occupied {
        let message = "The image has another ongoing task.";
        return refuse("InvalidParameterValue.InvalidImageState", message);
    }
    if !share {
        image
            .shares
            .retain(|account, _| !accounts.contains(&account.as_str()));
        return Ok(Map::new());
    }
    check_image(image)?;
    let check = |shares: &Shares, account: &str| {
        check_account(known, account)?;
        if shares.contains_key(account) {
            let message = format!("The image is already shared with `{}`.", clip(account));
            return refuse("FailedOperation.AccountAlreadyExists", message);
        }
        if shares.len() >= behaviour.cvm_accounts_per_image {
            let message = format!("An image has at most {} receivers.", shares.len());
            return refuse("OverQuota", message);
        }
        Ok(())
    };
    add(
        &mut image.shares,
        &accounts,
        behaviour.cvm_batch,
        now,
        check,
    )
    .map(|()| Map::new())
}

/// Finds the image of the call and checks that it belongs to the caller.
pub(super) fn own_image(context: ActionContext<'_>) -> Result<&mut CvmImage, ApiError> {
    let id = context.params.text("ImageId");
    let (code, problem) = match context.stock.images.get_mut(id) {
        _ if !is_image_id(id, "img-") => ("InvalidImageId.Malformed", "has no well-formed ID"),
        None => ("InvalidImageId.NotFound", "does not exist"),
        Some(image) => match image.kind {
            ImageType::Private => return Ok(image),
            ImageType::Public => (
                "InvalidParameterValue.InvalidImageId",
                "does not support this operation",
            ),
            ImageType::Shared => (
                "UnauthorizedOperation.ImageNotBelongToAccount",
                "does not belong to the user",
            ),
        },
    };
    Err(ApiError::about("image", id, code, problem))
}

fn check_image(image: &CvmImage) -> Result<(), ApiError> {
    if image.byol {
        let message = "BYOL images cannot be shared.";
        return refuse("FailedOperation.BYOLImageShareFailed", message);
    }
    if image.class == ImageClass::Instance {
        let message = "This API does not support instance images.";
        return refuse("InvalidParameter.InstanceImageNotSupport", message);
    }
    if image.encrypted {
        let message = "Encrypted images are not supported.";
        return refuse("UnsupportedOperation.EncryptedImagesNotSupported", message);
    }
    Ok(())
}

/// Checks an account. An account of the other site is reported as not found, because the page has
/// no code for this case.
fn check_account(known: &BTreeSet<String>, account: &str) -> Result<(), ApiError> {
    let (code, problem) = match AccountKind::among(known, account) {
        AccountKind::Root => return Ok(()),
        AccountKind::Owner => ("FailedOperation.AccountIsYourSelf", "is your own"),
        AccountKind::Missing | AccountKind::OtherSite => {
            ("InvalidAccountId.NotFound", "does not exist")
        }
        AccountKind::SubAccount => (
            "FailedOperation.NotMasterAccount",
            "is a collaborator account, not a root account",
        ),
        AccountKind::QuotaFull => ("OverQuota", "has no image quota left"),
        AccountKind::Frozen => ("InvalidParameterValue.AccountFrozen", "is frozen"),
        AccountKind::Malformed => (
            "InvalidParameterValue.InvalidAppIdFormat",
            "is not an account ID",
        ),
    };
    Err(ApiError::about("account", account, code, problem))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, SG};
    use crate::actions::Action;
    use crate::behaviour::Batch;
    use serde_json::{Value, json};

    const GOOD: &str = "img-6pb6lrmy";

    fn modify(
        bench: &mut Bench,
        image: &str,
        accounts: Value,
        permission: &str,
    ) -> Result<Value, String> {
        let call = json!({"ImageId": image, "AccountIds": accounts, "Permission": permission});
        bench.call(Action::ShareImage, call)
    }

    #[test]
    fn accounts_gain_and_lose_an_image() {
        let mut bench = Bench::new();
        assert_eq!(
            modify(
                &mut bench,
                GOOD,
                json!(["1038493875", "100022975249"]),
                "SHARE"
            ),
            Ok(json!({}))
        );
        assert_eq!(
            bench.world.image_accounts(SG, GOOD),
            ["100022975249", "1038493875"]
        );
        assert_eq!(
            modify(
                &mut bench,
                GOOD,
                json!(["1038493875", "909619400"]),
                "CANCEL"
            ),
            Ok(json!({}))
        );
        assert_eq!(bench.world.image_accounts(SG, GOOD), ["100022975249"]);
        for other in ["img-imported", "img-nocloudi", "img-centos65"] {
            assert!(
                modify(&mut bench, other, json!(["1038493875"]), "SHARE").is_ok(),
                "{other}"
            );
        }
    }

    #[test]
    fn every_condition_has_its_code() {
        let one = json!(["1038493875"]);
        for (image, accounts, permission, code) in [
            (GOOD, one.clone(), "CANEL", "InvalidParameterValue"),
            (GOOD, json!([]), "SHARE", "InvalidParameterValue"),
            (
                GOOD,
                json!(vec!["1038493875"; 51]),
                "SHARE",
                "InvalidParameterValue.LimitExceeded",
            ),
            ("img-", one.clone(), "SHARE", "InvalidImageId.Malformed"),
            (
                "img-nowhere0",
                one.clone(),
                "SHARE",
                "InvalidImageId.NotFound",
            ),
            (
                "img-nowhere0",
                one.clone(),
                "CANCEL",
                "InvalidImageId.NotFound",
            ),
            (
                "img-public00",
                one.clone(),
                "SHARE",
                "InvalidParameterValue.InvalidImageId",
            ),
            (
                "img-received",
                one.clone(),
                "SHARE",
                "UnauthorizedOperation.ImageNotBelongToAccount",
            ),
            (
                "img-creating",
                one.clone(),
                "SHARE",
                "InvalidParameterValue.InvalidImageState",
            ),
            (
                "img-inuse000",
                one.clone(),
                "CANCEL",
                "InvalidParameterValue.InvalidImageState",
            ),
            (
                "img-occupied",
                one.clone(),
                "SHARE",
                "InvalidParameterValue.InvalidImageState",
            ),
            (
                "img-byol0000",
                one.clone(),
                "SHARE",
                "FailedOperation.BYOLImageShareFailed",
            ),
            (
                "img-wholeins",
                one.clone(),
                "SHARE",
                "InvalidParameter.InstanceImageNotSupport",
            ),
            (
                "img-encryptd",
                one,
                "SHARE",
                "UnsupportedOperation.EncryptedImagesNotSupported",
            ),
            (
                GOOD,
                json!(["100000000001"]),
                "SHARE",
                "FailedOperation.AccountIsYourSelf",
            ),
            (
                GOOD,
                json!(["999000000001"]),
                "SHARE",
                "InvalidAccountId.NotFound",
            ),
            (
                GOOD,
                json!(["777000000001"]),
                "SHARE",
                "InvalidAccountId.NotFound",
            ),
            (
                GOOD,
                json!(["888000000001"]),
                "SHARE",
                "FailedOperation.NotMasterAccount",
            ),
            (GOOD, json!(["666000000001"]), "SHARE", "OverQuota"),
            (
                GOOD,
                json!(["555000000001"]),
                "SHARE",
                "InvalidParameterValue.AccountFrozen",
            ),
            (
                GOOD,
                json!(["uin/1038493875"]),
                "SHARE",
                "InvalidParameterValue.InvalidAppIdFormat",
            ),
        ] {
            let mut bench = Bench::new();
            assert_eq!(
                modify(&mut bench, image, accounts, permission),
                Err(code.to_owned()),
                "{image} {code}"
            );
            assert_eq!(bench.world, Bench::new().world);
        }
    }

    #[test]
    fn an_account_that_has_the_image_spoils_the_batch() {
        let exists = Err("FailedOperation.AccountAlreadyExists".to_owned());
        let mut bench = Bench::new();
        modify(&mut bench, GOOD, json!(["700000000002"]), "SHARE").unwrap();
        let batch = json!(["700000000001", "700000000002", "700000000003"]);
        assert_eq!(modify(&mut bench, GOOD, batch.clone(), "SHARE"), exists);
        assert_eq!(bench.world.image_accounts(SG, GOOD), ["700000000002"]);
        bench.behaviour.cvm_batch = Batch::UntilFirstBad;
        assert_eq!(modify(&mut bench, GOOD, batch, "SHARE"), exists);
        assert_eq!(
            bench.world.image_accounts(SG, GOOD),
            ["700000000001", "700000000002"]
        );
    }

    #[test]
    fn five_hundred_accounts_and_no_more() {
        let mut bench = Bench::new();
        for batch in 0..10 {
            let accounts: Vec<String> = (0..50)
                .map(|n| format!("70000001{:04}", batch * 50 + n))
                .collect();
            modify(&mut bench, GOOD, json!(accounts), "SHARE").unwrap();
        }
        assert_eq!(bench.world.image_accounts(SG, GOOD).len(), 500);
        assert_eq!(
            modify(&mut bench, GOOD, json!(["700000020000"]), "SHARE"),
            Err("OverQuota".to_owned())
        );
        modify(&mut bench, GOOD, json!(["700000010000"]), "CANCEL").unwrap();
        assert!(modify(&mut bench, GOOD, json!(["700000020000"]), "SHARE").is_ok());
    }
}
