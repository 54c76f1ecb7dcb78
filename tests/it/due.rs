//! The index of due work: a sweep reads only what is due. Damage to the index never loses due work
//! for good.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use sharehook::journal::WakeUp;
use sharehook_sandbox::SandboxOptions;

use crate::support::files::paths_below;
use crate::support::process::run;
use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, Place, REGION, World, deadline, request,
};

const HOUR: i64 = 3_600;
const ONE: [&str; 1] = [ACCOUNTS[0]];

/// A world whose journal is in a directory.
async fn on_disk() -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_: &mut SandboxOptions| ()).await;
    (world, folder)
}

/// Verifies the journal. Returns the names of the flaws found.
async fn findings(world: &World) -> Vec<String> {
    let report = world.journal.verify().await.unwrap();
    let names = report.findings.iter();
    names
        .map(|finding| finding.flaw.name().to_owned())
        .collect()
}

#[tokio::test]
async fn a_sweep_reads_what_is_due_and_not_what_ever_was() {
    let mut reads = Vec::new();
    for finished in [1, 30] {
        let world = World::new().await;
        world.sweep().await;
        for n in 0..finished {
            world
                .deliver(&request(&format!("CHG{n}"), json!({"accounts": ONE})))
                .await;
        }
        // The sweep examines the lease of each request once, and never again.
        world.advance(HOUR);
        world.sweep().await;
        world.advance(3 * HOUR);
        world.sweep().await;
        world
            .deliver(&request(
                "LAST",
                json!({"image": CVM_IMAGE, "expires_in": "1h"}),
            ))
            .await;
        world.advance(HOUR);
        let before = world.fuse.reads();
        let report = world.sweep().await;
        assert_eq!(
            (report.revoked.len(), &report.failures[..]),
            (1, &[][..]),
            "{report}"
        );
        reads.push(world.fuse.reads() - before);
        world.verify().await.unwrap();
    }
    assert_eq!(reads[0], reads[1]);
}

/// Another journal may use the index. Its wake-up has no record in this journal.
#[tokio::test]
async fn a_sweep_that_cannot_test_the_place_leaves_the_index_alone() {
    let (world, folder) = on_disk().await;
    let index = folder.path().join("journal/index");
    let stream = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let wake_up = WakeUp::new(world.now(), stream, 0);
    world.journal.add_wake_up(wake_up).await.unwrap();
    // No probe can be created below a file.
    fs::write(index.join("probe"), "").unwrap();
    let before = paths_below(&index);
    world.advance(25 * HOUR);
    let report = world.sweep().await;
    assert_eq!(paths_below(&index), before, "{report}");
    let failures = report.failures.iter();
    let of_probe = failures.filter(|why| why.contains("index/probe")).count();
    assert!(of_probe >= 2, "the entry and the pass: {report}");
    fs::remove_file(index.join("probe")).unwrap();
    let report = world.sweep().await;
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(paths_below(&index.join("due")).len(), 0);
    assert!(index.join("pass").exists());
}

