//! Counts the store's operations for each way to read the journal. The numbers must not depend on
//! the length of the history. `SHAREHOOK_HISTORY=1000,100000` sets two lengths, as in
//! docs/journal.md. The default is 240 and 1,000 requests.

use std::collections::BTreeMap;
use std::fs;

use jiff::SignedDuration;
use serde_json::json;
use sharehook::app::{Listed, RequestEntry, RequestFilter, retire};
use sharehook::domain::Identity;
use sharehook::journal::StreamId;
use sharehook_sandbox::SandboxOptions;

use crate::support::history::{fill, fill_and_sweep, finish, signer};
use crate::support::store::Break;
use crate::support::{ACCOUNTS, Place, World, request};

/// The number of reads and listings, and the number of writes and deletes, by name of the measured
/// operation.
type Figures = BTreeMap<&'static str, (u64, u64)>;

const SWEEP: &str = "a sweep with nothing due";
const DUE: &str = "a sweep with 10 due";
const GRANTS: &str = "grants with 10 active";
const REQUESTS: &str = "requests --limit 50";
const SEAL: &str = "a seal of 100 new records";

async fn figures(history: usize) -> Figures {
    let mut world = World::new().await;
    world.reset().await;
    fill_and_sweep(&world, history).await;
    // Sweep until the daily pass has finished.
    let mut looked = world.fuse.reads();
    for _ in 0..100 {
        world.sweep().await;
        let before = std::mem::replace(&mut looked, world.fuse.reads());
        if looked - before == 2 {
            break;
        }
    }
    for n in 0..10 {
        let account = format!("{}", 700_000_000_001_u64 + n);
        let ends = json!({"accounts": [account], "expires_in": "2h"});
        world.deliver(&request(&format!("TEN{n}"), ends)).await;
    }
    world.advance(120);
    world.sweep().await;
    world.journal.seal(&signer(), world.now()).await.unwrap();

    let (mut figures, mut before) = (Figures::new(), (0, 0));
    let mut count = |world: &World, what: Option<&'static str>| {
        let (reads, writes) = (world.fuse.reads(), world.fuse.writes());
        if let Some(what) = what {
            figures.insert(what, (reads - before.0, writes - before.1));
        }
        before = (reads, writes);
    };
    count(&world, None);
    assert!(world.sweep().await.is_quiet());
    count(&world, Some(SWEEP));
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 10);
    count(&world, Some(GRANTS));
    let newest = world.app.requests(Some(50)).await.unwrap();
    count(&world, Some(REQUESTS));
    assert_eq!(newest.flaws, [""; 0]);
    let oldest = newest.entries.last().unwrap();
    assert_eq!(newest.entries[0].identity, "invoke/TEN9");
    assert_eq!(oldest.identity, format!("invoke/OLD{}", history - 40));
    world.advance(7_200);
    count(&world, None);
    assert_eq!(world.sweep().await.revoked.len(), 10);
    count(&world, Some(DUE));
    world.journal.seal(&signer(), world.now()).await.unwrap();
    for n in 0..50 {
        finish(&world.journal, history + n, world.now()).await;
    }
    count(&world, None);
    let sealing = world.journal.seal(&signer(), world.now()).await.unwrap();
    count(&world, Some(SEAL));
    assert_eq!(sealing.sealed, 100);
    figures
}

#[allow(clippy::disallowed_methods)] // A switch of this test, not of the program.
pub(crate) fn histories() -> (usize, usize) {
    let set = std::env::var("SHAREHOOK_HISTORY").unwrap_or("240,1000".to_owned());
    let (short, long) = set.split_once(',').unwrap();
    (short.parse().unwrap(), long.parse().unwrap())
}

#[tokio::test]
async fn looking_costs_the_same_with_any_history() {
    let (short, long) = histories();
    let mut all = [figures(short).await, figures(long).await];
    println!("| reads and listings, writes and deletes | {short} | {long} |\n|---|---|---|");
    for (what, (reads, writes)) in &all[0] {
        let (more_reads, more_writes) = all[1][what];
        println!("| {what} | {reads}, {writes} | {more_reads}, {more_writes} |");
    }
    // With a longer history, the log's tree has more levels and a different number of full tiles
    // and bundles, so a seal may need a few operations more or less.
    let [short, long] = all.each_mut().map(|figures| figures.remove(SEAL).unwrap());
    assert!(long.0.abs_diff(short.0) <= 4 && long.1.abs_diff(short.1) <= 4);
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0][SWEEP], (2, 0));
}

