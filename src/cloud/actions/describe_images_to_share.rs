//! `DescribeImagesToShare`: lists the account's CVM images, and whether each can be made available
//! in Lighthouse. Limits: either ids or filters, 10 filters of 5 values, 100 entries a page, 20
//! calls a second.

use serde::{Deserialize, Serialize};

use super::{Api, Filter, Limit, Query, limits};
use crate::domain::CvmImageId;

pub const MAX_FILTER_VALUES: usize = 5;

/// Selects all images, or some by ids or by filters. The API does not accept ids together with
/// filters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ImagesQuery {
    #[default]
    All,
    #[serde(rename_all = "PascalCase")]
    Ids { image_ids: Vec<CvmImageId> },
    /// Selects the images that match all filters, at most 10.
    #[serde(rename_all = "PascalCase")]
    Filters { filters: Vec<Filter> },
}

/// A CVM image, and whether it can be made available in Lighthouse. All fields except the id may be
/// absent. States and types are strings, because the cloud may add new values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "snake_case"))]
pub struct ImageToShare {
    pub image_id: CvmImageId,
    pub image_name: Option<String>,
    pub image_description: Option<String>,
    /// In GB.
    pub image_size: Option<u64>,
    /// Such as `CREATE_IMAGE` or `EXTERNAL_IMPORT`.
    pub image_source: Option<String>,
    /// Such as `SystemImage` or `InstanceImage`.
    pub image_class: Option<String>,
    /// Such as `NORMAL` or `CREATING`.
    pub image_state: Option<String>,
    /// Whether the image has cloud-init.
    pub is_support_cloudinit: Option<bool>,
    /// Such as `x86_64`.
    pub architecture: Option<String>,
    /// Such as `Ubuntu Server 20.04 LTS 64bit`.
    pub os_name: Option<String>,
    /// Such as `Ubuntu`.
    pub platform: Option<String>,
    /// In the format of RFC 3339.
    pub created_time: Option<String>,
    /// Whether the image can be made available in Lighthouse. Check this field rather than
    /// `unshareable_reason`, which is localised text.
    pub is_shareable: Option<bool>,
    /// Why the image cannot be made available in Lighthouse. Empty if it can.
    pub unshareable_reason: Option<String>,
}

impl Query for ImagesQuery {
    const API: Api = Api::lighthouse("DescribeImagesToShare");
    type Item = ImageToShare;

    fn key(item: &ImageToShare) -> String {
        item.image_id.to_string()
    }

    fn check(&self) -> Result<(), Limit> {
        match self {
            Self::All => Ok(()),
            Self::Ids { image_ids } => limits::ids(image_ids.len()),
            Self::Filters { filters } => limits::filters(filters, MAX_FILTER_VALUES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action as _, Page, Paging};
    use super::*;

    #[test]
    fn the_documentation_s_answer_is_read() {
        let text = r#"{"TotalCount": 1, "ImageSet": [{"ImageId": "img-cs2rrmp0", "ImageName": "ubuntu",
            "ImageDescription": "ubuntu", "ImageSize": 50, "ImageSource": "CREATE_IMAGE", "ImageClass": "SystemImage",
            "ImageState": "NORMAL", "IsSupportCloudinit": true, "Architecture": "x86_64",
            "OsName": "Ubuntu Server 20.04 LTS 64bit", "Platform": "Ubuntu", "CreatedTime": "2021-07-23T08:49:36Z",
            "IsShareable": true, "UnshareableReason": ""}]}"#;
        let page: Page<ImageToShare> = serde_json::from_str(text).unwrap();
        let items = page.items.unwrap();
        assert_eq!((page.total, items.len()), (Some(1), 1));
        assert_eq!(items[0].is_shareable, Some(true));
        assert_eq!(items[0].image_size, Some(50));
    }

    #[test]
    fn everything_but_the_id_may_be_absent_null_or_new() {
        for text in [
            r#"{"ImageSet":[{"ImageId":"img-cs2rrmp0"}]}"#,
            r#"{"ImageSet":[{"ImageId":"img-cs2rrmp0","ImageState":"TELEPORTING","ImageName":null,"New":{"a":[1]}}]}"#,
        ] {
            let page: Page<ImageToShare> = serde_json::from_str(text).unwrap();
            assert_eq!(page.items.unwrap().len(), 1, "{text}");
        }
        let none: Page<ImageToShare> = serde_json::from_str(r#"{"ImageSet":null}"#).unwrap();
        assert!(none.items.is_none());
        for bad in [
            r#"{"ImageSet":[{}]}"#,
            r#"{"ImageSet":[{"ImageId":"x"}]}"#,
            r#"{"ImageSet":{}}"#,
        ] {
            assert!(
                serde_json::from_str::<Page<ImageToShare>>(bad).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_request_names_ids_or_filters_or_neither() {
        let image_ids = vec!["img-cs2rrmp0".parse().unwrap()];
        let by_id = Paging::new(ImagesQuery::Ids { image_ids });
        assert_eq!(
            serde_json::to_string(&by_id).unwrap(),
            r#"{"ImageIds":["img-cs2rrmp0"],"Offset":0,"Limit":100}"#
        );
        assert!(by_id.check().is_ok());
        let filters = vec![Filter {
            name: "image-type".into(),
            values: vec!["PRIVATE_IMAGE".into()],
        }];
        let filtered = Paging::new(ImagesQuery::Filters { filters });
        assert_eq!(
            serde_json::to_string(&filtered).unwrap(),
            r#"{"Filters":[{"Name":"image-type","Values":["PRIVATE_IMAGE"]}],"Offset":0,"Limit":100}"#
        );
        assert!(filtered.check().is_ok());
        assert_eq!(
            serde_json::to_string(&Paging::new(ImagesQuery::All).at(200)).unwrap(),
            r#"{"Offset":200,"Limit":100}"#
        );
    }
}
