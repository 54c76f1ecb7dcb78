//! Imitates Feishu's API. Every answer has status 200 and a `code`.

use serde_json::{Value, json};

use super::tenant::{Call, Tenant, number, text};

const INSTANCES: &str = "open-apis/approval/v4/instances/";

pub(super) fn answer(tenant: &mut Tenant, call: &Call<'_>) -> (u16, Value) {
    let answered = match call.line() {
        ("POST", "open-apis/auth/v3/tenant_access_token/internal") => token(tenant, call),
        _ => with_token(tenant, call),
    };
    (200, answered)
}

fn refused(code: i64, msg: &str) -> Value {
    json!({ "code": code, "msg": msg })
}

fn token(tenant: &mut Tenant, call: &Call<'_>) -> Value {
    tenant.calls.tokens += 1;
    if tenant.gives_no_token {
        return refused(10_012, "try again");
    }
    match tenant
        .apps
        .token(call.body("app_id"), call.body("app_secret"))
    {
        Some(token) => {
            json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7_200})
        }
        None => refused(10_014, "app secret invalid"),
    }
}

fn with_token(tenant: &mut Tenant, call: &Call<'_>) -> Value {
    let (method, path) = call.line();
    let below = path.strip_prefix(INSTANCES);
    let reads = method == "GET" && below.is_some();
    tenant.calls.reads += u32::from(reads);
    let bearer = call.header("authorization").strip_prefix("Bearer ");
    if !bearer.is_some_and(|token| tenant.apps.accept(token)) {
        return refused(99_991_663, "Invalid access token for authorization.");
    }
    if let Some(code) = tenant.refuses(reads) {
        let message = format!("failed for {}", call.header("authorization"));
        return refused(code.parse().unwrap_or(1_395_001), &message);
    }
    match (method, below) {
        ("POST", Some("query")) => list(tenant, call),
        ("GET", Some(code)) => match tenant.instances.get(code) {
            Some(instance) => json!({"code": 0, "msg": "success", "data": instance}),
            None => refused(1_390_003, "instance code not found"),
        },
        ("POST", Some(rest)) => match rest.strip_suffix("/comments") {
            Some(code) => comment(tenant, call, code),
            None => refused(404, "no such method"),
        },
        ("GET", None) if path.starts_with("open-apis/approval/v4/approvals/") => {
            json!({"code": 0, "msg": "success", "data": {"approval_name": "sample", "status": "ACTIVE"}})
        }
        _ => refused(404, "no such method"),
    }
}

/// Lists the instances that were started between `instance_start_time_from` and
/// `instance_start_time_to`, which are in milliseconds and at most 30 days apart. Omits withdrawn
/// instances.
fn list(tenant: &mut Tenant, call: &Call<'_>) -> Value {
    let (begins, ends) = (
        call.number("instance_start_time_from"),
        call.number("instance_start_time_to"),
    );
    if ends - begins > 30 * 86_400_000 {
        return refused(1_390_001, "param is invalid");
    }
    let size = call.count("page_size").clamp(1, 200);
    let (codes, next) = tenant.page(call.count("page_token"), size, |instance| {
        let at = instance.get("start_time").and_then(number);
        text(instance.get("approval_code")) == call.body("approval_code")
            && text(instance.get("status")) == call.body("instance_status")
            && instance.get("reverted") != Some(&Value::Bool(true))
            && at.is_some_and(|at| (begins..=ends).contains(&at))
    });
    let entries = codes.iter().map(|code| {
        let ended = tenant
            .instances
            .get(code)
            .and_then(|one| one.get("end_time"));
        json!({"instance": {"code": code, "end_time": ended}})
    });
    let entries: Vec<Value> = entries.collect();
    let page_token = next.map_or(String::new(), |next| next.to_string());
    json!({"code": 0, "msg": "success", "data": {
        "instance_list": entries, "has_more": next.is_some(), "page_token": page_token}})
}

/// Adds a comment in the name of a user. `content` in the request's body is a string of JSON, in
/// which `text` is the comment.
fn comment(tenant: &mut Tenant, call: &Call<'_>, code: &str) -> Value {
    let content: Value = serde_json::from_str(call.body("content")).unwrap_or_default();
    let written = text(content.get("text")).to_owned();
    let user = call.query("user_id");
    let kind = call.query("user_id_type");
    if written.is_empty() || user.is_empty() || !matches!(kind, "user_id" | "open_id" | "union_id")
    {
        return refused(1_390_001, "param is invalid");
    }
    let Some(instance) = tenant.instances.get_mut(code) else {
        return refused(1_390_003, "instance code not found");
    };
    let id = tenant.notes.len().to_string();
    if let Some(Value::Array(list)) = instance.get_mut("comment_list") {
        list.push(json!({"id": id, "user_id": user, "comment": written, "create_time": "0"}));
    }
    match tenant.note(&written) {
        true => json!({"code": 0, "msg": "success", "data": {"comment_id": id}}),
        false => refused(1_395_001, "the answer was lost"),
    }
}