pub(crate) async fn with_a_log() -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_: &mut SandboxOptions| ()).await;
    world
        .clock
        .set(fill(&world.journal, 0..40, world.now()).await);
    world.advance(120);
    // The sweep writes the index. It cannot seal, because the first seals were made with another
    // key.
    let failures = world.sweep().await.failures;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("not sealed"), "{failures:?}");
    let new = json!({"accounts": [ACCOUNTS[0]]});
    world.deliver(&request("NEW", new)).await;
    (world, folder)
}

fn identities(listed: &Listed<RequestEntry>) -> Vec<&str> {
    let entries = listed.entries.iter();
    entries.map(|entry| entry.identity.as_str()).collect()
}

/// The write of `log/checkpoint` that began before two other seals ends after them.
#[tokio::test]
async fn a_slow_sealer_leaves_the_newest_checkpoint_in_place() {
    let mut world = World::new().await;
    world.reset().await;
    finish(&world.journal, 0, world.now()).await;
    world.fuse.arm_at("checkpoint", Break::Stall);
    let (slow, now) = (world.journal.clone(), world.now());
    let slow = tokio::spawn(async move { slow.seal(&signer(), now).await.unwrap() });
    world.fuse.stalled().await;
    for n in 1..3 {
        world.advance(60);
        finish(&world.journal, n, world.now()).await;
        world.journal.seal(&signer(), world.now()).await.unwrap();
    }
    world.fuse.release();
    assert_eq!(slow.await.unwrap().sealed, 2);
    let newest = world.journal.sealed_at(signer().verifier()).await.unwrap();
    assert_eq!(newest, Some(world.now()));
}

/// One call of `seal` can write several segments with the same time, while requests are opened. The
/// list must still show these requests by the times at which they were opened.
#[tokio::test]
async fn a_request_that_was_opened_during_a_seal_is_listed_in_its_order() {
    let mut world = World::new().await;
    world.reset().await;
    let began = world.now();
    let at = |seconds| began + SignedDuration::from_secs(seconds);
    for (id, seconds, account) in [("LATE", 60, ACCOUNTS[0]), ("EARLY", 30, ACCOUNTS[1])] {
        world.clock.set(at(seconds));
        world
            .deliver(&request(id, json!({"accounts": [account]})))
            .await;
        world.journal.seal(&signer(), began).await.unwrap();
    }
    world.clock.set(at(600));
    let newest = world.app.requests(Some(1)).await.unwrap();
    assert_eq!(identities(&newest), ["invoke/LATE"]);
    let recent = RequestFilter {
        since: Some(at(45)),
        ..RequestFilter::default()
    };
    let recent = world.app.reader().requests(&recent, None).await.unwrap();
    assert_eq!(identities(&recent), ["invoke/LATE"]);
}

