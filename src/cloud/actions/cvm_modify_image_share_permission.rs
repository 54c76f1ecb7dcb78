//! CVM `ModifyImageSharePermission`: shares a CVM image with root accounts in the image's region,
//! or stops sharing it. Limits: 500 accounts per image, the image's state must be NORMAL, 10 calls
//! a second. <https://cloud.tencent.com/document/api/213/15710>

use serde::Serialize;

use super::action::permission;
use super::{Action, Api, Limit, NoFields, Purpose, limits};
use crate::domain::{self, AccountId, CvmImageId};

pub const API: Api = Api::cvm("ModifyImageSharePermission");
/// Maximum number of accounts that an image can be shared with. The documentation publishes no
/// limit for one call; [`Request::max_accounts`] sets one.
pub const MAX_ACCOUNTS: usize = 500;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    pub image_id: &'a CvmImageId,
    /// At least one account.
    pub account_ids: &'a [AccountId],
    #[serde(rename = "Permission", serialize_with = "permission")]
    pub action: domain::Action,
    /// Maximum number of accounts in one call, from the settings.
    #[serde(skip)]
    pub max_accounts: usize,
}

impl Action for Request<'_> {
    type Answer = NoFields;

    fn api(&self) -> Api {
        API
    }

    fn purpose(&self) -> Purpose {
        self.action.into()
    }

    fn check(&self) -> Result<(), Limit> {
        limits::accounts(self.account_ids, self.max_accounts.min(MAX_ACCOUNTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_three_fields_and_no_more() {
        let image = "img-6pb6lrmy".parse().unwrap();
        let accounts = ["1038493875".parse().unwrap()];
        let request = Request {
            image_id: &image,
            account_ids: &accounts,
            action: domain::Action::Share,
            max_accounts: 10,
        };
        let body = serde_json::to_string(&request).unwrap();
        assert_eq!(
            body,
            r#"{"ImageId":"img-6pb6lrmy","AccountIds":["1038493875"],"Permission":"SHARE"}"#
        );
        assert!(request.check().is_ok());
        assert!(
            Request {
                account_ids: &[],
                ..request.clone()
            }
            .check()
            .is_err()
        );
        assert!(
            Request {
                max_accounts: 0,
                ..request
            }
            .check()
            .is_err()
        );
    }
}
