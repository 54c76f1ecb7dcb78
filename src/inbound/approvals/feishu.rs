//! Describes the approvals of Feishu and Lark (open.feishu.cn and open.larksuite.com, "Approval"
//! and "Receive events").

use std::time::Duration;

use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::api::{ApiCall, Rejected, Rejection, by_code};
use super::instance::{InstanceState, Named, Said};
use super::listing::{Listed, Listing, Page, Query};
use super::system::ApprovalSystem;
use crate::domain::{Timestamp, read_json, shown};

const BAD_TOKEN: i64 = 99_991_663;
const NOT_FOUND: i64 = 1_390_003;
const NO_PERMISSION: i64 = 1_390_009;
const BAD_SECRET: i64 = 10_014;

pub(super) const FEISHU: ApprovalSystem = ApprovalSystem {
    url: "https://open.feishu.cn",
    // Feishu allows 1,000 calls a minute, and 50 a second.
    between_calls: Duration::from_millis(60),
    // The app's Verification Token: `token` in version 1 of the protocol, `header.token` in 2.
    secrets: &[("", "token"), ("/header", "token")],
    named,
    token,
    answer,
    token_fields: ("tenant_access_token", "expire"),
    with_token,
    instance,
    instance_field: "data",
    state,
    definition: Some(definition),
    begun: None,
    ended,
    listing: Some(LISTING),
};

/// `POST /instances/query` (document "Query the list of instances") allows 1,000 calls a minute,
/// and at most 30 days between `from` and `to`. The list omits withdrawn instances, and may not yet
/// contain the newest instances.
const LISTING: Listing = Listing {
    every: SignedDuration::from_mins(10),
    begun_within: SignedDuration::from_hours(30 * 24),
    shows_end: true,
    says: &[(Said::Approved, "APPROVED")],
    page,
    read,
    event,
};

pub(super) const LARK: ApprovalSystem = ApprovalSystem {
    url: "https://open.larksuite.com",
    ..FEISHU
};

fn named(event: &Value) -> Option<Named> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    // The first pointer is for version 2 of the protocol, the second one for version 1.
    let kind = text("/header/event_type").or_else(|| text("/event/type"))?;
    let of_instance = matches!(
        kind,
        "approval_instance" | "approval.instance.status_changed_v4"
    );
    let said = match text("/event/status")? {
        "APPROVED" => Said::Approved,
        "REVERTED" => Said::Withdrawn,
        _ => return None,
    };
    of_instance.then_some(Named {
        definition: text("/event/approval_code")?.to_owned(),
        instance: text("/event/instance_code")?.to_owned(),
        said,
    })
}

fn token(id: &str, secret: &str) -> ApiCall {
    let path = "/open-apis/auth/v3/tenant_access_token/internal".to_owned();
    ApiCall::post(path, json!({ "app_id": id, "app_secret": secret }))
}

fn answer(status: u16, body: &[u8]) -> Result<Value, Rejected> {
    let kind = |code| match code {
        BAD_TOKEN => Rejection::BadToken,
        NOT_FOUND => Rejection::Gone,
        _ => Rejection::Other,
    };
    let hint = |code| match code {
        BAD_SECRET => "; check app_id and app_secret of `fetch`",
        NO_PERMISSION => "; check the permissions of the app, and release a version with them",
        _ => "",
    };
    by_code(status, body, ("code", "msg"), kind, hint)
}

fn instance(code: &str) -> ApiCall {
    ApiCall::get(format!("/open-apis/approval/v4/instances/{code}"))
}

fn with_token(call: ApiCall, token: &str) -> ApiCall {
    call.with_header("authorization", format!("Bearer {token}"))
}

/// Reads the state of an instance. Feishu writes the form as a string that contains JSON. If the
/// instance is approved, parses the form so that the map can read it.
fn state(named: &Named, instance: Value) -> InstanceState {
    let other = |why: &str| InstanceState::Other(why.to_owned());
    let text = |name: &str| instance.get(name).and_then(Value::as_str);
    // The API also accepts an id that the creator of the instance chose. Compare the code, to be
    // sure that this is the instance from the event.
    if let Some(why) = named.differs(&instance, "instance_code", "approval_code") {
        return other(&why);
    }
    let status = text("status").unwrap_or_default();
    let reverted = !matches!(
        instance.get("reverted"),
        None | Some(Value::Null | Value::Bool(false))
    );
    match status {
        "REVERTED" => return InstanceState::Withdrawn,
        "APPROVED" if reverted => return InstanceState::Withdrawn,
        // A withdrawn instance may be deleted afterwards.
        "DELETED" if named.said == Said::Withdrawn => return InstanceState::Withdrawn,
        "APPROVED" => {}
        "PENDING" => return InstanceState::Pending("the instance is still pending".to_owned()),
        status => return other(&format!("the instance has the status {}", shown(status))),
    }
    for name in ["reverted_instance_code", "modified_instance_code"] {
        if text(name).is_some_and(|code| !code.is_empty()) {
            return other(&format!(
                "the instance withdraws or changes another one ({name})"
            ));
        }
    }
    match with_form(instance) {
        Some(instance) => InstanceState::Approved(instance),
        None => other("the form of the instance is not a JSON list"),
    }
}