#[tokio::test]
async fn a_journal_without_an_index_gets_one() {
    let (world, folder) = on_disk().await;
    world.sweep().await;
    world
        .deliver(&request("CHG1", json!({"expires_in": "1h"})))
        .await;
    world
        .deliver(&request(
            "CHG2",
            json!({"accounts": ONE, "expires_in": "5h"}),
        ))
        .await;
    fs::remove_dir_all(folder.path().join("journal/index")).unwrap();
    // After a week, only the third request has not expired.
    world
        .deliver(&request(
            "CHG3",
            json!({"accounts": ONE, "expires_in": "30d"}),
        ))
        .await;
    world.advance(7 * 24 * HOUR);
    assert_eq!(
        world.sweep().await.revoked.len(),
        0,
        "the third covers a part of both"
    );
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(24 * 24 * HOUR);
    let mut revoked = world.sweep().await.revoked;
    revoked.sort();
    assert_eq!(
        revoked,
        ["invoke/CHG1", "invoke/CHG2"],
        "without an index, the third found no request that had shared it"
    );
    assert!(world.has(BLUEPRINT).is_empty());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn whatever_the_index_loses_is_found_and_mended() {
    let (world, folder) = on_disk().await;
    world.sweep().await;
    world
        .deliver(&request("CHG1", json!({"expires_in": "5h"})))
        .await;
    let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true, "expires_in": "6h"});
    world.deliver(&request("CHG2", chain)).await;
    let later = json!({"image": CVM_IMAGE, "accounts": ONE, "not_before": "2026-11-21T10:00:00Z"});
    world.deliver(&request("CHG3", later)).await;
    let journal = folder.path().join("journal");
    assert_eq!(findings(&world).await, [""; 0]);
    // From now on the index entry of each active grant contains the grant.
    world.app.reindex().await.unwrap();
    let index = [
        paths_below(&journal.join("index/due")),
        paths_below(&journal.join("index/grants")),
    ]
    .concat();
    // `due` has two leases and one start. `grants` has one entry for the image, two for the chain
    // and one for the waiting share.
    assert_eq!(index.len(), 3 + 1 + 2 + 1, "{index:?}");
    for file in index {
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(findings(&world).await, ["unlisted"], "{file:?}");
        assert_eq!(world.app.reindex().await.unwrap().mended, 1);
        assert_eq!(findings(&world).await, [""; 0]);
        fs::write(&file, "x").unwrap();
        assert_eq!(findings(&world).await, ["foreign"], "{file:?}");
        fs::write(&file, bytes).unwrap();
    }
    fs::write(journal.join("index/due/soon"), "").unwrap();
    assert_eq!(findings(&world).await, ["foreign"]);
    fs::remove_file(journal.join("index/due/soon")).unwrap();
    world.advance(5 * HOUR);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
}

/// Verification finds an altered grant in the index, and the daily pass corrects it.
#[tokio::test]
async fn the_daily_pass_mends_what_somebody_changed() {
    let (world, folder) = on_disk().await;
    world.sweep().await;
    let ends = json!({"accounts": ONE, "expires_in": "40h"});
    world.deliver(&request("CHG1", ends)).await;
    world.advance(120);
    world.sweep().await;
    let journal = folder.path().join("journal");
    let grant = paths_below(&journal.join("index/grants")).remove(0);
    let forged = fs::read_to_string(&grant).unwrap();
    fs::write(&grant, forged.replace(ACCOUNTS[0], ACCOUNTS[1])).unwrap();
    fs::remove_dir_all(journal.join("index/due")).unwrap();
    assert_eq!(findings(&world).await, ["unlisted", "foreign"]);
    world.advance(24 * HOUR);
    assert!(world.sweep().await.is_quiet());
    assert_eq!(findings(&world).await, [""; 0]);
    assert_eq!(world.app.grants().await.unwrap().entries[0].to, ONE[0]);
    world.advance(16 * HOUR);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
}

/// The records of a request that is not sealed yet are removed. Only the index still refers to the
/// request.
#[tokio::test]
async fn a_removed_request_is_found_although_nothing_is_sealed() {
    let (world, folder) = on_disk().await;
    world.sweep().await;
    world.deliver(&request("CHG1", json!({}))).await;
    let requests = folder.path().join("journal/requests");
    let kept = folder.path().join("kept");
    fs::rename(&requests, &kept).unwrap();
    let found = findings(&world).await;
    assert!(
        !found.is_empty() && found.iter().all(|name| name == "unrecorded"),
        "{found:?}"
    );
    fs::rename(&kept, &requests).unwrap();
    assert_eq!(findings(&world).await, [""; 0]);
    // Verification also notices that the newest record of a finished request is missing.
    world.advance(120);
    world.sweep().await;
    let newest = paths_below(&requests).pop().unwrap();
    fs::remove_file(&newest).unwrap();
    assert!(findings(&world).await.contains(&"unrecorded".to_owned()));
    assert_eq!(world.app.grants().await.unwrap().flaws.len(), 1);
}

