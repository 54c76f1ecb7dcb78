//! Runs the same random schedule in two worlds. The first one archives, seals and removes finished
//! requests all the time, also in runs that are stopped; both must answer every query alike. Seeds
//! work as in `schedules`.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::app::{ArchiveOrder, archive};
use sharehook::clock;
use sharehook::journal::Journal;
use sharehook::journal::seal::NoteSigner;

use crate::support::store::{Break, Brittle};
use crate::support::{ACCOUNTS, CHAIN_IMAGE, CVM_IMAGE, STRANGER, World, request};

const LIVES: u64 = 40;
const LANES: u64 = 8;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Act {
    Deliver(Value),
    Wait(i64),
    Sweep,
    /// In the first world only: the archive run that is disturbed at this write, if it is.
    Archive {
        delete: bool,
        seal: bool,
        twice: bool,
        disturbed: Option<(u64, Break)>,
    },
}

/// Numbers made of a seed; the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn requests() -> Vec<Value> {
    let (one, two) = (&ACCOUNTS[..1], &ACCOUNTS[..2]);
    let later = json!({"accounts": two, "image": CVM_IMAGE, "not_before": "2026-12-24T00:00:00Z", "expires_in": "60d"});
    vec![
        request("SHARE", json!({"accounts": one})),
        request("SHARE", json!({"accounts": two})),
        request("ENDS", json!({"accounts": two, "expires_in": "3d"})),
        request("AGAIN", json!({"accounts": one, "expires_in": "20d"})),
        request("CANCEL", json!({"action": "cancel", "accounts": one})),
        request("CANCEL2", json!({"action": "cancel", "accounts": two})),
        request("LATER", later),
        request("DENIED", json!({"accounts": [STRANGER]})),
        request(
            "CHAIN",
            json!({"image": CHAIN_IMAGE, "lighthouse": true, "expires_in": "5d"}),
        ),
        request(
            "LEAVES",
            json!({"action": "cancel", "image": CHAIN_IMAGE, "lighthouse": true}),
        ),
    ]
}

fn life(chance: &mut Chance) -> Vec<Act> {
    let requests = requests();
    let act = |chance: &mut Chance| match chance.below(12) {
        0..=4 => Act::Deliver(requests[chance.below(requests.len() as u64) as usize].clone()),
        5 | 6 => {
            Act::Wait([60, 3_600, 5 * 86_400, 40 * 86_400, 40 * 86_400][chance.below(5) as usize])
        }
        7 => Act::Sweep,
        _ => {
            let disturbed = (chance.below(3) == 0)
                .then(|| (chance.below(10), Break::ALL[chance.below(4) as usize]));
            let (delete, seal) = (chance.below(4) > 0, chance.below(4) > 0);
            Act::Archive {
                delete,
                seal,
                twice: chance.below(4) == 0,
                disturbed,
            }
        }
    };
    (0..16 + chance.below(16)).map(|_| act(chance)).collect()
}

fn signer() -> NoteSigner {
    NoteSigner::read(
        "acme/journal",
        &SecretString::from(NoteSigner::pem(&[7; 32])),
    )
    .unwrap()
}

/// A run of the archiver, or two at once; then perhaps a seal.
async fn put_away(world: &World, to: &Journal, delete: bool, seal: bool, twice: bool) {
    let key = Some(signer().verifier().clone());
    let order = ArchiveOrder {
        age: "30d".parse().unwrap(),
        delete,
        key,
    };
    let run = || async { drop(archive(&world.journal, to, &order, world.now()).await) };
    if twice {
        tokio::join!(run(), run());
    } else {
        run().await;
    }
    if seal {
        drop(world.journal.seal(&signer(), world.now()).await);
    }
}

/// What anybody can see of a world.
#[derive(Debug, PartialEq)]
struct Seen {
    answers: Vec<String>,
    requests: BTreeMap<String, String>,
    grants: Vec<Value>,
    shares: BTreeMap<String, Vec<String>>,
    effects: BTreeMap<String, usize>,
}

/// Lives the life; `to` only in the first world.
async fn lived(world: &mut World, acts: &[Act], to: Option<&Journal>) -> Seen {
    let mut answers = Vec::new();
    for act in acts {
        match (act, to) {
            (Act::Deliver(request), _) => {
                let (ending, answer) = world.deliver(request).await;
                let kinds: Vec<_> = answer
                    .results
                    .iter()
                    .map(|result| result.kind.clone())
                    .collect();
                answers.push(format!(
                    "{ending:?} {} {} {:?}",
                    answer.status, answer.duplicate, kinds
                ));
                world.advance(1);
            }
            (Act::Wait(seconds), _) => world.advance(*seconds),
            (Act::Sweep, _) => drop(world.sweep().await),
            (
                Act::Archive {
                    delete,
                    seal,
                    twice,
                    disturbed,
                },
                Some(to),
            ) => {
                let (nth, how) = disturbed.unwrap_or((u64::MAX, Break::FailBefore));
                world.fuse.arm(nth, how);
                tokio::select! {
                    () = put_away(world, to, *delete, *seal, *twice) => {}
                    () = world.fuse.crashed() => {}
                }
                world.fuse.arm(u64::MAX, how);
                world.restart();
            }
            (Act::Archive { .. }, None) => {}
        }
    }
    let listed = world.app.requests().await.unwrap();
    assert_eq!(listed.flaws, [""; 0]);
    let state = |state: &str| state.replace(", archived", "");
    let requests = listed
        .entries
        .iter()
        .map(|e| (e.identity.clone(), state(&e.state)))
        .collect();
    let grants = world
        .app
        .grants()
        .await
        .unwrap()
        .entries
        .iter()
        .map(|grant| json!(grant))
        .collect();
    Seen {
        answers,
        requests,
        grants,
        shares: world.shares(),
        effects: world.effects(),
    }
}

/// How many records were removed in the first world.
async fn compared(world: &mut World, seed: u64) -> u64 {
    let told = format!("repeat with SHAREHOOK_SEED={seed} SHAREHOOK_SCHEDULES=1");
    let acts = life(&mut Chance(seed));
    world.reset().await;
    let without = lived(world, &acts, None).await;
    world.reset().await;
    let to = Journal::over(Arc::new(Brittle::new(Arc::clone(&world.fuse))));
    let with = lived(world, &acts, Some(&to)).await;
    assert_eq!(with, without, "{acts:#?}; {told}");
    let key = signer().verifier().clone();
    let report = world
        .journal
        .verify_archived(&key, None, std::slice::from_ref(&to))
        .await
        .unwrap();
    assert!(report.clean(), "{:?}; {told}", report.findings);
    report.archived
}

#[allow(clippy::disallowed_methods)] // A test's own settings.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_whether_requests_were_archived() {
    let first = setting("SHAREHOOK_SEED")
        .unwrap_or_else(|| u64::from_be_bytes(clock::fresh_bytes().unwrap()) >> 16);
    let count = setting("SHAREHOOK_SCHEDULES").unwrap_or(LIVES);
    println!("SHAREHOOK_SEED={first} SHAREHOOK_SCHEDULES={count}");
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES.min(count) {
        lanes.spawn(async move {
            let mut world = World::new().await;
            let mut removed = 0;
            for seed in (lane..count).step_by(LANES as usize) {
                removed += Box::pin(compared(&mut world, first + seed)).await;
            }
            removed
        });
    }
    let mut removed = 0;
    while let Some(end) = lanes.join_next().await {
        removed += end.unwrap();
    }
    println!("{count} lives, {removed} records archived and removed in them");
    assert!(
        removed > 0 || count < LIVES,
        "not one record was removed: the lives are too short"
    );
}