fn with_form(mut instance: Value) -> Option<Value> {
    let field = instance.get_mut("form")?;
    let form = read_json(field.as_str()?.as_bytes()).ok();
    *field = form.filter(Value::is_array)?;
    Some(instance)
}

/// Returns when an instance ended. Its `end_time` is 0 until then.
fn ended(instance: &Value) -> Option<Timestamp> {
    let ms: i64 = instance.get("end_time")?.as_str()?.parse().ok()?;
    let ended = Timestamp::from_millisecond(ms).ok();
    ended.filter(|at| *at > Timestamp::UNIX_EPOCH)
}

fn definition(code: &str) -> ApiCall {
    ApiCall::get(format!("/open-apis/approval/v4/approvals/{code}"))
}

fn page(query: &Query<'_>) -> ApiCall {
    let mut path = "/open-apis/approval/v4/instances/query?page_size=200".to_owned();
    if let Some(cursor) = query.cursor {
        let cursor = utf8_percent_encode(cursor, NON_ALPHANUMERIC);
        path = format!("{path}&page_token={cursor}");
    }
    let body = json!({
        "approval_code": query.definition,
        "instance_status": query.status,
        "instance_start_time_from": query.from.as_millisecond().to_string(),
        "instance_start_time_to": query.to.as_millisecond().to_string(),
    });
    ApiCall::post(path, body)
}

fn read(answer: &Value) -> Page {
    let list = answer.pointer("/data/instance_list");
    let listed = |entry: &Value| {
        let instance = entry.get("instance")?;
        Some(Listed {
            instance: instance.get("code")?.as_str()?.to_owned(),
            ended: ended(instance),
        })
    };
    let instances = list.and_then(Value::as_array).into_iter().flatten();
    let more = answer.pointer("/data/has_more") == Some(&Value::Bool(true));
    let next = answer.pointer("/data/page_token").and_then(Value::as_str);
    Page {
        instances: instances.filter_map(listed).collect(),
        next: next.filter(|_| more).map(str::to_owned),
    }
}

