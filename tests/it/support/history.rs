//! Writes journals with many old requests, which are closed and share nothing. Records and seals
//! are written as the application writes them.

use std::future::ready;
use std::ops::Range;

use serde_json::{Value, json};
use sharehook::domain::{
    Identity, Item, ItemResult, ResultKind, ServedRegions, ShareRequest, Status, Timestamp, Verdict,
};
use sharehook::journal::log::NoteSigner;
use sharehook::journal::{Event, Intent, Journal, Opened, Opening, Received, Worker, WorkerLease};

use super::{World, request};

/// The key that seals the old requests.
pub(crate) fn signer() -> NoteSigner {
    NoteSigner::read("history", &NoteSigner::pem(&[7; 32])).unwrap()
}

pub(crate) fn account(n: usize) -> String {
    format!("{}", 800_000_000_000_u64 + n as u64)
}

/// Record 0 of an allowed request.
pub(crate) fn opening(id: &str, request: &Value, worker: u64, now: Timestamp) -> Opening {
    let digest = "00".repeat(32);
    let request = ShareRequest::from_json(request, &ServedRegions::default()).unwrap();
    let intent = Intent {
        identity: Identity {
            source: "invoke".parse().unwrap(),
            id: id.to_owned(),
        },
        delivery_id: None,
        secret_fingerprint: None,
        scheme: "trusted".to_owned(),
        received: Received {
            body_digest: digest.clone(),
            map_digest: digest.clone(),
            config_digest: digest,
            version: "0".to_owned(),
        },
        digest: request.digest(),
        approved_at: now,
        ordered_at: None,
        expires_at: request.expires_at(now),
        request,
        verdict: Verdict {
            allowed: true,
            policies: vec!["golden-images-to-staging".to_owned()],
            approvals: Vec::new(),
            refused: vec![],
            policy_digest: "00".to_owned(),
        },
        absent: false,
        adopts: false,
        gone: false,
        task_token: false,
        lease: None,
    };
    Opening {
        intent,
        lease: lease(worker, now),
    }
}

/// A lease that expires a minute after `now`.
pub(crate) fn lease(worker: u64, now: Timestamp) -> WorkerLease {
    WorkerLease {
        now,
        until: now + jiff::SignedDuration::from_secs(60),
        worker: Worker::from_random(worker.to_be_bytes()),
        owner: None,
    }
}

/// Writes request `n` with two records: opened, and closed as failed for its one account.
pub(crate) async fn finish(journal: &Journal, n: usize, now: Timestamp) {
    let id = format!("OLD{n}");
    let text = request(&id, json!({"accounts": [account(n)]}));
    let opening = opening(&id, &text, n as u64, now);
    let Opened::New(mut claim, _) = journal
        .open_request(opening, true, ready(Ok(None)))
        .await
        .unwrap()
    else {
        panic!("OLD{n} is known");
    };
    let failed = ResultKind::Failed {
        code: "InvalidParameter".into(),
        message: "m".to_owned(),
        retryable: false,
    };
    let item = Item::Account(account(n).parse().unwrap());
    let event = Event::Closed {
        status: Status::Failed,
        results: vec![ItemResult::new(item, failed, None)],
        calls: Vec::new(),
    };
    claim.record(journal, now, event).await.unwrap();
}

/// Writes these requests, one per second, and seals after every twentieth request. Returns the time
/// of the last one.
pub(crate) async fn fill(journal: &Journal, requests: Range<usize>, start: Timestamp) -> Timestamp {
    let mut now = start;
    for n in requests {
        now += jiff::SignedDuration::from_secs(1);
        finish(journal, n, now).await;
        if n % 20 == 19 {
            journal.seal(&signer(), now).await.unwrap();
        }
    }
    journal.seal(&signer(), now).await.unwrap();
    now
}

/// Fills the world's journal like [`fill`]. Sweeps after every 1000 requests, as a schedule would,
/// so that each lease is examined once.
pub(crate) async fn fill_and_sweep(world: &World, count: usize) {
    for first in (0..count).step_by(1_000) {
        let requests = first..count.min(first + 1_000);
        let now = fill(&world.journal, requests, world.now()).await;
        world.clock.set(now);
        world.advance(120);
        world.sweep().await;
    }
}
