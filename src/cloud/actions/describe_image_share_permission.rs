//! `DescribeImageSharePermission`: lists the root accounts that have a CVM image, without paging.
//! Limit: 10 calls a second.

use serde::{Deserialize, Serialize};

use super::{Action, Api};
use crate::domain::{AccountId, CvmImageId};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    pub image_id: &'a CvmImageId,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The accounts that have the image.
    pub share_permission_set: Option<Vec<Share>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Share {
    pub account_id: AccountId,
}

impl Action for Request<'_> {
    type Answer = Answer;

    fn api(&self) -> Api {
        Api::cvm("DescribeImageSharePermission")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_an_unreadable_account_is_never_dropped() {
        let good = r#"{"SharePermissionSet":[{"AccountId":"1038493875","CreatedTime":"2026-01-01T00:00:00Z"}]}"#;
        let answer: Answer = serde_json::from_str(good).unwrap();
        assert_eq!(
            answer.share_permission_set.unwrap()[0].account_id.as_str(),
            "1038493875"
        );
        for bad in [
            r#"{"SharePermissionSet":[{"AccountId":"me"}]}"#,
            r#"{"SharePermissionSet":[{}]}"#,
        ] {
            assert!(serde_json::from_str::<Answer>(bad).is_err(), "{bad}");
        }
    }
}
