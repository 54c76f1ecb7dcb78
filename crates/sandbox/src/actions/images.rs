//! cvm `DescribeImages`: lists the images that the account can use. Unlike in Lighthouse's lists,
//! an unknown id is an error. Source: cloud.tencent.com/document/api/213/15715. Accepts and ignores
//! `InstanceType`.

use serde_json::{Value, json};

use super::context::{ActionContext, Answer};
use super::paging::{FilterRules, Page, matches};
use crate::error::{ApiError, clip};
use crate::seed::SANDBOX_OWNER;
use crate::world::{CvmImage, ImageType, api_time, is_image_id};

const FILTERS: FilterRules = FilterRules {
    names: &["image-id", "image-type", "image-name", "platform"],
    tags: true,
    max_values: 5,
    unknown: "InvalidFilter",
    too_many: "InvalidFilterValue.LimitExceeded",
};

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let params = context.params;
    let page = Page::read(
        params,
        "InvalidParameterValue",
        "InvalidParameterValue.LimitExceeded",
    )?;
    let (ids, filters) = (params.list("ImageIds"), params.filters());
    if !ids.is_empty() && !filters.is_empty() {
        let message = "ImageIds and Filters cannot be specified simultaneously.";
        return Err(ApiError::new(
            "InvalidParameter.InvalidParameterCoexistImageIdsFilters",
            message,
        ));
    }
    FILTERS.check(filters)?;
    for id in ids {
        let code = match context.stock.images.contains_key(id) {
            _ if !is_image_id(id, "img-") => "InvalidImageId.Malformed",
            false => "InvalidImageId.NotFound",
            true => continue,
        };
        return Err(ApiError::new(
            code,
            format!("There is no image `{}`.", clip(id)),
        ));
    }
    let listed = |id: &String, image: &CvmImage| {
        (ids.is_empty() || ids.contains(id))
            && matches(filters, |name| match name {
                "image-id" => Some(id.clone()),
                "image-type" => Some(image.kind.as_str().to_owned()),
                "image-name" => Some(image.name.clone()),
                "platform" => Some(image.platform.clone()),
                _ => None,
            })
    };
    let found = context
        .stock
        .images
        .iter()
        .filter(|(id, image)| listed(id, image));
    Ok(page.of(
        "ImageSet",
        found.map(|(id, image)| entry(id, image)).collect(),
    ))
}

fn entry(id: &str, image: &CvmImage) -> Value {
    json!({
        "ImageId": id,
        "OsName": image.os_name,
        "ImageType": image.kind.as_str(),
        "CreatedTime": api_time(image.created),
        "ImageName": image.name,
        "ImageDescription": "",
        "ImageSize": image.size,
        "Architecture": "x86_64",
        "ImageState": image.state.as_str(),
        "Platform": image.platform,
        "ImageCreator": if image.kind == ImageType::Private { SANDBOX_OWNER } else { "" },
        "ImageSource": image.source.as_str(),
        "SyncPercent": null,
        "IsSupportCloudinit": image.cloud_init,
        "SnapshotSet": [],
        "Tags": [],
        "LicenseType": if image.byol { "BYOL" } else { "TencentCloud" },
        "ImageFamily": null,
        "ImageDeprecated": false,
        "CdcCacheStatus": null,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::actions::Action;

    fn list(params: Value) -> Result<Value, String> {
        Bench::new().call(Action::Images, params)
    }

    #[test]
    fn images_are_chosen_by_id_or_filter() {
        let one =
            list(json!({"ImageIds": ["img-byol0000"], "InstanceType": "SA5.MEDIUM2"})).unwrap();
        assert_eq!(
            (&one["TotalCount"], &one["ImageSet"][0]["LicenseType"]),
            (&json!(1), &json!("BYOL"))
        );
        let public =
            list(json!({"Filters": [{"Name": "image-type", "Values": ["PUBLIC_IMAGE"]}]})).unwrap();
        assert_eq!(public["ImageSet"][0]["ImageSource"], "OFFICIAL");
        let paged = list(json!({"Offset": 10, "Limit": 3})).unwrap();
        assert_eq!(
            (
                paged["TotalCount"].as_i64(),
                paged["ImageSet"].as_array().unwrap().len()
            ),
            (Some(15), 3)
        );
    }

    #[test]
    fn every_condition_has_its_code() {
        for (params, code) in [
            (
                json!({"ImageIds": ["img-byol0000"], "Filters": [{"Name": "platform", "Values": ["x"]}]}),
                "InvalidParameter.InvalidParameterCoexistImageIdsFilters",
            ),
            (
                json!({"ImageIds": ["img-nowhere0"]}),
                "InvalidImageId.NotFound",
            ),
            (json!({"ImageIds": ["nowhere"]}), "InvalidImageId.Malformed"),
            (json!({"Limit": 101}), "InvalidParameterValue.LimitExceeded"),
            (json!({"Offset": -1}), "InvalidParameterValue"),
            (
                json!({"Filters": [{"Name": "colour", "Values": ["x"]}]}),
                "InvalidFilter",
            ),
            (
                json!({"Filters": [{"Name": "platform", "Values": vec!["x"; 6]}]}),
                "InvalidFilterValue.LimitExceeded",
            ),
        ] {
            assert_eq!(list(params.clone()), Err(code.to_owned()), "{params}");
        }
    }
}
