//! Runs the real binary. `serve` notifies right after the outcome, or after a restart if it was
//! killed. `invoke` notifies before it ends. `notify` lists and repeats notifications. The target
//! is the inbox of a sandbox in the test's process.

use std::time::Duration;

use serde_json::{Value, json};
use sharehook::clock::system_now;
use sharehook::inbound::SchemeName;
use sharehook_sandbox::{InboxAnswer, SandboxOptions};

use crate::notify::SECRET;
use crate::support::http::send;
use crate::support::process::{Finish as _, Process, signed};
use crate::support::secrets;
use crate::support::service::{NATIVE_SECRET, Site};
use crate::support::{ACCOUNTS, BLUEPRINT, request};

/// A site that notifies the inbox of its sandbox.
async fn site() -> Site {
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let file = site.folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let url = site.cloud.url();
    let notify = format!(
        "\n[limits]\nseconds = 2\n\n[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"{url}/inbox\"\n\
         secret = \"file:notify.secret\"\n"
    );
    std::fs::write(file, text + &notify).unwrap();
    secrets::write(&site.folder.path().join("notify.secret"), SECRET);
    site
}

fn serve(site: &Site) -> Process {
    let mut command = site.command();
    Process::serving(command.args(["serve", "--listen", "127.0.0.1:0"]))
}

/// Waits for `wanted` notifications. Returns the webhook ids of all notifications that the inbox
/// accepted.
async fn delivered(site: &Site, wanted: usize) -> Vec<String> {
    let accepted = || -> Vec<String> {
        let letters = site
            .cloud
            .letters()
            .into_iter()
            .filter(|letter| letter.status < 300);
        letters
            .map(|letter| letter.headers["webhook-id"].clone())
            .collect()
    };
    for _ in 0..300 {
        if accepted().len() >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    accepted()
}

async fn post(url: &str, request: &Value) -> u16 {
    let body = request.to_string();
    let id = format!("msg_{}", request["id"].as_str().unwrap());
    let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, &id, &body);
    let answer = send(url, "POST", "/hooks/native", &headers, body).await;
    answer.unwrap().status
}

fn answer(site: &Site, status: u16) {
    site.cloud.answer_letters(InboxAnswer {
        status,
        ..InboxAnswer::default()
    });
}

