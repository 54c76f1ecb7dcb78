//! Describes the approvals of DingTalk (open.dingtalk.com, "审批实例开始、结束、终止、删除" and the API
//! `workflow_1_0`).

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::api::{ApiCall, Rejected, Rejection, without_code};
use super::instance::{InstanceState, Named, Said, is_code};
use super::listing::{Listed, Listing, Page, Query};
use super::system::ApprovalSystem;
use crate::domain::{Timestamp, shown};

const BAD_TOKEN: &str = "InvalidAuthentication";
const BAD_SECRET: &str = "invalidClientIdOrSecret";
const USED_UP: &str = "Forbidden.AccessDenied.ApiCountLimitForOrg";

pub(super) const DINGTALK: ApprovalSystem = ApprovalSystem {
    url: "https://api.dingtalk.com",
    // DingTalk allows about 20 calls a second.
    between_calls: Duration::from_millis(50),
    secrets: &[],
    named,
    token,
    answer,
    token_fields: ("accessToken", "expireIn"),
    with_token,
    instance,
    instance_field: "result",
    state,
    definition: None,
    begun: Some(|instance| minute(instance, "createTime")),
    ended: |instance| minute(instance, "finishTime"),
    listing: Some(LISTING),
};

/// `POST /processes/instanceIds/query` allows at most 120 days between `from` and `to`. The
/// standard edition allows 10,000 calls a month. The list does not show when an instance ended, or
/// whether a terminated instance was approved before.
const LISTING: Listing = Listing {
    every: SignedDuration::from_hours(1),
    begun_within: SignedDuration::from_hours(7 * 24),
    shows_end: false,
    says: &[(Said::Approved, "COMPLETED")],
    page,
    read,
    event,
};

fn named(event: &Value) -> Option<Named> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if text("EventType")? != "bpms_instance_change" {
        return None;
    }
    let said = match (text("type")?, text("result")) {
        ("finish", Some("agree")) => Said::Approved,
        ("terminate", _) => Said::Withdrawn,
        _ => return None,
    };
    Some(Named {
        definition: text("processCode")?.to_owned(),
        instance: text("processInstanceId")?.to_owned(),
        said,
    })
}

fn token(id: &str, secret: &str) -> ApiCall {
    let body = json!({ "appKey": id, "appSecret": secret });
    ApiCall::post("/v1.0/oauth2/accessToken".to_owned(), body)
}

/// Parses an answer. A call failed if the status is not 200, if `success` is false, or if the body
/// is not a JSON object. If the status is not 200, the body usually has a `code` that consists of
/// words.
fn answer(status: u16, body: &[u8]) -> Result<Value, Rejected> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let refused = answer.get("success") == Some(&Value::Bool(false));
    if status == 200 && answer.is_object() && !refused {
        return Ok(answer);
    }
    let code = text("code");
    if code.is_empty() {
        return Err(without_code(status));
    }
    Err(Rejected {
        why: "answers".to_owned(),
        quoted: vec![code.to_owned(), text("message").to_owned()],
        hint: match code {
            BAD_SECRET => "; check app_id and app_secret of `fetch`",
            USED_UP => "; the calls of this month are used up",
            _ => "",
        },
        kind: match code == BAD_TOKEN {
            true => Rejection::BadToken,
            false => Rejection::Other,
        },
    })
}

fn instance(code: &str) -> ApiCall {
    let path = format!("/v1.0/workflow/processInstances?processInstanceId={code}");
    ApiCall::get(path)
}

fn with_token(call: ApiCall, token: &str) -> ApiCall {
    call.with_header("x-acs-dingtalk-access-token", token.to_owned())
}