#[tokio::test]
async fn sealed_requests_are_read_from_the_log_and_others_from_their_records() {
    let (world, folder) = with_a_log().await;
    let journal = folder.path().join("journal");
    let file = |id: &str, record: &str| {
        let (source, id) = ("invoke".parse().unwrap(), id.to_owned());
        let stream = StreamId::of(&Identity { source, id });
        journal.join(format!("requests/{stream}/{record}"))
    };
    let all = world.app.requests(None).await.unwrap();
    assert_eq!((all.entries.len(), all.flaws.len()), (41, 0));
    assert_eq!(identities(&all)[..2], ["invoke/NEW", "invoke/OLD39"]);
    let two = world.app.requests(Some(2)).await.unwrap();
    assert_eq!(identities(&two), ["invoke/NEW", "invoke/OLD39"]);

    // The list does not read sealed records from `requests/`, so it does not notice the change. A
    // verification and a query for this one request do.
    fs::write(file("OLD3", "000001.json"), "{}\n").unwrap();
    let all = world.app.requests(None).await.unwrap();
    assert_eq!((all.entries.len(), all.flaws.len()), (41, 0));
    let key = signer();
    let report = world.journal.verify_sealed(key.verifier(), None).await;
    let path = report.unwrap().findings[0].path.clone();
    assert!(file("OLD3", "000001.json").ends_with(path));
    let named = world.app.reader().requests_named("invoke/OLD3").await;
    assert!(named.is_err(), "one request is read from its records");

    // The list reads unsealed records from `requests/`.
    let newest = file("NEW", "000000.json");
    let kept = fs::read(&newest).unwrap();
    fs::write(&newest, "{}\n").unwrap();
    let all = world.app.requests(None).await.unwrap();
    assert_eq!((all.entries.len(), all.flaws.len()), (40, 1));
    fs::write(&newest, kept).unwrap();

    // A removed segment is reported. Only the requests in it are missing.
    let (second, aside) = (journal.join("log/segments/000002"), folder.path().join("2"));
    fs::rename(&second, &aside).unwrap();
    let all = world.app.requests(None).await.unwrap();
    assert_eq!((all.entries.len(), all.flaws.len()), (21, 1));
    fs::rename(&aside, &second).unwrap();

    // Without its index, a journal is read from `requests/`, so damage there is noticed.
    fs::remove_dir_all(journal.join("index")).unwrap();
    let all = world.app.requests(None).await.unwrap();
    assert_eq!((all.entries.len(), all.flaws.len()), (40, 1));
}

#[tokio::test]
async fn a_checkpoint_that_lies_does_not_mislead_the_reader() {
    let (world, folder) = with_a_log().await;
    let checkpoint = folder.path().join("journal/log/checkpoint");
    let newest = fs::read_to_string(&checkpoint).unwrap();
    let first = fs::read_to_string(folder.path().join("journal/log/checkpoints/000001")).unwrap();
    assert!(newest.contains("seal 2"), "{newest}");
    let later = ["seal 900", "seal 18446744073709551615"];
    let later = later.map(|seal| newest.replace("seal 2", seal));
    for lie in [&later[0], &later[1], &first, &String::new()] {
        fs::write(&checkpoint, lie).unwrap();
        let all = world.app.requests(None).await.unwrap();
        // It may as well be true, and the newest seals may be gone. Without it, nothing shows
        // which seals there were.
        let warned = lie.is_empty() || later.contains(lie);
        assert_eq!(all.flaws.len(), usize::from(warned), "{:?}", all.flaws);
        assert_eq!(all.entries.len(), 41);
    }
}

/// A segment that no checkpoint signs is not evidence. Its records are in `requests/`.
#[tokio::test]
async fn an_unsigned_segment_does_not_replace_sealed_records() {
    let (world, folder) = with_a_log().await;
    let log = folder.path().join("journal/log");
    let second = fs::read_to_string(log.join("segments/000002")).unwrap();
    let before = world.app.requests(None).await.unwrap();
    // Record 0 alone, as if the request had not been finished.
    let (header, body) = second.split_once("\n\n").unwrap();
    let record: String = body.split_inclusive('\n').take(3).collect();
    assert!(record.lines().next().unwrap().ends_with(" 0"), "{record}");
    let segment = |number: u64| {
        let header = header.replacen("\n2\n", &format!("\n{number}\n"), 1);
        format!("{header}\n\n{record}")
    };
    let second = fs::read_to_string(log.join("checkpoints/000002")).unwrap();
    let shown = |entries| serde_json::to_value(entries).unwrap();
    let before = shown(before.entries);
    for (path, text, flaws) in [
        ("segments/000003", segment(3), 0),
        ("checkpoints/000003", "x".to_owned(), 0),
        ("checkpoints/000003", second.replace("seal 2", "seal 3"), 0),
        ("segments/000004", segment(4), 0),
        ("checkpoints/000004", "x".to_owned(), 0),
        ("segments/000004", "x".to_owned(), 1),
    ] {
        fs::write(log.join(path), text).unwrap();
        let after = world.app.requests(None).await.unwrap();
        assert_eq!(after.flaws.len(), flaws, "{path}: {:?}", after.flaws);
        assert_eq!(shown(after.entries), before, "{path}");
        assert_eq!(world.journal.newest_seal().await.unwrap(), 2);
    }
}

