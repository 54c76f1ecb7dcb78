//! cvm `DescribeImageSharePermission`: lists every account that a CVM image is shared with, and
//! since when. The answer is not paged. Source: the API page of the action, and the answer types of
//! the official SDKs.

use serde_json::{Map, Value, json};

use super::context::{ActionContext, Answer};
use super::share_image::own_image;
use crate::world::api_time;

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let (behaviour, now) = (context.behaviour, context.now);
    let image = own_image(context)?;
    let shares = image.shares.iter();
    let entries = shares
        .filter(|(_, since)| behaviour.lists(**since, now))
        .map(|(account, since)| json!({"CreatedTime": api_time(*since), "AccountId": account}));
    Ok(Map::from_iter([(
        "SharePermissionSet".to_owned(),
        Value::Array(entries.collect()),
    )]))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::actions::Action;

    #[test]
    fn every_account_is_listed_with_its_time() {
        let mut bench = Bench::new();
        let read = json!({"ImageId": "img-6pb6lrmy"});
        let none = json!({"SharePermissionSet": []});
        assert_eq!(bench.call(Action::ImageShares, read.clone()), Ok(none));
        let share =
            json!({"ImageId": "img-6pb6lrmy", "AccountIds": ["1038493875"], "Permission": "SHARE"});
        bench.call(Action::ShareImage, share).unwrap();
        let one = json!({"SharePermissionSet": [{"CreatedTime": api_time(bench.now), "AccountId": "1038493875"}]});
        assert_eq!(bench.call(Action::ImageShares, read), Ok(one));
    }

    #[test]
    fn a_new_share_is_listed_after_the_delay() {
        let mut bench = Bench::new();
        bench.behaviour.list_delay = std::time::Duration::from_secs(5);
        let share =
            json!({"ImageId": "img-6pb6lrmy", "AccountIds": ["1038493875"], "Permission": "SHARE"});
        bench.call(Action::ShareImage, share).unwrap();
        for listed in [0, 1] {
            let read = bench.call(Action::ImageShares, json!({"ImageId": "img-6pb6lrmy"}));
            let read = read.unwrap();
            assert_eq!(read["SharePermissionSet"].as_array().unwrap().len(), listed);
            bench.wait(5);
        }
    }

    #[test]
    fn only_an_own_image_tells() {
        for (image, code) in [
            ("img-", "InvalidImageId.Malformed"),
            ("img-nowhere0", "InvalidImageId.NotFound"),
            (
                "img-received",
                "UnauthorizedOperation.ImageNotBelongToAccount",
            ),
        ] {
            let outcome = Bench::new().call(Action::ImageShares, json!({"ImageId": image}));
            assert_eq!(outcome, Err(code.to_owned()), "{image}");
        }
    }
}
