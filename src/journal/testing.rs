//! A small journal to test on: one chain request with three accounts, from its claim to its
//! revocation.

use std::future::ready;

use jiff::SignedDuration;
use serde_json::json;

use super::record::{
    Announcement, CallNote, CallOff, Confirmed, Conflict, Deferral, Drift, Event, FailedAttempt,
    FailedFetch, FailedNotification, Intent, Lease, Notified, Progress, Received, Record,
    Rejection, Reopening, Settled, Stored, StreamId, VERSION, Worker,
};
use super::{Journal, JournalError, Opened, Opening, StreamState};
use crate::domain::{
    AccountId, Difference, Drifted, Identity, Item, ItemResult, Notice, NoticeKind, Problem,
    ResultKind, ServedRegions, ShareRequest, Status, Timestamp, Verdict,
};

/// Seconds after the claim at which the share ends.
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

/// A request for the chain: the image to Lighthouse and the blueprint to three accounts. `change`
/// overrides fields.
pub(super) fn request(change: serde_json::Value) -> ShareRequest {
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
    Verdict {
        allowed,
        policies: vec!["golden-images-to-staging".into()],
        approvals: Vec::new(),
        refused: vec![],
        policy_digest: "00".into(),
    }
}

pub(super) fn received() -> Received {
    Received {
        body_digest: "b0".into(),
        map_digest: "a0".into(),
        config_digest: "c0".into(),
        version: "0.1.0".into(),
    }
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
        lease: lease.map(|seconds| Lease { until: at(seconds) }),
    }
}

pub(super) fn opened(identity: Identity) -> Event {
    Event::Opened(Box::new(intent(identity, request(json!({})), Some(60))))
}

pub(super) fn progress(results: Vec<ItemResult>) -> Event {
    let call = CallNote {
        action: "ShareBlueprintAcrossAccounts".into(),
        request_id: Some("r-1".into()),
        code: None,
    };
    Event::Progress(Progress {
        results,
        calls: vec![call],
        ..Progress::default()
    })
}

pub(super) fn taken(until: i64) -> Event {
    Event::Taken {
        until: at(until),
        verdict: None,
        holder_gone: false,
    }
}

pub(super) fn deferred(seconds: i64) -> Event {
    Event::Deferred(Deferral {
        results: vec![],
        calls: vec![],
        why: "throttled".into(),
        not_before: at(seconds),
        waits: false,
        fault: None,
    })
}

pub(super) fn closed(status: Status, results: Vec<ItemResult>) -> Event {
    Event::Closed {
        status,
        results,
        calls: vec![],
    }
}

pub(super) fn cancelled(items: Vec<Item>) -> Event {
    let Event::CalledOff(by) = called_off(items) else {
        unreachable!();
    };
    Event::Cancelled(by)
}

pub(super) fn called_off(items: Vec<Item>) -> Event {
    Event::CalledOff(CallOff {
        items,
        by: identity("CHG0030200"),
        ticket: Some("CHG0030200".into()),
        withdrawn: false,
    })
}

pub(super) fn not_revoked(seconds: i64) -> Event {
    Event::NotRevoked(FailedAttempt {
        results: vec![],
        calls: vec![CallNote {
            action: "CancelShareBlueprintAcrossAccounts".into(),
            request_id: Some("r-1".into()),
            code: Some("UnauthorizedOperation".into()),
        }],
        why: "no permission".into(),
        not_before: at(seconds),
        covered: vec![],
    })
}

pub(super) fn notice(notify: &str, on: NoticeKind, about: u64) -> Notice {
    Notice {
        notify: notify.parse().unwrap(),
        on,
        about,
    }
}

pub(super) fn notified(notify: &str, on: NoticeKind, about: u64, attempt: u32) -> Event {
    Event::Notified(Notified {
        notice: notice(notify, on, about),
        attempt,
        silent: false,
    })
}

pub(super) fn notification_failed(
    notify: &str,
    on: NoticeKind,
    about: u64,
    attempt: u32,
    next: Option<i64>,
) -> Event {
    Event::NotificationFailed(FailedNotification {
        notice: notice(notify, on, about),
        attempt,
        why: "HTTP 503".into(),
        not_before: next.map(at),
    })
}

