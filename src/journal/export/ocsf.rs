//! Exports records as events of the Open Cybersecurity Schema Framework 1.8.0: class API Activity
//! (6003) with the profiles cloud, datetime and security_control. Data without a field there goes
//! to `unmapped`. <https://schema.ocsf.io/1.8.0/classes/api_activity>

use serde_json::{Map, Value, json};

use super::entry::Entry;
use super::origin::Origin;
use crate::domain::{Action, ResultCode, Status, Verdict, visible};
use crate::journal::record::{CallNote, Event};

const CLASS: u64 = 6003;

/// `activity_id`, with a name where it is our own.
enum Activity {
    Create,
    Read,
    Delete,
    Other(&'static str),
}

/// `status_id` and, for a failure, `status_code`.
enum End {
    Success,
    Failure(String),
    Other(&'static str),
}

impl Entry<'_> {
    /// The record as an event of OCSF 1.8.0, one line of JSON without line feed.
    pub fn ocsf(&self, origin: &Origin) -> String {
        let mut event = event(self, origin);
        show(&mut event);
        event.to_string()
    }
}

/// Escapes invisible characters in every text.
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
    let activity = activity(entry);
    let (id, name) = match activity {
        Activity::Create => (1, "Create"),
        Activity::Read => (2, "Read"),
        Activity::Delete => (4, "Delete"),
        Activity::Other(name) => (99, name),
    };
    let end = end(entry);
    let mut event = json!({
        "activity_id": id, "activity_name": name,
        "category_uid": 6, "category_name": "Application Activity",
        "class_uid": CLASS, "class_name": "API Activity",
        "type_uid": CLASS * 100 + id,
        "time": record.at.as_millisecond(), "time_dt": record.at.to_string(),
        "severity_id": if matches!(end, End::Failure(_)) { 3 } else { 1 },
        "message": message(entry),
        "actor": actor(entry),
        "api": api(entry),
        "cloud": cloud(entry, origin),
        "src_endpoint": source(entry),
        "resources": resources(entry),
        "metadata": metadata(entry, origin),
        "unmapped": unmapped(entry),
    });
    let (status, status_id, code) = match end {
        End::Success => ("Success", 1, None),
        End::Failure(code) => ("Failure", 2, Some(code)),
        End::Other(status) => (status, 99, None),
    };
    put(&mut event, "status", Some(json!(status)));
    put(&mut event, "status_id", Some(json!(status_id)));
    put(&mut event, "status_code", code.map(Value::from));
    if let Some(allowed) = verdict(entry) {
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

fn given_or_taken(entry: &Entry<'_>) -> Activity {
    match entry.action() {
        Some(Action::Share) => Activity::Create,
        Some(Action::Cancel) => Activity::Delete,
        None => Activity::Other("Conflict"),
    }
}

fn activity(entry: &Entry<'_>) -> Activity {
    match &entry.stored.record.event {
        Event::Opened(_)
        | Event::Closed { .. }
        | Event::Refused { .. }
        | Event::NotRevoked(_)
        | Event::Revoked { .. }
        | Event::Conflict(_) => given_or_taken(entry),
        Event::Progress(progress) if progress.calls.is_empty() => Activity::Read,
        Event::Progress(_) => given_or_taken(entry),
        Event::Taken { .. } | Event::Revoking { .. } => Activity::Other("Lease"),
        Event::Deferred(_) => Activity::Other("Deferral"),
        Event::Reopened(_) => Activity::Other("Reopening"),
        Event::Rejected(_) => Activity::Other("Rejection"),
        Event::Received(_) | Event::FetchFailed(_) | Event::Confirmed(_) | Event::Settled(_) => {
            Activity::Other("Fetch")
        }
        Event::Drifted(_) => Activity::Other("Comparison"),
        Event::CalledOff(_) => Activity::Other("Call-off"),
        Event::Cancelled(_) => Activity::Other("Cancellation"),
        Event::Notified(_) | Event::NotificationFailed(_) => Activity::Other("Notification"),
    }
}

fn end(entry: &Entry<'_>) -> End {
    let of = |status: Status| match status {
        Status::Completed => End::Success,
        Status::Failed => End::Failure("Failed".to_owned()),
        Status::Denied => End::Failure(ResultCode::Denied.into()),
        _ => End::Other("Partial"),
    };
    match &entry.stored.record.event {
        Event::Opened(intent) if !intent.verdict.allowed => of(Status::Denied),
        Event::Progress(_) | Event::NotRevoked(_) => {
            match calls(entry).iter().rev().find_map(|call| call.code.clone()) {
                Some(code) => End::Failure(code),
                None => End::Success,
            }
        }
        Event::Refused { .. } => of(Status::Denied),
        Event::Deferred(_) => End::Other("Deferred"),
        Event::Closed { status, .. } => of(*status),
        Event::Revoked { results, .. } if !results.is_empty() => {
            of(Status::of(Action::Cancel, results))
        }
        Event::NotificationFailed(_) => End::Failure("NotDelivered".to_owned()),
        Event::Conflict(_) => End::Failure("Conflict".to_owned()),
        Event::Rejected(_) => End::Failure("Invalid".to_owned()),
        Event::FetchFailed(_) => End::Failure("NotFetched".to_owned()),
        Event::Drifted(_) => End::Failure("Drifted".to_owned()),
        Event::Reopened(reopening) if !reopening.verdict.allowed => of(Status::Denied),
        _ => End::Success,
    }
}

/// The decision in this record, if it has one.
fn verdict(entry: &Entry<'_>) -> Option<bool> {
    match &entry.stored.record.event {
        Event::Opened(intent) => Some(intent.verdict.allowed),
        Event::Refused { verdict, .. } => Some(verdict.allowed),
        Event::Taken { verdict, .. } => verdict.as_ref().map(|verdict| verdict.allowed),
        Event::Reopened(reopening) => Some(reopening.verdict.allowed),
        Event::Conflict(_) => Some(false),
        _ => None,
    }
}

fn message(entry: &Entry<'_>) -> String {
    match &entry.stored.record.event {
        Event::Deferred(deferral) => {
            format!("deferred until {}: {}", deferral.not_before, deferral.why)
        }
        Event::NotRevoked(attempt) => {
            format!(
                "not taken back before {}: {}",
                attempt.not_before, attempt.why
            )
        }
        Event::Opened(intent) if !intent.verdict.allowed => denied(&intent.verdict),
        Event::Refused { verdict, .. } => denied(verdict),
        Event::Reopened(reopening) => {
            format!("reopened by {}: {}", reopening.by, reopening.reason)
        }
        Event::Rejected(rejection) => {
            let problems = rejection.problems.iter().map(ToString::to_string);
            let problems: Vec<String> = problems.collect();
            format!("not understood: {}", problems.join("; "))
        }
        Event::CalledOff(_) | Event::Cancelled(_) => entry.outcome(),
        Event::NotificationFailed(failed) => {
            format!("{}: {}", entry.outcome(), failed.why)
        }
        Event::Conflict(_) => {
            "a known request came with other content and was not carried out".to_owned()
        }
        _ => match entry.outcome().as_str() {
            "" => entry.name().to_owned(),
            outcome => format!("{}: {outcome}", entry.name()),
        },
    }
}

fn denied(verdict: &Verdict) -> String {
    let reasons: Vec<String> = verdict.refused.iter().map(ToString::to_string).collect();
    format!("denied: {}", reasons.join("; "))
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
    match (entry.intent, &entry.stored.record.event) {
        (Some(intent), _) => json!({
            "user": { "uid": intent.request.requester, "name": intent.request.requester },
            "app_name": intent.identity.source.as_str(),
            "authorizations": [{
                "decision": if intent.verdict.allowed { "allowed" } else { "denied" },
                "policy": policy(&intent.verdict),
            }],
        }),
        (None, Event::Conflict(conflict)) => {
            json!({ "app_name": conflict.identity.source.as_str() })
        }
        (None, Event::Rejected(rejection)) => json!({ "app_name": rejection.source.as_str() }),
        (None, _) => json!({ "app_name": "sharehook" }),
    }
}

fn calls<'a>(entry: &Entry<'a>) -> &'a [CallNote] {
    entry.stored.record.event.calls()
}

