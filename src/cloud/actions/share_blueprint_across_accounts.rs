//! `ShareBlueprintAcrossAccounts` and `CancelShareBlueprintAcrossAccounts`: shares a Lighthouse
//! custom image with root accounts, or stops sharing it. The answer does not name the accounts.
//! Limits: 10 accounts, the image's state must be NORMAL, 20 calls a second.
//! <https://cloud.tencent.com/document/api/1207/101339>

use serde::Serialize;

use super::{Action, Api, Limit, NoFields, Purpose, limits};
use crate::domain::{self, AccountId, BlueprintId};

/// Maximum number of accounts in one call.
pub const MAX_ACCOUNTS: usize = 10;

/// The request of either action. Both take the same parameters.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    pub blueprint_id: &'a BlueprintId,
    /// 1 to [`MAX_ACCOUNTS`] accounts.
    pub account_ids: &'a [AccountId],
    /// Selects which of the two actions is called.
    #[serde(skip)]
    pub action: domain::Action,
}

/// Returns the action that shares a blueprint, or the one that stops sharing it.
pub const fn api(action: domain::Action) -> Api {
    match action {
        domain::Action::Share => Api::lighthouse("ShareBlueprintAcrossAccounts"),
        domain::Action::Cancel => Api::lighthouse("CancelShareBlueprintAcrossAccounts"),
    }
}

impl Action for Request<'_> {
    type Answer = NoFields;

    fn api(&self) -> Api {
        api(self.action)
    }

    fn purpose(&self) -> Purpose {
        self.action.into()
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
        for action in [domain::Action::Share, domain::Action::Cancel] {
            let request = Request {
                blueprint_id: &image,
                account_ids: &accounts,
                action,
            };
            assert_eq!(
                serde_json::to_string(&request).unwrap(),
                r#"{"BlueprintId":"lhbp-6jc6l8yb","AccountIds":["700000164995"]}"#
            );
        }
    }

    #[test]
    fn eleven_accounts_are_one_too_many() {
        let image = "lhbp-6jc6l8yb".parse().unwrap();
        let accounts: Vec<AccountId> = (10..21)
            .map(|n| format!("7000001649{n}").parse().unwrap())
            .collect();
        for action in [domain::Action::Share, domain::Action::Cancel] {
            let request = |count| Request {
                blueprint_id: &image,
                account_ids: &accounts[..count],
                action,
            };
            assert!(request(11).check().is_err());
            assert!(request(10).check().is_ok());
        }
    }
}
