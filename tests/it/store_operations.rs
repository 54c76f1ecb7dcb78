//! How many operations of the store each use costs, counted at the store. In: journals with a short
//! and a long history of finished requests. The figures must be the same: cost follows what is new,
//! due or active. `SHAREHOOK_HISTORY` sets the long history (1,000 requests in the suite).

use std::collections::BTreeMap;

use serde_json::json;
use sharehook::domain::{
    Identity, Item, ItemResult, ResultKind, ServedRegions, ShareRequest, Status, Verdict,
};
use sharehook::journal::{Event, Journal, Opened, Opening, Received, Worker, WorkerLease};

use crate::support::{ACCOUNTS, BLUEPRINT, REGION, STRANGER, World, request};

/// Reads and listings, and writes and deletes.
type Figures = BTreeMap<&'static str, (u64, u64)>;

/// A request that was closed and gave nothing, as the application writes it.
async fn finished(journal: &Journal, n: usize, now: sharehook::domain::Timestamp) {
    let account = format!("{}", 800_000_000_000_u64 + n as u64);
    let text = request(&format!("OLD{n}"), json!({"accounts": [account]}));
    let request = ShareRequest::from_json(&text, &ServedRegions::default()).unwrap();
    let digest = "00".repeat(32);
    let opening = Opening {
        identity: Identity {
            source: "invoke".parse().unwrap(),
            id: format!("OLD{n}"),
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
        request,
        verdict: Verdict {
            allowed: true,
            policies: vec!["golden-images-to-staging".to_owned()],
            approvals: Vec::new(),
            refused: vec![],
            policy_digest: "00".to_owned(),
        },
        lease: WorkerLease {
            now,
            until: now + jiff::SignedDuration::from_secs(60),
            worker: Worker::from_random((n as u64).to_be_bytes()),
        },
    };
    let Opened::New(mut claim) = journal.open_request(opening).await.unwrap() else {
        panic!("OLD{n} is known");
    };
    let failed = ResultKind::Failed {
        code: "InvalidParameter".into(),
        message: "m".to_owned(),
        retryable: false,
    };
    let item = Item::Account(account.parse().unwrap());
    let event = Event::Closed {
        status: Status::Failed,
        results: vec![ItemResult::new(item, failed, None)],
    };
    claim.record(journal, now, event).await.unwrap();
}

async fn figures(history: usize) -> Figures {
    let mut world = World::new().await;
    world.reset().await;
    for n in 0..history {
        finished(&world.journal, n, world.now()).await;
    }
    let mut figures = Figures::new();
    let mut count = async |world: &World, what: &'static str, how: &str| {
        let (reads, writes) = (world.fuse.reads(), world.fuse.writes());
        match how {
            "sweep" => assert_eq!(world.sweep().await.failures, [""; 0]),
            "grants" => assert_eq!(world.app.grants().await.unwrap().flaws, [""; 0]),
            id => {
                let account = if id == "DENIED" {
                    STRANGER
                } else {
                    ACCOUNTS[0]
                };
                drop(
                    world
                        .deliver(&request(id, json!({"accounts": [account]})))
                        .await,
                );
            }
        }
        let now = (world.fuse.reads() - reads, world.fuse.writes() - writes);
        figures.insert(what, now);
    };
    // Each lease of the history is looked at once.
    world.advance(120);
    world.sweep().await;
    count(&world, "a sweep with nothing due", "sweep").await;
    count(&world, "allowed, one account", "ALLOWED").await;
    count(&world, "a duplicate of that", "ALLOWED").await;
    count(&world, "denied", "DENIED").await;
    count(&world, "a duplicate of that denial", "DENIED").await;
    world.advance(120);
    world.sweep().await;
    for n in 0..9 {
        let account = format!("{}", 700_000_000_001_u64 + n);
        let ends = json!({"accounts": [account], "expires_in": "2h"});
        world.deliver(&request(&format!("TEN{n}"), ends)).await;
    }
    world.advance(120);
    world.sweep().await;
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 10);
    count(&world, "grants with 10 active", "grants").await;
    world.advance(7_200);
    count(&world, "a sweep with 9 due", "sweep").await;
    assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[0]], "in {REGION}");
    figures
}

#[allow(clippy::disallowed_methods)] // A test's own setting.
fn long_history() -> usize {
    let set = std::env::var("SHAREHOOK_HISTORY").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

#[tokio::test]
async fn operations_do_not_depend_on_history() {
    let (short, long) = (figures(10).await, figures(long_history()).await);
    for (what, (reads, writes)) in &short {
        println!("{what}: {reads} reads and listings, {writes} writes and deletes");
    }
    assert_eq!(short, long);
    assert_eq!(short["a sweep with nothing due"], (2, 0));
}
