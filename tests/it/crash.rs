//! Crash enumeration: stops each scenario at every store write and every cloud call, before and
//! after its effect. Then delivers everything again and sweeps. The result must equal that of an
//! undisturbed run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::Ending;
use sharehook::domain::ResultKind;
use sharehook_sandbox::Site;

use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, Place, REGION, STRANGER, World, request,
};

#[derive(Clone)]
enum Act {
    Deliver(Value),
    /// Sets the clock to this number of seconds after the start.
    Until(i64),
    /// Advances the clock by two minutes, so that every lease expires.
    Later,
    Sweep,
}

/// Where and how a run is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturb {
    Nothing,
    /// The n-th write of the store, from 0.
    Store(u64, Break),
    /// The n-th call to the cloud, from 0. The cloud carries it out, but the process stops before
    /// it receives the answer.
    CallCrash(u32),
    /// The n-th call to the cloud, from 0, meets this fault. The process continues.
    CallFault(u32, &'static str),
}

#[derive(Debug, PartialEq)]
struct Left {
    shares: BTreeMap<String, Vec<String>>,
    effects: BTreeMap<String, usize>,
    answers: BTreeMap<String, (String, Vec<ResultKind>)>,
}

struct Ran {
    left: Left,
    met: bool,
}

async fn run(world: &mut World, acts: &[Act], disturb: Disturb) -> Ran {
    world.reset().await;
    let start = world.now();
    match disturb {
        Disturb::Nothing => {}
        Disturb::Store(nth, how) => world.fuse.arm(nth, how),
        Disturb::CallCrash(nth) => fault(world, nth, "slow:600s"),
        Disturb::CallFault(nth, kind) => fault(world, nth, kind),
    }
    // Afterwards senders repeat their deliveries, and sweeps run.
    let mut again = vec![Act::Later];
    again.extend(
        acts.iter()
            .filter(|act| matches!(act, Act::Deliver(_)))
            .cloned(),
    );
    again.push(Act::Sweep);
    let again = [&again[..], &again, &again].concat();
    for act in acts.iter().chain(&again) {
        // A run has at most one disturbance, so the second try is never stopped.
        for _ in 0..2 {
            if let Act::Until(seconds) = act {
                world
                    .clock
                    .set(start + jiff::SignedDuration::from_secs(*seconds));
            }
            let stopped = tokio::select! {
                () = perform(world, act) => false,
                () = world.fuse.crashed() => true,
                () = hung(world), if matches!(disturb, Disturb::CallCrash(_)) => true,
            };
            if !stopped {
                break;
            }
            world.restart();
            world.advance(120);
        }
    }
    world.verify().await.unwrap();
    let met = match disturb {
        Disturb::Store(..) => world.fuse.reached(),
        Disturb::CallCrash(_) => stopped_by_cloud(world),
        Disturb::CallFault(_, kind) => {
            let name = kind.split(':').next().unwrap();
            world
                .cloud
                .calls()
                .iter()
                .any(|call| call.fault.as_ref().is_some_and(|f| f.contains(name)))
        }
        Disturb::Nothing => true,
    };
    Ran {
        left: left(world).await,
        met,
    }
}

async fn perform(world: &World, act: &Act) {
    match act {
        // A sender repeats a delivery that is answered 503 or 202.
        Act::Deliver(request) => {
            for _ in 0..5 {
                let (ending, _) = world.deliver(request).await;
                if !matches!(ending, Ending::Unavailable | Ending::Pending) {
                    break;
                }
                world.advance(120);
            }
        }
        Act::Sweep => drop(world.sweep().await),
        Act::Later => world.advance(120),
        Act::Until(_) => {}
    }
}

/// Applies a fault to the n-th call. Each call uses up the first remaining fault, so `nth` faults
/// without effect are injected before it.
fn fault(world: &World, nth: u32, kind: &str) {
    if nth > 0 {
        assert!(
            world
                .cloud
                .inject(format!("*:slow:0ms@{nth}").parse().unwrap())
        );
    }
    assert!(world.cloud.inject(format!("*:{kind}").parse().unwrap()));
}

fn stopped_by_cloud(world: &World) -> bool {
    world.cloud.calls().iter().any(|call| {
        call.fault
            .as_ref()
            .is_some_and(|f| f.contains("slow:600000ms"))
    })
}

