//! `ShareBlueprintAcrossAccounts`: shares a Lighthouse custom image with root accounts. The answer
//! names no account. Limits: 10 accounts, state NORMAL, 20 calls a second.

use serde::{Deserialize, Serialize};

use super::{Action, Api, Limit, Purpose, Service, limits};
use crate::domain::{AccountId, BlueprintId};

/// Identity of the action.
pub const API: Api = Api {
    service: Service::Lighthouse,
    version: "2020-03-24",
    action: "ShareBlueprintAcrossAccounts",
};
/// Maximum number of accounts in one call.
pub const MAX_ACCOUNTS: usize = 10;

/// The request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    /// The image.
    pub blueprint_id: &'a BlueprintId,
    /// 1 to [`MAX_ACCOUNTS`].
    pub account_ids: &'a [AccountId],
}

/// The answer, which has no field except `RequestId`.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {}

impl Action for Request<'_> {
    const API: Api = API;
    type Answer = Answer;

    fn purpose(&self) -> Purpose {
        Purpose::Share
    }

    fn check(&self) -> Result<(), Limit> {
        limits::accounts(self.account_ids, MAX_ACCOUNTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_the_documentation_s_example() {
        let image = "lhbp-6jc6l8yb".parse().unwrap();
        let accounts = ["700000164995".parse().unwrap()];
        let request = Request {
            blueprint_id: &image,
            account_ids: &accounts,
        };
        let body = serde_json::to_string(&request).unwrap();
        assert_eq!(
            body,
            r#"{"BlueprintId":"lhbp-6jc6l8yb","AccountIds":["700000164995"]}"#
        );
        assert!(request.check().is_ok());
    }
}
