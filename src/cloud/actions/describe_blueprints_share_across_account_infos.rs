//! `DescribeBlueprintsShareAcrossAccountInfos`: lists the root accounts that have a Lighthouse
//! custom image. Not every site offers the action. Limits: 100 entries a page, 20 calls a second.
//! <https://cloud.tencent.com/document/product/1207/132389>

use serde::{Deserialize, Serialize};

use super::{Action, Api, PAGE_LIMIT, Page, Paged};
use crate::domain::{AccountId, BlueprintId};

/// The request for one page.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    /// The image; required.
    pub blueprint_ids: [&'a BlueprintId; 1],
    /// Offset of the first entry.
    pub offset: u64,
    /// Maximum number of entries on the page.
    pub limit: u32,
}

impl<'a> Request<'a> {
    /// The first page for one image.
    pub fn new(image: &'a BlueprintId) -> Self {
        Self {
            blueprint_ids: [image],
            offset: 0,
            limit: PAGE_LIMIT,
        }
    }
}

/// The answer: one page.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    total_count: Option<u64>,
    blueprint_share_across_account_info_set: Option<Vec<Share>>,
}

/// One account that has one image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Share {
    /// The image.
    pub blueprint_id: BlueprintId,
    /// The account.
    pub account_id: AccountId,
}

impl Action for Request<'_> {
    type Answer = Answer;

    fn api(&self) -> Api {
        Api::lighthouse("DescribeBlueprintsShareAcrossAccountInfos")
    }
}

impl Paged for Request<'_> {
    type Item = Share;

    fn at(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    fn page(answer: Answer) -> Page<Share> {
        Page {
            items: answer
                .blueprint_share_across_account_info_set
                .unwrap_or_default(),
            total: answer.total_count,
        }
    }

    fn key(item: &Share) -> String {
        format!("{}/{}", item.blueprint_id, item.account_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_an_unreadable_account_is_never_dropped() {
        let good = r#"{"TotalCount":1,"BlueprintShareAcrossAccountInfoSet":
            [{"BlueprintId":"lhbp-6jc6l8yb","AccountId":"700000164995","CreatedTime":"2026-01-01T00:00:00Z"}]}"#;
        let page = Request::page(serde_json::from_str(good).unwrap());
        assert_eq!(page.items[0].account_id.as_str(), "700000164995");
        let bad = good.replace("700000164995", "someone");
        assert!(serde_json::from_str::<Answer>(&bad).is_err());
    }

    #[test]
    fn the_body_has_the_image_and_the_page() {
        let image = "lhbp-6jc6l8yb".parse().unwrap();
        let request = Request::new(&image);
        let body = serde_json::to_string(&request).unwrap();
        assert_eq!(
            body,
            r#"{"BlueprintIds":["lhbp-6jc6l8yb"],"Offset":0,"Limit":100}"#
        );
    }
}
