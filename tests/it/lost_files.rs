//! The journal lost records of a request, but the log still has them. The request looks unfinished,
//! although it was finished or called off. It must not be carried out again, and the index must not
//! get an entry for it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sharehook::app::{Ending, retire, signer};
use sharehook::domain::{Identity, Status};
use sharehook::journal::StreamId;
use sharehook_sandbox::SandboxOptions;

use crate::support::files::paths_below;
use crate::support::{ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, Place, World, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const DAY: i64 = 24 * 3_600;

/// Returns a world whose journal is in a directory, that directory's parent, and the folder of the
/// request CHG1.
async fn world() -> (World, tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let place = format!("file:{}", journal.display());
    let world = World::with(Place::At(&place), |_: &mut SandboxOptions| ()).await;
    world.sweep().await;
    let identity = Identity {
        source: "invoke".parse().unwrap(),
        id: "CHG1".to_owned(),
    };
    let records = journal.join(format!("requests/{}", StreamId::of(&identity)));
    (world, folder, records)
}

fn cancel() -> Value {
    request("CHG2", json!({"action": "cancel", "accounts": ONE}))
}

async fn seal(world: &World) {
    let signer = signer(world.app.config()).unwrap().unwrap();
    world.journal.seal(&signer, world.now()).await.unwrap();
}

/// Seals the journal, and retires the requests that are finished for a day.
pub(crate) async fn retire_all(world: &World) -> u64 {
    seal(world).await;
    let key = signer(world.app.config()).unwrap().unwrap();
    let (age, rules) = ("1d".parse().unwrap(), Default::default());
    let retired = retire(&world.journal, &age, key.verifier(), world.now(), &rules);
    retired.await.unwrap().retired
}

/// Checks that CHG1 is not carried out by a repeated delivery of `share`, by a sweep or by a
/// rebuilt index. The sweep and the rebuild must name the record that only the log has.
async fn check_stopped(world: &World, journal: &Path, share: &Value) {
    let lost = "000001.json";
    let files = || {
        let folders = ["requests", "index/due", "index/grants"].into_iter();
        folders.flat_map(|folder| paths_below(&journal.join(folder)))
    };
    let before: Vec<_> = files().collect();
    let (ending, answer) = world.deliver(share).await;
    assert_eq!(ending, Ending::Unavailable, "{answer:?}");
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    let rebuilt = world.app.reindex().await.unwrap();
    let failure = rebuilt.failure().unwrap();
    assert!(
        failure.contains(lost) && failure.contains("dropped"),
        "{failure}"
    );
    world.advance(DAY);
    let report = world.sweep().await;
    assert!(report.failures[0].contains(lost), "{:?}", report.failures);
    assert_eq!(report.finished, [""; 0]);
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    assert!(files().eq(before));
    let found = world.verify().await.unwrap_err();
    assert!(
        found.contains("Dropped") && !found.contains("Unlisted"),
        "{found}"
    );
}

/// An incomplete copy of the journal may lack the files `retired`.
#[tokio::test]
async fn a_retired_request_without_its_file_retired_is_not_carried_out_again() {
    let (world, folder, records) = world().await;
    let share = request("CHG1", json!({"accounts": ONE}));
    world.deliver(&share).await;
    world.deliver(&cancel()).await;
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    world.advance(DAY);
    world.sweep().await;
    world.advance(DAY);
    assert_eq!(retire_all(&world).await, 2);
    let kept = fs::read(records.join("retired")).unwrap();
    fs::remove_file(records.join("retired")).unwrap();
    check_stopped(&world, &folder.path().join("journal"), &share).await;
    fs::write(records.join("retired"), kept).unwrap();
    let (_, answer) = world.deliver(&share).await;
    assert_eq!((answer.status, answer.duplicate), (Status::Completed, true));
    assert_eq!(world.verify().await, Ok(()));
}

/// A cancel calls off a share that waits for its start. The record of the call-off is sealed and
/// then lost.
#[tokio::test]
async fn a_called_off_share_without_its_newest_record_is_not_carried_out() {
    let (world, folder, records) = world().await;
    let later = world.now() + jiff::SignedDuration::from_secs(3 * DAY);
    let waits = json!({"accounts": ONE, "not_before": later.to_string()});
    let share = request("CHG1", waits);
    world.deliver(&share).await;
    world.deliver(&cancel()).await;
    world.advance(3 * DAY);
    world.sweep().await;
    seal(&world).await;
    let newest = records.join("000001.json");
    let kept = fs::read(&newest).unwrap();
    fs::remove_file(&newest).unwrap();
    check_stopped(&world, &folder.path().join("journal"), &share).await;
    fs::write(&newest, kept).unwrap();
    assert_eq!(world.verify().await, Ok(()));
}

/// The log has only the first record of this share, so no record was lost and the share is carried
/// out.
#[tokio::test]
async fn a_share_that_waited_for_days_is_carried_out() {
    let (world, _folder, _) = world().await;
    let later = world.now() + jiff::SignedDuration::from_secs(3 * DAY);
    let waits = json!({"accounts": ONE, "not_before": later.to_string()});
    world.deliver(&request("CHG1", waits)).await;
    seal(&world).await;
    world.advance(3 * DAY);
    assert_eq!(world.sweep().await.finished, ["invoke/CHG1"]);
    assert_eq!(world.has(BLUEPRINT), ONE);
}

/// A share may be recorded long after a later cancel is finished and retired, so that cancel's
/// entries below `index/cancels` are written again.
#[tokio::test]
async fn the_entries_of_a_retired_cancel_are_written_again() {
    let (world, folder, _) = world().await;
    let chain = json!({"image": CHAIN_IMAGE, "accounts": ONE, "lighthouse": true});
    let mut end = request("CHG3", chain.clone());
    end["action"] = "cancel".into();
    let denied = json!({"action": "cancel", "requester": "mallory@example.com"});
    let denied = request("CHG4", denied);
    for ticket in [request("CHG1", chain), cancel(), end, denied] {
        world.deliver(&ticket).await;
    }
    let cancels = folder.path().join("journal/index/cancels");
    let entries = paths_below(&cancels);
    assert_eq!(entries.len(), 2, "{entries:?}");
    world.advance(2 * DAY);
    world.sweep().await;
    assert_eq!(retire_all(&world).await, 4);
    fs::remove_dir_all(&cancels).unwrap();
    world.advance(DAY);
    world.sweep().await;
    assert_eq!(paths_below(&cancels), entries);
    // Record 0 is damaged, but the log's segment has it.
    let (lost, _) = entries.split_first().unwrap();
    fs::remove_file(lost).unwrap();
    let name = lost.file_name().unwrap().to_str().unwrap();
    let stream = name.split('-').nth(1).unwrap();
    let first = folder
        .path()
        .join(format!("journal/requests/{stream}/000000.json"));
    let kept = fs::read(&first).unwrap();
    fs::write(&first, "damaged").unwrap();
    assert_eq!(world.app.reindex().await.unwrap().mended, 1);
    assert_eq!(paths_below(&cancels), entries);
    fs::write(&first, kept).unwrap();
    assert_eq!(world.app.reindex().await.unwrap().mended, 0);
    assert_eq!(world.verify().await, Ok(()));
}
