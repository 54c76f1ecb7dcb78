//! Describes WeCom's approval app (developer.work.weixin.qq.com, documents 91815, 91983 and 91039).
//! Ignores `open_approval_change` events, which come from the flow engine for self-built apps,
//! because WeCom does not have the forms of these approvals.

use std::time::Duration;

use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::api::{ApiCall, Rejected, Rejection, by_code};
use super::instance::{InstanceState, Named, Said};
use super::listing::{Listed, Listing, Page, Query};
use super::system::ApprovalSystem;
use crate::domain::Timestamp;

const BAD_TOKEN: i64 = 40_014;
const EXPIRED_TOKEN: i64 = 42_001;
const BAD_SECRET: i64 = 40_001;
const UNTRUSTED_ADDRESS: i64 = 60_020;
const NO_PERMISSION: i64 = 301_055;
const TOO_MANY_CALLS: i64 = 45_009;

pub(super) const WECOM: ApprovalSystem = ApprovalSystem {
    url: "https://qyapi.weixin.qq.com",
    // WeCom allows 600 calls a minute.
    between_calls: Duration::from_millis(100),
    secrets: &[],
    named,
    token,
    answer,
    token_fields: ("access_token", "expires_in"),
    with_token,
    instance,
    instance_field: "info",
    state,
    definition: None,
    begun: None,
    ended,
    listing: Some(LISTING),
};

/// `getapprovalinfo` (document 91816) selects requests by the time at which they were submitted,
/// and allows at most 31 days between `from` and `to`. The list does not show when an instance
/// ended. The statuses are 2 (approved), 10 (approved and paid) and 6 (revoked).
const LISTING: Listing = Listing {
    every: SignedDuration::from_mins(10),
    begun_within: SignedDuration::from_hours(7 * 24),
    shows_end: false,
    says: &[
        (Said::Approved, "2"),
        (Said::Approved, "10"),
        (Said::Withdrawn, "6"),
    ],
    page,
    read,
    event,
};

/// Reads which request an event names, and whether the event reports that the request was approved
/// or revoked. WeCom sends an event at every step, with the step and the status of the request. The
/// status alone is not enough, because an event about a comment on an approved request also has the
/// status "approved".
fn named(event: &Value) -> Option<Named> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    if text("/Event")? != "sys_approval_change" {
        return None;
    }
    let step = text("/ApprovalInfo/StatuChangeEvent")?;
    let said = match (text("/ApprovalInfo/SpStatus")?, step) {
        // Steps: 2 (agreed), 13 (added an approver and agreed), 14 (handled).
        ("2" | "10", "2" | "13" | "14") => Said::Approved,
        ("6", "8") => Said::Withdrawn,
        _ => return None,
    };
    let number = text("/ApprovalInfo/SpNoStr").or_else(|| text("/ApprovalInfo/SpNo"))?;
    Some(Named {
        definition: text("/ApprovalInfo/TemplateId")?.to_owned(),
        instance: number.to_owned(),
        said,
    })
}

fn token(id: &str, secret: &str) -> ApiCall {
    let secret = utf8_percent_encode(secret, NON_ALPHANUMERIC);
    ApiCall::get(format!("/cgi-bin/gettoken?corpid={id}&corpsecret={secret}"))
}

fn answer(status: u16, body: &[u8]) -> Result<Value, Rejected> {
    let kind = |code| match code {
        BAD_TOKEN | EXPIRED_TOKEN => Rejection::BadToken,
        _ => Rejection::Other,
    };
    let hint = |code| match code {
        BAD_SECRET => "; check app_id and app_secret of `fetch`",
        UNTRUSTED_ADDRESS => "; put this host's address on the app's list of trusted addresses",
        NO_PERMISSION => "; let the app read approvals",
        TOO_MANY_CALLS => ", too many calls",
        _ => "",
    };
    by_code(status, body, ("errcode", "errmsg"), kind, hint)
}

fn instance(code: &str) -> ApiCall {
    let path = "/cgi-bin/oa/getapprovaldetail".to_owned();
    ApiCall::post(path, json!({ "sp_no": code }))
}