fn json_of(site: &Site, args: &[&str]) -> (i32, Value) {
    let done = site.run(args);
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    let value = serde_json::from_str(&printed);
    (
        done.status.code().unwrap(),
        value.unwrap_or_else(|_| panic!("{done:?}")),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_tells_at_once_counts_it_and_a_killed_one_is_made_up_for() {
    let site = site().await;
    let mut service = serve(&site);
    let shared = json!({"accounts": [ACCOUNTS[0]]});
    assert_eq!(post(&service.url, &request("A", shared.clone())).await, 200);
    assert_eq!(delivered(&site, 1).await.len(), 1);
    let metrics = || {
        let client = sharehook::app::http_client().unwrap();
        let url = format!("{}/metrics", service.url);
        async move { client.get(url).send().await.unwrap().text().await.unwrap() }
    };
    let counted = "sharehook_notifications_total{notify=\"desk\",result=\"sent\"} 1\n";
    let mut seen = metrics().await;
    for _ in 0..50 {
        if seen.contains(counted) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        seen = metrics().await;
    }
    assert!(seen.contains(counted), "{seen}");
    // The inbox fails, and the process is killed while it owes the notification. A sweep delivers
    // it.
    answer(&site, 503);
    assert_eq!(post(&service.url, &request("B", shared)).await, 200);
    for _ in 0..100 {
        if site
            .cloud
            .letters()
            .iter()
            .any(|letter| letter.status == 503)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.kill();
    answer(&site, 202);
    let mut all = delivered(&site, 1).await;
    for _ in 0..40 {
        if all.len() > 1 {
            break;
        }
        let swept = site.run(&["sweep"]);
        assert!(swept.status.success(), "{swept:?}");
        all = delivered(&site, 1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(all.len(), 2);
    let ids: std::collections::BTreeSet<_> = site
        .cloud
        .letters()
        .into_iter()
        .map(|letter| letter.headers["webhook-id"].clone())
        .collect();
    assert_eq!(
        ids.len(),
        2,
        "a refused attempt and its repetition have one id"
    );
    let verified = site.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoke_tells_before_it_ends_and_notify_lists_and_repeats() {
    let site = site().await;
    let event = |id: &str| request(id, json!({"accounts": [ACCOUNTS[0]]}));
    let (exit, printed) = site.invoke(&event("A"));
    assert_eq!((exit, delivered(&site, 1).await.len()), (0, 1), "{printed}");
    answer(&site, 410);
    site.invoke(&event("B"));
    let (exit, listed) = json_of(&site, &["notify", "--json"]);
    let shown = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        format!(
            "{} {} {} {}",
            text("notify"),
            text("request"),
            text("on"),
            text("state")
        )
    };
    let rows: Vec<String> = listed.as_array().unwrap().iter().map(shown).collect();
    assert_eq!(exit, 0);
    assert_eq!(
        rows,
        [
            "desk invoke/B completed given_up",
            "desk invoke/A completed sent"
        ]
    );
    assert_eq!(listed[0]["why"], "HTTP 410: {}");
    let text = String::from_utf8(site.run(&["notify"]).stdout).unwrap();
    assert!(text.contains("desk    completed  given up"), "{text}");
    assert!(text.contains("invoke/B  HTTP 410: {}\n"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let checked = String::from_utf8(site.run(&["check"]).stdout).unwrap();
    assert!(
        checked.contains("\n  notify   desk (webhook)\n"),
        "{checked}"
    );
    // While the target still refuses, the exit code is 1. Then the target accepts.
    let (exit, again) = json_of(&site, &["notify", "--retry", "desk/B", "--json"]);
    assert_eq!(
        (exit, &again[0]["state"], &again[0]["attempts"]),
        (1, &json!("given_up"), &json!(2))
    );
    answer(&site, 202);
    let (exit, again) = json_of(&site, &["notify", "--retry", "desk", "--json"]);
    assert_eq!(
        (exit, &again[0]["state"], &again[0]["attempts"]),
        (0, &json!("sent"), &json!(3))
    );
    for (args, code, says) in [
        (
            &["notify", "--retry", "desk/B"][..],
            1,
            "waits or was given up",
        ),
        (
            &["notify", "--retry", "desk/unknown"],
            1,
            "waits or was given up",
        ),
        (
            &["notify", "--retry", "nobody/B"],
            64,
            "no [[notify]] has the name",
        ),
        (
            &["notify", "--retry", "desk"],
            1,
            "no notification to desk waits",
        ),
        (
            &["notify", "--retry", "desk/B", "--limit", "1"],
            64,
            "cannot be used with",
        ),
    ] {
        let done = site.run(args);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
    let exported = site.run(&["audit", "export", "--format", "ocsf"]);
    let text = String::from_utf8(exported.stdout).unwrap();
    assert_eq!(
        text.matches("\"activity_name\":\"Notification\"").count(),
        4,
        "{text}"
    );
}

/// The on-call's machine has the keys of cloud and journal, but no secret of a sender or a target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_without_secrets_leaves_its_notification_to_a_sweep_that_has_them() {
    let site = site().await;
    let share = request("A", json!({"accounts": [ACCOUNTS[0]]}));
    let (exit, printed) = site.invoke(&share);
    assert_eq!((exit, delivered(&site, 1).await.len()), (0, 1), "{printed}");
    let key = site.folder.path().join("notify.secret");
    std::fs::remove_file(&key).unwrap();
    let without = |args: &[&str]| {
        let mut command = site.command();
        for name in [
            "NATIVE_SECRET",
            "OLD_NATIVE_SECRET",
            "JIRA_SECRET",
            "GITHUB_SECRET",
            "HELPDESK_TOKEN",
        ] {
            command.env_remove(name);
        }
        let done = command.args(args).finish();
        let text = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        (done.status.code(), text)
    };
    let revoke = ["revoke", "--image", BLUEPRINT, "--reason", "leaked"];
    let by = ["--as", "invoke/alice@example.com"];
    let (code, said) = without(&[&revoke[..], &by].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("notify desk: its secret cannot be read here"),
        "{said}"
    );
    assert!(site.blueprint_accounts(BLUEPRINT).is_empty());
    for args in [
        &["sweep"][..],
        &["audit", "seal"],
        &["audit", "rotate-key", "--to", "file:new.key"],
    ] {
        let (code, said) = without(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
    }
    let file = |name: &str| site.folder.path().join(name);
    std::fs::rename(file("new.key"), file("seal.key")).unwrap();
    let (code, said) = without(&["doctor"]);
    assert!(
        code == Some(1)
            && said.contains("failed   secret")
            && said.contains("source \"jira\": the variable JIRA_SECRET is")
            && said.contains("ok       journal")
            && !said.contains("has a secret that source"),
        "{said}"
    );
    let (code, said) = without(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(
        code == Some(3) && said.contains("JIRA_SECRET is not set"),
        "{said}"
    );
    let listed = json_of(&site, &["notify", "--json"]).1;
    let owed = |entry: &&Value| entry["state"] == "owed" && entry["attempts"] == 0;
    let entries = listed.as_array().unwrap();
    assert_ne!(entries.iter().filter(owed).count(), 0, "{listed}");
    // `doctor` asks the target whether it answers, without a notification.
    let letters = site.cloud.letters().into_iter();
    let attempts = letters.filter(|letter| letter.headers.contains_key("webhook-id"));
    assert_eq!(attempts.count(), 1, "nothing was attempted");
    secrets::write(&key, SECRET);
    site.run(&["sweep"]);
    let listed = json_of(&site, &["notify", "--json"]).1;
    let sent = |entry: &Value| entry["state"] == "sent";
    assert!(listed.as_array().unwrap().iter().all(sent), "{listed}");
}