/// When all work is done, the index contains only the progress of the daily pass.
#[tokio::test]
async fn what_is_done_with_leaves_the_index() {
    let (world, folder) = on_disk().await;
    let ends = json!({"image": CHAIN_IMAGE, "lighthouse": true, "expires_in": "5h"});
    world.deliver(&request("CHG1", ends)).await;
    world
        .deliver(&request("CHG2", json!({"accounts": ONE})))
        .await;
    let again = json!({"accounts": ONE, "expires_in": "3h"});
    world.deliver(&request("CHG3", again)).await;
    world.advance(60);
    let cancel = json!({"action": "cancel", "accounts": ONE});
    world.deliver(&request("CHG4", cancel)).await;
    let grants = world.app.grants().await.unwrap().entries;
    let tickets: Vec<_> = grants.iter().map(|grant| grant.ticket.as_str()).collect();
    assert_eq!(tickets, ["CHG1"; 4], "{grants:?}");
    for _ in 0..8 {
        world.advance(HOUR);
        world.sweep().await;
    }
    assert!(world.shares().is_empty());
    let index = folder.path().join("journal/index");
    let left = [
        paths_below(&index.join("due")),
        paths_below(&index.join("grants")),
    ]
    .concat();
    assert_eq!(left, [""; 0].map(PathBuf::from));
    assert_eq!(paths_below(&index.join("pass")).len(), 1);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn the_command_that_mends_says_what_it_did() {
    let (world, folder) = on_disk().await;
    world.sweep().await;
    let far = json!({"accounts": ONE, "expires_at": "2036-01-01T00:00:00Z"});
    world.deliver(&request("CHG1", far)).await;
    let journal = folder.path().join("journal");
    fs::remove_dir_all(journal.join("index/due")).unwrap();
    let sweep = |args: &[&str]| run(world.folder.path(), args);
    let verified = sweep(&["audit", "verify", "--json"]);
    assert_eq!(verified.status.code(), Some(1));
    let text = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(
        text.contains("index/due/20360101T000000Z-") && text.contains("sweep --rebuild"),
        "{text}"
    );
    let mended = sweep(&["sweep", "--rebuild"]);
    let text = String::from_utf8_lossy(&mended.stdout).into_owned();
    assert!(
        text.starts_with("index: missing entries written: 1"),
        "{text}"
    );
    assert_eq!(sweep(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test]
async fn two_sweeps_at_once_do_everything_once() {
    let mut world = World::new().await;
    for round in 0..6 {
        world.reset().await;
        for (n, account) in ACCOUNTS.iter().enumerate() {
            let expiring = json!({"accounts": [account], "expires_in": "1h"});
            world.deliver(&request(&format!("A{n}"), expiring)).await;
            let waiting = json!({"accounts": [account], "image": CVM_IMAGE, "not_before": "2026-11-21T09:00:00Z"});
            world.deliver(&request(&format!("B{n}"), waiting)).await;
        }
        world.advance(HOUR);
        let (other, third) = (world.another(), world.another());
        let (one, two, three) = tokio::join!(
            world.app.sweep(deadline()),
            other.sweep(deadline()),
            third.sweep(deadline())
        );
        let failures = [one, two, three]
            .map(|report| report.unwrap().failures)
            .concat();
        assert_eq!(failures, [""; 0], "round {round}");
        world.advance(120);
        world.sweep().await;
        assert!(world.has(BLUEPRINT).is_empty());
        assert_eq!(world.has_image(CVM_IMAGE).len(), ACCOUNTS.len());
        let effects = world.effects();
        assert!(
            effects.len() == 9 && effects.values().all(|count| *count == 1),
            "{effects:?}"
        );
        world.verify().await.unwrap();
    }
}

/// Two shares of the same account are due in one sweep. The account is revoked once.
#[tokio::test]
async fn what_two_gave_is_taken_back_once() {
    for image in [BLUEPRINT, CVM_IMAGE] {
        let world = World::new().await;
        world
            .deliver(&request(
                "CHG1",
                json!({"image": image, "accounts": ONE, "expires_in": "3h"}),
            ))
            .await;
        // A person removes the share by hand.
        world.cloud.edit(|cloud| {
            let stock = cloud.regions.get_mut(REGION).unwrap();
            stock.blueprints.get_mut(BLUEPRINT).unwrap().shares.clear();
            stock.images.get_mut(CVM_IMAGE).unwrap().shares.clear();
        });
        world.advance(60);
        world
            .deliver(&request(
                "CHG3",
                json!({"image": image, "accounts": ONE, "expires_in": "2h"}),
            ))
            .await;
        world.advance(3 * HOUR);
        assert!(world.cloud.inject("*:slow:40ms@50".parse().unwrap()));
        assert_eq!(world.sweep().await.revoked.len(), 2);
        assert!(world.shares().is_empty());
        let effects = world.effects();
        let counts: Vec<usize> = effects.values().copied().collect();
        assert!(
            effects.len() == 2 && counts.contains(&2) && counts.contains(&1),
            "{effects:?}"
        );
    }
}

/// The process stops after it has written the wake-up and before it writes the record. An hour
/// later, a sweep runs. Then the sender repeats the delivery, which writes the record.
#[tokio::test]
async fn a_wake_up_waits_for_its_record() {
    let mut world = World::new().await;
    world.reset().await;
    world.fuse.arm(3, Break::CrashBefore);
    let expiring = request("CHG1", json!({"accounts": ONE, "expires_in": "2h"}));
    tokio::select! {
        _ = world.deliver(&expiring) => panic!("the record was written"),
        () = world.fuse.crashed() => {}
    }
    world.restart();
    world.advance(HOUR);
    assert!(world.sweep().await.is_quiet());
    let writes = world.fuse.writes();
    assert!(world.sweep().await.is_quiet());
    assert_eq!(
        world.fuse.writes(),
        writes,
        "nothing is settled that is on its way"
    );
    world.deliver(&expiring).await;
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(2 * HOUR);
    assert_eq!(world.sweep().await.revoked.len(), 1);
    assert!(world.has(BLUEPRINT).is_empty());
    world.advance(2 * HOUR);
    world.sweep().await;
    // A wake-up without a record is removed after a day.
    world.fuse.arm(3, Break::CrashBefore);
    let second = request("CHG2", json!({"accounts": ONE}));
    tokio::select! {
        _ = world.deliver(&second) => panic!("the record was written"),
        () = world.fuse.crashed() => {}
    }
    world.restart();
    for (hours, waiting) in [(20, 1), (10, 0)] {
        world.advance(hours * HOUR);
        assert!(world.sweep().await.is_quiet());
        assert_eq!(world.journal.due(world.now()).await.unwrap().len(), waiting);
    }
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_damaged_request_is_reported_until_it_is_restored() {
    let (world, folder) = on_disk().await;
    world.sweep().await;
    world
        .deliver(&request(
            "CHG1",
            json!({"accounts": ONE, "expires_in": "1h"}),
        ))
        .await;
    let record = paths_below(&folder.path().join("journal/requests")).remove(1);
    let good = fs::read(&record).unwrap();
    fs::write(&record, b"{}").unwrap();
    for _ in 0..4 {
        world.advance(20 * HOUR);
        let report = world.sweep().await;
        assert!(
            report.failures.len() == 1 && report.failures[0].contains("000001.json"),
            "{report}"
        );
    }
    fs::write(&record, good).unwrap();
    assert_eq!(world.sweep().await.revoked.len(), 1);
    assert!(world.has(BLUEPRINT).is_empty());
    assert!(world.sweep().await.is_quiet());
}

#[tokio::test]
async fn a_clock_that_was_ahead_once_hides_nothing() {
    let mut world = World::new().await;
    world.reset().await;
    let start = world.now();
    world.advance(40 * 24 * HOUR);
    world.sweep().await;
    world.clock.set(start);
    for day in 1..4 {
        let id = format!("CHG{day}");
        world
            .deliver(&request(&id, json!({"accounts": ONE, "expires_in": "20h"})))
            .await;
        world.advance(24 * HOUR);
        assert_eq!(world.sweep().await.revoked, [format!("invoke/{id}")]);
    }
}

#[tokio::test]
async fn one_of_many_accounts_is_covered_by_another_request() {
    let world = World::new().await;
    world.sweep().await;
    // The index lists all twelve accounts of the request in one entry, and each account must lead
    // to that entry.
    let many: Vec<String> = (1..=12)
        .map(|n| format!("{}", 700_000_000_000_u64 + n))
        .collect();
    world
        .deliver(&request(
            "MANY",
            json!({"accounts": many, "expires_in": "5h"}),
        ))
        .await;
    world
        .deliver(&request(
            "CHG1",
            json!({"accounts": many[..1], "expires_in": "1h"}),
        ))
        .await;
    world
        .deliver(&request(
            "CHG2",
            json!({"accounts": ONE, "expires_in": "1h"}),
        ))
        .await;
    assert_eq!(world.has(BLUEPRINT).len(), 13);
    world.advance(HOUR);
    world.sweep().await;
    let mut left = many.clone();
    left.sort_unstable();
    assert_eq!(world.has(BLUEPRINT), left, "the many cover the one");
    world.advance(4 * HOUR);
    world.sweep().await;
    assert!(world.has(BLUEPRINT).is_empty());
}

/// A share of many accounts expires. The one account that another request covers keeps the image.
#[tokio::test]
async fn one_account_covers_itself_among_many() {
    for image in [BLUEPRINT, CVM_IMAGE] {
        let world = World::new().await;
        world.sweep().await;
        let many: Vec<String> = (1..=12)
            .map(|n| format!("{}", 700_000_000_000_u64 + n))
            .collect();
        let ends = json!({"image": image, "accounts": many, "expires_in": "1h"});
        world.deliver(&request("MANY", ends)).await;
        world
            .deliver(&request(
                "CHG1",
                json!({"image": image, "accounts": many[3..4]}),
            ))
            .await;
        world.advance(HOUR);
        world.sweep().await;
        assert_eq!(
            world.shares(),
            [(image.to_owned(), many[3..4].to_vec())].into()
        );
    }
}

/// An image stays in Lighthouse as long as another chain or a share of its blueprint needs it
/// there.
#[tokio::test]
async fn an_image_that_serves_others_stays_in_lighthouse() {
    let world = World::new().await;
    world.sweep().await;
    let chain = |account: &str, end: &str| json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": [account], "expires_in": end});
    world
        .deliver(&request("CHG1", chain(ACCOUNTS[0], "1h")))
        .await;
    world
        .deliver(&request("CHG2", chain(ACCOUNTS[1], "3h")))
        .await;
    let direct = json!({"image": CHAINED, "accounts": [ACCOUNTS[2]], "expires_in": "5h"});
    world.deliver(&request("CHG3", direct)).await;
    assert_eq!(world.has(CHAINED).len(), 3);
    for (hours, left) in [
        (1, &[ACCOUNTS[1], ACCOUNTS[2]][..]),
        (2, &[ACCOUNTS[2]]),
        (2, &[]),
    ] {
        world.advance(hours * HOUR);
        world.sweep().await;
        world.sweep().await;
        let mut left = left.to_vec();
        left.sort_unstable();
        assert_eq!(world.has(CHAINED), left);
        let there = world.cloud.state().regions[REGION].images[CHAIN_IMAGE]
            .published
            .is_some();
        assert_eq!(there, !left.is_empty(), "{hours} {left:?}");
    }
    world.verify().await.unwrap();
}

/// `CHG1`, which shared with the account, expires while `CHG2` is sharing with the same account.
#[tokio::test]
async fn nothing_is_taken_back_that_somebody_is_sharing() {
    let mut world = World::new().await;
    world.reset().await;
    world
        .deliver(&request(
            "CHG1",
            json!({"accounts": ONE, "expires_in": "1h"}),
        ))
        .await;
    world.advance(HOUR);
    // The worker has read that the account has the image. It stops before it records that.
    world.fuse.arm(4, Break::CrashBefore);
    let second = request("CHG2", json!({"accounts": ONE}));
    tokio::select! {
        _ = world.deliver(&second) => panic!("it did not stop"),
        () = world.fuse.crashed() => {}
    }
    world.restart();
    let report = world.sweep().await;
    assert_eq!(
        (report.revoked.len(), report.covered.len()),
        (0, 1),
        "{report}"
    );
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.advance(120);
    for _ in 0..2 {
        world.sweep().await;
        world.advance(25 * HOUR);
    }
    assert_eq!(world.has(BLUEPRINT), ONE, "the second has no end");
    world.verify().await.unwrap();
}

/// If the index has a place of its own, only `audit retire` deletes files in the journal's place.
#[tokio::test]
async fn the_index_may_lie_elsewhere() {
    let (world, folder) = on_disk().await;
    let (place, index) = (folder.path().join("journal"), folder.path().join("derived"));
    let file = world.folder.path().join("sharehook.toml");
    let text = fs::read_to_string(&file).unwrap();
    let short = format!("journal = {:?}", format!("file:{}", place.display()));
    let (place_text, index_text) = (
        format!("file:{}", place.display()),
        format!("file:{}", index.display()),
    );
    let table = format!("journal = {{ place = {place_text:?}, index = {index_text:?} }}");
    fs::write(&file, text.replacen(&short, &table, 1)).unwrap();
    let event = world.folder.path().join("event.json");
    // The request waits, so no process calls the cloud.
    let start = sharehook::clock::system_now() + jiff::SignedDuration::from_hours(1);
    let waiting = request("CHG1", json!({"not_before": start}));
    fs::write(&event, waiting.to_string()).unwrap();
    let sharehook = |args: &[&str]| {
        let output = run(world.folder.path(), args);
        let shown = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&shown).into_owned(),
        )
    };
    let (code, shown) = sharehook(&["invoke", "event.json"]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(sharehook(&["sweep"]).0, Some(0));
    let (_, requests) = sharehook(&["requests"]);
    assert!(requests.contains("invoke/CHG1"), "{requests}");
    assert_eq!(sharehook(&["audit", "verify"]).0, Some(0));
    assert!(!place.join("index").exists());
    assert!(place.join("probe").is_file() && !paths_below(&index.join("index/due")).is_empty());

    // Without a configuration, `audit verify` needs both places: the journal's place does not
    // contain the index.
    let key = sharehook(&["audit", "key"]).1;
    let verify = [
        "audit",
        "verify",
        "--key",
        key.trim(),
        "--journal",
        &place_text,
    ];
    let (code, shown) = sharehook(&verify);
    assert!(
        code == Some(1) && shown.contains("no sweep finds the request"),
        "{shown}"
    );
    let (code, shown) = sharehook(&[&verify[..], &["--index", &index_text]].concat());
    assert_eq!(code, Some(0), "{shown}");
    assert!(!place.join("index").exists());

    // Another journal cannot use it.
    let configured = fs::read_to_string(&file).unwrap();
    let other_text = format!("{place_text}-2");
    fs::write(
        &file,
        configured.replace(&format!("{place_text:?}"), &format!("{other_text:?}")),
    )
    .unwrap();
    let entries = paths_below(&index.join("index"));
    for command in [
        &["sweep"][..],
        &["sweep", "--rebuild"],
        &["invoke", "event.json"],
        &["audit", "seal"],
        &["audit", "rotate-key", "--to", "file:next.key"],
    ] {
        let (code, shown) = sharehook(command);
        assert!(
            code != Some(0) && shown.contains("is the index of another journal"),
            "{command:?}: {code:?} {shown}"
        );
    }
    assert_eq!(paths_below(&index.join("index")), entries);
    assert!(!folder.path().join("journal-2/log").exists());
    fs::write(&file, configured).unwrap();

    // Verification also finds foreign files in the separate index.
    std::os::unix::fs::symlink("/nowhere", index.join("index/due/link")).unwrap();
    let (code, shown) = sharehook(&["audit", "verify"]);
    assert!(
        code == Some(1) && shown.contains("index/due/link"),
        "{shown}"
    );
}
