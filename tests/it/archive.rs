//! Archiving: finished requests are copied, removed and still answer. An archive run that is
//! stopped, or that overlaps another one, repeats no action, revives no grant, and leaves every
//! record provable.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::app::{Answer, ArchiveOrder, Archiving, Ending, archivable, archive};
use sharehook::domain::ResultKind;
use sharehook::journal::Journal;
use sharehook::journal::seal::{NoteSigner, VerifierKey};

use crate::support::process::{run, run_and_kill};
use crate::support::store::{Break, Brittle};
use crate::support::{ACCOUNTS, BLUEPRINT, CVM_IMAGE, Place, STRANGER, World, request};

const DAY: i64 = 86_400;

fn signer() -> NoteSigner {
    NoteSigner::read(
        "acme/journal",
        &SecretString::from(NoteSigner::pem(&[7; 32])),
    )
    .unwrap()
}

fn key() -> VerifierKey {
    signer().verifier().clone()
}

fn order(delete: bool) -> ArchiveOrder {
    ArchiveOrder {
        age: "30d".parse().unwrap(),
        delete,
        key: Some(key()),
    }
}

async fn run_archive(world: &World, to: &Journal, delete: bool) -> Archiving {
    archive(&world.journal, to, &order(delete), world.now())
        .await
        .unwrap()
}

async fn seal(world: &World) {
    world.journal.seal(&signer(), world.now()).await.unwrap();
}

/// Archives, seals, removes.
async fn put_away(world: &World, to: &Journal) -> Archiving {
    let first = run_archive(world, to, false).await;
    assert_eq!(first.failures, [""; 0]);
    seal(world).await;
    let second = run_archive(world, to, true).await;
    assert_eq!(
        (second.archived, second.unsealed, &second.failures),
        (0, 0, &vec![])
    );
    Archiving {
        removed: second.removed,
        ..first
    }
}

fn requests() -> Vec<Value> {
    vec![
        request("EXPIRED", json!({"expires_in": "1h"})),
        request("DENIED", json!({"accounts": [STRANGER]})),
        request("CANCEL", json!({"action": "cancel", "image": CVM_IMAGE})),
        request(
            "OPEN",
            json!({"image": CVM_IMAGE, "accounts": &ACCOUNTS[..1]}),
        ),
    ]
}

/// Everything is delivered, an expiry carried out, and much time has passed.
async fn grown_old(world: &World) {
    for request in requests() {
        world.deliver(&request).await;
        world.advance(60);
    }
    world.advance(3600);
    world.sweep().await;
    world.advance(40 * DAY);
}

/// What may not change: each request's answer to a duplicate, the register, the shares and what was
/// done for them.
#[derive(Debug, PartialEq)]
struct Seen {
    answers: Vec<(Ending, String, Vec<ResultKind>)>,
    grants: Vec<String>,
    shares: BTreeMap<String, Vec<String>>,
    effects: BTreeMap<String, usize>,
}

async fn seen(world: &World) -> Seen {
    let mut answers = Vec::new();
    for request in requests() {
        let (
            ending,
            Answer {
                status,
                results,
                duplicate,
                ..
            },
        ) = world.deliver(&request).await;
        assert!(duplicate, "{request}");
        answers.push((
            ending,
            status.to_string(),
            results.into_iter().map(|result| result.kind).collect(),
        ));
    }
    world.sweep().await;
    let listed = world.app.grants().await.unwrap();
    assert_eq!(listed.flaws, [""; 0]);
    let grants = listed
        .entries
        .iter()
        .map(|grant| format!("{} {}", grant.request, grant.to))
        .collect();
    Seen {
        answers,
        grants,
        shares: world.shares(),
        effects: world.effects(),
    }
}

async fn whole(world: &World, to: &Journal) -> u64 {
    let report = world
        .journal
        .verify_archived(&key(), None, std::slice::from_ref(to))
        .await
        .unwrap();
    assert!(report.clean(), "{:?}", report.findings);
    report.archived
}

fn another_place(world: &World) -> Journal {
    Journal::over(Arc::new(Brittle::new(Arc::clone(&world.fuse))))
}

