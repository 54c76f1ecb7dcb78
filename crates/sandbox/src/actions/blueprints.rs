//! lighthouse `DescribeBlueprints`: lists the images of a region. The answer omits ids that do not
//! exist. Source: cloud.tencent.com/document/product/1207/47689.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::context::{ActionContext, Answer};
use super::list::ListRules;
use crate::world::{Blueprint, BlueprintKind, api_time};

const RULES: ListRules = ListRules {
    ids: "BlueprintIds",
    prefix: "lhbp-",
    negative: "InvalidParameterValue.Negative",
    range: "InvalidParameterValue.OutOfRange",
    exclusive: Some("InvalidParameter.ParameterConflict"),
    too_many_ids: Some("InvalidParameterValue.LimitExceeded"),
    malformed_id: Some("InvalidParameterValue.BlueprintIdMalformed"),
    filters: &[
        "blueprint-id",
        "blueprint-type",
        "platform-type",
        "blueprint-name",
        "blueprint-state",
        "context-id",
    ],
    tags: true,
    max_values: 100,
    unknown_filter: "InvalidParameter.InvalidFilterNotSupportedName",
    too_many_filters: "InvalidParameterValue.LimitExceeded",
};

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let (selection, now) = (RULES.read(context.params)?, context.now);
    let blueprints = context.stock.blueprints.iter();
    let found = blueprints
        .filter(|(id, blueprint)| selection.takes(id, |name| field(name, id, blueprint, now)));
    let entries = found.map(|(id, blueprint)| entry(id, blueprint, now));
    Ok(selection.page.of("BlueprintSet", entries.collect()))
}

fn field(name: &str, id: &str, blueprint: &Blueprint, now: Timestamp) -> Option<String> {
    let found = match name {
        "blueprint-id" => id,
        "blueprint-type" => blueprint.kind.as_str(),
        "platform-type" => platform_type(blueprint),
        "blueprint-name" => &blueprint.name,
        "blueprint-state" => blueprint.state_at(now).as_str(),
        _ => return None,
    };
    Some(found.to_owned())
}

fn platform_type(blueprint: &Blueprint) -> &'static str {
    if blueprint.platform.starts_with("WINDOWS") {
        "WINDOWS"
    } else {
        "LINUX_UNIX"
    }
}

fn entry(id: &str, blueprint: &Blueprint, now: Timestamp) -> Value {
    json!({
        "BlueprintId": id,
        "DisplayTitle": blueprint.name,
        "DisplayVersion": "-",
        "Description": "",
        "OsName": blueprint.os_name,
        "Platform": blueprint.platform,
        "PlatformType": platform_type(blueprint),
        "BlueprintType": blueprint.kind.as_str(),
        "ImageUrl": "",
        "RequiredSystemDiskSize": blueprint.size,
        "BlueprintState": blueprint.state_at(now).as_str(),
        "CreatedTime": api_time(blueprint.created),
        "BlueprintName": blueprint.name,
        "SupportAutomationTools": true,
        "RequiredMemorySize": 0,
        "ImageId": blueprint.image_id,
        "CommunityUrl": "",
        "GuideUrl": "",
        "SceneIdSet": [],
        "DockerVersion": null,
        "BlueprintShared": blueprint.kind == BlueprintKind::Shared || !blueprint.shares.is_empty(),
        "Tags": [],
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::actions::Action;

    fn list(bench: &mut Bench, params: Value) -> Result<Vec<Value>, String> {
        let answer = bench.call(Action::Blueprints, params)?;
        Ok(answer["BlueprintSet"].as_array().unwrap().clone())
    }

    #[test]
    fn the_flag_tells_whether_anybody_has_it() {
        let mut bench = Bench::new();
        let one = json!({"BlueprintIds": ["lhbp-6jc6l8yb"]});
        assert_eq!(
            list(&mut bench, one.clone()).unwrap()[0]["BlueprintShared"],
            false
        );
        let share = json!({"BlueprintId": "lhbp-6jc6l8yb", "AccountIds": ["700000164995"]});
        bench.call(Action::ShareBlueprint, share).unwrap();
        assert_eq!(list(&mut bench, one).unwrap()[0]["BlueprintShared"], true);
    }

    #[test]
    fn a_published_image_is_found_by_type_and_image_id() {
        let mut bench = Bench::new();
        let shared = json!({"Filters": [{"Name": "blueprint-type", "Values": ["SHARED"]}]});
        assert_eq!(list(&mut bench, shared.clone()), Ok(vec![]));
        bench
            .call(
                Action::PublishImage,
                json!({"ImageId": "img-xkd784jw", "Permission": "SHARE"}),
            )
            .unwrap();
        let found = list(&mut bench, shared).unwrap();
        assert_eq!(found.len(), 1);
        for (name, value) in [
            ("BlueprintId", json!("lhbp-su83x02a")),
            ("ImageId", json!("img-xkd784jw")),
            ("BlueprintType", json!("SHARED")),
            ("BlueprintState", json!("NORMAL")),
            ("BlueprintShared", json!(true)),
            ("PlatformType", json!("LINUX_UNIX")),
        ] {
            assert_eq!(found[0][name], value, "{name}");
        }
    }

    #[test]
    fn filters_and_ids_choose() {
        let mut bench = Bench::new();
        assert_eq!(list(&mut bench, json!({})).unwrap().len(), 7);
        let state =
            json!({"Filters": [{"Name": "blueprint-state", "Values": ["SYNCING", "ISOLATED"]}]});
        assert_eq!(list(&mut bench, state).unwrap().len(), 2);
        let tagged = json!({"Filters": [{"Name": "tag:team", "Values": ["web"]}]});
        assert_eq!(list(&mut bench, tagged), Ok(vec![]));
        assert_eq!(
            list(&mut bench, json!({"BlueprintIds": ["lhbp-nowhere0"]})),
            Ok(vec![])
        );
    }

    #[test]
    fn every_condition_has_its_code() {
        let by_name = json!([{"Name": "blueprint-name", "Values": ["x"]}]);
        for (params, code) in [
            (
                json!({"BlueprintIds": ["lhbp-6jc6l8yb"], "Filters": by_name}),
                "InvalidParameter.ParameterConflict",
            ),
            (
                json!({"BlueprintIds": ["x"]}),
                "InvalidParameterValue.BlueprintIdMalformed",
            ),
            (
                json!({"BlueprintIds": vec!["lhbp-6jc6l8yb"; 101]}),
                "InvalidParameterValue.LimitExceeded",
            ),
            (
                json!({"Filters": [{"Name": "colour", "Values": ["x"]}]}),
                "InvalidParameter.InvalidFilterNotSupportedName",
            ),
            (
                json!({"Filters": [{"Name": "blueprint-id", "Values": vec!["x"; 101]}]}),
                "InvalidParameterValue.LimitExceeded",
            ),
            (json!({"Limit": 101}), "InvalidParameterValue.OutOfRange"),
        ] {
            assert_eq!(
                list(&mut Bench::new(), params.clone()),
                Err(code.to_owned()),
                "{params}"
            );
        }
    }
}
