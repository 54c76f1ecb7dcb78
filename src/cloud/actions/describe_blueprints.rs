//! `DescribeBlueprints`: lists the Lighthouse images that the account can use, including public
//! ones. If Lighthouse made an image from a CVM image, the entry has the id of that CVM image.
//! Limits: either ids or filters, 100 ids, 10 filters of 100 values, 100 entries a page, 10 calls a
//! second.
//! <https://www.tencentcloud.com/document/product/1103/42503>

use serde::{Deserialize, Serialize};

use super::{Api, Filter, Paging, Query};
use crate::domain::BlueprintId;

pub const API: Api = Api::lighthouse("DescribeBlueprints");

/// Maximum number of calls a second. The other Lighthouse actions allow 20.
pub const PER_SECOND: f64 = 10.0;

/// Selects images by ids or by filters. The API does not accept both together.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Blueprints<'a> {
    #[serde(rename_all = "PascalCase")]
    Ids { blueprint_ids: [&'a BlueprintId; 1] },
    #[serde(rename_all = "PascalCase")]
    Filters { filters: [Filter; 1] },
}

impl<'a> Blueprints<'a> {
    pub fn of(image: &'a BlueprintId) -> Paging<Self> {
        let blueprint_ids = [image];
        Paging::new(Self::Ids { blueprint_ids })
    }

    /// Selects the account's own images and the images made from CVM images, but no public images.
    pub fn custom() -> Paging<Self> {
        let filters = [Filter {
            name: "blueprint-type".into(),
            values: vec!["PRIVATE".into(), "SHARED".into()],
        }];
        Paging::new(Self::Filters { filters })
    }
}

/// A Lighthouse image, with the fields that this program reads. All fields except the id may be
/// absent. States and types are strings, because the cloud may add new values.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Blueprint {
    pub blueprint_id: BlueprintId,
    /// Such as `PRIVATE`, `SHARED` or `APP_OS`.
    pub blueprint_type: Option<String>,
    /// Such as `NORMAL` or `SYNCING`. Only an image in state `NORMAL` can be shared.
    pub blueprint_state: Option<String>,
    /// The CVM image from which Lighthouse made the blueprint. May be empty.
    pub image_id: Option<String>,
}

impl Query for Blueprints<'_> {
    const API: Api = API;
    type Item = Blueprint;

    fn key(item: &Blueprint) -> String {
        item.blueprint_id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Page;
    use super::*;

    #[test]
    fn everything_but_the_id_may_be_absent_or_new() {
        let text = r#"{"TotalCount":2,"BlueprintSet":[{"BlueprintId":"lhbp-6jc6l8yb"},
            {"BlueprintId":"lhbp-su83x02a","ImageId":"","BlueprintType":"HOLOGRAM","BlueprintShared":null,"Tags":[{}]}]}"#;
        let page: Page<Blueprint> = serde_json::from_str(text).unwrap();
        let items = page.items.unwrap();
        assert_eq!((items.len(), items[1].image_id.as_deref()), (2, Some("")));
    }

    #[test]
    fn ids_and_filters_exclude_each_other() {
        let image = "lhbp-6jc6l8yb".parse().unwrap();
        for (request, body) in [
            (
                Blueprints::of(&image),
                r#"{"BlueprintIds":["lhbp-6jc6l8yb"],"Offset":0,"Limit":100}"#,
            ),
            (
                Blueprints::custom(),
                r#"{"Filters":[{"Name":"blueprint-type","Values":["PRIVATE","SHARED"]}],"Offset":0,"Limit":100}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), body);
        }
    }
}