fn with_token(mut call: ApiCall, token: &str) -> ApiCall {
    let token = utf8_percent_encode(token, NON_ALPHANUMERIC);
    call.path = format!("{}?access_token={token}", call.path);
    call
}

fn state(named: &Named, instance: Value) -> InstanceState {
    let other = |why: &str| InstanceState::Other(why.to_owned());
    if let Some(why) = named.differs(&instance, "sp_no", "template_id") {
        return other(&why);
    }
    match instance.get("sp_status").and_then(Value::as_i64) {
        // 2: approved. 10: approved and paid.
        Some(2 | 10) => InstanceState::Approved(instance),
        Some(6) => InstanceState::Withdrawn,
        // 7: deleted. A revoked request may be deleted afterwards.
        Some(7) if named.said == Said::Withdrawn => InstanceState::Withdrawn,
        Some(1) => InstanceState::Pending("the instance is still pending".to_owned()),
        Some(status) => other(&format!("the instance has the status {status}")),
        None => other("the instance has no status"),
    }
}

/// Returns the newest time at which an approver acted.
fn ended(instance: &Value) -> Option<Timestamp> {
    let all = |value: &Value, pointer: &str| {
        let list = value.pointer(pointer).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let nodes = all(instance, "/process_list/node_list").into_iter();
    let steps = nodes.flat_map(|node| all(&node, "/sub_node_list"));
    let records = all(instance, "/sp_record").into_iter();
    let details = records.flat_map(|record| all(&record, "/details"));
    let seconds = steps
        .chain(details)
        .filter_map(|step| step.get("sptime")?.as_i64());
    Timestamp::from_second(seconds.max()?).ok()
}

fn page(query: &Query<'_>) -> ApiCall {
    let body = json!({
        "starttime": query.from.as_second().to_string(), "endtime": query.to.as_second().to_string(),
        "new_cursor": query.cursor.unwrap_or_default(), "size": 100,
        "filters": [
            { "key": "template_id", "value": query.definition },
            { "key": "sp_status", "value": query.status },
        ],
    });
    ApiCall::post("/cgi-bin/oa/getapprovalinfo".to_owned(), body)
}

fn read(answer: &Value) -> Page {
    let list = answer.get("sp_no_list").and_then(Value::as_array);
    let numbers = list.into_iter().flatten().filter_map(Value::as_str);
    let next = answer.get("new_next_cursor").and_then(Value::as_str);
    Page {
        instances: numbers.map(Listed::without_end).collect(),
        next: next.filter(|next| !next.is_empty()).map(str::to_owned),
    }
}

fn event(named: &Named) -> Value {
    let (status, step) = match named.said {
        Said::Approved => ("2", "2"),
        Said::Withdrawn => ("6", "8"),
    };
    json!({
        "Event": "sys_approval_change",
        "ApprovalInfo": {
            "SpNoStr": named.instance, "TemplateId": named.definition,
            "SpStatus": status, "StatuChangeEvent": step,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "202611020001";
    const TEMPLATE: &str = "3TkZjxugodbqpEMk9j7X6h6zKqYkc7MxQrrFmT7H";

    #[test]
    fn only_an_approved_instance_confirms_its_event() {
        let named = Named {
            definition: TEMPLATE.to_owned(),
            instance: NUMBER.to_owned(),
            said: Said::Approved,
        };
        let state_of = |field: &str, value: Value| {
            let mut instance = json!({"sp_no": NUMBER, "template_id": TEMPLATE, "sp_status": 2});
            instance[field] = value;
            state(&named, instance)
        };
        for status in [2, 10] {
            let approved = state_of("sp_status", json!(status));
            assert!(matches!(approved, InstanceState::Approved(_)));
        }
        let withdrawn = state_of("sp_status", json!(6));
        assert_eq!(withdrawn, InstanceState::Withdrawn);
        assert!(matches!(
            state_of("sp_status", json!(1)),
            InstanceState::Pending(_)
        ));
        for (field, value, says) in [
            ("sp_no", json!("202611020002"), "not \"202611020001\""),
            ("template_id", json!("OTHER"), "template_id of the fetched"),
            ("sp_status", json!(3), "status 3"),
            ("sp_status", json!(4), "status 4"),
            ("sp_status", json!(7), "status 7"),
            ("sp_status", json!("2"), "no status"),
        ] {
            match state_of(field, value) {
                InstanceState::Other(why) => assert!(why.contains(says), "{why}"),
                other => panic!("{field}: {other:?}"),
            }
        }
    }

    #[test]
    fn only_a_last_step_of_a_listed_template_is_worth_a_fetch() {
        let listed = [TEMPLATE.to_owned()];
        let event = |status: &str, step: &str| {
            json!({"Event": "sys_approval_change", "ApprovalInfo": {"SpNoStr": NUMBER,
                "SpStatus": status, "StatuChangeEvent": step, "TemplateId": TEMPLATE}})
        };
        let said = |event: &Value| WECOM.named(event, &listed).map(|named| named.said);
        for (status, step, expected) in [
            ("2", "2", Some(Said::Approved)),
            ("2", "13", Some(Said::Approved)),
            ("2", "14", Some(Said::Approved)),
            ("10", "2", Some(Said::Approved)),
            ("2", "10", None),
            ("1", "2", None),
            ("1", "1", None),
            ("3", "3", None),
            ("4", "6", None),
            ("6", "8", Some(Said::Withdrawn)),
            ("6", "10", None),
            ("7", "8", None),
        ] {
            assert_eq!(said(&event(status, step)), expected, "{status} {step}");
        }
        for (pointer, value) in [
            ("/Event", "open_approval_change"),
            ("/ApprovalInfo/TemplateId", "OTHER"),
            ("/ApprovalInfo/SpNoStr", "1\"}"),
        ] {
            let mut changed = event("2", "2");
            *changed.pointer_mut(pointer).unwrap() = value.into();
            assert_eq!(said(&changed), None, "{pointer}");
        }
    }

    #[test]
    fn an_answer_is_a_value_or_a_reason() {
        assert!(answer(200, b"{\"errcode\":0}").is_ok());
        for (status, text, says, kind) in [
            (
                200,
                "{\"errcode\":42001,\"errmsg\":\"x\"}",
                "42001: \"x\"",
                Rejection::BadToken,
            ),
            (
                200,
                "{\"errcode\":40014,\"errmsg\":\"x\"}",
                "40014: \"x\"",
                Rejection::BadToken,
            ),
            (200, "{\"errcode\":45009}", "45009", Rejection::Other),
            (502, "{\"errcode\":0}", "answers 0", Rejection::Other),
            (200, "{}", "without a code", Rejection::Other),
            (200, "<html>", "check `url`", Rejection::Other),
            (
                200,
                r#"{"errcode":60020,"errmsg":"not allow to access from your ip"}"#,
                "trusted addresses",
                Rejection::Other,
            ),
        ] {
            let rejected = answer(status, text.as_bytes()).unwrap_err();
            let reason = rejected.reason(str::to_owned);
            assert!(reason.contains(says), "{reason}");
            assert_eq!(rejected.kind, kind, "{rejected:?}");
        }
    }

    #[test]
    fn a_secret_and_a_token_are_one_part_of_the_query() {
        let path = token("ww0123456789abcdef", "a&corpid=b#c").path;
        assert_eq!(
            path,
            "/cgi-bin/gettoken?corpid=ww0123456789abcdef&corpsecret=a%26corpid%3Db%23c"
        );
        let path = with_token(instance(NUMBER), "a+b").path;
        assert_eq!(path, "/cgi-bin/oa/getapprovaldetail?access_token=a%2Bb");
    }
    #[test]
    fn a_listed_request_is_announced_like_one_that_an_event_names() {
        for said in [Said::Approved, Said::Withdrawn] {
            let named = Named {
                definition: TEMPLATE.to_owned(),
                instance: NUMBER.to_owned(),
                said,
            };
            let event = event(&named);
            assert_eq!(WECOM.named(&event, &[TEMPLATE.to_owned()]), Some(named));
        }
        for (next, expected) in [
            (json!("c"), Some("c")),
            (json!(""), None),
            (Value::Null, None),
        ] {
            let page = read(&json!({"sp_no_list": [NUMBER, 7], "new_next_cursor": next}));
            assert_eq!((page.instances.len(), page.next.as_deref()), (1, expected));
        }
    }
}
