//! `invoke --plan` writes, sends, seals and changes nothing, whatever the event is.

use std::fs;

use serde_json::{Value, json};

use crate::notify::SECRET;
use crate::support::files::contents_below;
use crate::support::process::run;
use crate::support::{ACCOUNTS, Place, World, request, secrets};

/// Runs `invoke --plan`. Returns its exit code and its output.
fn plan(world: &World, event: &Value) -> (Option<i32>, String) {
    let folder = world.folder.path();
    fs::write(folder.join("event.json"), event.to_string()).unwrap();
    let done = run(folder, &["invoke", "event.json", "--plan"]);
    fs::remove_file(folder.join("event.json")).unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

/// The journal has work for a sweep: an expired share, an owed notification, and no seal.
// The test needs two threads, because the commands call the sandbox in this process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_leaves_the_journal_the_cloud_and_the_ticket_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let mut world = World::with(Place::At(&place), |_| ()).await;
    secrets::write(&world.folder.path().join("notify.secret"), SECRET);
    let file = world.folder.path().join("sharehook.toml");
    let text = format!(
        "[report]\nto = \"report.html\"\nevery = \"1h\"\n[[notify]]\nname = \"desk\"\n\
         preset = \"webhook\"\nurl = \"{}/inbox\"\nsecret = \"file:notify.secret\"\n",
        world.cloud.url()
    );
    let before = fs::read_to_string(&file).unwrap();
    fs::write(file, before + &text).unwrap();
    world.configure("");
    let share = request("CHG1", json!({"expires_in": "1h"}));
    let (_, answer) = world.deliver(&share).await;
    assert_eq!(answer.status.as_str(), "completed");
    let before = (
        contents_below(folder.path()),
        contents_below(world.folder.path()),
    );
    let shares = world.shares();
    world.cloud.forget_calls();

    let rule = include_str!("../../events/schedule-rule.json");
    let timer = json!({"Type": "Timer", "TriggerName": "sweep", "Time": "2026-11-02T06:55:00Z",
                       "Message": ""});
    for (event, code, shown) in [
        (json!({"task": "sweep"}), 1, "opened only to read"),
        (
            serde_json::from_str(rule).unwrap(),
            1,
            "opened only to read",
        ),
        (timer, 1, "opened only to read"),
        (json!({"task": "drift"}), 1, "opened only to read"),
        (share.clone(), 0, "\"duplicate\": true"),
        (
            request("CHG1", json!({"accounts": [ACCOUNTS[0]]})),
            1,
            "CHG1",
        ),
        (request("CHG2", json!({"image": "hush"})), 1, "image"),
    ] {
        let done = plan(&world, &event);
        assert!(
            done.0 == Some(code) && done.1.contains(shown),
            "{event}: {done:?}"
        );
        assert_eq!(world.cloud.calls().len(), 0, "{event}");
        assert_eq!(world.cloud.letters().len(), 0, "{event}");
        let after = (
            contents_below(folder.path()),
            contents_below(world.folder.path()),
        );
        assert!(before == after, "{event} wrote {:?}", after.0.keys());
    }
    // Only the plan of a new share reads the cloud.
    let new = request("CHG3", json!({"accounts": [ACCOUNTS[0]]}));
    let (code, text) = plan(&world, &new);
    assert!(code == Some(0) && text.contains("\"planned\""), "{text}");
    let calls = world.cloud.calls();
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|call| call.action.starts_with("Describe")));
    let after = (
        contents_below(folder.path()),
        contents_below(world.folder.path()),
    );
    assert!(before == after && world.shares() == shares);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_does_not_create_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let place = format!("file:{}", journal.display());
    let world = World::with(Place::At(&place), |_| ()).await;
    fs::remove_dir_all(&journal).unwrap();
    let (code, text) = plan(&world, &request("CHG1", json!({})));
    assert!(code == Some(0) && text.contains("\"planned\""), "{text}");
    assert!(!journal.exists());
}