fn api(entry: &Entry<'_>) -> Value {
    let Some(call) = calls(entry).last() else {
        let operation = entry.action().map_or(entry.name(), Action::as_str);
        return json!({ "operation": operation, "service": { "name": "sharehook" } });
    };
    let mut api = json!({ "operation": call.action, "service": { "name": "Tencent Cloud API" } });
    put(
        &mut api,
        "request",
        call.request_id.as_ref().map(|uid| json!({ "uid": uid })),
    );
    put(
        &mut api,
        "response",
        call.code.as_ref().map(|code| json!({ "error": code })),
    );
    api
}

fn cloud(entry: &Entry<'_>, origin: &Origin) -> Value {
    let mut cloud = json!({ "provider": "Tencent Cloud" });
    if let (Some(site), Some(cloud)) = (&origin.site, cloud.as_object_mut()) {
        cloud.insert("cloud_partition".to_owned(), json!(site));
    }
    put(
        &mut cloud,
        "region",
        entry
            .intent
            .map(|intent| json!(intent.request.region.to_string())),
    );
    cloud
}

/// A request's origin is the source that authenticated it; its network address is unknown.
fn source(entry: &Entry<'_>) -> Value {
    match (entry.intent, &entry.stored.record.event) {
        (Some(intent), _) => {
            json!({ "name": intent.identity.source.as_str(), "svc_name": intent.scheme })
        }
        (None, Event::Conflict(conflict)) => json!({ "name": conflict.identity.source.as_str() }),
        (None, Event::Rejected(rejection)) => {
            json!({ "name": rejection.source.as_str(), "svc_name": rejection.scheme })
        }
        (None, _) => json!({ "name": "unknown" }),
    }
}

