//! Exports records as events of the Open Cybersecurity Schema Framework 1.8.0: class API Activity
//! (6003) with the profiles cloud, datetime and security_control. Data for which the class has no
//! field goes to `unmapped`. <https://schema.ocsf.io/1.8.0/classes/api_activity>

use serde_json::{Map, Value, json};

use super::entry::Entry;
use super::meaning::{Activity, End};
use super::origin::Origin;
use crate::domain::{Action, Verdict, visible};
use crate::journal::record::{Deferral, Event};

const CLASS: u64 = 6003;

impl Entry<'_> {
    /// Returns the record as an event of OCSF 1.8.0: one line of JSON, without a line feed.
    pub fn ocsf(&self, origin: &Origin) -> String {
        let mut event = event(self, origin);
        show(&mut event);
        event.to_string()
    }
}

/// Escapes invisible characters in every text. Does not escape line feeds, carriage returns and
/// tabs, because JSON escapes them itself.
fn show(value: &mut Value) {
    match value {
        Value::String(text) => *text = visible(text, &['\n', '\r', '\t']).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(show),
        Value::Object(fields) => fields.values_mut().for_each(show),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn event(entry: &Entry<'_>, origin: &Origin) -> Value {
    let record = &entry.stored.record;
    let meaning = entry.meaning();
    let (id, name) = match (meaning.activity, entry.action()) {
        (Activity::Access, Some(Action::Share)) => (1, "Create"),
        (Activity::Read, _) => (2, "Read"),
        (Activity::Access, Some(Action::Cancel)) => (4, "Delete"),
        (Activity::Access, None) => (99, "Conflict"),
        (Activity::Other(name), _) => (99, name),
    };
    let mut event = json!({
        "activity_id": id, "activity_name": name,
        "category_uid": 6, "category_name": "Application Activity",
        "class_uid": CLASS, "class_name": "API Activity",
        "type_uid": CLASS * 100 + id,
        "time": record.at.as_millisecond(), "time_dt": record.at.to_string(),
        "severity_id": if matches!(meaning.end, End::Failure(_)) { 3 } else { 1 },
        "message": meaning.message,
        "actor": actor(entry),
        "api": api(entry, meaning.name),
        "cloud": cloud(entry, origin),
        "src_endpoint": source(entry),
        "resources": resources(entry),
        "metadata": metadata(entry, meaning.name, origin),
        "unmapped": unmapped(entry),
    });
    let (status, status_id, code) = match meaning.end {
        End::Success => ("Success", 1, None),
        End::Failure(code) => ("Failure", 2, Some(code)),
        End::Other(status) => (status, 99, None),
    };
    put(&mut event, "status", Some(json!(status)));
    put(&mut event, "status_id", Some(json!(status_id)));
    put(&mut event, "status_code", code.map(Value::from));
    let allowed = match &record.event {
        Event::Conflict(_) => Some(false),
        _ => entry.own_verdict().map(|verdict| verdict.allowed),
    };
    if let Some(allowed) = allowed {
        let (action, disposition) = if allowed {
            ("Allowed", "Allowed")
        } else {
            ("Denied", "Blocked")
        };
        let id = if allowed { 1 } else { 2 };
        put(&mut event, "action", Some(json!(action)));
        put(&mut event, "action_id", Some(json!(id)));
        put(&mut event, "disposition", Some(json!(disposition)));
        put(&mut event, "disposition_id", Some(json!(id)));
        put(&mut event, "policy", entry.verdict().map(policy));
    }
    event
}

fn put(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(name.to_owned(), value);
    }
}

fn policy(verdict: &Verdict) -> Value {
    let names = if verdict.policies.is_empty() {
        "default deny".to_owned()
    } else {
        verdict.policies.join(" ")
    };
    json!({ "uid": names, "name": names, "version": verdict.policy_digest, "is_applied": true })
}

fn actor(entry: &Entry<'_>) -> Value {
    let Some(intent) = entry.intent else {
        let source = entry.sender().map(|(source, _)| source.as_str());
        return json!({ "app_name": source.unwrap_or("sharehook") });
    };
    let operator = match &entry.stored.record.event {
        Event::Reopened(reopening) => reopening.by.split_once('/'),
        _ => None,
    };
    let (source, person) = operator.unwrap_or((
        intent.identity.source.as_str(),
        intent.request.requester.as_str(),
    ));
    let mut actor = json!({ "user": { "uid": person, "name": person }, "app_name": source });
    let authorization = entry.verdict().map(|verdict| {
        let decision = if verdict.allowed { "allowed" } else { "denied" };
        json!([{ "decision": decision, "policy": policy(verdict) }])
    });
    put(&mut actor, "authorizations", authorization);
    actor
}

fn api(entry: &Entry<'_>, name: &'static str) -> Value {
    let (_, calls) = entry.stored.record.event.parts();
    // The cloud has no trace of a call that was not sent.
    let Some(call) = calls.last().filter(|call| !call.is_unsent()) else {
        let operation = entry.action().map_or(name, Action::as_str);
        return json!({ "operation": operation, "service": { "name": "sharehook" } });
    };
    let mut api = json!({ "operation": call.action, "service": { "name": "Tencent Cloud API" } });
    let request = call.request_id.as_ref().map(|uid| json!({ "uid": uid }));
    let response = call.code.as_ref().map(|code| json!({ "error": code }));
    put(&mut api, "request", request);
    put(&mut api, "response", response);
    api
}

fn cloud(entry: &Entry<'_>, origin: &Origin) -> Value {
    let mut cloud = json!({ "provider": "Tencent Cloud" });
    let region = entry.intent.map(|intent| json!(intent.request.region));
    put(
        &mut cloud,
        "cloud_partition",
        origin.site.as_ref().map(|site| json!(site)),
    );
    put(&mut cloud, "region", region);
    let owner = entry.stored.record.owner.as_ref();
    put(&mut cloud, "account", owner.map(|id| json!({ "uid": id })));
    cloud
}

/// Returns `src_endpoint`: the source that authenticated the delivery, or `unknown` if there was no
/// delivery. No record has the source's network address.
fn source(entry: &Entry<'_>) -> Value {
    let (name, scheme) = match entry.sender() {
        Some((source, scheme)) => (source.as_str(), scheme),
        None => ("unknown", None),
    };
    let mut source = json!({ "name": name });
    put(&mut source, "svc_name", scheme.map(Value::from));
    source
}

fn resources(entry: &Entry<'_>) -> Value {
    let Some(intent) = entry.intent else {
        return json!([]);
    };
    let request = &intent.request;
    let image = request.target.image();
    let first = json!({ "uid": image.as_str(), "type": format!("{} image", image.kind()), "region": request.region.to_string() });
    let accounts = request.target.accounts().iter();
    let accounts = accounts.map(|id| json!({ "uid": id, "type": "account" }));
    let lighthouse = request.target.lighthouse();
    let lighthouse = lighthouse.then(|| json!({ "uid": "lighthouse", "type": "service" }));
    [first]
        .into_iter()
        .chain(accounts)
        .chain(lighthouse)
        .collect()
}

fn metadata(entry: &Entry<'_>, name: &str, origin: &Origin) -> Value {
    let record = &entry.stored.record;
    let mut metadata = json!({
        "version": "1.8.0",
        "profiles": ["cloud", "datetime", "security_control"],
        "product": { "name": "sharehook", "vendor_name": "sharehook", "version": origin.version },
        "uid": format!("{}/{}", record.stream, record.seq),
        "sequence": record.seq,
        "event_code": name,
        "log_name": "journal",
    });
    let ticket = entry.intent.map(|intent| {
        let ticket = intent.request.ticket.as_ref();
        json!(ticket.unwrap_or(&intent.identity.id))
    });
    put(&mut metadata, "correlation_uid", ticket);
    metadata
}

fn unmapped(entry: &Entry<'_>) -> Value {
    let record = &entry.stored.record;
    let mut unmapped = Map::new();
    unmapped.insert("sha256".to_owned(), json!(entry.stored.hash));
    unmapped.insert("previous_sha256".to_owned(), json!(record.prev));
    unmapped.insert("worker".to_owned(), json!(record.worker));
    if let Some(received) = entry.received() {
        unmapped.insert("received".to_owned(), json!(received));
    }
    if let Some(intent) = entry.intent {
        unmapped.insert("request".to_owned(), json!(intent.identity.to_string()));
        unmapped.insert("approvers".to_owned(), json!(intent.request.approvers));
        let approvals = entry.verdict().map(|verdict| &verdict.approvals);
        unmapped.insert("approvals".to_owned(), json!(approvals));
        unmapped.insert("reason".to_owned(), json!(intent.request.reason));
        unmapped.insert("approved_at".to_owned(), json!(intent.approved_at));
        unmapped.insert("expires_at".to_owned(), json!(intent.expires_at));
    }
    if let Some(announcement) = entry.announcement {
        let id = format!("{}/{}", announcement.source, announcement.delivery_id);
        unmapped.insert("announcement".to_owned(), json!(id));
    }
    let own = match &record.event {
        Event::FetchFailed(failed) => Some(("not_fetched", json!(failed))),
        Event::Confirmed(confirmed) => Some(("confirmed", json!(confirmed))),
        Event::Settled(settled) => Some(("settled", json!(settled))),
        Event::Deferred(Deferral {
            why, not_before, ..
        }) => Some(("deferred", json!({ "why": why, "not_before": not_before }))),
        Event::Revoking {
            accounts,
            lighthouse,
            ..
        } => {
            let items = json!({ "accounts": accounts, "lighthouse": lighthouse });
            Some(("revoking", items))
        }
        Event::Cancelled(cancelled) => Some(("cancelled", json!(cancelled))),
        Event::Notified(notified) => Some(("notification", json!(notified))),
        Event::NotificationFailed(failed) => Some(("notification", json!(failed))),
        Event::Reopened(reopening) => Some(("reopened", json!(reopening))),
        Event::Rejected(rejection) => Some(("rejected", json!(rejection))),
        Event::Drifted(drift) => Some(("drifted", json!(drift))),
        Event::CalledOff(call_off) => Some(("called_off", json!(call_off))),
        Event::Conflict(conflict) => {
            unmapped.insert("request".to_owned(), json!(conflict.identity.to_string()));
            Some(("refused_digest", json!(conflict.digest)))
        }
        _ => None,
    };
    unmapped.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let (results, calls) = record.event.parts();
    if !results.is_empty() {
        unmapped.insert("results".to_owned(), json!(results));
    }
    if !calls.is_empty() {
        unmapped.insert("calls".to_owned(), json!(calls));
    }
    Value::Object(unmapped)
}