/// Reads the state of an instance. DingTalk's answer lacks the code of the instance and the code of
/// its definition, so both are added to an approved instance for the map. The two codes come from
/// the event. `Instances::confirm` checks that the list of this definition's instances contains the
/// instance.
fn state(named: &Named, mut instance: Value) -> InstanceState {
    let other = |why: String| InstanceState::Other(why);
    let text = |name: &str| {
        instance
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let original = text("mainProcessInstanceId");
    match (text("status"), text("result"), text("bizAction")) {
        ("COMPLETED", "agree", "" | "NONE") => {}
        ("COMPLETED", "agree", "REVOKE") if is_code(original) && original != named.instance => {
            return InstanceState::Withdraws(original.to_owned());
        }
        (_, _, action) if !matches!(action, "" | "NONE" | "REVOKE") => {
            let action = shown(action);
            return other(format!(
                "the instance changes another one (bizAction {action})"
            ));
        }
        ("TERMINATED" | "CANCELED", _, "" | "NONE") => return InstanceState::Withdrawn,
        ("NEW" | "RUNNING", _, _) => {
            return InstanceState::Pending("the instance is still running".to_owned());
        }
        (status, result, action) => {
            let (status, result, action) = (shown(status), shown(result), shown(action));
            return other(format!(
                "the instance has the status {status}, the result {result} and the bizAction {action}"
            ));
        }
    }
    if let Some(fields) = instance.as_object_mut() {
        for (name, value) in [
            ("processInstanceId", &named.instance),
            ("processCode", &named.definition),
        ] {
            fields.insert(name.to_owned(), value.as_str().into());
        }
    }
    InstanceState::Approved(instance)
}

/// Reads a time of the instance. DingTalk's times are whole minutes, as in `2026-11-02T06:46Z`.
fn minute(instance: &Value, name: &str) -> Option<Timestamp> {
    let text = instance.get(name)?.as_str()?;
    let minute = text.strip_suffix('Z')?;
    format!("{minute}:00Z").parse().ok()
}

/// Makes the call that requests a page of the list. DingTalk allows at most 20 entries in a page.
fn page(query: &Query<'_>) -> ApiCall {
    let cursor: i64 = query.cursor.and_then(|at| at.parse().ok()).unwrap_or(0);
    let body = json!({
        "processCode": query.definition, "statuses": [query.status], "maxResults": 20, "nextToken": cursor,
        "startTime": query.from.as_millisecond(), "endTime": query.to.as_millisecond(),
    });
    ApiCall::post(
        "/v1.0/workflow/processes/instanceIds/query".to_owned(),
        body,
    )
}

fn read(answer: &Value) -> Page {
    let list = answer.pointer("/result/list").and_then(Value::as_array);
    let ids = list.into_iter().flatten().filter_map(Value::as_str);
    let next = answer.pointer("/result/nextToken");
    Page {
        instances: ids.map(Listed::without_end).collect(),
        // DingTalk writes the position of the next page as a number or as a string.
        next: next.and_then(|next| match next {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }),
    }
}

fn event(named: &Named) -> Value {
    let (kind, result) = match named.said {
        Said::Approved => ("finish", Some("agree")),
        Said::Withdrawn => ("terminate", None),
    };
    json!({
        "EventType": "bpms_instance_change", "processCode": named.definition,
        "processInstanceId": named.instance, "type": kind, "result": result,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "XqAqEwgYQkWn0VIAyPfuEQ05561793602438";
    const PROCESS: &str = "PROC-EF6YJL35P2-SCKICSB7P750S0YISYKV3-17IBLGZI-1";

    fn state_of(change: (&str, Value)) -> InstanceState {
        let named = Named {
            definition: PROCESS.to_owned(),
            instance: ID.to_owned(),
            said: Said::Approved,
        };
        let mut instance = json!({"status": "COMPLETED", "result": "agree", "bizAction": "NONE"});
        instance[change.0] = change.1;
        state(&named, instance)
    }

    #[test]
    fn only_a_completed_and_agreed_instance_confirms_its_event() {
        let InstanceState::Approved(good) = state_of(("title", json!("x"))) else {
            panic!("not approved")
        };
        assert_eq!(good["processInstanceId"], ID);
        assert_eq!(good["processCode"], PROCESS);
        for (field, value, says) in [
            ("result", json!("refuse"), "refuse"),
            ("result", Value::Null, "result"),
            ("status", Value::Null, "status"),
            ("bizAction", json!("REVOKE"), "REVOKE"),
            ("bizAction", json!("MODIFY"), "MODIFY"),
        ] {
            match state_of((field, value)) {
                InstanceState::Other(why) => assert!(why.contains(says), "{why}"),
                other => panic!("{field}: {other:?}"),
            }
        }
        for status in ["TERMINATED", "CANCELED"] {
            let withdrawn = state_of(("status", json!(status)));
            assert_eq!(withdrawn, InstanceState::Withdrawn);
        }
        let running = state_of(("status", json!("RUNNING")));
        assert!(matches!(running, InstanceState::Pending(_)));
    }

    #[test]
    fn only_the_end_of_an_instance_of_a_listed_process_is_worth_a_fetch() {
        let listed = [PROCESS.to_owned()];
        let event = json!({"EventType": "bpms_instance_change", "processCode": PROCESS,
            "processInstanceId": ID, "type": "finish", "result": "agree"});
        for (field, value, expected) in [
            ("title", json!("x"), Some(Said::Approved)),
            ("type", json!("terminate"), Some(Said::Withdrawn)),
            ("type", json!("start"), None),
            ("type", json!("delete"), None),
            ("result", json!("refuse"), None),
            ("result", Value::Null, None),
            ("EventType", json!("bpms_task_change"), None),
            ("processCode", json!("PROC-OTHER"), None),
            ("processInstanceId", json!("../x"), None),
            ("processInstanceId", json!("a&b=c"), None),
        ] {
            let mut changed = event.clone();
            changed[field] = value;
            let named = DINGTALK.named(&changed, &listed);
            assert_eq!(named.map(|named| named.said), expected, "{changed}");
        }
    }

    #[test]
    fn an_answer_is_a_value_or_a_reason() {
        for text in [
            "{\"success\":true,\"result\":{}}",
            "{\"accessToken\":\"t\"}",
        ] {
            assert!(answer(200, text.as_bytes()).is_ok());
        }
        for (status, text, says, kind) in [
            (
                400,
                "{\"code\":\"InvalidAuthentication\",\"message\":\"x\"}",
                "\"InvalidAuthentication\": \"x\"",
                Rejection::BadToken,
            ),
            (
                403,
                "{\"code\":\"Forbidden.AccessDenied.ApiCountLimitForOrg\"}",
                "used up",
                Rejection::Other,
            ),
            (200, "{\"success\":false}", "HTTP 200", Rejection::Other),
            (500, "{}", "HTTP 500", Rejection::Other),
            (200, "<html>", "check `url`", Rejection::Other),
            (502, "<html>", "HTTP 502", Rejection::Other),
        ] {
            let rejected = answer(status, text.as_bytes()).unwrap_err();
            let reason = rejected.reason(str::to_owned);
            assert!(reason.contains(says), "{reason}");
            assert_eq!(rejected.kind, kind, "{rejected:?}");
        }
    }
    #[test]
    fn a_listed_instance_is_announced_like_one_that_an_event_names() {
        for said in [Said::Approved, Said::Withdrawn] {
            let named = Named {
                definition: PROCESS.to_owned(),
                instance: ID.to_owned(),
                said,
            };
            let event = event(&named);
            assert_eq!(DINGTALK.named(&event, &[PROCESS.to_owned()]), Some(named));
        }
        for (next, expected) in [
            (json!(20), Some("20")),
            (json!("20"), Some("20")),
            (Value::Null, None),
        ] {
            let page = read(&json!({"result": {"list": [ID, 7], "nextToken": next}}));
            assert_eq!((page.instances.len(), page.next.as_deref()), (1, expected));
        }
    }
}
