//! Sends SIGHUP to the real server under load. No delivery is lost, and each decision names the
//! digest of the rules that made it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::clock::system_now;
use sharehook::inbound::SchemeName;
use sharehook_sandbox::SandboxOptions;

use crate::support::http::send;
use crate::support::process::{Process, signed};
use crate::support::secrets;
use crate::support::service::{NATIVE_SECRET, Site, request};

const FIRST: &str = "test-only-rotating-token-0123456789-a";
const SECOND: &str = "test-only-rotating-token-0123456789-b";
/// The sample policy has this account in the group `staging`.
const STAGING: &str = "700000164995";
const FROZEN: &str = "@id(\"freeze\")\nforbid (principal, action, resource) when \
    { context has account && context.account in Share::AccountGroup::\"staging\" };\n";

/// The status of each delivery of the load, by id.
type Ends = BTreeMap<String, u16>;

/// Delivers requests one after the other until `stop` is set.
async fn load(url: String, worker: usize, stop: Arc<AtomicBool>) -> Ends {
    let mut ends = Ends::new();
    while !stop.load(Ordering::Relaxed) && ends.len() < 2_000 {
        let id = format!("load-{worker}-{}", ends.len());
        let body = request(&id, json!({ "accounts": [STAGING] })).to_string();
        let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, &id, &body);
        let answer = send(&url, "POST", "/hooks/native", &headers, body).await;
        let status = answer.map_or(0, |answer| answer.status);
        ends.insert(id, status);
    }
    ends
}

fn hang_up(process: &Process) {
    let id = process.id().to_string();
    let done = Command::new("kill").args(["-HUP", &id]).status().unwrap();
    assert!(done.success());
}

/// Delivers with a static token, and returns the status.
async fn token(url: &str, source: &str, token: &str, id: &str) -> u16 {
    let body = request(id, json!({})).to_string();
    let headers = signed(SchemeName::Token, token, id, &body);
    let path = format!("/hooks/{source}");
    let answer = send(url, "POST", &path, &headers, body).await;
    answer.unwrap().status
}

/// Waits until the server's log contains `text` at least `times` times.
async fn logged(file: &Path, text: &str, times: usize) {
    for _ in 0..200 {
        if std::fs::read_to_string(file).unwrap().matches(text).count() >= times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = std::fs::read_to_string(file).unwrap();
    panic!("{text:?} was not logged {times} times:\n{log}");
}

/// Returns the policy digest that `check` prints for the files as they are now.
fn checked(site: &Site) -> String {
    let out = site.run(&["check", "--json"]);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    report["policy_digest"].as_str().unwrap().to_owned()
}

/// Returns, by request id, whether record 0 allows the request, and the digest of the rules that
/// decided.
fn decisions(site: &Site) -> BTreeMap<String, (bool, String)> {
    let mut found = BTreeMap::new();
    let out = site.run(&["audit", "export", "--format", "jsonl"]);
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let Some(intent) = find(&record, "verdict") else {
            continue;
        };
        let id = find(&record, "identity").unwrap()["id"].as_str().unwrap();
        let allowed = intent["allowed"].as_bool().unwrap();
        let digest = intent["policy_digest"].as_str().unwrap().to_owned();
        found.insert(id.to_owned(), (allowed, digest));
    }
    found
}

fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields
            .get(name)
            .or_else(|| fields.values().find_map(|field| find(field, name))),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_change_under_load_and_each_decision_names_its_digest() {
    let site = Site::new(SandboxOptions::seeded(system_now), |folder| {
        secrets::write(&folder.join("token"), FIRST);
        add(
            folder,
            "[[source]]\nname = \"rotating\"\nscheme = \"token\"\nsecrets = [\"file:token\"]\n",
        );
    })
    .await;
    let folder = site.folder.path();
    let log = folder.join("log");
    let mut command = site.command();
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let mut process = Process::logging_to(&mut command, File::create(&log).unwrap());
    let url = process.url.clone();
    let before = checked(&site);
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..4)
        .map(|worker| tokio::spawn(load(url.clone(), worker, Arc::clone(&stop))))
        .collect();

    // The secret is rotated. Status 403 comes from the policy, which refuses this source after
    // authentication.
    assert_eq!(token(&url, "rotating", FIRST, "t-1").await, 403);
    secrets::write(&folder.join("token"), SECOND);
    assert_eq!(token(&url, "rotating", SECOND, "t-2").await, 403);
    assert_eq!(token(&url, "rotating", FIRST, "t-3").await, 401);

    // Forbid a group, and add a source.
    std::fs::write(folder.join("policy/freeze.cedar"), FROZEN).unwrap();
    std::fs::write(folder.join("late"), FIRST).unwrap();
    assert_eq!(
        token(&url, "late", FIRST, "t-4").await,
        404,
        "not before the signal"
    );
    add(
        folder,
        "[[source]]\nname = \"late\"\nscheme = \"token\"\nsecrets = [\"file:late\"]\n",
    );
    let after = checked(&site);
    hang_up(&process);
    logged(&log, "reloaded", 1).await;
    assert_eq!(token(&url, "late", FIRST, "t-5").await, 403);

    // A broken policy does not replace the one in force.
    std::fs::write(folder.join("policy/broken.cedar"), "permit (").unwrap();
    hang_up(&process);
    logged(&log, "not reloaded", 1).await;
    assert!(
        std::fs::read_to_string(&log)
            .unwrap()
            .contains("broken.cedar")
    );
    assert_eq!(token(&url, "late", FIRST, "t-6").await, 403);
    let metrics = send(&url, "GET", "/metrics", &[], "").await.unwrap().body;
    let in_force = format!("sharehook_policy_info{{digest=\"{after}\"}} 1");
    assert!(metrics.as_str().unwrap().contains(&in_force), "{metrics}");

    stop.store(true, Ordering::Relaxed);
    let mut ends = Ends::new();
    for worker in workers {
        ends.extend(worker.await.unwrap());
    }
    process.terminate();
    process.ended().await;
    std::fs::remove_file(folder.join("policy/broken.cedar")).unwrap();

    let decided = decisions(&site);
    let mut digests = BTreeSet::new();
    for (id, status) in &ends {
        let (allowed, digest) = &decided[id];
        let expected = if *digest == before {
            [200, 202]
        } else {
            [403, 403]
        };
        assert!(expected.contains(status), "{id}: {status} under {digest}");
        assert_eq!(*allowed, *digest == before, "{id}");
        digests.insert(digest.clone());
    }
    println!("{} deliveries under load", ends.len());
    assert_eq!(
        digests,
        BTreeSet::from([before, after]),
        "of {}",
        ends.len()
    );
}

fn add(folder: &Path, text: &str) {
    let file = folder.join("sharehook.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, before + text).unwrap();
}
