//! The answers to senders. `replies` is for senders that disable a webhook after a few refusals,
//! and `answer_within` for senders with a short timeout.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sharehook::inbound::SchemeName;

use crate::support::process::{Finish as _, signed};
use crate::support::service::{NATIVE_SECRET, Service, Site, event, request};

/// Adds settings to the source with this scheme.
fn configure(folder: &Path, scheme: &str, settings: &str) {
    let file = folder.join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let scheme = format!("scheme = \"{scheme}\"\n");
    let changed = text.replacen(&scheme, &format!("{scheme}{settings}\n"), 1);
    assert_ne!(changed, text);
    std::fs::write(file, changed).unwrap();
}

async fn post(service: &Service, id: &str, body: &str) -> (u16, Value) {
    let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, id, body);
    let answer = service
        .post("/hooks/native", &headers, body.to_owned().into_bytes())
        .await;
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_switches_off_sees_no_refusal_of_what_it_signed() {
    let accepted = |folder: &Path| {
        configure(folder, "standard-webhooks", "replies = \"accepted\"");
    };
    let service = Service::prepared(accepted).await;
    let plain = Service::start().await;
    let typing_error = |id| request(id, json!({"acounts": ["700000164995"]})).to_string();
    let denied = |id| request(id, json!({"approvers": []})).to_string();
    for (id, body, status, says) in [
        ("R-1", denied("R-1"), 403, "four-eyes"),
        ("R-2", typing_error("R-2"), 422, "acounts"),
        ("R-3", "{".to_owned(), 400, "not JSON"),
        (
            "R-4",
            request("R-1", json!({})).to_string(),
            422,
            "was used before",
        ),
    ] {
        let (code, body_then) = post(&plain, id, &body).await;
        assert_eq!(code, status, "{body}");
        let (code, answer) = post(&service, id, &body).await;
        assert_eq!(code, 200, "{body}");
        assert!(answer.to_string().contains(says), "{answer}");
        for field in ["status", "problems", "refused"] {
            assert_eq!(answer[field], body_then[field], "the body is the same");
        }
    }
    let body = request("R-5", json!({})).to_string();
    let forged = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, "m", "other");
    let answer = service
        .post("/hooks/native", &forged, body.clone().into_bytes())
        .await;
    assert_eq!(answer.status, 401);
    let journal = service.folder.path().join("journal");
    std::fs::rename(&journal, service.folder.path().join("gone")).unwrap();
    std::fs::write(&journal, "").unwrap();
    assert_eq!(post(&service, "R-6", &body).await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_waits_briefly_is_answered_while_the_work_goes_on() {
    let hurried = |folder: &Path| {
        configure(folder, "standard-webhooks", "answer_within = \"1s\"");
    };
    let service = Service::prepared(hurried).await;
    let slow = "ShareBlueprintAcrossAccounts:slow:3s@1".parse().unwrap();
    assert!(service.cloud.inject(slow));
    let body = request("W-1", json!({})).to_string();
    let begun = Instant::now();
    let (status, answer) = post(&service, "w", &body).await;
    let took = begun.elapsed();
    assert_eq!(
        (status, &answer["status"]),
        (202, &json!("pending")),
        "{answer}"
    );
    assert!(answer["record"].is_string(), "not on record yet: {answer}");
    assert!(took < Duration::from_millis(2_500), "{took:?}");
    // The server finishes the work by itself: no sweep runs in these seconds, and no delivery is
    // repeated.
    let mut shown = Value::Null;
    for _ in 0..80 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let done = service.run(&["requests", "W-1", "--json"]);
        shown = serde_json::from_slice(&done.stdout).unwrap();
        if shown["status"] != "pending" {
            break;
        }
    }
    assert_eq!(shown["status"], "completed", "{shown}");
    assert_eq!(service.carried_out("ShareBlueprintAcrossAccounts"), 1);
    let (status, answer) = post(&service, "w", &body).await;
    assert_eq!((status, &answer["duplicate"]), (200, &json!(true)));
}

/// The host may freeze a function's process after its answer, so the function must stop its work
/// before it answers.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_function_host_the_sweep_continues_what_the_answer_left() {
    let hurried = |folder: &Path| configure(folder, "jira", "answer_within = \"1s\"");
    let options = sharehook_sandbox::SandboxOptions::seeded(crate::support::service::now);
    let site = Site::new(options, hurried).await;
    let slow = "ShareBlueprintAcrossAccounts:slow:5s@1".parse().unwrap();
    assert!(site.cloud.inject(slow));
    let begun = Instant::now();
    let answer = site.answered(&event("http-jira-approved.json"));
    let took = begun.elapsed();
    assert_eq!(answer["statusCode"], 202, "{answer}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    // The unfinished work is due again a few seconds later.
    let mut again = answer;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let mut sweep = site.command();
        sweep.env("JIRA_SECRET", "local-jira-secret-for-a-laptop-only");
        let swept = sweep.args(["sweep", "--json"]).finish();
        assert!(swept.status.success(), "{swept:?}");
        let shown = site.run(&["requests", "SHARE-101/31001", "--json"]);
        let request: Value = serde_json::from_slice(&shown.stdout).unwrap();
        if request["status"] != "pending" {
            again = site.answered(&event("http-jira-approved.json"));
            break;
        }
    }
    assert_eq!(again["statusCode"], 200, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_warns_of_answers_and_secrets_that_mislead() {
    let both = |folder: &Path| {
        configure(folder, "standard-webhooks", "replies = \"accepted\"");
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let shared = text.replace("env:GITHUB_SECRET", "env:JIRA_SECRET");
        std::fs::write(file, shared).unwrap();
    };
    let options = || sharehook_sandbox::SandboxOptions::seeded(crate::support::service::now);
    let checked = |site: &Site| -> Value {
        let done = site.run(&["check", "--json"]);
        serde_json::from_slice(&done.stdout).unwrap()
    };
    let quiet = checked(&Site::new(options(), |_| {}).await);
    let site = Site::new(options(), both).await;
    let answer = checked(&site);
    let added: Vec<String> = answer["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|warning| !quiet["warnings"].as_array().unwrap().contains(warning))
        .map(|warning| warning["problem"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(added.len(), 2, "{added:#?}");
    assert!(
        added[0].contains("source github has a secret that source jira has too"),
        "{added:?}"
    );
    assert!(added[1].contains("source native answers denied and invalid requests with 200"));
    // Notifications now report denials in place of the answers, so the warning disappears.
    let file = site.folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let notify = "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"https://desk.example\"\nsecret = \"env:NATIVE_SECRET\"\n";
    std::fs::write(&file, format!("{text}\n{notify}")).unwrap();
    let warnings = checked(&site)["warnings"].to_string();
    assert!(!warnings.contains("answers denied"), "{warnings}");
    let native = |check: &Value| {
        let sources = check["sources"].as_array().unwrap().iter();
        let found = sources.clone().find(|source| source["name"] == "native");
        (
            found.unwrap()["replies"].clone(),
            found.unwrap()["answer_within"].clone(),
        )
    };
    assert_eq!(native(&quiet), (json!("status"), json!(12)));
    assert_eq!(native(&answer), (json!("accepted"), json!(12)));
    let text = String::from_utf8(site.run(&["check"]).stdout).unwrap();
    assert!(
        text.contains("\n           answered 200 also for denials, within 12 s\n"),
        "{text}"
    );
}
