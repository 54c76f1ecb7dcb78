//! Runs random schedules of shares, cancels, policy changes, duplicate workers, crashes, wrong
//! clocks, store errors and lost answers. The order depends on a seed, which is printed. By default,
//! 300 schedules run from seed 1 on, so that a failure is not by chance. `SHAREHOOK_SEED` and
//! `SHAREHOOK_SCHEDULES` set other numbers; `SHAREHOOK_SEED=random` explores.
//!
//! [`ONCE_FAILED`] lists seeds that once found a fault or a wrong expectation. They run each time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::{Ending, Operator};
use sharehook::clock;
use sharehook::domain::{Identity, Item};
use sharehook::journal::{State, StreamId};

use crate::support::store::Break;
use crate::support::{ACCOUNTS, BLUEPRINT, CVM_IMAGE, Place, World, deliver, request};

const LANES: usize = 16;

/// After the first, the journal had a share in doubt that the cloud lacked, because the account of
/// the interrupted worker was not kept. In the second, two workers crashed after their calls, so a
/// cancel was called three times.
const ONCE_FAILED: [u64; 2] = [5_164, 202_128_775_917_456];

/// SplitMix64: a small generator with the same results on every machine.
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

/// The requests of a schedule: a share of one image for each account, and cancels of some shares.
/// With one share per account, the expected result is easy to compute.
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
        if chance.below(2) == 0 {
            // Another requester sends the cancel, so a policy change for the share may still allow
            // its cancel.
            let change = json!({
                "action": "cancel", "image": image, "accounts": [account],
                "requester": "bob@example.com", "approvers": ["alice@example.com"],
            });
            all.push(request(&format!("STOP{index}"), change));
        }
    }
    all
}

/// A policy change. If it affects a share, that share must have been carried out before the change,
/// or never.
struct Removed {
    /// The requester or the account that the change removed.
    name: &'static str,
    /// The accounts with which something had been shared before the change.
    given: BTreeSet<String>,
}

impl Removed {
    /// Removes the requester of the shares, or one account, from every group.
    async fn remove(world: &mut World, chance: &mut Chance) -> Self {
        let names = [&["invoke/alice@example.com"], &ACCOUNTS[..]].concat();
        let name = names[chance.below(4) as usize];
        let given = given_at_rest(world).await;
        world.change_entities(|text| {
            let kept = text.lines().filter(|line| !line.contains(name));
            kept.collect::<Vec<_>>().join("\n")
        });
        Self { name, given }
    }

    fn forbids(&self, account: &str) -> bool {
        let hit = !ACCOUNTS.contains(&self.name) || self.name == account;
        hit && !self.given.contains(account)
    }
}

/// Returns the accounts with which something was shared, even if it was cancelled later.
fn given(world: &World) -> BTreeSet<String> {
    let effects = world.effects().into_keys();
    effects
        .filter(|effect| !effect.to_lowercase().contains("cancel"))
        .map(|effect| effect.rsplit(' ').next().unwrap().to_owned())
        .collect()
}

/// Like [`given`], but first waits until the cloud has carried out the last call of a crashed
/// worker.
async fn given_at_rest(world: &World) -> BTreeSet<String> {
    let mut before = given(world);
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let now = given(world);
        if now == before {
            break;
        }
        before = now;
    }
    before
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
        9 => {
            // A retry changes only requests that failed or were denied.
            let by = Operator {
                source: "jira".parse().unwrap(),
                requester: "carol@example.com".to_owned(),
            };
            let id = request["id"].as_str().unwrap();
            let deadline = crate::support::deadline();
            drop(world.app.retry(id, &by, "once more", deadline).await);
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
    let change_at = chance.below(24);
    let (mut removed, mut faults, mut crashes) = (None, false, 0);
    let mut recorded = Vec::new();
    for step_number in 0..steps {
        // Advance the clock, so that two requests are never opened at the same instant.
        world.advance(1);
        if step_number == change_at {
            removed = Some(Removed::remove(world, chance).await);
        }
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
            faults = true;
        }
        if chance.below(3) == 0 {
            let jumps = [1, 30, 61, 120, 1_800, 3_600];
            world.advance(jumps[chance.below(6) as usize]);
        }
        let request = &requests[chance.below(requests.len() as u64) as usize];
        let kind = chance.below(10);
        let right = world.now();
        // A sweep with a clock that is ahead would revoke too early.
        let ahead = kind < 7 && chance.below(4) == 0;
        if ahead {
            world.advance(2 * 3_600);
        }
        let stopped = tokio::select! {
            () = step(world, request, kind) => false,
            () = world.fuse.crashed() => true,
        };
        if stopped {
            crashes += 1;
            world.restart();
        }
        if ahead {
            world.clock.set(right);
        }
        add_recorded(world, &requests, &mut recorded).await;
    }
    finish(world, &requests).await;
    add_recorded(world, &requests, &mut recorded).await;
    let disturbed = Disturbed { faults, crashes };
    check(
        world,
        &requests,
        &recorded,
        removed.as_ref(),
        disturbed,
        seed,
    )
    .await;
    if removed.is_some() {
        world.restore_entities();
    }
}

/// Adds the requests that were recorded since the last call, in the order of their deliveries.
async fn add_recorded(world: &World, requests: &[Value], recorded: &mut Vec<StreamId>) {
    for stream in requests.iter().map(stream_of) {
        let known = recorded.contains(&stream);
        if !known && world.journal.look_up(stream).await.unwrap().is_some() {
            recorded.push(stream);
        }
    }
}

