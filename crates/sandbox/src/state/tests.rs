//! Tests the state machine as a whole: what the gateway checks before an action is carried out,
//! faults, and the log.

use super::super::behaviour::{RateLimits, Site};
use super::super::testing::{Draft, NOW};
use super::*;
use jiff::SignedDuration;
use std::time::Duration;

fn state() -> State {
    State::new(SandboxOptions::seeded(|| NOW), [7; 16])
}

fn response(reply: &Reply) -> Value {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    body["Response"].clone()
}

fn code(reply: &Reply) -> String {
    response(reply)["Error"]["Code"]
        .as_str()
        .unwrap_or("OK")
        .to_owned()
}

fn share() -> Draft {
    let params = json!({"BlueprintId": "lhbp-6jc6l8yb", "AccountIds": ["700000164995"]});
    Draft::lighthouse("ShareBlueprintAcrossAccounts", params)
}

fn shared(state: &State) -> Vec<String> {
    state
        .world
        .blueprint_accounts("ap-singapore", "lhbp-6jc6l8yb")
}

#[test]
fn a_signed_call_is_carried_out_and_logged() {
    let mut state = state();
    let reply = state.answer(&share().sign(), NOW);
    let answer = response(&reply);
    assert_eq!(
        (reply.manner, answer.as_object().unwrap().len()),
        (Manner::Plain, 1),
        "{answer}"
    );
    assert_eq!(shared(&state), ["700000164995"]);
    let call = state.log.calls().remove(0);
    assert_eq!(
        (call.service.as_str(), call.action.as_str()),
        ("lighthouse", "ShareBlueprintAcrossAccounts")
    );
    assert_eq!(
        (call.image.as_str(), call.region.as_str()),
        ("lhbp-6jc6l8yb", "ap-singapore")
    );
    assert_eq!(
        (call.accounts.len(), call.code, call.carried_out),
        (1, None, true)
    );
    assert_eq!(answer["RequestId"], call.request_id);
}

#[test]
fn the_gateway_refuses_with_the_documented_codes() {
    type Change = fn(&mut Draft);
    let changes: [(&str, Change); 24] = [
        ("AuthFailure.SecretIdNotFound", |d| d.id = "AKIDnobody"),
        ("AuthFailure.SignatureFailure", |d| d.key = "another"),
        ("AuthFailure.SignatureExpire", |d| {
            d.at = NOW - SignedDuration::from_secs(301)
        }),
        ("AuthFailure.SignatureExpire", |d| {
            d.at = NOW + SignedDuration::from_secs(301)
        }),
        ("OK", |d| d.at = NOW - SignedDuration::from_secs(300)),
        ("AuthFailure.SignatureFailure", |d| {
            d.date = Some("2025-12-31")
        }),
        ("AuthFailure.TokenFailure", |d| d.token = "unexpected"),
        ("AuthFailure.SignatureFailure", |d| {
            d.host = "cvm.tencentcloudapi.com".into()
        }),
        ("OK", |d| {
            d.host = "lighthouse.intl.tencentcloudapi.com".into()
        }),
        ("NoSuchProduct", |d| d.service = "cos"),
        ("NoSuchVersion", |d| d.version = "2017-03-12"),
        ("NoSuchVersion", |d| d.service = "cvm"),
        ("InvalidAction", |d| {
            d.action = "shareBlueprintAcrossAccounts"
        }),
        ("InvalidAction", |d| d.action = "DescribeImages"),
        ("MissingParameter", |d| d.action = ""),
        ("MissingParameter", |d| d.version = ""),
        ("MissingParameter", |d| d.region = ""),
        ("UnsupportedRegion", |d| d.region = "na-toronto"),
        ("UnsupportedRegion", |d| d.region = "mars"),
        ("UnknownParameter", |d| d.params["ClientToken"] = json!("x")),
        ("MissingParameter", |d| {
            drop(d.params.as_object_mut().unwrap().remove("AccountIds"))
        }),
        ("InvalidParameter", |d| {
            d.params["AccountIds"] = json!("700000164995")
        }),
        ("InvalidParameter", |d| {
            d.params = json!(["not", "an", "object"])
        }),
        ("ResourceNotFound.BlueprintIdNotFound", |d| {
            d.region = "ap-tokyo"
        }),
    ];
    for (wanted, change) in changes {
        let (mut state, mut draft) = (state(), share());
        change(&mut draft);
        let reply = state.answer(&draft.sign(), NOW);
        assert_eq!(code(&reply), wanted, "{}", reply.body);
        assert_eq!(
            shared(&state).is_empty(),
            wanted != "OK",
            "{wanted} changes nothing"
        );
        let call = state.log.calls().remove(0);
        assert_eq!(call.code.unwrap_or("OK".into()), wanted);
    }
}