#[tokio::test]
async fn an_archived_request_answers_as_before_and_acts_no_more() {
    let world = World::new().await;
    grown_old(&world).await;
    let before = seen(&world).await;
    let to = another_place(&world);
    let counted = archivable(&world.journal, &"30d".parse().unwrap(), world.now())
        .await
        .unwrap();
    assert_eq!(
        (
            counted.archived,
            counted.kept,
            to.streams().await.unwrap().len()
        ),
        (3, 1, 0)
    );
    let done = put_away(&world, &to).await;
    assert_eq!(
        (done.archived, done.kept, done.removed),
        (3, 1, done.copied)
    );
    assert_eq!(seen(&world).await, before);
    assert_eq!(whole(&world, &to).await, done.copied);
    // Other content under a known name is refused as ever, and recorded.
    for (id, change) in [
        ("EXPIRED", json!({"expires_in": "2h"})),
        ("DENIED", json!({})),
        ("CANCEL", json!({})),
    ] {
        let (ending, answer) = world.deliver(&request(id, change)).await;
        assert_eq!(ending, Ending::Invalid, "{answer:?}");
    }
    assert_eq!(seen(&world).await, before);
    let listed = world.app.requests().await.unwrap().entries;
    let states: Vec<_> = listed
        .iter()
        .map(|entry| (entry.identity.as_str(), entry.state.as_str()))
        .collect();
    let expected = [
        ("invoke/EXPIRED", "completed, revoked, archived"),
        ("invoke/DENIED", "denied, archived"),
        ("invoke/CANCEL", "completed, archived"),
        ("invoke/OPEN", "completed"),
    ];
    for one in expected {
        assert!(states.contains(&one), "{one:?} in {states:?}");
    }
    // A run with nothing to do writes nothing.
    world.fuse.arm(u64::MAX, Break::FailBefore);
    let idle = run_archive(&world, &to, true).await;
    assert_eq!((idle.archived, idle.before, idle.removed), (0, 3, 0));
    assert_eq!(world.fuse.writes(), 0);
}

