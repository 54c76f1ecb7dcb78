//! Builders of events and streams for tests. The example is a request for a chain with three
//! accounts, from its claim to its revocation.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::record::{
    Drift, Event, Intent, Lease, Received, Record, Stored, StreamId, VERSION, Worker,
};
use super::state::Work;
use crate::domain::{
    AccountId, Identity, Item, ItemResult, NoticeKind, Problem, ResultKind, ServedRegions,
    ShareRequest, Status, Timestamp, Verdict,
};

/// When the share expires, in seconds after the claim.
pub(super) const EXPIRY: i64 = 10_000;

pub(super) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

pub(super) fn worker(n: u64) -> Worker {
    Worker::from_random(n.to_be_bytes())
}

pub(super) fn identity(id: &str) -> Identity {
    Identity {
        source: "jira".parse().unwrap(),
        id: id.to_owned(),
    }
}

pub(super) fn account_id(n: usize) -> AccountId {
    ["700000164995", "909619400", "1038493875"][n]
        .parse()
        .unwrap()
}

pub(super) fn account(n: usize) -> Item {
    Item::Account(account_id(n))
}

pub(super) fn lighthouse() -> Item {
    Item::Lighthouse("img-xkd784jw".parse().unwrap())
}

pub(super) fn result(item: Item, kind: ResultKind) -> ItemResult {
    ItemResult::new(item, kind, Some("r-1".into()))
}

pub(super) fn failed() -> ResultKind {
    ResultKind::Failed {
        code: "InvalidParameter".into(),
        message: "m".into(),
        retryable: false,
    }
}

pub(super) fn available() -> ResultKind {
    ResultKind::Available {
        blueprint: "lhbp-su83x02a".parse().ok(),
        already: false,
    }
}

/// A request for a chain: the image is made available in Lighthouse, and the resulting blueprint is
/// shared with three accounts. `change` overrides fields.
pub(super) fn request(change: Value) -> ShareRequest {
    let mut value = json!({
        "action": "share", "image": "img-xkd784jw", "region": "ap-singapore", "lighthouse": true,
        "accounts": [account_id(0), account_id(1), account_id(2)], "requester": "alice@example.com",
        "approvers": ["bob@example.com"], "ticket": "CHG0030192", "expires_at": at(EXPIRY),
    });
    for (field, new) in change.as_object().unwrap() {
        value[field] = new.clone();
    }
    ShareRequest::from_json(&value, &ServedRegions::default()).unwrap()
}

pub(super) fn verdict(allowed: bool) -> Verdict {
    let policies = ["golden-images-to-staging"];
    let verdict = json!({"allowed": allowed, "policies": policies, "policy_digest": "00"});
    serde_json::from_value(verdict).unwrap()
}

pub(super) fn received() -> Received {
    serde_json::from_value(received_json()).unwrap()
}

fn received_json() -> Value {
    json!({"body_digest": "b0", "map_digest": "a0", "config_digest": "c0", "version": "0.1.0"})
}

pub(super) fn intent(identity: Identity, request: ShareRequest, lease: Option<i64>) -> Intent {
    Intent {
        identity,
        digest: request.digest(),
        delivery_id: Some("d-1".into()),
        secret_fingerprint: Some("5f1d".into()),
        scheme: "jira".into(),
        received: received(),
        approved_at: at(0),
        ordered_at: None,
        expires_at: request.expires_at(at(0)),
        request,
        verdict: verdict(true),
        absent: false,
        adopts: false,
        gone: false,
        task_token: false,
        lease: lease.map(|seconds| Lease { until: at(seconds) }),
    }
}

pub(super) fn opened(identity: Identity) -> Event {
    Event::Opened(Box::new(intent(identity, request(json!({})), Some(60))))
}

fn event(json: Value) -> Event {
    serde_json::from_value(json).unwrap()
}

fn event_received(mut json: Value) -> Event {
    for (name, digest) in received_json().as_object().unwrap() {
        json[name] = digest.clone();
    }
    event(json)
}

pub(super) fn progress(results: Vec<ItemResult>) -> Event {
    let call = json!({"action": "ShareBlueprintAcrossAccounts", "request_id": "r-1"});
    event(json!({"type": "progress", "results": results, "calls": [call]}))
}

pub(super) fn taken(until: i64) -> Event {
    event(json!({"type": "taken", "until": at(until)}))
}

