//! `DescribeBlueprints`: lists the Lighthouse images of the account; also finds the blueprint of a
//! CVM image. Limits: ids or filters, 100 ids, 10 filters of 100 values, 100 entries a page.
//! <https://cloud.tencent.com/document/api/1207/47689>

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::{Action, Api, PAGE_LIMIT, Page, Paged};
use crate::domain::BlueprintId;

/// Selects images. Ids and filters exclude each other.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Query<'a> {
    #[serde(rename_all = "PascalCase")]
    Ids { blueprint_ids: [&'a BlueprintId; 1] },
    #[serde(rename_all = "PascalCase")]
    Filters { filters: [Filter; 1] },
}

/// The request for one page.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    #[serde(flatten)]
    query: Query<'a>,
    offset: u64,
    limit: u32,
}

impl<'a> Request<'a> {
    /// One image.
    pub fn of(image: &'a BlueprintId) -> Self {
        Self::first(Query::Ids {
            blueprint_ids: [image],
        })
    }

    /// The account's own images and those made from CVM images, without the public ones.
    pub fn custom() -> Self {
        Self::first(Query::Filters {
            filters: [Filter {
                name: "blueprint-type".into(),
                values: vec!["PRIVATE".into(), "SHARED".into()],
            }],
        })
    }

    fn first(query: Query<'a>) -> Self {
        Self {
            query,
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
    blueprint_set: Option<Vec<Blueprint>>,
}

/// A Lighthouse image, with the fields that this program reads. All but the id may be absent;
/// enum-like values stay text, because the cloud adds new ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Blueprint {
    /// The image.
    pub blueprint_id: BlueprintId,
    /// `PRIVATE`, `SHARED`, `APP_OS` …
    pub blueprint_type: Option<String>,
    /// `NORMAL`, `SYNCING` …; only NORMAL can be shared.
    pub blueprint_state: Option<String>,
    /// The CVM image that Lighthouse made it from; may be empty.
    pub image_id: Option<String>,
}

impl Action for Request<'_> {
    type Answer = Answer;

    fn api(&self) -> Api {
        Api::lighthouse("DescribeBlueprints")
    }
}

impl Paged for Request<'_> {
    type Item = Blueprint;

    fn at(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    fn page(answer: Answer) -> Page<Blueprint> {
        Page {
            items: answer.blueprint_set.unwrap_or_default(),
            total: answer.total_count,
        }
    }

    fn key(item: &Blueprint) -> String {
        item.blueprint_id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_id_may_be_absent_or_new() {
        let text = r#"{"TotalCount":2,"BlueprintSet":[{"BlueprintId":"lhbp-6jc6l8yb"},
            {"BlueprintId":"lhbp-su83x02a","ImageId":"","BlueprintType":"HOLOGRAM","BlueprintShared":null,"Tags":[{}]}]}"#;
        let page = Request::page(serde_json::from_str(text).unwrap());
        assert_eq!(page.items.len(), 2);
        assert_eq!(page.items[1].image_id.as_deref(), Some(""));
    }

    #[test]
    fn ids_and_filters_exclude_each_other() {
        let image = "lhbp-6jc6l8yb".parse().unwrap();
        for (request, body) in [
            (
                Request::of(&image),
                r#"{"BlueprintIds":["lhbp-6jc6l8yb"],"Offset":0,"Limit":100}"#,
            ),
            (
                Request::custom(),
                r#"{"Filters":[{"Name":"blueprint-type","Values":["PRIVATE","SHARED"]}],"Offset":0,"Limit":100}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), body);
        }
    }
}
