//! sts `GetCallerIdentity`, 2018-08-13: returns the root account of the key that signed the call.
//! Source: the answer types of the official SDKs. What the real service returns as `Arn` and
//! `UserId` for each kind of key is not known, so a client should rely on `AccountId` alone.

use serde_json::{Map, Value, json};

use super::context::ActionContext;

pub(super) fn run(context: &ActionContext<'_>) -> Map<String, Value> {
    let owner = context.owner;
    Map::from_iter([
        ("AccountId".to_owned(), json!(owner)),
        (
            "Arn".to_owned(),
            json!(format!("qcs::cam::uin/{owner}:uin/{owner}")),
        ),
        ("PrincipalId".to_owned(), json!(owner)),
        ("Type".to_owned(), json!("CAMUser")),
        ("UserId".to_owned(), json!(owner)),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Bench;
    use crate::SANDBOX_OWNER;
    use crate::actions::Action;

    #[test]
    fn the_caller_is_the_root_account_of_its_key() {
        let mut bench = Bench::new();
        let answer = bench.call(Action::CallerIdentity, json!({})).unwrap();
        assert_eq!(answer["AccountId"], SANDBOX_OWNER);
        let wrong = bench.call(Action::CallerIdentity, json!({"AccountId": "1"}));
        assert_eq!(wrong, Err("UnknownParameter".to_owned()));
    }
}