#[test]
fn requests_that_are_none_have_a_code_too() {
    let good = share().sign();
    let without = |name: &str| {
        let mut request = good.clone();
        request.headers.remove(name);
        request
    };
    for (request, wanted) in [
        (
            Request {
                method: "DELETE".into(),
                ..good.clone()
            },
            "UnsupportedProtocol",
        ),
        (without("content-type"), "UnsupportedProtocol"),
        (without("authorization"), "AuthFailure.InvalidAuthorization"),
        (without("x-tc-timestamp"), "MissingParameter"),
        (without("host"), "AuthFailure.SignatureFailure"),
        (Request::default(), "UnsupportedProtocol"),
    ] {
        assert_eq!(code(&state().answer(&request, NOW)), wanted);
    }
}

#[test]
fn temporary_credentials_need_their_token() {
    let mut options = SandboxOptions::seeded(|| NOW);
    options.keys = options
        .keys
        .into_iter()
        .map(|key| key.with_token("session/token+="))
        .collect();
    for (token, wanted) in [
        ("", "AuthFailure.TokenFailure"),
        ("other", "AuthFailure.TokenFailure"),
        ("session/token+=", "OK"),
    ] {
        let draft = Draft { token, ..share() };
        assert_eq!(
            code(&State::new(options.clone(), [7; 16]).answer(&draft.sign(), NOW)),
            wanted,
            "{token}"
        );
    }
}

#[test]
fn a_get_spells_the_same_call() {
    let query =
        "ImageId=img-6pb6lrmy&AccountIds.0=1038493875&AccountIds.1=100022975249&Permission=SHARE";
    let draft = Draft {
        query: Some(query.into()),
        ..Draft::cvm("ModifyImageSharePermission", Value::Null)
    };
    let mut state = state();
    assert_eq!(code(&state.answer(&draft.sign(), NOW)), "OK");
    assert_eq!(
        state.world.image_accounts("ap-singapore", "img-6pb6lrmy"),
        ["100022975249", "1038493875"]
    );
    let list = "Filters.0.Name=image-name&Filters.0.Values.0=ubuntu&Limit=5";
    let draft = Draft {
        query: Some(list.into()),
        ..Draft::lighthouse("DescribeImagesToShare", Value::Null)
    };
    assert_eq!(
        response(&state.answer(&draft.sign(), NOW))["ImageSet"][0]["ImageId"],
        "img-cs2rrmp0"
    );
}

#[test]
fn the_service_and_version_tell_namesakes_apart() {
    let mut state = state();
    let cvm =
        json!({"ImageId": "img-6pb6lrmy", "AccountIds": ["1038493875"], "Permission": "SHARE"});
    assert_eq!(
        code(&state.answer(
            &Draft::cvm("ModifyImageSharePermission", cvm.clone()).sign(),
            NOW
        )),
        "OK"
    );
    let crossed = Draft::lighthouse("ModifyImageSharePermission", cvm);
    assert_eq!(
        code(&state.answer(&crossed.sign(), NOW)),
        "UnknownParameter"
    );
    let publish = json!({"ImageId": "img-6pb6lrmy", "Permission": "SHARE"});
    let reply = state.answer(
        &Draft::lighthouse("ModifyImageSharePermission", publish).sign(),
        NOW,
    );
    assert_eq!(
        response(&reply)["BlueprintId"],
        state
            .world
            .published("ap-singapore", "img-6pb6lrmy")
            .unwrap()
    );
}

#[test]
fn the_international_site_lacks_the_reading_of_shares() {
    let draft = Draft::lighthouse(
        "DescribeBlueprintsShareAcrossAccountInfos",
        json!({"BlueprintIds": ["lhbp-6jc6l8yb"]}),
    );
    for (site, outcome) in [(Site::Intl, "InvalidAction"), (Site::Cn, "OK")] {
        let options = SandboxOptions::seeded(|| NOW).on(site);
        let mut state = State::new(options, [7; 16]);
        assert_eq!(code(&state.answer(&draft.sign(), NOW)), outcome);
    }
}