fn event(named: &Named) -> Value {
    let status = match named.said {
        Said::Approved => "APPROVED",
        Said::Withdrawn => "REVERTED",
    };
    json!({
        "event": {
            "type": "approval_instance",
            "approval_code": named.definition,
            "instance_code": named.instance,
            "status": status,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "81D31358-93AF-92D6-7425-01A5D67C4E71";
    const DEFINITION: &str = "7C468A54-8745-2245-9675-08B7C63E7A85";

    fn instance() -> Value {
        json!({
            "instance_code": CODE, "approval_code": DEFINITION, "status": "APPROVED", "reverted": false,
            "form": "[{\"custom_id\":\"image\",\"value\":\"lhbp-6jc6l8yb\"}]", "timeline": [],
        })
    }

    fn state_of(instance: &Value) -> InstanceState {
        let named = Named {
            definition: DEFINITION.to_owned(),
            instance: CODE.to_owned(),
            said: Said::Approved,
        };
        state(&named, instance.clone())
    }

    #[test]
    fn only_an_approved_instance_confirms_its_event() {
        let InstanceState::Approved(good) = state_of(&instance()) else {
            panic!("not approved")
        };
        assert_eq!(good["form"][0]["custom_id"], "image");
        for (field, value, says) in [
            (
                "instance_code",
                json!("OTHER"),
                "instance_code of the fetched",
            ),
            (
                "approval_code",
                json!("OTHER"),
                "is \"OTHER\", not \"7C468A54",
            ),
            ("status", json!("REJECTED"), "REJECTED"),
            ("status", json!("CANCELED"), "CANCELED"),
            ("status", json!("DELETED"), "DELETED"),
            ("status", Value::Null, "status"),
            (
                "reverted_instance_code",
                json!("A-1"),
                "withdraws or changes",
            ),
            (
                "modified_instance_code",
                json!("A-1"),
                "withdraws or changes",
            ),
            ("form", json!("{}"), "form"),
            ("form", json!("["), "form"),
            ("form", json!([]), "form"),
            ("form", json!("[{\"a\":1,\"a\":2}]"), "form"),
        ] {
            let mut changed = instance();
            changed[field] = value;
            match state_of(&changed) {
                InstanceState::Other(why) => assert!(why.contains(says), "{field}: {why}"),
                other => panic!("{field}: {other:?}"),
            }
        }
        for (field, value) in [
            ("reverted", json!(true)),
            ("reverted", json!("true")),
            ("status", json!("REVERTED")),
        ] {
            let mut changed = instance();
            changed[field] = value;
            let state = state_of(&changed);
            assert_eq!(state, InstanceState::Withdrawn, "{changed}");
        }
        let mut deleted = instance();
        deleted["status"] = json!("DELETED");
        let named = Named {
            definition: DEFINITION.to_owned(),
            instance: CODE.to_owned(),
            said: Said::Withdrawn,
        };
        assert_eq!(state(&named, deleted), InstanceState::Withdrawn);
        let mut pending = instance();
        pending["status"] = json!("PENDING");
        assert!(matches!(state_of(&pending), InstanceState::Pending(_)));
    }

    #[test]
    fn only_the_end_of_an_instance_of_a_listed_definition_is_worth_a_fetch() {
        let listed = [DEFINITION.to_owned()];
        let v1 = json!({"token": "t", "event": {"type": "approval_instance",
            "approval_code": DEFINITION, "instance_code": CODE, "status": "APPROVED"}});
        let v2 = json!({"header": {"event_type": "approval.instance.status_changed_v4", "token": "t"},
            "event": {"approval_code": DEFINITION, "instance_code": CODE, "status": "APPROVED"}});
        for event in [&v1, &v2] {
            let said = |event: &Value| Some(FEISHU.named(event, &listed)?.said);
            assert_eq!(said(event), Some(Said::Approved));
            assert!(
                !FEISHU
                    .without_secrets(event.clone())
                    .to_string()
                    .contains("token")
            );
            for (field, value, expected) in [
                ("status", "PENDING", None),
                ("status", "REJECTED", None),
                ("status", "REVERTED", Some(Said::Withdrawn)),
                ("approval_code", "OTHER", None),
                ("instance_code", "../users", None),
                ("instance_code", "", None),
            ] {
                let mut changed = event.clone();
                changed["event"][field] = value.into();
                assert_eq!(said(&changed), expected, "{value}");
            }
        }
        let definition = Some(DEFINITION.to_owned());
        assert_eq!(FEISHU.unlisted(&v1, &[]), definition);
        assert_eq!(FEISHU.unlisted(&v1, &listed), None);
        for (field, value) in [
            ("status", "PENDING"),
            ("status", "REVERTED"),
            ("approval_code", "../x"),
        ] {
            let mut changed = v1.clone();
            changed["event"][field] = value.into();
            assert_eq!(FEISHU.unlisted(&changed, &[]), None, "{value}");
        }
        let mut task = v1.clone();
        task["event"]["type"] = "approval_task".into();
        assert_eq!(FEISHU.named(&task, &listed), None);
    }

    #[test]
    fn an_answer_is_a_value_or_a_reason() {
        let answered = |status, text: &str| answer(status, text.as_bytes());
        assert!(answered(200, "{\"code\":0}").is_ok());
        for (status, text, says, kind) in [
            (
                200,
                r#"{"code":99991663,"msg":"x"}"#,
                "99991663: \"x\"",
                Rejection::BadToken,
            ),
            (
                400,
                r#"{"code":1390003,"msg":"y"}"#,
                "1390003: \"y\"",
                Rejection::Gone,
            ),
            (500, r#"{"code":0}"#, "answers 0", Rejection::Other),
            (502, "<html>", "HTTP 502", Rejection::Other),
            (200, r#"{"code":"0"}"#, "without a code", Rejection::Other),
        ] {
            let rejected = answered(status, text).unwrap_err();
            let reason = rejected.reason(str::to_owned);
            assert!(reason.contains(says), "{reason}");
            assert_eq!(rejected.kind, kind, "{rejected:?}");
        }
    }
    #[test]
    fn a_listed_instance_is_announced_like_one_that_an_event_names() {
        let named = Named {
            definition: DEFINITION.to_owned(),
            instance: CODE.to_owned(),
            said: Said::Approved,
        };
        for said in [Said::Approved, Said::Withdrawn] {
            let named = named.saying(said);
            let event = event(&named);
            assert_eq!(FEISHU.named(&event, &[DEFINITION.to_owned()]), Some(named));
        }
        let entry = json!({"approval": {"code": DEFINITION}, "instance": {"code": CODE, "status": "approved",
            "start_time": "1547654251506", "end_time": "1793602438000"}});
        let answer = json!({"code": 0, "data": {"instance_list": [entry, {"instance": {}}, 7], "page_token": "nF1=", "has_more": true}});
        let page = read(&answer);
        assert_eq!(page.next.as_deref(), Some("nF1="));
        let [listed] = &page.instances[..] else {
            panic!("{page:?}")
        };
        assert_eq!(listed.ended.unwrap().as_millisecond(), 1_793_602_438_000);
        let query = Query {
            definition: DEFINITION,
            status: "APPROVED",
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::UNIX_EPOCH,
            cursor: page.next.as_deref(),
        };
        let call = super::page(&query);
        assert!(call.path.ends_with("&page_token=nF1%3D"), "{call:?}");
        assert_eq!(
            read(&json!({"data": {"has_more": false, "page_token": "x"}})),
            Page::default()
        );
    }
}