fn resources(entry: &Entry<'_>) -> Value {
    let Some(intent) = entry.intent else {
        return json!([]);
    };
    let request = &intent.request;
    let image = request.target.image();
    let first = json!({ "uid": image.as_str(), "type": format!("{} image", image.kind()), "region": request.region.to_string() });
    let accounts = request
        .target
        .accounts()
        .iter()
        .map(|id| json!({ "uid": id.to_string(), "type": "account" }));
    let lighthouse = request
        .target
        .lighthouse()
        .then(|| json!({ "uid": "lighthouse", "type": "service" }));
    [first]
        .into_iter()
        .chain(accounts)
        .chain(lighthouse)
        .collect()
}

fn metadata(entry: &Entry<'_>, origin: &Origin) -> Value {
    let record = &entry.stored.record;
    let mut metadata = json!({
        "version": "1.8.0",
        "profiles": ["cloud", "datetime", "security_control"],
        "product": { "name": "sharehook", "vendor_name": "sharehook", "version": origin.version },
        "uid": format!("{}/{}", record.stream, record.seq),
        "sequence": record.seq,
        "event_code": entry.name(),
        "log_name": "journal",
    });
    let ticket = entry.intent.map(|intent| {
        intent
            .request
            .ticket
            .as_ref()
            .unwrap_or(&intent.identity.id)
    });
    put(
        &mut metadata,
        "correlation_uid",
        ticket.map(|ticket| json!(ticket)),
    );
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
        unmapped.insert("reason".to_owned(), json!(intent.request.reason));
        unmapped.insert("approved_at".to_owned(), json!(intent.approved_at));
        unmapped.insert("expires_at".to_owned(), json!(intent.expires_at));
    }
    match &record.event {
        Event::Cancelled(cancelled) => {
            unmapped.insert("cancelled".to_owned(), json!(cancelled));
        }
        Event::Notified(notified) => {
            unmapped.insert("notification".to_owned(), json!(notified));
        }
        Event::NotificationFailed(failed) => {
            unmapped.insert("notification".to_owned(), json!(failed));
        }
        Event::Reopened(reopening) => {
            unmapped.insert("reopened".to_owned(), json!(reopening));
        }
        Event::Rejected(rejection) => {
            unmapped.insert("rejected".to_owned(), json!(rejection));
        }
        Event::Drifted(drift) => {
            unmapped.insert("drifted".to_owned(), json!(drift));
        }
        Event::CalledOff(call_off) => {
            unmapped.insert("called_off".to_owned(), json!(call_off));
        }
        Event::Conflict(conflict) => {
            unmapped.insert("request".to_owned(), json!(conflict.identity.to_string()));
            unmapped.insert("refused_digest".to_owned(), json!(conflict.digest));
        }
        _ => {}
    }
    let results = record.event.results();
    if !results.is_empty() {
        unmapped.insert("results".to_owned(), json!(results));
    }
    if !calls(entry).is_empty() {
        unmapped.insert("calls".to_owned(), json!(calls(entry)));
    }
    Value::Object(unmapped)
}
