//! The operations of the cloud, one method each, with this program's types. Each takes typed
//! arguments and a deadline, and returns receipts and observations, or the error. The caller
//! decides what to call next.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::actions::describe_blueprints::{Blueprint, Blueprints};
use super::actions::describe_blueprints_share_across_account_infos::Shares;
use super::actions::describe_images::CvmImage;
use super::actions::describe_images_to_share::{ImageToShare, ImagesQuery};
use super::actions::{
    Api, Paging, cvm_modify_image_share_permission as cvm_modify,
    describe_image_share_permission as cvm_shares, describe_images,
    lighthouse_modify_image_share_permission as lighthouse_modify,
    share_blueprint_across_accounts as share_blueprint,
};
use super::call::RegionalCloud;
use super::error::{action_is_missing, image_is_missing};
use crate::domain::{AccountId, Action, BlueprintId, CloudError, CvmImageId, ImageRef, Site};

/// Returns the API action that shares an image with accounts, or stops sharing it.
pub(crate) fn sharing_api(image: &ImageRef, action: Action) -> Api {
    match image {
        ImageRef::Blueprint(_) => share_blueprint::api(action),
        ImageRef::Cvm(_) => cvm_modify::API,
    }
}

/// Every method can return the errors of `RegionalCloud::call`. Methods that read a paged list can
/// also return those of `RegionalCloud::all_pages`.
impl RegionalCloud<'_> {
    /// Shares an image with accounts, or stops sharing it. Returns the cloud's id of the call. For
    /// a blueprint, one call takes up to 10 accounts. For a CVM image, the maximum is the setting
    /// `cvm_accounts_per_call`.
    ///
    /// Calls `account_ids` only when the request is ready to be sent, because accounts may join or
    /// leave it until then. Also calls `account_ids` before returning an error that concerns every
    /// waiting caller, such as unusable credentials. Does not call `account_ids` if this caller has
    /// no time left.
    pub async fn change_shares(
        &self,
        image: &ImageRef,
        action: Action,
        account_ids: impl FnOnce() -> Vec<AccountId>,
    ) -> Result<Option<String>, CloudError> {
        let ready = self.ready(sharing_api(image, action));
        let ready = match ready.await {
            // Other callers may have time left.
            Err(error) if error.is_out_of_time() => return Err(error),
            ready => ready,
        };
        let account_ids = &account_ids();
        let ready = ready?;
        let answered = match image {
            ImageRef::Blueprint(blueprint_id) => {
                let request = share_blueprint::Request {
                    blueprint_id,
                    account_ids,
                    action,
                };
                self.send(ready, &request).await?
            }
            ImageRef::Cvm(image_id) => {
                let request = cvm_modify::Request {
                    image_id,
                    account_ids,
                    action,
                    max_accounts: self.cloud.settings.cvm_accounts_per_call,
                };
                self.send(ready, &request).await?
            }
        };
        Ok(Some(answered.request_id))
    }

    /// Makes a CVM image available in Lighthouse, in the same account and region, or makes it
    /// unavailable there again. Returns the blueprint's id and the cloud's id of the call. The
    /// cloud may omit the blueprint's id, and omits it after a cancel.
    pub async fn modify_lighthouse_sharing(
        &self,
        image: &CvmImageId,
        action: Action,
    ) -> Result<(Option<BlueprintId>, Option<String>), CloudError> {
        let request = lighthouse_modify::Request {
            image_id: image,
            action,
        };
        let answered = self.call(&request).await?;
        Ok((answered.answer.blueprint(), Some(answered.request_id)))
    }

    /// Lists the CVM images that match `query`, and whether each can be made available in
    /// Lighthouse.
    pub async fn images_to_share(
        &self,
        query: ImagesQuery,
    ) -> Result<Vec<ImageToShare>, CloudError> {
        self.all_pages(Paging::new(query)).await
    }

    /// Lists the accounts that have an image. See [`Self::blueprint_shares`] and
    /// [`Self::cvm_shares`].
    pub async fn shares(
        &self,
        image: &ImageRef,
    ) -> Result<Option<BTreeSet<AccountId>>, CloudError> {
        match image {
            ImageRef::Blueprint(id) => self.blueprint_shares(id).await,
            ImageRef::Cvm(id) => self.cvm_shares(id).await.map(Some),
        }
    }

    /// Lists the accounts that have a blueprint. Returns `None` if the site does not offer the
    /// list. On the international site, later calls then return `None` without asking the site
    /// again.
    pub async fn blueprint_shares(
        &self,
        image: &BlueprintId,
    ) -> Result<Option<BTreeSet<AccountId>>, CloudError> {
        if self.cloud.lists_no_blueprint_shares.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let request = Shares::of(image);
        match self.all_pages(request).await {
            Ok(shares) => {
                let of_image = shares
                    .into_iter()
                    .filter(|share| share.blueprint_id == *image);
                Ok(Some(of_image.map(|share| share.account_id).collect()))
            }
            Err(error) if action_is_missing(&error.code) => {
                // The mainland site offers the list, so the error is temporary there.
                let never = self.cloud.settings.site == Site::Intl;
                self.cloud
                    .lists_no_blueprint_shares
                    .fetch_or(never, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lists the accounts that have a CVM image.
    pub async fn cvm_shares(&self, image: &CvmImageId) -> Result<BTreeSet<AccountId>, CloudError> {
        let answered = self.call(&cvm_shares::Request { image_id: image }).await?;
        let shares = answered.answer.share_permission_set.unwrap_or_default();
        Ok(shares.into_iter().map(|share| share.account_id).collect())
    }

    /// Finds the blueprint that Lighthouse made from a CVM image. If there are several, prefers one
    /// of type `SHARED`.
    pub async fn blueprint_of_image(
        &self,
        image: &CvmImageId,
    ) -> Result<Option<Blueprint>, CloudError> {
        let all = self.all_pages(Blueprints::custom()).await?;
        let of_image =
            |blueprint: &&Blueprint| blueprint.image_id.as_deref() == Some(image.as_str());
        let from_cvm =
            |blueprint: &&Blueprint| blueprint.blueprint_type.as_deref() == Some("SHARED");
        let found = all
            .iter()
            .filter(of_image)
            .find(from_cvm)
            .or_else(|| all.iter().find(of_image));
        Ok(found.cloned())
    }

    /// Reads one blueprint. `None` if no blueprint has this id.
    pub async fn blueprint(&self, image: &BlueprintId) -> Result<Option<Blueprint>, CloudError> {
        let request = Blueprints::of(image);
        let found = absent_is_empty(self.all_pages(request).await)?;
        Ok(found
            .into_iter()
            .find(|blueprint| blueprint.blueprint_id == *image))
    }

    /// Reads one CVM image. `None` if no image has this id.
    pub async fn cvm_image(&self, image: &CvmImageId) -> Result<Option<CvmImage>, CloudError> {
        let image_ids = [image];
        let answered = self.call(&describe_images::Request { image_ids }).await;
        let found = absent_is_empty(answered.map(|a| a.answer.image_set.unwrap_or_default()))?;
        Ok(found.into_iter().find(|one| one.image_id == *image))
    }
}

/// Some reads return an error for an unknown id, and others return an empty list. Returns an empty
/// list in both cases.
fn absent_is_empty<T>(found: Result<Vec<T>, CloudError>) -> Result<Vec<T>, CloudError> {
    match found {
        Err(error) if image_is_missing(&error.code) => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::loopback::*;
    use crate::cloud::{CloudSettings, Deadline};
    use crate::domain::{ErrorClass, ResultCode};

    #[tokio::test]
    async fn every_write_sends_its_own_action() {
        let available = reply(r#"{"Response":{"BlueprintId":"lhbp-su83x02a","RequestId":"r"}}"#);
        let server = Server::start([done(), done(), available]).await;
        let cloud = cloud(server.address);
        let (here, who) = (region(), accounts(1));
        for image in [ImageRef::Blueprint(blueprint()), ImageRef::Cvm(image())] {
            let who = || who.clone();
            cloud
                .at(&here, Deadline::NEVER)
                .change_shares(&image, Action::Cancel, who)
                .await
                .unwrap();
        }
        let (made, _) = cloud
            .at(&here, Deadline::NEVER)
            .modify_lighthouse_sharing(&image(), Action::Share)
            .await
            .unwrap();
        assert_eq!(made.unwrap().as_str(), "lhbp-su83x02a");
        let sent: Vec<(String, String)> = server
            .seen()
            .into_iter()
            .map(|s| (s.action, s.body["Permission"].to_string()))
            .collect();
        let expected = [
            ("CancelShareBlueprintAcrossAccounts", "null"),
            ("ModifyImageSharePermission", "\"CANCEL\""),
            ("ModifyImageSharePermission", "\"SHARE\""),
        ];
        assert_eq!(
            sent,
            expected.map(|(action, permission)| (action.to_owned(), permission.to_owned()))
        );
    }

    #[tokio::test]
    async fn a_request_beyond_a_limit_is_not_sent() {
        let server = Server::start([]).await;
        let cloud = cloud(server.address);
        let here = region();
        for (image, count) in [
            (ImageRef::Blueprint(blueprint()), 11),
            (ImageRef::Blueprint(blueprint()), 0),
            (ImageRef::Cvm(image()), 11),
        ] {
            let error = cloud
                .at(&here, Deadline::NEVER)
                .change_shares(&image, Action::Share, || accounts(count))
                .await
                .unwrap_err();
            assert_eq!(
                (error.class, error.code.as_str()),
                (ErrorClass::NotSent, ResultCode::PublishedLimit.as_str()),
                "{error}"
            );
        }
        assert!(server.seen().is_empty());
    }

    /// If the credentials cannot be found, all callers that wait for the call get this error. The
    /// deadline of the caller that makes the call does not concern the others.
    #[tokio::test]
    async fn a_failure_that_concerns_all_callers_is_given_to_all() {
        let server = Server::start([]).await;
        let here = region();
        let image = ImageRef::Blueprint(blueprint());
        let passed = Deadline::after(std::time::Duration::ZERO);
        // Connections to the second address are never accepted, so its look-up cannot end.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = format!("http://{}", listener.local_addr().unwrap());
        for (metadata, deadline, code, asked) in [
            (
                "http://127.0.0.1:1",
                Deadline::NEVER,
                ResultCode::ConnectFailed,
                true,
            ),
            (&silent, passed, ResultCode::DeadlinePassed, false),
        ] {
            let machine = [
                ("SHAREHOOK_METADATA_ENDPOINT", metadata),
                ("TENCENTCLOUD_CAM_ROLE_NAME", "role"),
            ];
            let machine = machine.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let cloud = cloud_with(settings(server.address), &machine.into());
            let mut was_asked = false;
            let accounts = || {
                was_asked = true;
                accounts(2)
            };
            let cloud = cloud.at(&here, deadline);
            let error = cloud.change_shares(&image, Action::Share, accounts).await;
            let error = error.unwrap_err();
            assert_eq!(error.class, ErrorClass::NotSent, "{error}");
            assert_eq!((error.code.as_str(), was_asked), (code.as_str(), asked));
        }
    }

    #[tokio::test]
    async fn all_pages_are_read() {
        let page = |from: usize, count: usize| {
            let images: Vec<_> = (from..from + count)
                .map(|n| serde_json::json!({"ImageId": format!("img-{n:08}")}))
                .collect();
            reply(
                &serde_json::json!({"Response": {"TotalCount": 250, "ImageSet": images, "RequestId": "r"}})
                    .to_string(),
            )
        };
        let server = Server::start([page(0, 100), page(100, 100), page(200, 50)]).await;
        let found = cloud(server.address)
            .at(&region(), Deadline::NEVER)
            .images_to_share(ImagesQuery::All)
            .await
            .unwrap();
        assert_eq!(found.len(), 250);
        let offsets: Vec<_> = server
            .seen()
            .into_iter()
            .map(|s| s.body["Offset"].as_u64().unwrap())
            .collect();
        assert_eq!(offsets, [0, 100, 200]);
    }

    #[tokio::test]
    async fn a_site_without_the_list_of_shares_is_asked_once() {
        let shares = r#"{"Response":{"TotalCount":2,"BlueprintShareAcrossAccountInfoSet":[
            {"BlueprintId":"lhbp-6jc6l8yb","AccountId":"700000000001"},
            {"BlueprintId":"lhbp-another1","AccountId":"700000000002"}],"RequestId":"r"}}"#;
        let server = Server::start([
            reply(shares),
            refused("InternalError"),
            refused("InvalidAction"),
        ])
        .await;
        let cloud = cloud(server.address);
        let ask = || async {
            cloud
                .at(&region(), Deadline::NEVER)
                .blueprint_shares(&blueprint())
                .await
        };
        let found = ask().await.unwrap().unwrap();
        assert_eq!(
            found.iter().map(AccountId::as_str).collect::<Vec<_>>(),
            ["700000000001"]
        );
        assert!(ask().await.is_err());
        assert_eq!(ask().await.unwrap(), None);
        assert_eq!(ask().await.unwrap(), None);
        assert_eq!(server.seen().len(), 3);
    }

    #[tokio::test]
    async fn the_mainland_site_is_asked_again_for_the_list_of_shares() {
        let shares = r#"{"Response":{"TotalCount":1,"BlueprintShareAcrossAccountInfoSet":[
            {"BlueprintId":"lhbp-6jc6l8yb","AccountId":"700000000001"}],"RequestId":"r"}}"#;
        let server = Server::start([refused("InvalidAction"), reply(shares)]).await;
        let mainland = CloudSettings {
            site: Site::Cn,
            ..settings(server.address)
        };
        let cloud = cloud_with(mainland, &variables());
        let here = region();
        let ask = || cloud.at(&here, Deadline::NEVER);
        let (image, once) = (blueprint(), ask());
        assert_eq!(once.blueprint_shares(&image).await.unwrap(), None);
        assert!(ask().blueprint_shares(&image).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn the_blueprint_of_an_image_is_found_by_the_image() {
        let list = |entries: &str| {
            reply(&format!(
                r#"{{"Response":{{"TotalCount":3,"BlueprintSet":[{entries}],"RequestId":"r"}}}}"#
            ))
        };
        let others = r#"{"BlueprintId":"lhbp-00000001","ImageId":""},
            {"BlueprintId":"lhbp-00000002","ImageId":"img-6pb6lrmy","BlueprintType":"PRIVATE"}"#;
        let shared =
            r#"{"BlueprintId":"lhbp-00000003","ImageId":"img-6pb6lrmy","BlueprintType":"SHARED"}"#;
        let server = Server::start([
            list(&format!("{others},{shared}")),
            reply(r#"{"Response":{"TotalCount":0,"BlueprintSet":[],"RequestId":"r"}}"#),
            refused("ResourceNotFound.BlueprintIdNotFound"),
            refused("InvalidImageId.NotFound"),
            refused("UnauthorizedOperation.NoPermission"),
        ])
        .await;
        let cloud = cloud(server.address);
        let found = cloud
            .at(&region(), Deadline::NEVER)
            .blueprint_of_image(&image())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.blueprint_id.as_str(), "lhbp-00000003");
        assert_eq!(
            cloud
                .at(&region(), Deadline::NEVER)
                .blueprint_of_image(&image())
                .await
                .unwrap(),
            None
        );
        assert_eq!(
            cloud
                .at(&region(), Deadline::NEVER)
                .blueprint(&blueprint())
                .await
                .unwrap(),
            None
        );
        assert_eq!(
            cloud
                .at(&region(), Deadline::NEVER)
                .cvm_image(&image())
                .await
                .unwrap(),
            None
        );
        let error = cloud
            .at(&region(), Deadline::NEVER)
            .cvm_image(&image())
            .await
            .unwrap_err();
        assert_eq!(error.class, ErrorClass::Operator);
    }

    #[tokio::test]
    async fn every_method_can_run_on_any_thread() {
        fn held<T: Send>(_: T) {}
        let server = Server::start([]).await;
        let cloud = cloud(server.address);
        let here = region();
        let cvm = ImageRef::Cvm(image());
        held(
            cloud
                .at(&here, Deadline::NEVER)
                .change_shares(&cvm, Action::Share, || accounts(1)),
        );
        held(
            cloud
                .at(&here, Deadline::NEVER)
                .images_to_share(ImagesQuery::All),
        );
        held(
            cloud
                .at(&here, Deadline::NEVER)
                .blueprint_shares(&blueprint()),
        );
        held(
            cloud
                .at(&here, Deadline::NEVER)
                .blueprint_of_image(&image()),
        );
        held(cloud.at(&here, Deadline::NEVER).cvm_image(&image()));
    }
}
