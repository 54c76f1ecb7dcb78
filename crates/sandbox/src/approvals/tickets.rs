//! Imitates a ticket system. If a GET request carries a login, the answer is the ticket that the
//! request's path or query names.

use serde_json::{Value, json};

use super::tenant::{Call, Tenant, text};

pub(super) fn answer(tenant: &mut Tenant, call: &Call<'_>) -> (u16, Value) {
    tenant.calls.reads += 1;
    if let Some(status) = &tenant.failing {
        let status = status.parse().unwrap_or(503);
        return (status, json!({ "error": "failing" }));
    }
    let ("GET", path) = call.line() else {
        return (405, json!({ "error": "only GET" }));
    };
    if call.header("authorization").is_empty() {
        return (401, json!({ "error": "Couldn't authenticate you" }));
    }
    let segments = path.split('/');
    let segments = segments.map(|part| part.strip_suffix(".json").unwrap_or(part));
    let mut named = segments.chain(call.query.values().map(|value| text(Some(value))));
    match named.find_map(|id| tenant.instances.get(id)) {
        Some(ticket) => (200, ticket.clone()),
        None => (404, json!({ "error": "RecordNotFound" })),
    }
}
