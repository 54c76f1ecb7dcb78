//! The cloud in the words of this program. In: typed arguments and a deadline. Out: receipts and observations, or the error.
//! Decides nothing: what to call next after an error is the caller's question.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::actions::describe_images_to_share::{ImageToShare, ImagesQuery};
use super::actions::{
    Permission, cancel_share_blueprint_across_accounts as cancel_blueprint,
    cvm_modify_image_share_permission as cvm_modify, describe_blueprints,
    describe_blueprints_share_across_account_infos as blueprint_shares,
    describe_image_share_permission as cvm_shares, describe_images, describe_images_to_share,
    lighthouse_modify_image_share_permission as lighthouse_modify,
    share_blueprint_across_accounts as share_blueprint,
};
use super::call::Cloud;
use super::deadline::Deadline;
use super::error::{action_is_missing, image_is_missing};
use crate::domain::{AccountId, BlueprintId, CloudError, CvmImageId, Region};

pub use super::actions::describe_blueprints::Blueprint;
pub use super::actions::describe_images::CvmImage;

/// A write that the cloud confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The cloud's id of the call.
    pub request_id: Option<String>,
}

/// A confirmed change of a CVM image's place in Lighthouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LighthouseReceipt {
    /// The image as Lighthouse knows it; the cloud may give none, and gives none for a cancel.
    pub blueprint: Option<BlueprintId>,
    /// The cloud's id of the call.
    pub request_id: Option<String>,
}

/// Every method's error is that of [`Cloud::call`]; a list's also that of [`Cloud::all_pages`].
impl Cloud {
    /// Gives `accounts`, 10 at most, a blueprint.
    ///
    /// # Errors
    /// See above.
    pub async fn share_blueprint(
        &self,
        region: &Region,
        image: &BlueprintId,
        accounts: &[AccountId],
        deadline: Deadline,
    ) -> Result<Receipt, CloudError> {
        let request = share_blueprint::Request { blueprint_id: image, account_ids: accounts };
        let answered = self.call(region, &request, deadline).await?;
        Ok(Receipt { request_id: answered.request_id })
    }

    /// Takes a blueprint away from `accounts`, 10 at most.
    ///
    /// # Errors
    /// See above.
    pub async fn cancel_blueprint(
        &self,
        region: &Region,
        image: &BlueprintId,
        accounts: &[AccountId],
        deadline: Deadline,
    ) -> Result<Receipt, CloudError> {
        let request = cancel_blueprint::Request { blueprint_id: image, account_ids: accounts };
        let answered = self.call(region, &request, deadline).await?;
        Ok(Receipt { request_id: answered.request_id })
    }

    /// Gives `accounts` a CVM image or takes it away; as many as the settings allow in one call.
    ///
    /// # Errors
    /// See above.
    pub async fn modify_cvm_sharing(
        &self,
        region: &Region,
        image: &CvmImageId,
        accounts: &[AccountId],
        permission: Permission,
        deadline: Deadline,
    ) -> Result<Receipt, CloudError> {
        let most_accounts = self.settings.cvm_accounts_per_call;
        let request =
            cvm_modify::Request { image_id: image, account_ids: accounts, permission, most_accounts };
        let answered = self.call(region, &request, deadline).await?;
        Ok(Receipt { request_id: answered.request_id })
    }

    /// Makes a CVM image available in Lighthouse of the same account and region, or not any more.
    ///
    /// # Errors
    /// See above.
    pub async fn modify_lighthouse_sharing(
        &self,
        region: &Region,
        image: &CvmImageId,
        permission: Permission,
        deadline: Deadline,
    ) -> Result<LighthouseReceipt, CloudError> {
        let request = lighthouse_modify::Request { image_id: image, permission };
        let answered = self.call(region, &request, deadline).await?;
        Ok(LighthouseReceipt { blueprint: answered.answer.blueprint(), request_id: answered.request_id })
    }