/// A sealer may be killed after it signed a seal and before it wrote `log/checkpoint`.
#[tokio::test]
async fn a_seal_that_log_checkpoint_does_not_name_yet_loses_no_request() {
    let (world, folder) = with_a_log().await;
    let log = folder.path().join("journal/log");
    let shown = |entries| serde_json::to_value(entries).unwrap();
    let before = shown(world.app.requests(None).await.unwrap().entries);
    fs::copy(log.join("checkpoints/000001"), log.join("checkpoint")).unwrap();
    assert_eq!(world.journal.newest_seal().await.unwrap(), 1);
    let after = world.app.requests(None).await.unwrap();
    assert_eq!(after.flaws.len(), 0, "{:?}", after.flaws);
    assert_eq!(shown(after.entries), before);
}

/// The daily pass also restores entries of unsealed records, except for those of the last hour.
#[tokio::test]
async fn the_daily_pass_finds_lost_entries_of_unsealed_records() {
    let (world, folder) = with_a_log().await;
    let unsealed = folder.path().join("journal/index/unsealed");
    let entries = || fs::read_dir(&unsealed).unwrap().count();
    assert_eq!(entries(), 1);
    let entry = fs::read_dir(&unsealed).unwrap().next().unwrap().unwrap();
    fs::remove_file(entry.path()).unwrap();
    world.advance(24 * 3_600);
    world.sweep().await;
    assert_eq!(entries(), 1);
    let records = world.journal.verify().await.unwrap().records;
    let sealing = world.journal.seal(&signer(), world.now()).await.unwrap();
    assert_eq!(sealing.sealed, records - 80);
}

/// If nothing is ever sealed, the index does not keep entries for a seal. The first seal finds all
/// records without them.
#[tokio::test]
async fn without_seals_no_entries_pile_up() {
    let mut world = World::new().await;
    world.reset().await;
    world.deliver(&request("CHG1", json!({}))).await;
    let names = || async {
        let index = world.journal.read_index().await.unwrap();
        format!("{index:?}").matches("unsealed/").count()
    };
    assert_eq!(names().await, 1);
    world.advance(24 * 3_600);
    world.sweep().await;
    assert_eq!(names().await, 0);
    let key = signer().verifier().clone();
    let found = async || world.journal.verify_sealed(&key, None).await.unwrap();
    // A journal whose log was removed looks like one without a seal. The finding names both cases.
    let before = found().await;
    let [finding] = &before.findings[..] else {
        panic!("{before:?}")
    };
    let shown = finding.to_string();
    assert!(
        finding.flaw.name() == "no_seal" && shown.starts_with("log: no seal exists"),
        "{shown}"
    );
    assert!(
        shown.contains("requests not listed: 1") && shown.contains("run `sharehook audit seal`"),
        "{shown}"
    );
    let sealing = world.journal.seal(&signer(), world.now()).await.unwrap();
    assert_eq!(sealing.sealed, before.records);
    assert_eq!(found().await.findings, []);
}

/// The daily pass neither reads a retired request nor reports it as lost.
#[tokio::test]
async fn the_daily_pass_leaves_retired_requests_alone() {
    let (world, folder) = with_a_log().await;
    let (age, now) = (
        "1d".parse().unwrap(),
        world.now() + jiff::SignedDuration::from_hours(48),
    );
    world.clock.set(now);
    let retired = retire(
        &world.journal,
        &age,
        signer().verifier(),
        now,
        &Default::default(),
    )
    .await
    .unwrap();
    assert_eq!(retired.retired, 40);
    // Damage the segments: a pass that read a retired request would need them.
    let segments = folder.path().join("journal/log/segments");
    for entry in fs::read_dir(&segments).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    world.sweep().await;
    let due = folder.path().join("journal/index/due");
    let due = fs::read_dir(due).map_or(0, Iterator::count);
    assert_eq!(
        due, 0,
        "nothing is due of a damaged request that was not read"
    );
}