pub(super) fn deferred(seconds: i64) -> Event {
    event(json!({"type": "deferred", "results": [], "why": "throttled", "not_before": at(seconds)}))
}

pub(super) fn closed(status: Status, results: Vec<ItemResult>) -> Event {
    event(json!({"type": "closed", "status": status, "results": results}))
}

pub(super) fn cancelled(items: Vec<Item>) -> Event {
    called_off_by("cancelled", items, false)
}

pub(super) fn called_off(items: Vec<Item>) -> Event {
    called_off_by("called_off", items, false)
}

/// A call-off by the withdrawal of the request's approval.
pub(super) fn withdrawn(items: Vec<Item>) -> Event {
    called_off_by("called_off", items, true)
}

fn called_off_by(kind: &str, items: Vec<Item>, withdrawn: bool) -> Event {
    let by = identity("CHG0030200");
    event(json!({"type": kind, "items": items, "by": by, "ticket": by.id, "withdrawn": withdrawn}))
}

pub(super) fn revoking(until: i64, accounts: &[usize], lighthouse: bool) -> Event {
    Event::Revoking {
        until: at(until),
        accounts: accounts.iter().map(|n| account_id(*n)).collect(),
        lighthouse,
    }
}

pub(super) fn revoked(results: Vec<ItemResult>) -> Event {
    Event::Revoked {
        results,
        calls: vec![],
    }
}

pub(super) fn revoke(accounts: &[usize], lighthouse: bool) -> Work {
    Work::Revoke {
        accounts: accounts.iter().map(|n| account_id(*n)).collect(),
        lighthouse,
    }
}

pub(super) fn refused(allowed: bool, results: Vec<ItemResult>) -> Event {
    event(json!({"type": "refused", "verdict": verdict(allowed), "results": results}))
}

pub(super) fn not_revoked(seconds: i64) -> Event {
    let call =
        json!({"action": "CancelShareBlueprintAcrossAccounts", "code": "UnauthorizedOperation"});
    event(
        json!({"type": "not_revoked", "results": [], "calls": [call], "why": "no permission", "not_before": at(seconds)}),
    )
}

pub(super) fn notified(notify: &str, on: NoticeKind, about: u64, attempt: u32) -> Event {
    event(
        json!({"type": "notified", "notify": notify, "on": on, "about": about, "attempt": attempt}),
    )
}

pub(super) fn notification_failed(
    notify: &str,
    on: NoticeKind,
    about: u64,
    attempt: u32,
    next: Option<i64>,
) -> Event {
    event(
        json!({"type": "notification_failed", "notify": notify, "on": on, "about": about,
        "attempt": attempt, "why": "HTTP 503", "not_before": next.map(at)}),
    )
}

pub(super) fn reopened(allowed: bool) -> Event {
    let until = allowed.then(|| at(9_060));
    event(
        json!({"type": "reopened", "by": "jira/carol@example.com", "reason": "the allow-list was corrected",
        "verdict": verdict(allowed), "until": until}),
    )
}

pub(super) fn rejected() -> Event {
    let problem = Problem::new("accounts", "is empty", "name an account");
    event_received(
        json!({"type": "rejected", "source": "jira", "scheme": "jira",
        "delivery_id": "d-1", "slot": 7, "problems": [problem]}),
    )
}

pub(super) fn drifted() -> Event {
    let drifted = json!({"image": "lhbp-6jc6l8yb", "region": "ap-singapore",
        "to": "700000164995", "difference": "unknown"});
    Event::Drifted(Drift::of(&[serde_json::from_value(drifted).unwrap()]))
}

pub(super) fn announcement() -> [Event; 4] {
    let received = event_received(
        json!({"type": "received", "source": "feishu", "scheme": "feishu",
        "delivery_id": "e-1", "event": {"event": {"status": "APPROVED"}}}),
    );
    let request = identity("CHG0030192");
    let failed = json!({"type": "fetch_failed", "attempt": 1, "why": "feishu answers 1395001", "not_before": at(10)});
    let confirmed = json!({"type": "confirmed", "requests": [request]});
    let settled = json!({"type": "settled", "requests": [request]});
    [received, event(failed), event(confirmed), event(settled)]
}

pub(super) fn conflict() -> Event {
    let identity = identity("CHG0030192");
    event_received(json!({"type": "conflict", "identity": identity, "digest": "ab"}))
}