/// Delivers all requests until none is unfinished. Then sweeps after every share has expired.
async fn finish(world: &mut World, requests: &[Value]) {
    world.fuse.arm(u64::MAX, Break::FailBefore);
    world.restart();
    for _ in 0..6 {
        world.advance(120);
        let mut open = false;
        for request in requests {
            world.advance(1);
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

fn stream_of(request: &Value) -> StreamId {
    StreamId::of(&Identity {
        source: "invoke".parse().unwrap(),
        id: request["id"].as_str().unwrap().to_owned(),
    })
}

async fn state_of(world: &World, request: &Value) -> State {
    let history = world.journal.read(stream_of(request)).await.unwrap();
    history.unwrap().into_state().unwrap()
}

/// What went wrong in a schedule: calls of the cloud, and how many workers crashed.
struct Disturbed {
    faults: bool,
    crashes: usize,
}

async fn check(
    world: &World,
    requests: &[Value],
    recorded: &[StreamId],
    removed: Option<&Removed>,
    disturbed: Disturbed,
    seed: u64,
) {
    let repeat = format!("repeat with SHAREHOOK_SEED={seed} SHAREHOOK_SCHEDULES=1");
    world
        .verify()
        .await
        .unwrap_or_else(|flaw| panic!("{flaw}; {repeat}"));
    let given = given(world);
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut cancelled_again, mut cancelled_before) = (BTreeSet::new(), BTreeSet::new());
    let (shares, cancels): (Vec<_>, Vec<_>) = requests
        .iter()
        .partition(|request| request["action"] == "share");
    for share in shares {
        let account = share["accounts"][0].as_str().unwrap().to_owned();
        let state = state_of(world, share).await;
        let place = |stream| recorded.iter().position(|known| *known == stream);
        let opened = place(state.stream());
        if state
            .call_off_of(&Item::Account(account.parse().unwrap()))
            .is_some()
        {
            cancelled_again.insert(account.clone());
        }
        let (mut called_off, expires) = (false, share.get("expires_in").is_some());
        for cancel in cancels
            .iter()
            .filter(|c| c["accounts"] == share["accounts"])
        {
            let cancel = state_of(world, cancel).await;
            let cancelled = place(cancel.stream());
            called_off |= cancel.verdict().allowed && opened < cancelled;
            if cancel.verdict().allowed && cancelled < opened {
                cancelled_before.insert(account.clone());
                if expires {
                    cancelled_again.insert(account.clone());
                }
            }
        }
        let forbidden = removed.is_some_and(|removed| removed.forbids(&account));
        assert!(
            !(forbidden && given.contains(&account)),
            "{account} got what the policy refused; {repeat}"
        );
        if !forbidden && !called_off && !expires {
            let image = share["image"].as_str().unwrap().to_owned();
            wanted.entry(image).or_default().push(account);
        }
    }
    wanted
        .values_mut()
        .for_each(|accounts| accounts.sort_unstable());
    assert_eq!(world.shares(), wanted, "{repeat}");
    let mut granted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for grant in world.app.grants().await.unwrap().entries {
        granted.entry(grant.image).or_default().push(grant.to);
    }
    granted
        .values_mut()
        .for_each(|accounts| accounts.sort_unstable());
    assert_eq!(granted, wanted, "grants of the journal; {repeat}");
    // The cloud must carry out no share twice, with one exception: the worker of a share crashed
    // after its call, then an earlier cancel was carried out, which could not know of that call.
    //
    // A cancel may be called twice, because the cloud's list may not show a recent share yet: a
    // request or a worker that revokes such a share makes the call even if the list does not show
    // the share. There may be a third call in four cases: if an expiring share follows a cancel, if
    // two concurrent sweeps work on a called-off share and on its cancel, if both the answer to a
    // cancel and the next read are lost, and if two workers crash after their calls.
    let effects = world.effects();
    for (effect, count) in &effects {
        let account = effect.rsplit(' ').next().unwrap();
        let most = match effect.to_lowercase().contains("cancel") {
            true if disturbed.faults || cancelled_again.contains(account) => 3,
            true => 2.max(1 + disturbed.crashes),
            false if disturbed.crashes > 0 && cancelled_before.contains(account) => 2,
            false => 1,
        };
        assert!((1..=most).contains(count), "{effects:?}; {repeat}");
    }
}

#[allow(clippy::disallowed_methods)] // Switches of this test, not of the program.
fn setting(name: &str) -> Option<u64> {
    match std::env::var(name).ok()?.as_str() {
        "random" => Some(u64::from_be_bytes(clock::fresh_bytes().unwrap()) >> 16),
        number => number.parse().ok(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_schedules_end_as_they_should() {
    let (first, count) = (setting("SHAREHOOK_SEED"), setting("SHAREHOOK_SCHEDULES"));
    let (from, count) = (first.unwrap_or(1), count.unwrap_or(300));
    println!("SHAREHOOK_SEED={from} SHAREHOOK_SCHEDULES={count}");
    let began = tokio::time::Instant::now();
    let known = ONCE_FAILED.into_iter().filter(|_| first.is_none());
    let seeds = Vec::from_iter(known.chain(from..from + count));
    let all = seeds.len();
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES.min(all) {
        let seeds = Vec::from_iter(seeds.iter().copied().skip(lane).step_by(LANES));
        lanes.spawn(async move {
            let mut world = World::with(Place::Sealed, |_| ()).await;
            for seed in &seeds {
                let run = Box::pin(schedule(&mut world, *seed));
                tokio::time::timeout(Duration::from_secs(120), run)
                    .await
                    .unwrap_or_else(|_| panic!("seed {seed} hangs"));
            }
            seeds.len()
        });
    }
    let mut done = 0;
    while let Some(end) = lanes.join_next().await {
        done += end.unwrap();
    }
    println!("{done} schedules in {:.1?}", began.elapsed());
    assert_eq!(done, all);
}
