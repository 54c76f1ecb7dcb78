//! Imitates DingTalk's API. A refusal has an HTTP status other than 200 and a textual code.

use serde_json::{Value, json};

use super::tenant::{Call, Tenant, text};

pub(super) fn answer(tenant: &mut Tenant, call: &Call<'_>) -> (u16, Value) {
    if call.line() == ("POST", "v1.0/oauth2/accessToken") {
        return token(tenant, call);
    }
    let reads = call.line() == ("GET", "v1.0/workflow/processInstances");
    tenant.calls.reads += u32::from(reads);
    if !tenant
        .apps
        .accept(call.header("x-acs-dingtalk-access-token"))
    {
        return refused(400, "InvalidAuthentication");
    }
    if let Some(code) = tenant.refuses(reads) {
        return refused(500, code);
    }
    match call.line() {
        ("GET", "v1.0/workflow/processInstances") => instance(tenant, call),
        ("POST", "v1.0/workflow/processes/instanceIds/query") => list(tenant, call),
        ("POST", "v1.0/workflow/processInstances/comments") => comment(tenant, call),
        _ => refused(404, "InvalidAction.NotFound"),
    }
}

fn refused(status: u16, code: &str) -> (u16, Value) {
    let answer = json!({"code": code, "message": "refused by the stand-in", "requestid": "0"});
    (status, answer)
}

fn token(tenant: &mut Tenant, call: &Call<'_>) -> (u16, Value) {
    tenant.calls.tokens += 1;
    if tenant.gives_no_token {
        return refused(503, "ServiceUnavailable");
    }
    match tenant
        .apps
        .token(call.body("appKey"), call.body("appSecret"))
    {
        Some(token) => (200, json!({"accessToken": token, "expireIn": 7_200})),
        None => refused(400, "invalidClientIdOrSecret"),
    }
}

/// Returns an instance without its own id and its process's id, because DingTalk's answer has
/// neither.
fn instance(tenant: &Tenant, call: &Call<'_>) -> (u16, Value) {
    match tenant.instances.get(call.query("processInstanceId")) {
        Some(instance) => {
            let mut shown = instance.clone();
            if let Some(fields) = shown.as_object_mut() {
                fields.remove("processInstanceId");
                fields.remove("processCode");
            }
            (200, json!({"success": true, "result": shown}))
        }
        None => refused(400, "processInstanceId.invalid"),
    }
}

/// Lists the instances that were created between `startTime` and `endTime`, which are in
/// milliseconds and at most 120 days apart. An instance in the sandbox contains its creation time
/// as text, in whole minutes.
fn list(tenant: &mut Tenant, call: &Call<'_>) -> (u16, Value) {
    if call.number("endTime") - call.number("startTime") > 120 * 86_400_000 {
        return refused(400, "paramError");
    }
    let at = |milliseconds: i64| jiff::Timestamp::from_millisecond(milliseconds).ok();
    let (begins, ends) = (at(call.number("startTime")), at(call.number("endTime")));
    let size = call.count("maxResults").clamp(1, 20);
    let (ids, next) = tenant.page(call.count("nextToken"), size, |instance| {
        // For example, `createTime` is "2026-11-02T08:00Z".
        let created = text(instance.get("createTime")).trim_end_matches('Z');
        let created = format!("{created}:00Z").parse::<jiff::Timestamp>().ok();
        let statuses = call.body.get("statuses").and_then(Value::as_array);
        let fits = |all: &Vec<Value>| all.contains(instance.get("status").unwrap_or(&Value::Null));
        text(instance.get("processCode")) == call.body("processCode")
            && statuses.is_none_or(fits)
            && created >= begins
            && (ends.is_none() || created <= ends)
    });
    let result = match next {
        Some(next) => json!({ "list": ids, "nextToken": next }),
        None => json!({ "list": ids }),
    };
    (200, json!({"success": true, "result": result}))
}

fn comment(tenant: &mut Tenant, call: &Call<'_>) -> (u16, Value) {
    let (written, user) = (call.body("text").to_owned(), call.body("commentUserId"));
    if written.is_empty() || user.is_empty() {
        return refused(400, "paramError");
    }
    let id = call.body("processInstanceId");
    let Some(instance) = tenant.instances.get_mut(id) else {
        return refused(400, "processInstanceId.invalid");
    };
    if let Some(Value::Array(records)) = instance.get_mut("operationRecords") {
        records.push(
            json!({"userId": user, "type": "ADD_REMARK", "result": "NONE",
            "remark": written, "date": "2026-11-02T09:00Z"}),
        );
    }
    match tenant.note(&written) {
        true => (200, json!({"success": true, "result": true})),
        false => refused(500, "ServiceUnavailable"),
    }
}