/// Waits until a call hangs. Never returns if one has hung before in this run.
fn hung(world: &World) -> impl Future<Output = ()> {
    // Look now, and not when this future is first polled: by then, the call that must stop the
    // process may already hang.
    let before = stopped_by_cloud(world);
    async move {
        while before || !stopped_by_cloud(world) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn left(world: &World) -> Left {
    let listed = world.app.requests(None).await.unwrap();
    assert_eq!(listed.flaws, [""; 0]);
    let answers = listed.entries.into_iter().map(|entry| {
        let kinds = entry
            .answer
            .results
            .into_iter()
            .map(|result| result.kind)
            .collect();
        (entry.identity, (entry.state.to_string(), kinds))
    });
    Left {
        shares: world.shares(),
        effects: world.effects(),
        answers: answers.collect(),
    }
}

fn share(change: Value) -> Act {
    Act::Deliver(request("CHG1", change))
}

fn scenarios() -> Vec<(&'static str, Vec<Act>, Value)> {
    let ends = "2026-11-21T10:00:00Z";
    let cancel =
        |image: &str| Act::Deliver(request("CHG2", json!({"action": "cancel", "image": image})));
    let mut all: Vec<&str> = ACCOUNTS.to_vec();
    all.sort_unstable();
    vec![
        ("share", vec![share(json!({}))], json!({ BLUEPRINT: all })),
        (
            "share of a CVM image",
            vec![share(json!({"image": CVM_IMAGE}))],
            json!({ CVM_IMAGE: all }),
        ),
        (
            "chain",
            vec![share(json!({"image": CHAIN_IMAGE, "lighthouse": true}))],
            json!({ CHAINED: all, format!("{CHAIN_IMAGE} in Lighthouse"): [CHAINED] }),
        ),
        (
            "cancel",
            vec![share(json!({})), Act::Later, cancel(BLUEPRINT)],
            json!({}),
        ),
        (
            "cancel of a CVM image",
            vec![
                share(json!({"image": CVM_IMAGE})),
                Act::Later,
                cancel(CVM_IMAGE),
            ],
            json!({}),
        ),
        (
            "expiry",
            vec![
                share(json!({"expires_at": ends})),
                Act::Until(3 * 3600),
                Act::Sweep,
            ],
            json!({}),
        ),
        (
            "expiry of a chain",
            vec![
                share(json!({"image": CHAIN_IMAGE, "lighthouse": true, "expires_at": ends})),
                Act::Until(3 * 3600),
                Act::Sweep,
            ],
            json!({}),
        ),
        (
            "start at its time",
            vec![
                share(json!({"not_before": "2026-11-21T09:00:00Z"})),
                Act::Until(3700),
                Act::Sweep,
            ],
            json!({ BLUEPRINT: all }),
        ),
        (
            "cancel before the start",
            vec![
                share(json!({"not_before": "2026-11-21T09:00:00Z"})),
                Act::Until(600),
                cancel(BLUEPRINT),
                Act::Until(7200),
                Act::Sweep,
            ],
            json!({}),
        ),
        (
            "denied",
            vec![share(json!({"accounts": [STRANGER]}))],
            json!({}),
        ),
        (
            "conflict",
            vec![
                share(json!({"accounts": [ACCOUNTS[0]]})),
                share(json!({"accounts": [ACCOUNTS[1]]})),
            ],
            json!({ BLUEPRINT: [ACCOUNTS[0]] }),
        ),
    ]
}

type Family = fn(u32) -> Disturb;

const FAMILIES: [Family; 8] = [
    |n| Disturb::Store(n as u64, Break::CrashBefore),
    |n| Disturb::Store(n as u64, Break::CrashAfter),
    |n| Disturb::Store(n as u64, Break::FailBefore),
    |n| Disturb::Store(n as u64, Break::FailAfter),
    Disturb::CallCrash,
    |n| Disturb::CallFault(n, "reset-before"),
    |n| Disturb::CallFault(n, "reset-after"),
    |n| Disturb::CallFault(n, "cut-body"),
];

/// Runs the scenario with every disturbance of the family that it reaches. Returns their number.
async fn enumerate(name: &str, acts: &[Act], wanted: &Value, family: Family) -> usize {
    let mut world = World::with(Place::Sealed, |_| ()).await;
    let undisturbed = run(&mut world, acts, Disturb::Nothing).await.left;
    assert_eq!(
        serde_json::to_value(&undisturbed.shares).unwrap(),
        *wanted,
        "{name}, in {REGION}"
    );
    assert!(
        undisturbed.effects.values().all(|count| *count == 1),
        "{name}: {:?}",
        undisturbed.effects
    );
    let mut reached = 0;
    for nth in 0.. {
        assert!(nth < 200, "{name}: the scenario does not end");
        let disturb = family(nth);
        let ran = run(&mut world, acts, disturb).await;
        if !ran.met {
            break;
        }
        assert_eq!(ran.left, undisturbed, "{name}, {disturb:?}");
        reached += 1;
    }
    reached
}

/// A worker is interrupted after the cloud shared the image and before that is recorded. The share
/// expires before another worker resumes the request. It must still be revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopped_worker_shared_is_taken_back_although_its_end_came_first() {
    for change in [
        json!({"image": BLUEPRINT}),
        json!({"image": CVM_IMAGE}),
        json!({"image": CHAIN_IMAGE, "lighthouse": true}),
    ] {
        for readable in [true, false] {
            let mut request = request("CHG1", change.clone());
            request["expires_in"] = json!("1h");
            let site = if readable { Site::Cn } else { Site::Intl };
            let mut world = World::with(Place::Brittle, |options| {
                *options = options.clone().on(site)
            })
            .await;
            let (mut stopped, mut shared) = (0, 0);
            for nth in 0..12 {
                world.reset().await;
                fault(&world, nth, "slow:600s");
                tokio::select! {
                    _ = world.deliver(&request) => break,
                    () = hung(&world) => {}
                }
                stopped += 1;
                shared += usize::from(!world.shares().is_empty());
                world.restart();
                world.advance(2 * 3600);
                for _ in 0..4 {
                    world.sweep().await;
                    world.advance(1_000);
                }
                assert_eq!(
                    world.shares(),
                    BTreeMap::new(),
                    "{request}, call {nth}, readable {readable}"
                );
                world.verify().await.unwrap();
            }
            // Some calls only read the cloud; a later one shares.
            assert!(
                stopped > shared && shared > 0,
                "{request}: {shared} of {stopped}"
            );
        }
    }
}

/// The reads before a call fail, then the answer to the call is lost. The worker must read back
/// before it repeats the call.
#[tokio::test]
async fn nothing_is_repeated_that_was_not_looked_at() {
    for image in [BLUEPRINT, CVM_IMAGE] {
        for failing in 1..5 {
            let mut world = World::new().await;
            world.reset().await;
            world
                .deliver(&request(
                    "CHG1",
                    json!({"image": image, "expires_in": "1h"}),
                ))
                .await;
            world.advance(3600);
            assert!(
                world
                    .cloud
                    .inject(format!("*:reset-before@{failing}").parse().unwrap())
            );
            assert!(world.cloud.inject("*:cut-body@1".parse().unwrap()));
            assert!(world.cloud.inject("*:reset-after@2".parse().unwrap()));
            for _ in 0..3 {
                world.sweep().await;
                world.advance(1_000);
            }
            assert_eq!(world.shares(), BTreeMap::new());
            let effects = world.effects();
            assert!(
                effects.values().all(|count| *count == 1),
                "{failing}: {effects:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_interrupted_is_finished_once() {
    let mut running = tokio::task::JoinSet::new();
    // Each run has its own cloud. All of them at once would open too many files.
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(16));
    for (name, acts, wanted) in scenarios() {
        for (number, family) in FAMILIES.into_iter().enumerate() {
            let (acts, wanted, places) = (acts.clone(), wanted.clone(), places.clone());
            running.spawn(async move {
                let _place = places.acquire().await.unwrap();
                (name, number, enumerate(name, &acts, &wanted, family).await)
            });
        }
    }
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_family = [0; FAMILIES.len()];
    while let Some(end) = running.join_next().await {
        let (name, number, count) = end.unwrap();
        *reached.entry(name).or_default() += count;
        by_family[number] += count;
    }
    // Each scenario, even a denial, has at least one write, which is disturbed in four ways.
    assert!(
        reached.len() == 11 && reached.values().all(|count| *count >= 4),
        "{reached:?}"
    );
    assert!(by_family.iter().all(|count| *count >= 20), "{by_family:?}");
    println!(
        "{by_family:?}: {} disturbances, each with the undisturbed end: {reached:?}",
        reached.values().sum::<usize>()
    );
}