    /// The CVM images that match, and whether each can be made available in Lighthouse.
    ///
    /// # Errors
    /// See above.
    pub async fn images_to_share(
        &self,
        region: &Region,
        query: ImagesQuery,
        deadline: Deadline,
    ) -> Result<Vec<ImageToShare>, CloudError> {
        self.all_pages(region, describe_images_to_share::Request::new(query), deadline).await
    }

    /// The accounts that have a blueprint; `None` where the site cannot tell, which is asked once per process.
    ///
    /// # Errors
    /// See above.
    pub async fn blueprint_shares(
        &self,
        region: &Region,
        image: &BlueprintId,
        deadline: Deadline,
    ) -> Result<Option<BTreeSet<AccountId>>, CloudError> {
        if self.lists_no_blueprint_shares.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let request = blueprint_shares::Request::new(image.clone());
        match self.all_pages(region, request, deadline).await {
            Ok(shares) => {
                let of_image = shares.into_iter().filter(|share| share.blueprint_id == *image);
                Ok(Some(of_image.map(|share| share.account_id).collect()))
            }
            Err(error) if action_is_missing(&error.code) => {
                self.lists_no_blueprint_shares.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The accounts that have a CVM image.
    ///
    /// # Errors
    /// See above.
    pub async fn cvm_shares(
        &self,
        region: &Region,
        image: &CvmImageId,
        deadline: Deadline,
    ) -> Result<BTreeSet<AccountId>, CloudError> {
        let answered = self.call(region, &cvm_shares::Request { image_id: image }, deadline).await?;
        let shares = answered.answer.share_permission_set.unwrap_or_default();
        Ok(shares.into_iter().map(|share| share.account_id).collect())
    }

    /// The blueprint that a CVM image is in Lighthouse, if it is there.
    ///
    /// # Errors
    /// See above.
    pub async fn blueprint_of_image(
        &self,
        region: &Region,
        image: &CvmImageId,
        deadline: Deadline,
    ) -> Result<Option<Blueprint>, CloudError> {
        let all = self.all_pages(region, describe_blueprints::Request::custom(), deadline).await?;
        let of_image = |blueprint: &&Blueprint| blueprint.image_id.as_deref() == Some(image.as_str());
        let from_cvm = |blueprint: &&Blueprint| blueprint.blueprint_type.as_deref() == Some("SHARED");
        let found = all.iter().filter(of_image).find(from_cvm).or_else(|| all.iter().find(of_image));
        Ok(found.cloned())
    }

    /// One blueprint; `None` when there is none of this id.
    ///
    /// # Errors
    /// See above.
    pub async fn blueprint(
        &self,
        region: &Region,
        image: &BlueprintId,
        deadline: Deadline,
    ) -> Result<Option<Blueprint>, CloudError> {
        let request = describe_blueprints::Request::of(image.clone());
        let found = absent_is_empty(self.all_pages(region, request, deadline).await)?;
        Ok(found.into_iter().find(|blueprint| blueprint.blueprint_id == *image))
    }

    /// One CVM image; `None` when there is none of this id.
    ///
    /// # Errors
    /// See above.
    pub async fn cvm_image(
        &self,
        region: &Region,
        image: &CvmImageId,
        deadline: Deadline,
    ) -> Result<Option<CvmImage>, CloudError> {
        let ids = std::slice::from_ref(image);
        let answered = self.call(region, &describe_images::Request::of(ids), deadline).await;
        let found = absent_is_empty(answered.map(|a| a.answer.image_set.unwrap_or_default()))?;
        Ok(found.into_iter().find(|one| one.image_id == *image))
    }
}

/// Some reads answer an unknown id with an empty list, some with an error: both say that it is not there.
fn absent_is_empty<T>(found: Result<Vec<T>, CloudError>) -> Result<Vec<T>, CloudError> {
    match found {
        Err(error) if image_is_missing(&error.code) => Ok(Vec::new()),
        other => other,
    }
}
