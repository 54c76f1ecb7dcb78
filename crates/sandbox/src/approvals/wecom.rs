//! Imitates WeCom's API. Every answer has status 200 and an `errcode`; the token is in the query.

use serde_json::{Value, json};

use super::tenant::{Call, Tenant, number, text};

pub(super) fn answer(tenant: &mut Tenant, call: &Call<'_>) -> (u16, Value) {
    let answered = match call.line() {
        ("GET", "cgi-bin/gettoken") => token(tenant, call),
        _ => with_token(tenant, call),
    };
    (200, answered)
}

fn refused(code: i64, message: &str) -> Value {
    json!({ "errcode": code, "errmsg": message })
}

fn token(tenant: &mut Tenant, call: &Call<'_>) -> Value {
    tenant.calls.tokens += 1;
    if tenant.gives_no_token {
        return refused(-1, "system busy");
    }
    match tenant
        .apps
        .token(call.query("corpid"), call.query("corpsecret"))
    {
        Some(token) => {
            json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7_200})
        }
        // Repeats the secret, as a careless API might.
        None => refused(
            40_001,
            &format!("invalid credential {}", call.query("corpsecret")),
        ),
    }
}

fn with_token(tenant: &mut Tenant, call: &Call<'_>) -> Value {
    let line = call.line();
    let reads = line == ("POST", "cgi-bin/oa/getapprovaldetail");
    tenant.calls.reads += u32::from(reads);
    if !tenant.apps.accept(call.query("access_token")) {
        return refused(40_014, "invalid access_token");
    }
    if let Some(code) = tenant.refuses(reads) {
        let message = format!("failed for {}", call.query("access_token"));
        return refused(code.parse().unwrap_or(-1), &message);
    }
    match line {
        ("POST", "cgi-bin/oa/getapprovaldetail") => {
            match tenant.instances.get(call.body("sp_no")) {
                Some(info) => json!({"errcode": 0, "errmsg": "ok", "info": info}),
                None => refused(301_025, "get approval param error"),
            }
        }
        ("POST", "cgi-bin/oa/getapprovalinfo") => list(tenant, call),
        ("POST", "cgi-bin/message/send") => message(tenant, call),
        _ => refused(404, "not found"),
    }
}

/// Lists the instances that were applied for between `starttime` and `endtime`, which are in
/// seconds and at most 31 days apart. One filter selects the template, and another selects the
/// status.
fn list(tenant: &mut Tenant, call: &Call<'_>) -> Value {
    let (begins, ends) = (call.number("starttime"), call.number("endtime"));
    if ends - begins > 31 * 86_400 {
        return refused(301_025, "get approval param error");
    }
    let filter = |key: &str| {
        let filters = call.body.get("filters").and_then(Value::as_array);
        let named = filters.and_then(|all| all.iter().find(|one| text(one.get("key")) == key));
        named.map(|one| text(one.get("value")).to_owned())
    };
    let (template, status) = (filter("template_id"), filter("sp_status"));
    let size = call.count("size").clamp(1, 100);
    let (numbers, next) = tenant.page(call.count("new_cursor"), size, |info| {
        let at = info.get("apply_time").and_then(number);
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        let found = info.get("sp_status").map(Value::to_string);
        is(&template, text(info.get("template_id")))
            && is(&status, &found.unwrap_or_default())
            && at.is_some_and(|at| (begins..=ends).contains(&at))
    });
    match next.map(|next| next.to_string()) {
        Some(next) => {
            json!({"errcode": 0, "errmsg": "ok", "sp_no_list": numbers, "new_next_cursor": next})
        }
        None => json!({"errcode": 0, "errmsg": "ok", "sp_no_list": numbers}),
    }
}

/// Stores a message. If the request sets `enable_duplicate_check`, a message that was already
/// stored is not stored again.
fn message(tenant: &mut Tenant, call: &Call<'_>) -> Value {
    let content = text(call.body.pointer("/text/content")).to_owned();
    let app = call.body.get("agentid").and_then(Value::as_i64);
    if call.body("msgtype") != "text" || content.is_empty() || app.is_none() {
        return refused(40_008, "invalid message type");
    }
    if call.body("touser").is_empty() {
        return refused(81_013, "user & party & tag all invalid");
    }
    let once = call.number("enable_duplicate_check") == 1;
    let sent = once && tenant.notes.contains(&content);
    match sent || tenant.note(&content) {
        true => json!({"errcode": 0, "errmsg": "ok", "msgid": "1"}),
        false => refused(-1, "system busy"),
    }
}
