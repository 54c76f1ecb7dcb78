//! lighthouse `DescribeImagesToShare`: lists the account's CVM images, and whether each can be made
//! available in Lighthouse. Source: its API page. The sandbox chooses what the page does not
//! document: the answer lists only private images unless the call has ids or an `image-type`
//! filter, and omits ids that do not exist. A call may have 100 ids, and a filter value may have
//! 128 characters.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::context::{ActionContext, Answer};
use super::images::field;
use super::list::{ListRules, Selection};
use super::shareable::obstacle;
use crate::error::{ApiError, refuse};
use crate::params::Filter;
use crate::world::{CvmImage, ImageType, api_time};

const MAX_VALUE_CHARS: usize = 128;

const RULES: ListRules = ListRules {
    ids: "ImageIds",
    prefix: "img-",
    negative: "InvalidParameterValue.Negative",
    range: "InvalidParameterValue.OutOfRange",
    exclusive: Some("InvalidParameter.InvalidFilter"),
    too_many_ids: Some("InvalidParameterValue.LimitExceeded"),
    malformed_id: Some("InvalidParameterValue.InvalidImageIdMalformed"),
    filters: &["image-id", "image-name", "image-type"],
    tags: false,
    max_values: 5,
    unknown_filter: "InvalidParameter.InvalidFilter",
    too_many_filters: "InvalidParameterValue.LimitExceeded",
};

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let selection = RULES.read(context.params)?;
    check_values(&selection)?;
    context.check_service_role()?;
    let typed = |filter: &Filter| filter.name == "image-type";
    let any_type = !selection.ids.is_empty() || selection.filters.iter().any(typed);
    let found = context.stock.images.iter().filter(|(id, image)| {
        (any_type || image.kind == ImageType::Private)
            && selection.takes(id, |name| field(name, id, image))
    });
    let entries = found.map(|(id, image)| entry(id, image));
    Ok(selection.page.of("ImageSet", entries.collect()))
}

/// Refuses long values, and ids or filters that appear twice.
fn check_values(selection: &Selection<'_>) -> Result<(), ApiError> {
    let (ids, filters) = (selection.ids, selection.filters);
    let mut values = filters.iter().flat_map(|filter| &filter.values);
    if values.any(|value| value.chars().count() > MAX_VALUE_CHARS) {
        let message = format!("The value of a filter has at most {MAX_VALUE_CHARS} characters.");
        return refuse("InvalidParameterValue.TooLong", message);
    }
    let names = filters.iter().map(|filter| &filter.name);
    let mut seen = BTreeSet::new();
    if !ids.iter().chain(names).all(|value| seen.insert(value)) {
        let message = "Duplicate values are not allowed.";
        return refuse("InvalidParameterValue.Duplicated", message);
    }
    Ok(())
}