#[tokio::test]
async fn only_what_is_finished_and_old_enough_goes() {
    let world = World::new().await;
    let to = another_place(&world);
    world
        .deliver(&request("STANDS", json!({"accounts": &ACCOUNTS[..1]})))
        .await;
    world
        .deliver(&request(
            "ENDS",
            json!({"image": CVM_IMAGE, "expires_in": "400d"}),
        ))
        .await;
    let later = json!({"not_before": "2027-11-21T09:00:00Z", "accounts": &ACCOUNTS[1..2]});
    world.deliver(&request("WAITS", later)).await;
    world
        .deliver(&request("DENIED", json!({"accounts": [STRANGER]})))
        .await;
    world.advance(30 * DAY - 1);
    assert_eq!(
        run_archive(&world, &to, false).await.archived,
        0,
        "one second too young"
    );
    world.advance(1);
    let done = run_archive(&world, &to, false).await;
    assert_eq!((done.archived, done.kept), (1, 3), "the denial");
    // A later request takes away what stood: both are finished, and young.
    world
        .deliver(&request(
            "TAKES",
            json!({"action": "cancel", "accounts": &ACCOUNTS[..1]}),
        ))
        .await;
    let done = run_archive(&world, &to, false).await;
    assert_eq!((done.archived, done.kept), (0, 4), "both are young");
    world.advance(31 * DAY);
    assert_eq!(
        run_archive(&world, &to, false).await.archived,
        2,
        "what stood, and what took it away"
    );
    assert_eq!(
        world.app.grants().await.unwrap().entries.len(),
        3,
        "what ends stands"
    );
    world.advance(400 * DAY);
    world.sweep().await;
    world.advance(31 * DAY);
    assert_eq!(
        run_archive(&world, &to, false).await.archived,
        1,
        "what ended; what was to wait stands now"
    );
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn what_an_archived_cancel_took_away_does_not_come_to_life_and_covers_nobody() {
    let world = World::new().await;
    let one = &ACCOUNTS[..1];
    world
        .deliver(&request("GAVE", json!({"accounts": one})))
        .await;
    world.advance(60);
    world
        .deliver(&request(
            "TOOK",
            json!({"action": "cancel", "accounts": one}),
        ))
        .await;
    world.advance(40 * DAY);
    let to = another_place(&world);
    assert_eq!(put_away(&world, &to).await.archived, 2);
    assert!(
        world.app.grants().await.unwrap().entries.is_empty(),
        "it stays taken away"
    );
    world
        .deliver(&request(
            "AGAIN",
            json!({"accounts": one, "expires_in": "1h"}),
        ))
        .await;
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
    world.advance(3600);
    // An archived share that counted as active would cover the account.
    assert_eq!(world.sweep().await.revoked, ["invoke/AGAIN"]);
    assert!(world.has(BLUEPRINT).is_empty());
    world.advance(40 * DAY);
    assert_eq!(put_away(&world, &to).await.archived, 1);
    whole(&world, &to).await;
}

#[tokio::test]
async fn without_a_key_or_a_seal_nothing_is_removed() {
    let world = World::new().await;
    grown_old(&world).await;
    let to = another_place(&world);
    let keyless = ArchiveOrder {
        key: None,
        ..order(true)
    };
    let done = archive(&world.journal, &to, &keyless, world.now())
        .await
        .unwrap();
    assert_eq!((done.archived, done.unsealed, done.removed), (3, 3, 0));
    let done = run_archive(&world, &to, true).await;
    assert_eq!((done.before, done.unsealed, done.removed), (3, 3, 0));
    seal(&world).await;
    let done = run_archive(&world, &to, true).await;
    assert!(done.unsealed == 0 && done.removed > 3, "{done:?}");
    assert!(
        "23h"
            .parse::<sharehook::app::Age>()
            .unwrap_err()
            .to_string()
            .contains("one day")
    );
}

/// A store that refuses to remove, as with a retention policy: the rest is done, and the remedy is
/// named.
#[tokio::test]
async fn what_may_not_be_removed_stays_and_is_named() {
    let world = World::new().await;
    grown_old(&world).await;
    let to = another_place(&world);
    run_archive(&world, &to, false).await;
    seal(&world).await;
    // The first writes of the next run are the copies of two seals' files, at most; then it
    // removes.
    for nth in 0..4 {
        world.fuse.arm(nth, Break::FailBefore);
        let Ok(done) = archive(&world.journal, &to, &order(true), world.now()).await else {
            continue;
        };
        let [failure] = &done.failures[..] else {
            panic!("{done:?}")
        };
        assert!(
            failure.contains("delete requests/") && failure.contains("wait until the retention"),
            "{failure}"
        );
        world.fuse.arm(u64::MAX, Break::FailBefore);
        whole(&world, &to).await;
        assert_eq!(run_archive(&world, &to, true).await.failures, [""; 0]);
        return;
    }
    panic!("nothing was ever removed");
}

/// Every write of both places and every removal, before and after its effect, stopped or failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_stops_an_archive_run_the_next_one_ends_it() {
    let mut running = tokio::task::JoinSet::new();
    for how in Break::ALL {
        running.spawn(async move {
            let mut world = World::new().await;
            let mut undisturbed = None;
            let mut reached = 0;
            for nth in 0.. {
                assert!(nth < 100, "the run does not end");
                world.reset().await;
                grown_old(&world).await;
                let before = seen(&world).await;
                let to = another_place(&world);
                seal(&world).await;
                world.fuse.arm(nth, how);
                let steps = async {
                    drop(archive(&world.journal, &to, &order(true), world.now()).await);
                    drop(world.journal.seal(&signer(), world.now()).await);
                    drop(archive(&world.journal, &to, &order(true), world.now()).await);
                };
                tokio::select! {
                    () = steps => {}
                    () = world.fuse.crashed() => {}
                }
                // Nothing else is disturbed.
                let met = world.fuse.met();
                world.fuse.arm(u64::MAX, how);
                world.restart();
                assert_eq!(seen(&world).await, before, "after write {nth}, {how:?}");
                let report = world.journal.verify_sealed(&key(), None).await.unwrap();
                assert!(
                    report.clean(),
                    "after write {nth}, {how:?}: {:?}",
                    report.findings
                );
                let (first, again) = (put_away(&world, &to).await, whole(&world, &to).await);
                assert_eq!(first.before + first.archived, 3);
                assert_eq!(
                    seen(&world).await,
                    before,
                    "after the run that followed write {nth}, {how:?}"
                );
                assert_eq!(
                    *undisturbed.get_or_insert(again),
                    again,
                    "write {nth}, {how:?}"
                );
                if !met {
                    break;
                }
                reached += 1;
            }
            (how, reached)
        });
    }
    let mut all = Vec::new();
    while let Some(end) = running.join_next().await {
        let (how, reached) = end.unwrap();
        assert!(reached > 20, "{how:?}: {reached}");
        all.push(reached);
    }
    println!(
        "{} disturbances of an archive run, each ended by the next",
        all.iter().sum::<i32>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_archivers_at_once_do_no_harm() {
    let world = World::new().await;
    grown_old(&world).await;
    let before = seen(&world).await;
    let to = another_place(&world);
    for round in 0..4 {
        let runs: Vec<_> = (0..6)
            .map(|_| {
                let (journal, to, now) = (world.journal.clone(), to.clone(), world.now());
                tokio::spawn(
                    async move { archive(&journal, &to, &order(true), now).await.unwrap() },
                )
            })
            .collect();
        let (mut archived, mut removed) = (0, 0);
        for run in runs {
            let done = run.await.unwrap();
            assert_eq!(done.failures, [""; 0]);
            archived += done.archived;
            removed += done.removed;
        }
        assert_eq!(archived, if round == 0 { 3 } else { 0 });
        assert_eq!(
            removed > 0,
            round == 1,
            "removed by one of them or by several"
        );
        seal(&world).await;
        assert_eq!(seen(&world).await, before);
    }
    whole(&world, &to).await;
}

/// A journal in a directory, made long ago by the real path, with the configuration beside it, and
/// more denials.
async fn old_journal(more: usize) -> World {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    world.clock.set("2020-01-01T00:00:00Z".parse().unwrap());
    for number in 0..more {
        world
            .deliver(&request(
                &format!("MORE{number}"),
                json!({"accounts": [STRANGER]}),
            ))
            .await;
    }
    grown_old(&world).await;
    // The folder lives as long as the world's own.
    fs::rename(
        folder.path().join("journal"),
        world.folder.path().join("journal"),
    )
    .unwrap();
    let file = world.folder.path().join("sharehook.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace(&format!("{place:?}"), "\"file:journal\""),
    )
    .unwrap();
    world
}

/// Standard output of a command that must end with `code`, and standard error.
fn told(folder: &Path, code: i32, arguments: &[&str]) -> (String, String) {
    let output = run(folder, arguments);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {out}{err}"
    );
    (out.into_owned(), err.into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_archives_removes_and_goes_on() {
    let world = old_journal(0).await;
    let folder = world.folder.path();
    let archive = [
        "audit",
        "archive",
        "--older-than",
        "365d",
        "--to",
        "file:archive",
    ];
    let with = |more: &[&'static str]| [&archive[..], more].concat();
    let (out, _) = told(folder, 0, &with(&["--dry-run"]));
    assert!(
        out.contains("3 requests; nothing was written") && !folder.join("archive").exists(),
        "{out}"
    );
    let (before, _) = told(folder, 0, &["grants", "--json"]);
    let (requests, _) = told(folder, 0, &["requests"]);
    let (out, err) = told(folder, 0, &with(&["--delete"]));
    assert!(
        out.contains("archived: 3 requests") && out.contains("removed from the journal: 0 records"),
        "{out}"
    );
    assert!(
        err.contains("3 archived requests keep their records until they are sealed"),
        "{err}"
    );
    told(folder, 0, &["audit", "seal"]);
    let (out, err) = told(folder, 0, &with(&["--delete", "--json"]));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["before"], &report["kept"], err.as_str()),
        (&json!(3), &json!(1), ""),
        "{out}"
    );
    let removed = report["removed"].as_u64().unwrap();
    assert!(removed >= 5, "{out}");
    // Everything still works, and tells the truth.
    assert_eq!(told(folder, 0, &["grants", "--json"]).0, before);
    assert_eq!(
        told(folder, 0, &["requests"]).0.matches("archived").count(),
        3,
        "{requests}"
    );
    let (one, _) = told(folder, 0, &["requests", "EXPIRED", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&one).unwrap()["status"],
        "completed"
    );
    let (out, _) = told(folder, 0, &["audit", "verify"]);
    assert!(
        out.contains(&format!(
            "{removed} more are only in an archive; --archive PLACE"
        )),
        "{out}"
    );
    let (out, _) = told(folder, 0, &["audit", "verify", "--archive", "file:archive"]);
    assert!(
        out.contains(&format!("{removed} more are archived; their copies")),
        "{out}"
    );
    for (format, lines) in [("jsonl", 7), ("ocsf", 7), ("csv", 8)] {
        let (out, err) = told(folder, 0, &["audit", "export", "--format", format]);
        assert_eq!(out.lines().count(), lines, "{format}: {out}");
        assert!(
            err.contains(&format!("{removed} records are only in an archive")),
            "{err}"
        );
    }
    let (_, err) = told(folder, 1, &["audit", "prove", "EXPIRED", "--seq", "0"]);
    assert!(
        err.contains("was archived to file:/") && err.contains("--archive"),
        "{err}"
    );
    let (proof, _) = told(
        folder,
        0,
        &[
            "audit",
            "prove",
            "EXPIRED",
            "--seq",
            "0",
            "--archive",
            "file:archive",
        ],
    );
    fs::write(folder.join("proof.json"), proof).unwrap();
    let public = told(folder, 0, &["audit", "key"]).0;
    told(
        folder,
        0,
        &["audit", "check-proof", "proof.json", "--key", public.trim()],
    );
    told(folder, 0, &["audit", "prove", "EXPIRED"]);
    // A duplicate gets the recorded answer, other content is refused.
    for (event, code, word) in [
        (requests_at(0), 0, "\"duplicate\":true"),
        (
            request("EXPIRED", json!({"expires_in": "9h"})),
            1,
            "send changed content under a new id",
        ),
        (requests_at(1), 2, "\"duplicate\":true"),
    ] {
        fs::write(folder.join("event.json"), event.to_string()).unwrap();
        let (out, _) = told(folder, code, &["invoke", "event.json"]);
        let (flat, word) = (out.replace(char::is_whitespace, ""), word.replace(' ', ""));
        assert!(flat.contains(&word), "{out}");
    }
    assert_eq!(told(folder, 0, &["grants", "--json"]).0, before);
    // One altered copy is named.
    let stream = fs::read_dir(folder.join("archive/requests"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(stream.join("000000.json"), "x").unwrap();
    let (out, _) = told(folder, 1, &["audit", "verify", "--archive", "file:archive"]);
    assert!(
        out.contains("it is not the copy of the journal's file") && out.contains("1 findings"),
        "{out}"
    );
    told(folder, 0, &["audit", "verify"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_archiver_leaves_a_whole_journal_and_the_next_one_goes_on() {
    let world = old_journal(20).await;
    let folder = world.folder.path();
    let archive = [
        "audit",
        "archive",
        "--older-than",
        "365d",
        "--to",
        "file:archive",
        "--delete",
    ];
    let (grants, _) = told(folder, 0, &["grants", "--json"]);
    let mut killed = 0;
    for round in 0..14_u64 {
        let moment = 5 * round + u64::from(sharehook::clock::chance() % 10);
        killed += usize::from(run_and_kill(
            folder,
            &archive,
            Duration::from_millis(moment),
        ));
        told(folder, 0, &["audit", "verify"]);
        if round % 4 == 3 {
            told(folder, 0, &["audit", "seal"]);
        }
    }
    assert!(killed > 2, "{killed}");
    told(folder, 0, &archive);
    told(folder, 0, &["audit", "seal"]);
    told(folder, 0, &archive);
    let (out, _) = told(
        folder,
        0,
        &["audit", "verify", "--archive", "file:archive", "--json"],
    );
    let counts = &serde_json::from_str::<Value>(&out).unwrap()["counts"];
    assert!(counts["archived"].as_u64().unwrap() >= 25, "{counts}");
    assert_eq!(told(folder, 0, &["grants", "--json"]).0, grants);
    assert_eq!(
        told(folder, 0, &["requests"]).0.matches("archived").count(),
        23
    );
}

fn requests_at(index: usize) -> Value {
    requests().remove(index)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_refuses_what_cannot_be_meant() {
    let world = old_journal(0).await;
    let folder = world.folder.path();
    let archive = |age: &str, to: &str, code: i32| {
        told(
            folder,
            code,
            &["audit", "archive", "--older-than", age, "--to", to],
        )
        .1
    };
    assert!(
        archive("1h", "file:archive", 64)
            .contains("--older-than: 1h is too short; write one day or more")
    );
    assert!(archive("soon", "file:archive", 64).contains("--older-than"));
    assert!(archive("1d", "file:journal", 64).contains("is the journal or inside it"));
    assert!(archive("1d", "file:journal/deeper", 64).contains("is the journal or inside it"));
    assert!(archive("1d", "memory:", 64).contains("gone with this process"));
    assert!(archive("1d", "archive", 64).contains("--to"));
    let (_, err) = told(folder, 64, &["audit", "archive", "--to", "file:archive"]);
    assert!(err.contains("--older-than"), "{err}");
    fs::remove_dir_all(folder.join("journal/seals")).unwrap();
    let all = [
        "audit",
        "archive",
        "--older-than",
        "1d",
        "--to",
        "file:archive",
        "--delete",
    ];
    let (out, err) = told(folder, 0, &all);
    assert!(
        out.contains("archived: 3 requests")
            && err.contains("3 archived requests keep their records until they are sealed"),
        "{out}{err}"
    );
    let keyless = [
        "audit",
        "verify",
        "--journal",
        "file:journal",
        "--archive",
        "file:archive",
    ];
    let (_, err) = told(folder, 1, &keyless);
    assert!(err.contains("give it with --key"), "{err}");
    told(folder, 0, &["audit", "verify"]);
}