#[test]
fn lighthouse_s_list_of_regions_is_that_of_the_international_site() {
    for (site, region, outcome) in [
        (Site::Intl, "na-toronto", "UnsupportedRegion"),
        (Site::Cn, "na-toronto", "OK"),
        (Site::Intl, "ap-osaka", "OK"),
    ] {
        let draft = Draft {
            region,
            ..Draft::lighthouse("DescribeBlueprints", json!({}))
        };
        let mut options = SandboxOptions::seeded(|| NOW).on(site);
        // A region that is in the world is served, even if no list of regions contains it.
        let stock = options.world.regions["ap-singapore"].clone();
        options.world.regions.insert("ap-osaka".to_owned(), stock);
        let mut state = State::new(options, [7; 16]);
        assert_eq!(code(&state.answer(&draft.sign(), NOW)), outcome, "{region}");
    }
}

#[test]
fn the_published_rates_are_kept() {
    let modify =
        json!({"ImageId": "img-6pb6lrmy", "AccountIds": ["1038493875"], "Permission": "CANCEL"});
    let list = json!({"ImageId": "img-6pb6lrmy"});
    for (draft, admitted) in [
        (Draft::lighthouse("DescribeBlueprints", json!({})), 10),
        (Draft::lighthouse("DescribeImagesToShare", json!({})), 20),
        (Draft::cvm("ModifyImageSharePermission", modify), 10),
        (Draft::cvm("DescribeImageSharePermission", list), 30),
    ] {
        let count = |state: &mut State, now| {
            (0..30)
                .filter(|_| code(&state.answer(&draft.sign(), now)) != "RequestLimitExceeded")
                .count()
        };
        let mut state = state();
        assert_eq!(count(&mut state, NOW), admitted);
        assert_eq!(
            count(&mut state, NOW + SignedDuration::from_secs(1)),
            admitted
        );
        state.behaviour.rate_limits = RateLimits::OFF;
        assert_eq!(count(&mut state, NOW), 30);
    }
}

#[test]
fn a_fault_comes_before_or_after_the_change() {
    for (text, manner, answered, changed) in [
        (
            "*:error-before:InternalError",
            Manner::Plain,
            "InternalError",
            false,
        ),
        (
            "*:error-after:InternalError",
            Manner::Plain,
            "InternalError",
            true,
        ),
        ("*:reset-before", Manner::Reset, "OK", false),
        (
            "ShareBlueprintAcrossAccounts:reset-after",
            Manner::Reset,
            "OK",
            true,
        ),
        ("*:status:502", Manner::Html(502), "OK", false),
        ("*:html-ok", Manner::Html(200), "OK", false),
        ("*:cut-body", Manner::Cut, "OK", true),
        (
            "*:slow:250ms",
            Manner::Slow(Duration::from_millis(250)),
            "OK",
            true,
        ),
    ] {
        let mut state = state();
        assert!(state.inject(text.parse().unwrap()));
        let reply = state.answer(&share().sign(), NOW);
        assert_eq!(
            (reply.manner, code(&reply).as_str()),
            (manner, answered),
            "{text}"
        );
        assert_eq!(!shared(&state).is_empty(), changed, "{text}");
        let call = state.log.calls().remove(0);
        assert_eq!(
            (call.fault.as_deref(), call.carried_out),
            (Some(text), changed)
        );
        let again = state.answer(&share().sign(), NOW);
        assert_eq!(again.manner, Manner::Plain, "{text} happens once");
    }
}

#[test]
fn faults_count_down_and_spare_the_unauthenticated() {
    let mut state = state();
    state.inject("DescribeImages:reset-before".parse().unwrap());
    state.inject("*:error-before:InternalError@2".parse().unwrap());
    let stranger = Draft {
        key: "another",
        ..share()
    };
    assert_eq!(
        code(&state.answer(&stranger.sign(), NOW)),
        "AuthFailure.SignatureFailure"
    );
    let codes: Vec<String> = (0..3)
        .map(|_| code(&state.answer(&share().sign(), NOW)))
        .collect();
    assert_eq!(codes, ["InternalError", "InternalError", "OK"]);
    assert_eq!(state.faults.len(), 1);
}

#[test]
fn waiting_faults_are_bounded() {
    let mut state = state();
    let fault: Fault = "*:reset-before".parse().unwrap();
    assert_eq!(
        (0..2_000).filter(|_| state.inject(fault.clone())).count(),
        MAX_FAULTS
    );
}

proptest::proptest! {
    #[test]
    fn no_body_and_no_query_makes_it_panic(text in "\\PC{0,60}", get in proptest::bool::ANY, which in 0_usize..9) {
        let action = Action::ALL[which];
        let mut draft = Draft::lighthouse(action.name(), Value::String(text.clone()));
        (draft.service, draft.version) = (action.service().name(), action.service().version());
        draft.query = get.then(|| text.replace('\\', "."));
        let reply = state().answer(&draft.sign(), NOW);
        assert!(code(&reply).chars().next().is_some());
    }
}