pub(super) fn reopened(allowed: bool) -> Event {
    Event::Reopened(Reopening {
        by: "jira/carol@example.com".to_owned(),
        reason: "the allow-list was corrected".to_owned(),
        verdict: verdict(allowed),
        until: allowed.then(|| at(9_060)),
    })
}

pub(super) fn rejected() -> Event {
    Event::Rejected(Rejection {
        source: "jira".parse().unwrap(),
        scheme: "jira".to_owned(),
        received: received(),
        delivery_id: Some("d-1".to_owned()),
        slot: 7,
        problems: vec![Problem::new("accounts", "is empty", "name an account")],
    })
}

pub(super) fn drifted() -> Event {
    Event::Drifted(Drift::of(&[Drifted {
        image: "lhbp-6jc6l8yb".to_owned(),
        region: "ap-singapore".to_owned(),
        to: "700000164995".to_owned(),
        difference: Difference::Unknown,
    }]))
}

/// The records of an announcement, in order.
pub(super) fn announcement() -> [Event; 4] {
    let received = Event::Received(Box::new(Announcement {
        source: "feishu".parse().unwrap(),
        scheme: "feishu".to_owned(),
        delivery_id: "e-1".to_owned(),
        secret_fingerprint: None,
        received: received(),
        event: json!({"event": {"status": "APPROVED"}}),
        listed: false,
    }));
    let failed = Event::FetchFailed(FailedFetch {
        attempt: 1,
        why: "feishu answers 1395001".to_owned(),
        not_before: at(10),
    });
    let confirmed = Event::Confirmed(Confirmed {
        requests: vec![identity("CHG0030192")],
    });
    let settled = Event::Settled(Settled {
        requests: vec![identity("CHG0030192")],
        why: None,
    });
    [received, failed, confirmed, settled]
}

pub(super) fn conflict() -> Event {
    Event::Conflict(Conflict {
        identity: identity("CHG0030192"),
        digest: "ab".into(),
        delivery_id: None,
        received: received(),
    })
}

/// One event of each type, in the order of the table of types.
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
        Event::Refused {
            verdict: verdict(false),
            results: vec![result(account(0), failed())],
        },
        Event::Revoking {
            until: at(60),
            accounts: vec![account_id(0)],
            lighthouse: true,
        },
        not_revoked(120),
        Event::Revoked {
            results: vec![result(account(0), ResultKind::Cancelled)],
            calls: vec![],
        },
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

/// A record that hangs on nothing.
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

/// Records that hang together, as a stream in the making.
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

    /// Adds a record of `worker` at `seconds` after the claim, whether or not it may follow.
    pub(super) fn then(self, seconds: i64, who: u64, event: Event) -> Self {
        self.then_of(None, seconds, who, event)
    }

    /// The same with the root account of the worker's key.
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

    /// Claim, a first look, the image to Lighthouse, one account, a pause, another worker, one
    /// failure, the end; then the expiry with a crash in its middle.
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
            .then(
                EXPIRY,
                3,
                Event::Revoking {
                    until: at(EXPIRY + 60),
                    accounts: vec![account_id(0)],
                    lighthouse: true,
                },
            )
            .then(EXPIRY + 1, 3, progress(vec![result(account(0), Cancelled)]))
            .then(EXPIRY + 61, 4, taken(EXPIRY + 120))
            .then(
                EXPIRY + 62,
                4,
                Event::Revoked {
                    results: vec![result(lighthouse(), NotShared)],
                    calls: vec![],
                },
            )
    }

    pub(super) fn files(&self) -> Vec<Vec<u8>> {
        self.bytes.clone()
    }
}

/// Opens a request unless it is known, as the application does, without a look at the cloud.
pub(super) async fn deliver(journal: &Journal, opening: Opening) -> Result<Opened, JournalError> {
    let stream = StreamId::of(&opening.intent.identity);
    match journal.look_up(stream).await? {
        Some(StreamState::Request(state)) => Ok(Opened::Existing(state)),
        Some(StreamState::Incident(_)) => Err(JournalError::NotARequest { stream }),
        None => journal.open_request(opening, true, ready(Ok(None))).await,
    }
}