pub(super) fn event_of_every_type() -> Vec<Event> {
    let [received, not_fetched, confirmed, settled] = announcement();
    vec![
        opened(identity("CHG0030192")),
        taken(60),
        progress(vec![result(lighthouse(), available())]),
        deferred(120),
        closed(
            Status::Completed,
            vec![result(account(0), ResultKind::Shared)],
        ),
        called_off(vec![account(0)]),
        cancelled(vec![account(0)]),
        refused(false, vec![result(account(0), failed())]),
        revoking(60, &[0], true),
        not_revoked(120),
        revoked(vec![result(account(0), ResultKind::Cancelled)]),
        reopened(true),
        notified("desk", NoticeKind::Completed, 5, 1),
        notification_failed("desk", NoticeKind::Completed, 5, 1, Some(120)),
        conflict(),
        rejected(),
        drifted(),
        received,
        not_fetched,
        confirmed,
        settled,
    ]
}

pub(super) fn record(seq: u64, event: Event) -> Record {
    let stream = StreamId::of(&identity("CHG0030192"));
    Record {
        v: VERSION,
        stream,
        seq,
        prev: None,
        at: at(0),
        worker: worker(1),
        owner: None,
        event,
    }
}

/// Builds a stream: each record has the hash of the one before it.
#[derive(Clone)]
pub(super) struct StreamBuilder {
    pub(super) stream: StreamId,
    pub(super) records: Vec<Stored>,
    bytes: Vec<Vec<u8>>,
}

impl StreamBuilder {
    pub(super) fn empty(identity: &Identity) -> Self {
        Self {
            stream: StreamId::of(identity),
            records: vec![],
            bytes: vec![],
        }
    }

    /// Adds a record that worker `who` wrote `seconds` after the claim. Does not check whether this
    /// event can follow the earlier records.
    pub(super) fn then(self, seconds: i64, who: u64, event: Event) -> Self {
        self.then_of(None, seconds, who, event)
    }

    /// Like [`Self::then`], but the record names `owner` as the owner of the image.
    pub(super) fn then_of(
        mut self,
        owner: Option<&str>,
        seconds: i64,
        who: u64,
        event: Event,
    ) -> Self {
        let record = Record {
            v: VERSION,
            stream: self.stream,
            seq: self.records.len() as u64,
            prev: self.records.last().map(|stored| stored.hash.clone()),
            at: at(seconds),
            worker: worker(who),
            owner: owner.map(|owner| owner.parse().unwrap()),
            event,
        };
        let (stored, bytes) = Stored::write(record).unwrap();
        self.records.push(stored);
        self.bytes.push(bytes);
        self
    }

    pub(super) fn opened() -> Self {
        let identity = identity("CHG0030192");
        Self::empty(&identity).then(0, 1, opened(identity))
    }

    pub(super) fn full() -> Self {
        Self::of(identity("CHG0030192"))
    }

    /// A whole request and its revocation. Worker 1 opens the request, reads the cloud, makes the
    /// image available in Lighthouse, shares it with one account and pauses. Worker 2 continues:
    /// one account fails, and the request is closed. After the expiry, worker 3 stops during the
    /// revocation and worker 4 finishes it.
    pub(super) fn of(identity: Identity) -> Self {
        use ResultKind::{AlreadyShared, Cancelled, NotShared, Pending, Shared};
        Self::empty(&identity)
            .then(0, 1, opened(identity))
            .then(
                1,
                1,
                progress(vec![
                    result(account(1), AlreadyShared),
                    result(account(0), Pending),
                ]),
            )
            .then(2, 1, progress(vec![result(lighthouse(), available())]))
            .then(3, 1, progress(vec![result(account(0), Shared)]))
            .then(4, 1, deferred(120))
            .then(130, 2, taken(190))
            .then(131, 2, progress(vec![result(account(2), failed())]))
            .then(132, 2, closed(Status::Partial, vec![]))
            .then(EXPIRY, 3, revoking(EXPIRY + 60, &[0], true))
            .then(EXPIRY + 1, 3, progress(vec![result(account(0), Cancelled)]))
            .then(EXPIRY + 61, 4, taken(EXPIRY + 120))
            .then(
                EXPIRY + 62,
                4,
                revoked(vec![result(lighthouse(), NotShared)]),
            )
    }

    pub(super) fn files(&self) -> Vec<Vec<u8>> {
        self.bytes.clone()
    }
}