fn entry(id: &str, image: &CvmImage) -> Value {
    let reason = obstacle(image)
        .map(|refusal| refusal.message)
        .unwrap_or_default();
    json!({
        "ImageId": id,
        "ImageName": image.name,
        "ImageDescription": image.name,
        "ImageSize": image.size,
        "ImageSource": image.source.as_str(),
        "ImageClass": image.class.as_str(),
        "ImageState": image.state.as_str(),
        "IsSupportCloudinit": image.cloud_init,
        "Architecture": "x86_64",
        "OsName": image.os_name,
        "Platform": image.platform,
        "CreatedTime": api_time(image.created),
        "IsShareable": reason.is_empty(),
        "UnshareableReason": reason,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, SG};
    use super::*;
    use crate::actions::Action;

    fn list(params: Value) -> Result<Value, String> {
        Bench::new().call(Action::ImagesToShare, params)
    }

    fn ids(answer: &Value) -> Vec<&str> {
        answer["ImageSet"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["ImageId"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn an_entry_has_the_fields_of_the_page() {
        let answer = list(json!({"ImageIds": ["img-cs2rrmp0"]})).unwrap();
        assert_eq!(answer["TotalCount"], 1);
        let expected = json!({
            "ImageId": "img-cs2rrmp0", "ImageName": "ubuntu", "ImageDescription": "ubuntu", "ImageSize": 50,
            "ImageSource": "CREATE_IMAGE", "ImageClass": "SystemImage", "ImageState": "NORMAL",
            "IsSupportCloudinit": true, "Architecture": "x86_64", "OsName": "Ubuntu Server 20.04 LTS 64bit",
            "Platform": "Ubuntu", "CreatedTime": "2026-06-01T08:00:00Z", "IsShareable": true, "UnshareableReason": "",
        });
        assert_eq!(answer["ImageSet"][0], expected);
    }

    #[test]
    fn shareable_is_what_sharing_would_answer() {
        let mut bench = Bench::new();
        bench
            .call(
                Action::PublishImage,
                json!({"ImageId": "img-gvbnzy6f", "Permission": "SHARE"}),
            )
            .unwrap();
        let images: Vec<String> = bench.world.regions[SG].images.keys().cloned().collect();
        let answer = bench
            .call(Action::ImagesToShare, json!({"ImageIds": images}))
            .unwrap();
        assert_eq!(answer["TotalCount"], images.len());
        for entry in answer["ImageSet"].as_array().unwrap() {
            let call = json!({"ImageId": entry["ImageId"], "Permission": "SHARE"});
            let shared = bench.clone().call(Action::PublishImage, call);
            assert_eq!(entry["IsShareable"], shared.is_ok(), "{entry}");
            assert_eq!(entry["UnshareableReason"] == "", shared.is_ok(), "{entry}");
        }
    }

    #[test]
    fn filters_choose() {
        assert_eq!(ids(&list(json!({})).unwrap()).len(), 13, "the private ones");
        let typed = |kind: &str| {
            list(json!({"Filters": [{"Name": "image-type", "Values": [kind]}]})).unwrap()
        };
        assert_eq!(ids(&typed("SHARED_IMAGE")), ["img-received"]);
        assert_eq!(ids(&typed("PUBLIC_IMAGE")), ["img-public00"]);
        let named = json!({"Filters": [
            {"Name": "image-name", "Values": ["ubuntu", "build-agent"]},
            {"Name": "image-id", "Values": ["img-xkd784jw", "img-6pb6lrmy"]},
        ]});
        assert_eq!(ids(&list(named).unwrap()), ["img-xkd784jw"]);
        let page = list(json!({"Offset": 12, "Limit": 5})).unwrap();
        assert_eq!(
            (page["TotalCount"].as_i64(), ids(&page).len()),
            (Some(13), 1)
        );
        assert_eq!(
            list(json!({"ImageIds": ["img-nowhere0"]})).unwrap()["TotalCount"],
            0
        );
    }

    #[test]
    fn every_condition_has_its_code() {
        let filter = |name: &str, values: Vec<String>| json!({"Name": name, "Values": values});
        let one = |value: &str| vec![value.to_owned()];
        for (params, code) in [
            (
                json!({"ImageIds": ["img-cs2rrmp0"], "Filters": [filter("image-id", one("img-cs2rrmp0"))]}),
                "InvalidParameter.InvalidFilter",
            ),
            (
                json!({"Filters": [filter("colour", one("red"))]}),
                "InvalidParameter.InvalidFilter",
            ),
            (
                json!({"Filters": [filter("image-id", vec![])]}),
                "InvalidParameter.InvalidFilter",
            ),
            (
                json!({"ImageIds": ["ami-1"]}),
                "InvalidParameterValue.InvalidImageIdMalformed",
            ),
            (
                json!({"ImageIds": ["img-cs2rrmp0", "img-cs2rrmp0"]}),
                "InvalidParameterValue.Duplicated",
            ),
            (
                json!({"ImageIds": vec!["img-cs2rrmp0"; 101]}),
                "InvalidParameterValue.LimitExceeded",
            ),
            (
                json!({"Filters": vec![filter("image-id", one("a")); 2]}),
                "InvalidParameterValue.Duplicated",
            ),
            (
                json!({"Filters": vec![filter("image-id", one("a")); 11]}),
                "InvalidParameterValue.LimitExceeded",
            ),
            (
                json!({"Filters": [filter("image-id", vec!["a".to_owned(); 6])]}),
                "InvalidParameterValue.LimitExceeded",
            ),
            (
                json!({"Filters": [filter("image-name", one(&"x".repeat(129)))]}),
                "InvalidParameterValue.TooLong",
            ),
            (json!({"Offset": -1}), "InvalidParameterValue.Negative"),
            (json!({"Limit": 101}), "InvalidParameterValue.OutOfRange"),
            (json!({"Limit": 0}), "InvalidParameterValue.OutOfRange"),
        ] {
            assert_eq!(list(params.clone()), Err(code.to_owned()), "{params}");
        }
    }
}
