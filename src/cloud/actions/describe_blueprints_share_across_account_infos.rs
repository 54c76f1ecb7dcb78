//! `DescribeBlueprintsShareAcrossAccountInfos`: lists the root accounts that have a Lighthouse
//! custom image. Not every site offers the action. Limits: 100 entries a page, 20 calls a second.
//! <https://cloud.tencent.com/document/product/1207/132389>

use serde::{Deserialize, Serialize};

use super::{Api, Paging, Query};
use crate::domain::{AccountId, BlueprintId};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Shares<'a> {
    blueprint_ids: [&'a BlueprintId; 1],
}

impl<'a> Shares<'a> {
    pub fn of(image: &'a BlueprintId) -> Paging<Self> {
        let blueprint_ids = [image];
        Paging::new(Self { blueprint_ids })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Share {
    pub blueprint_id: BlueprintId,
    pub account_id: AccountId,
}

impl Query for Shares<'_> {
    const API: Api = Api::lighthouse("DescribeBlueprintsShareAcrossAccountInfos");
    type Item = Share;

    fn key(item: &Share) -> String {
        format!("{}/{}", item.blueprint_id, item.account_id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Page;
    use super::*;

    #[test]
    fn shares_are_read_and_an_unreadable_account_is_never_dropped() {
        let good = r#"{"TotalCount":1,"BlueprintShareAcrossAccountInfoSet":
            [{"BlueprintId":"lhbp-6jc6l8yb","AccountId":"700000164995","CreatedTime":"2026-01-01T00:00:00Z"}]}"#;
        let page: Page<Share> = serde_json::from_str(good).unwrap();
        assert_eq!(page.items.unwrap()[0].account_id.as_str(), "700000164995");
        let bad = good.replace("700000164995", "someone");
        assert!(serde_json::from_str::<Page<Share>>(&bad).is_err());
    }

    #[test]
    fn the_body_has_the_image_and_the_page() {
        let image = "lhbp-6jc6l8yb".parse().unwrap();
        let request = Shares::of(&image);
        let body = serde_json::to_string(&request).unwrap();
        assert_eq!(
            body,
            r#"{"BlueprintIds":["lhbp-6jc6l8yb"],"Offset":0,"Limit":100}"#
        );
    }
}
