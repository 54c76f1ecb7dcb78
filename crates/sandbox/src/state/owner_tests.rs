//! Tests keys of several root accounts: the token service names the account of the key, and only
//! the owner's key sees the images.

use super::super::testing::{Draft, NOW};
use super::*;
use crate::fault::Fault;

const OTHER: &str = "200000000002";

fn state() -> State {
    let mut options = SandboxOptions::seeded(|| NOW);
    let key = SandboxKey::new("AKIDother", "other-key");
    options.keys.push(key.of_account(OTHER));
    State::new(options, [7; 16])
}

fn response(state: &mut State, draft: &Draft) -> Value {
    let reply = state.answer(&draft.sign(), NOW);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    body["Response"].clone()
}

fn who() -> Draft {
    Draft {
        service: "sts",
        version: "2018-08-13",
        ..Draft::lighthouse("GetCallerIdentity", json!({}))
    }
}

fn by_other(draft: Draft) -> Draft {
    Draft {
        id: "AKIDother",
        key: "other-key",
        ..draft
    }
}

#[test]
fn a_key_has_the_images_of_its_account_alone() {
    let mut state = state();
    assert_eq!(response(&mut state, &who())["AccountId"], SANDBOX_OWNER);
    assert_eq!(response(&mut state, &by_other(who()))["AccountId"], OTHER);
    let read = || Draft::cvm("DescribeImages", json!({}));
    let own = response(&mut state, &read());
    assert!(own["TotalCount"].as_u64() > Some(0), "{own}");
    let others = response(&mut state, &by_other(read()));
    assert_eq!(others["TotalCount"], 0);
    let image = json!({"ImageId": "img-6pb6lrmy"});
    let draft = by_other(Draft::cvm("DescribeImageSharePermission", image));
    let refused = response(&mut state, &draft);
    assert_eq!(refused["Error"]["Code"], "InvalidImageId.NotFound");
}

#[test]
fn the_token_service_checks_the_signature_and_fails_on_request() {
    let mut state = state();
    let forged = Draft {
        key: "a-wrong-key",
        ..who()
    };
    let code = |answer: Value| answer["Error"]["Code"].as_str().map(str::to_owned);
    assert!(
        code(response(&mut state, &forged))
            .unwrap()
            .starts_with("AuthFailure")
    );
    // A fault for `*` does not apply to `GetCallerIdentity`, so only the second fault applies here.
    for fault in [
        "*:error-before:InternalError",
        "GetCallerIdentity:error-before:UnauthorizedOperation",
    ] {
        state.inject(fault.parse::<Fault>().unwrap());
    }
    let refused = code(response(&mut state, &who()));
    assert_eq!(refused.as_deref(), Some("UnauthorizedOperation"));
    assert_eq!(code(response(&mut state, &who())), None);
}
