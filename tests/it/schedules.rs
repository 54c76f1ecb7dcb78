//! Random schedules: deliveries, duplicate workers, crashes, clock jumps, store errors and lost
//! answers, in an order that follows from a printed seed. `SHAREHOOK_SEED` repeats one,
//! `SHAREHOOK_SCHEDULES` sets how many run (300 in the suite).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::Ending;
use sharehook::clock;

use crate::support::store::Break;
use crate::support::{ACCOUNTS, BLUEPRINT, CVM_IMAGE, Place, World, deliver, request};

const LANES: u64 = 16;

/// SplitMix64: small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The requests of a schedule: one account and one image each, so that what must be left is plain.
fn requests(chance: &mut Chance) -> Vec<Value> {
    let mut all = Vec::new();
    for (index, account) in ACCOUNTS.iter().enumerate() {
        let image = if chance.below(2) == 0 {
            BLUEPRINT
        } else {
            CVM_IMAGE
        };
        let mut change = json!({"image": image, "accounts": [account]});
        match chance.below(3) {
            0 => change["expires_in"] = json!("2h"),
            1 => change["not_before"] = json!("2026-11-21T09:00:00Z"),
            _ => {}
        }
        all.push(request(&format!("CHG{index}"), change));
    }
    all
}

async fn step(world: &World, request: &Value, kind: u64) {
    match kind {
        0..=4 => drop(world.deliver(request).await),
        5 | 6 => {
            let others = (world.another(), world.another());
            tokio::join!(
                async { drop(world.deliver(request).await) },
                async { drop(deliver(&others.0, request).await) },
                async { drop(deliver(&others.1, request).await) },
            );
        }
        7 => drop(world.app.sweep(crate::support::deadline()).await),
        _ => {
            let other = world.another();
            tokio::join!(
                async { drop(world.app.sweep(crate::support::deadline()).await) },
                async { drop(other.sweep(crate::support::deadline()).await) },
            );
        }
    }
}

async fn schedule(world: &mut World, seed: u64) {
    let chance = &mut Chance(seed);
    world.reset().await;
    let requests = requests(chance);
    let steps = 4 + chance.below(8);
    for _ in 0..steps {
        if chance.below(3) == 0 {
            let how = Break::ALL[chance.below(4) as usize];
            world.fuse.arm(chance.below(8), how);
        }
        if chance.below(8) == 0 {
            let kinds = [
                "reset-before",
                "reset-after",
                "cut-body",
                "error-before:InternalError",
            ];
            let kind = kinds[chance.below(4) as usize];
            world.cloud.inject(format!("*:{kind}").parse().unwrap());
        }
        if chance.below(3) == 0 {
            let jumps = [1, 30, 61, 120, 1_800, 3_600];
            world.advance(jumps[chance.below(6) as usize]);
        }
        let request = &requests[chance.below(requests.len() as u64) as usize];
        let kind = chance.below(9);
        let stopped = tokio::select! {
            () = step(world, request, kind) => false,
            () = world.fuse.crashed() => true,
        };
        if stopped {
            world.restart();
        }
    }
    finish(world, &requests).await;
    check(world, &requests, seed).await;
}

/// Everybody delivers until nothing is open, then every end has come.
async fn finish(world: &mut World, requests: &[Value]) {
    world.fuse.arm(u64::MAX, Break::FailBefore);
    world.restart();
    for _ in 0..6 {
        world.advance(120);
        let mut open = false;
        for request in requests {
            let (ending, _) = world.deliver(request).await;
            open |= matches!(
                ending,
                Ending::Pending | Ending::Waiting | Ending::Unavailable
            );
        }
        if !open {
            break;
        }
        world.advance(3_600);
        world.sweep().await;
    }
    world.advance(12 * 3_600);
    for _ in 0..3 {
        world.sweep().await;
        world.advance(1_000);
    }
}

async fn check(world: &World, requests: &[Value], seed: u64) {
    let told = format!("repeat with SHAREHOOK_SEED={seed} SHAREHOOK_SCHEDULES=1");
    world
        .verify()
        .await
        .unwrap_or_else(|flaw| panic!("{flaw}; {told}"));
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in requests
        .iter()
        .filter(|request| request.get("expires_in").is_none())
    {
        let image = request["image"].as_str().unwrap().to_owned();
        wanted
            .entry(image)
            .or_default()
            .push(request["accounts"][0].as_str().unwrap().to_owned());
    }
    wanted
        .values_mut()
        .for_each(|accounts| accounts.sort_unstable());
    assert_eq!(world.shares(), wanted, "{told}");
    // A share, and at most one cancel of it: each exactly once, whatever happened in between.
    let effects = world.effects();
    assert!(
        effects.values().all(|count| *count == 1),
        "{effects:?}; {told}"
    );
    let shared = effects
        .keys()
        .filter(|effect| !effect.to_lowercase().contains("cancel"))
        .count();
    let unmade = world.app.requests().await.unwrap().entries;
    let made = unmade
        .iter()
        .filter(|e| e.answer.status.to_string() == "completed")
        .count();
    assert_eq!(shared, made, "{effects:?}; {told}");
}

#[allow(clippy::disallowed_methods)] // A test's own settings.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_schedules_end_as_they_should() {
    let first = setting("SHAREHOOK_SEED")
        .unwrap_or_else(|| u64::from_be_bytes(clock::fresh_bytes().unwrap()) >> 16);
    let count = setting("SHAREHOOK_SCHEDULES").unwrap_or(300);
    println!("SHAREHOOK_SEED={first} SHAREHOOK_SCHEDULES={count}");
    let began = tokio::time::Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES.min(count) {
        lanes.spawn(async move {
            let mut world = World::with(Place::Sealed, |_| ()).await;
            let mut done = 0_u64;
            for seed in (lane..count).step_by(LANES as usize) {
                let run = Box::pin(schedule(&mut world, first + seed));
                let told = || panic!("seed {} hangs", first + seed);
                tokio::time::timeout(Duration::from_secs(120), run)
                    .await
                    .unwrap_or_else(|_| told());
                done += 1;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(end) = lanes.join_next().await {
        done += end.unwrap();
    }
    println!(
        "{done} schedules in {:.1?}, from seed {first} on",
        began.elapsed()
    );
    assert_eq!(done, count);
}
