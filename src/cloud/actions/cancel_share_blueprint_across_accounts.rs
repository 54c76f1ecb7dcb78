//! `CancelShareBlueprintAcrossAccounts`: stops sharing the caller's Lighthouse custom image with
//! root accounts. Limits: 10 accounts, 20 calls a second.
//! <https://cloud.tencent.com/document/api/1207/101339>

use serde::{Deserialize, Serialize};

use super::{Action, Api, Limit, Purpose, Service, limits};
use crate::domain::{AccountId, BlueprintId};

/// Identity of the action.
pub const API: Api = Api {
    service: Service::Lighthouse,
    version: "2020-03-24",
    action: "CancelShareBlueprintAcrossAccounts",
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
        Purpose::Cancel
    }

    fn check(&self) -> Result<(), Limit> {
        limits::accounts(self.account_ids, MAX_ACCOUNTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_accounts_are_one_too_many() {
        let image = "lhbp-6jc6l8yb".parse().unwrap();
        let accounts: Vec<AccountId> = (10..21)
            .map(|n| format!("7000001649{n}").parse().unwrap())
            .collect();
        assert!(
            Request {
                blueprint_id: &image,
                account_ids: &accounts
            }
            .check()
            .is_err()
        );
        assert!(
            Request {
                blueprint_id: &image,
                account_ids: &accounts[..10]
            }
            .check()
            .is_ok()
        );
    }
}
