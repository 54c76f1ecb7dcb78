//! Foreign files in a journal's directory: each causes one finding of the verification, and none
//! disturbs the work on the journal.
#![cfg(target_os = "linux")] // Some of these file types and names exist on Linux only.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use sharehook::journal::JournalLocation;

use crate::support::history::signer;
use crate::support::{ACCOUNTS, Place, World, deadline, request};

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Verifies the journal. Returns path and kind of each finding. Fails if the verification hangs, as
/// it might at a FIFO.
async fn findings(world: &World) -> Vec<(String, &'static str)> {
    let key = signer();
    let verify = world.journal.verify_sealed(key.verifier(), None);
    let report = tokio::time::timeout(Duration::from_secs(8), verify).await;
    let findings = report.expect("nothing waits").unwrap().findings;
    let named = findings.into_iter().map(|f| (f.path, f.flaw.name()));
    named.collect()
}

#[tokio::test]
async fn what_is_no_file_of_a_journal_costs_one_finding_each() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    let JournalLocation::Directory(journal) = world.journal.place().clone() else {
        panic!("{place} is a directory");
    };
    let ends = json!({"accounts": [ACCOUNTS[0]], "expires_in": "1h"});
    world.deliver(&request("CHG1", ends)).await;
    world.journal.seal(&signer(), world.now()).await.unwrap();
    assert_eq!(findings(&world).await, []);
    let stream = fs::read_dir(journal.join("requests")).unwrap().next();
    let stream = stream.unwrap().unwrap().file_name().into_string().unwrap();

    let mut wanted = Vec::new();
    let mut put = |name: &[u8], shown: &str, make: &dyn Fn(&Path)| {
        make(&journal.join(OsStr::from_bytes(name)));
        wanted.push((shown.to_owned(), "foreign"));
    };
    let file = |path: &Path| fs::write(path, "x").unwrap();
    let link = |to: &'static str| move |path: &Path| symlink(to, path).unwrap();
    let in_stream = |name: &str| format!("requests/{stream}/{name}");
    for name in ["000900.json", "queue"].map(in_stream) {
        put(name.as_bytes(), &name, &fifo);
    }
    for name in ["000901.json", "gone"].map(in_stream) {
        put(name.as_bytes(), &name, &link("/nowhere"));
    }
    put(b"requests/\xff\xfe", "requests/\u{fffd}\u{fffd}", &file);
    put(b"requests/loop", "requests/loop", &link(".."));
    put(b"requests/a%b", "requests/a%b", &file);
    put(b"index/due/\xff", "index/due/\u{fffd}", &file);
    put(b"index/grants/loop", "index/grants/loop", &link("."));
    put(b"index/unsealed/queue", "index/unsealed/queue", &fifo);
    put(b"log/segments/000002", "log/segments/000002", &fifo);
    put(b"log/tile/loop", "log/tile/loop", &link("../tile"));
    wanted.sort();
    assert_eq!(findings(&world).await, wanted);

    // A foreign file in place of a record is one finding, not two.
    let record = in_stream("000001.json");
    let (path, aside) = (journal.join(&record), folder.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    fifo(&path);
    let found = findings(&world).await;
    assert_eq!(found.iter().filter(|(path, _)| *path == record).count(), 1);
    assert_eq!(found.len(), wanted.len() + 1);
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();

    // A link in place of a request's folder hides no other finding.
    let path = journal.join("requests").join(&stream);
    fs::rename(&path, &aside).unwrap();
    symlink("/nowhere", &path).unwrap();
    let found = findings(&world).await;
    for name in [format!("requests/{stream}"), "requests/a%b".to_owned()] {
        assert!(found.contains(&(name, "foreign")), "{found:?}");
    }
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();

    // Other work ignores the foreign files.
    assert_eq!(world.app.requests(None).await.unwrap().flaws, [""; 0]);
    world.advance(7_200);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 0);
}

/// If an unreadable folder counted as empty, a sweep would revoke what another request needs, or
/// leave shares overdue without a message.
#[tokio::test]
async fn a_folder_that_cannot_be_listed_is_an_error_and_not_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    let journal = folder.path().join("journal");
    let ends = json!({"accounts": [ACCOUNTS[0]], "expires_in": "1h"});
    world.deliver(&request("CHG1", ends)).await;
    world.journal.seal(&signer(), world.now()).await.unwrap();
    world.sweep().await;
    world.advance(7_200);

    let aside = folder.path().join("aside");
    for (name, stand_in) in [
        ("index", "a file"),
        ("index/due", "a link"),
        ("index/grants", "a file"),
        ("", "nothing"),
    ] {
        let path = journal.join(name);
        fs::rename(&path, &aside).unwrap();
        match stand_in {
            "a file" => fs::write(&path, "").unwrap(),
            "a link" => symlink("/nowhere", &path).unwrap(),
            _ => {}
        }
        let error = match name {
            "index/due" => world.app.sweep(deadline()).await.unwrap_err(),
            _ => world.app.grants().await.unwrap_err(),
        };
        let error = error.to_string();
        assert!(error.contains(": list "), "{name}: {error}");
        if stand_in != "nothing" {
            fs::remove_file(&path).unwrap();
        }
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
}
