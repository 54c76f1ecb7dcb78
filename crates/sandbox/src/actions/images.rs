//! cvm `DescribeImages`: lists the images that the account can use. Unlike in Lighthouse's lists,
//! an unknown id is an error. Source: cloud.tencent.com/document/api/213/15715. Accepts and ignores
//! `InstanceType`.

use serde_json::{Value, json};

use super::context::{ActionContext, Answer};
use super::list::ListRules;
use crate::error::{clip, refuse};
use crate::seed::SANDBOX_OWNER;
use crate::world::{CvmImage, ImageType, api_time, is_image_id};

const RULES: ListRules = ListRules {
    ids: "ImageIds",
    prefix: "img-",
    negative: "InvalidParameterValue",
    range: "InvalidParameterValue.LimitExceeded",
    exclusive: Some("InvalidParameter.InvalidParameterCoexistImageIdsFilters"),
    too_many_ids: None,
    malformed_id: None,
    filters: &["image-id", "image-type", "image-name", "platform"],
    tags: true,
    max_values: 5,
    unknown_filter: "InvalidFilter",
    too_many_filters: "InvalidFilterValue.LimitExceeded",
};

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let selection = RULES.read(context.params)?;
    for id in selection.ids {
        if !is_image_id(id, RULES.prefix) {
            let text = format!("The image ID `{}` is malformed.", clip(id));
            return refuse("InvalidImageId.Malformed", text);
        }
        if !context.stock.images.contains_key(id) {
            let text = format!("There is no image `{}`.", clip(id));
            return refuse("InvalidImageId.NotFound", text);
        }
    }
    let found = context.stock.images.iter().filter(|(id, image)| {
        selection.takes(id, |name| match name {
            "platform" => Some(image.platform.clone()),
            _ => field(name, id, image),
        })
    });
    let entries = found.map(|(id, image)| entry(id, image));
    Ok(selection.page.of("ImageSet", entries.collect()))
}

/// Returns the value of an image that a filter compares, for the filters that `DescribeImages` and
/// `DescribeImagesToShare` have in common.
pub(super) fn field(name: &str, id: &str, image: &CvmImage) -> Option<String> {
    let found = match name {
        "image-id" => id,
        "image-type" => image.kind.as_str(),
        "image-name" => &image.name,
        _ => return None,
    };
    Some(found.to_owned())
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
