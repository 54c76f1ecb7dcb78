//! Tests that `revoked` is recorded only if each item that had to be revoked has a success.

use std::future::ready;
use std::sync::Arc;

use jiff::SignedDuration;
use object_store::memory::InMemory;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::domain::{
    CloudError, ErrorClass, Identity, Item, NoticeKind, NoticeRules, ResultCode, ServedRegions,
    ShareRequest, Status, Subscription, Verdict,
};
use crate::journal::{
    Claim, Intent, Journal, Opened, Opening, Phase, Received, State, StreamId, Worker, WorkerLease,
};

const ACCOUNTS: [&str; 2] = ["700000164995", "909619400"];

fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn lease(worker: u64, seconds: i64) -> WorkerLease {
    WorkerLease {
        now: at(seconds),
        until: at(seconds + 60),
        worker: Worker::from_random(worker.to_be_bytes()),
        owner: None,
    }
}

fn account(n: usize) -> Item {
    Item::Account(ACCOUNTS[n].parse().unwrap())
}

fn of(n: usize, kind: ResultKind) -> ItemResult {
    ItemResult::new(account(n), kind, None)
}

fn opening(identity: &Identity) -> Opening {
    let request = json!({
        "action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore", "accounts": ACCOUNTS,
        "requester": "alice@example.com", "approvers": ["bob@example.com"], "expires_in": "1h",
    });
    let request = ShareRequest::from_json(&request, &ServedRegions::default()).unwrap();
    let intent = Intent {
        identity: identity.clone(),
        delivery_id: None,
        secret_fingerprint: None,
        scheme: "trusted".to_owned(),
        received: Received {
            body_digest: String::new(),
            map_digest: String::new(),
            config_digest: String::new(),
            version: String::new(),
        },
        digest: request.digest(),
        approved_at: at(0),
        ordered_at: None,
        expires_at: request.expires_at(at(0)),
        request,
        verdict: Verdict {
            allowed: true,
            policies: Vec::new(),
            approvals: Vec::new(),
            refused: Vec::new(),
            policy_digest: String::new(),
        },
        absent: false,
        adopts: false,
        gone: false,
        task_token: false,
        lease: None,
    };
    Opening {
        intent,
        lease: lease(1, 0),
    }
}

/// Returns the claim to revoke an expired share with two accounts.
async fn expired(journal: &Journal) -> Claim {
    let identity = Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG1".to_owned(),
    };
    let opened = journal
        .open_request(opening(&identity), true, ready(Ok(None)))
        .await
        .unwrap();
    let Opened::New(mut claim, _) = opened else {
        panic!("a known request");
    };
    let closed = Event::Closed {
        status: Status::Completed,
        results: vec![of(0, ResultKind::Shared), of(1, ResultKind::Shared)],
        calls: Vec::new(),
    };
    claim.record(journal, at(1), closed).await.unwrap();
    let taken = journal
        .take(claim.state().clone(), lease(2, 3_600), None, false)
        .await;
    taken.unwrap().unwrap().0
}

#[tokio::test]
async fn an_attempt_without_a_call_pauses_and_is_notified_as_overdue() {
    let unproven = ResultKind::Failed {
        code: "OwnerUnproven".to_owned(),
        message: "m".to_owned(),
        retryable: true,
    };
    let state = after(vec![of(0, unproven.clone()), of(1, unproven)], &[]).await;
    let Phase::RevokeDeferred { not_before, .. } = state.phase() else {
        panic!("{:?}", state.phase());
    };
    assert_eq!(*not_before, at(3_601 + 600));
    let rules = NoticeRules {
        subscriptions: vec![Subscription {
            name: "desk".parse().unwrap(),
            on: vec![NoticeKind::Overdue],
            sources: Vec::new(),
        }],
        before_end: None,
    };
    let owed = state.owed(&rules, at(3_602));
    assert_eq!(owed.len(), 1);
    assert_eq!(owed[0].notice.on, NoticeKind::Overdue);
}

/// An expired share outlasts an outage of the cloud by an hour at most.
#[test]
fn only_what_an_operator_must_correct_pauses_for_a_day() {
    let (hour, day) = (3_600, 86_400);
    for (code, failures, seconds) in [
        ("InternalError", 0, 5),
        ("InternalError", 30, hour),
        ("HttpStatus", 30, hour),
        ("RequestLimitExceeded", 30, hour),
        ("ConnectFailed", 30, hour),
        ("CredentialsUnreachable", 30, hour),
        ("UnauthorizedOperation", 30, day),
        ("NoCredentials", 30, day),
        // A year of failures must not write a record each hour.
        ("InternalError", 200, day),
        ("ConnectFailed", 200, day),
    ] {
        let failed = ResultKind::Failed {
            code: code.to_owned(),
            message: "m".to_owned(),
            retryable: true,
        };
        let open = [of(0, failed)];
        let failure = Failure::of(&open).unwrap();
        let pause = pause_after(&failure, failures);
        assert_eq!(pause.as_secs(), seconds, "{code} {failures}");
    }
}

