//! lighthouse `DescribeBlueprintsShareAcrossAccountInfos`: lists the accounts that blueprints are
//! shared with, and since when. Source: cloud.tencent.com/document/product/1207/132389; the
//! international site does not have the action. If a blueprint does not exist, the answer lists
//! nothing for it, because the page has no error code for this. The page does not document a
//! maximum number of ids, so the sandbox uses the maximum of `DescribeBlueprints`.

use serde_json::json;

use super::context::{ActionContext, Answer};
use super::list::{ListRules, MAX_IDS};
use crate::error::refuse;
use crate::world::api_time;

const OUT_OF_RANGE: &str = "InvalidParameterValue.OutOfRange";

const RULES: ListRules = ListRules {
    ids: "BlueprintIds",
    prefix: "lhbp-",
    negative: "InvalidParameterValue.Negative",
    range: OUT_OF_RANGE,
    exclusive: None,
    too_many_ids: Some(OUT_OF_RANGE),
    malformed_id: Some("InvalidParameterValue.BlueprintIdMalformed"),
    filters: &["account-id"],
    tags: false,
    max_values: 5,
    unknown_filter: OUT_OF_RANGE,
    too_many_filters: OUT_OF_RANGE,
};

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let selection = RULES.read(context.params)?;
    if selection.ids.is_empty() {
        let message = format!("BlueprintIds must have 1 to {MAX_IDS} entries.");
        return refuse(OUT_OF_RANGE, message);
    }
    let mut entries = Vec::new();
    let blueprints = context.stock.blueprints.iter();
    for (id, blueprint) in blueprints.filter(|(_, blueprint)| blueprint.is_custom()) {
        let shares = blueprint.shares.iter();
        for (account, since) in
            shares.filter(|(_, since)| context.behaviour.lists(**since, context.now))
        {
            if selection.takes(id, |_| Some(account.clone())) {
                entries.push(json!({"BlueprintId": id, "AccountId": account, "CreatedTime": api_time(*since)}));
            }
        }
    }
    Ok(selection
        .page
        .of("BlueprintShareAcrossAccountInfoSet", entries))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, SG};
    use super::*;
    use crate::actions::Action;

    const GOOD: &str = "lhbp-6jc6l8yb";

    #[test]
    fn shares_are_listed_page_by_page() {
        let mut bench = Bench::new();
        let now = bench.now;
        let blueprint = bench
            .world
            .regions
            .get_mut(SG)
            .unwrap()
            .blueprints
            .get_mut(GOOD)
            .unwrap();
        blueprint.shares = (0..250).map(|n| (format!("70000000{n:04}"), now)).collect();
        let mut seen = Vec::new();
        for offset in [0, 100, 200, 300] {
            let call =
                json!({"BlueprintIds": [GOOD, "lhbp-nowhere0"], "Offset": offset, "Limit": 100});
            let answer = bench.call(Action::BlueprintShares, call).unwrap();
            assert_eq!(answer["TotalCount"], 250);
            let page = answer["BlueprintShareAcrossAccountInfoSet"]
                .as_array()
                .unwrap()
                .clone();
            seen.extend(
                page.iter()
                    .map(|entry| entry["AccountId"].as_str().unwrap().to_owned()),
            );
        }
        assert_eq!(seen, bench.world.blueprint_accounts(SG, GOOD));
    }

    #[test]
    fn an_entry_names_blueprint_account_and_time() {
        let mut bench = Bench::new();
        let two = json!({"BlueprintId": GOOD, "AccountIds": ["700000164995", "909619400"]});
        bench.call(Action::ShareBlueprint, two).unwrap();
        let filter = json!([{"Name": "account-id", "Values": ["909619400", "1038493875"]}]);
        let answer = bench
            .call(
                Action::BlueprintShares,
                json!({"BlueprintIds": [GOOD], "Filters": filter}),
            )
            .unwrap();
        let entry = json!({"BlueprintId": GOOD, "AccountId": "909619400", "CreatedTime": api_time(bench.now)});
        assert_eq!(
            answer,
            json!({"TotalCount": 1, "BlueprintShareAcrossAccountInfoSet": [entry]})
        );
    }

    #[test]
    fn every_condition_has_its_code() {
        const RANGE: &str = "InvalidParameterValue.OutOfRange";
        for (params, code) in [
            (json!({"BlueprintIds": []}), RANGE),
            (json!({"BlueprintIds": vec![GOOD; 101]}), RANGE),
            (
                json!({"BlueprintIds": ["img-6pb6lrmy"]}),
                "InvalidParameterValue.BlueprintIdMalformed",
            ),
            (json!({"BlueprintIds": [GOOD], "Limit": 1000}), RANGE),
            (
                json!({"BlueprintIds": [GOOD], "Offset": -1}),
                "InvalidParameterValue.Negative",
            ),
            (
                json!({"BlueprintIds": [GOOD], "Filters": [{"Name": "uin", "Values": ["1"]}]}),
                RANGE,
            ),
        ] {
            let outcome = Bench::new().call(Action::BlueprintShares, params.clone());
            assert_eq!(outcome, Err(code.to_owned()), "{params}");
        }
    }
}