#[tokio::test]
async fn an_attempt_without_time_says_why_its_last_call_failed() {
    let refusal = CloudError::own(
        ResultCode::CredentialsUnreachable,
        ErrorClass::NotSent,
        "the role does not answer",
        "",
    );
    let state = after_call(Some(refusal), Vec::new(), &[]).await;
    let Phase::RevokeDeferred { why, .. } = state.phase() else {
        panic!("{:?}", state.phase());
    };
    let expected =
        "the time ran out; the last call failed: CredentialsUnreachable: the role does not answer";
    assert_eq!(why, expected);
}

async fn after(results: Vec<ItemResult>, covered: &[usize]) -> State {
    after_call(None, results, covered).await
}

/// Like [`after`], but the last call of the attempt failed with this error.
async fn after_call(
    failed: Option<CloudError>,
    results: Vec<ItemResult>,
    covered: &[usize],
) -> State {
    after_with(failed, results, covered, false).await
}

/// Like [`after_call`], but the covering share can also inherit the items.
async fn after_with(
    failed: Option<CloudError>,
    results: Vec<ItemResult>,
    covered: &[usize],
    inherits: bool,
) -> State {
    let journal = Journal::over(Arc::new(InMemory::new()));
    let claim = expired(&journal).await;
    let stream: StreamId = claim.state().stream();
    let clock = Clock::at(at(3_601));
    let mut writer = ClaimWriter::new(&journal, &clock, Duration::from_secs(60), claim);
    if let Some(error) = failed {
        writer.keep_call("a call".to_owned(), &Err(error));
    }
    let cover = |n: &usize| Cover {
        item: account(*n),
        by: writer.state().identity().clone(),
        until: at(9_000),
        inherits,
    };
    let covers = covered.iter().map(cover).collect();
    writer.end_revocation(results, covers).await.unwrap();
    let history = journal.read(stream).await.unwrap().unwrap();
    history.into_state().unwrap()
}

#[tokio::test]
async fn an_item_without_a_result_or_a_cover_stays_overdue() {
    let gone = |n| of(n, ResultKind::Cancelled);
    // The results, the covered items, the items still in effect, the overdue items.
    type Case = (
        Vec<ItemResult>,
        &'static [usize],
        &'static [usize],
        &'static [usize],
    );
    let cases: [Case; 6] = [
        (vec![gone(0), gone(1)], &[], &[], &[]),
        (vec![gone(0), of(1, ResultKind::NotShared)], &[], &[], &[]),
        (vec![], &[], &[0, 1], &[0, 1]),
        (vec![gone(0)], &[], &[1], &[1]),
        (vec![gone(0)], &[1], &[1], &[]),
        (vec![], &[0], &[0, 1], &[1]),
    ];
    for (results, covered, stands, overdue) in cases {
        let case = format!("{results:?}, covered {covered:?}");
        let state = after(results, covered).await;
        let items = |numbers: &[usize]| numbers.iter().map(|n| account(*n)).collect::<Vec<_>>();
        let revoked = matches!(state.phase(), Phase::Revoked);
        assert_eq!(revoked, stands.is_empty(), "{case}");
        assert_eq!(state.given(), items(stands), "{case}");
        assert_eq!(state.overdue(at(3_601)), items(overdue), "{case}");
    }
}

/// Each ticket may renew the share of the one before. If a share did not end when another share
/// inherits its items, every share of such a chain would wait for the end of the last one.
#[tokio::test]
async fn a_share_whose_rest_another_one_inherits_is_finished() {
    let state = after_with(None, vec![of(0, ResultKind::Cancelled)], &[1], true).await;
    assert_eq!(*state.phase(), Phase::Revoked);
    assert_eq!(state.given(), []);
    let results = state.revoked();
    let left = results.iter().find(|result| result.item == account(1));
    let left = left.unwrap();
    assert!(left.renewed && left.kind == ResultKind::AlreadyShared);
    assert_eq!(results.len(), 2);
    assert!(results.contains(&of(0, ResultKind::Cancelled)));
    let state = after_with(None, Vec::new(), &[1], true).await;
    let Phase::RevokeDeferred { covered, .. } = state.phase() else {
        panic!("{:?}", state.phase());
    };
    assert!(covered.is_empty());
    assert_eq!(state.overdue(at(3_601)), [account(0)]);
}
