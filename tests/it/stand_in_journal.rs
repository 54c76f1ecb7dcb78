//! `--sandbox` has a journal of its own: nothing of the stand-in cloud reaches the configured journal
//! or a real ticket system, and the reverse.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::init::{env_of, init};
use crate::support::http::send;
use crate::support::process::{Finish as _, Process, program};

const BODY: &str = "policy/cases/events/body-jira-approved.json";
const LOGIN: &str = "real-user@example.com:real-password";

/// Runs a command in the folder with the real cloud at `cloud`.
fn run_real(folder: &Path, cloud: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program(folder);
    command.args(arguments).envs(env_of(folder));
    command
        .env("JIRA_LOGIN", LOGIN)
        .env("SHAREHOOK_CLOUD_ENDPOINT", cloud);
    let output = command.finish();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn nothing_of_the_stand_in_cloud_reaches_the_real_journal_or_a_ticket() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out) = init(folder.path(), &["jira"]);
    assert_eq!(code, Some(0), "{out}");
    let new = folder.path().join("new");
    let file = new.join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let notify = "[[notify]]\nname = \"ticket\"\npreset = \"jira\"\nurl = \"https://jira.example.com\"\nauth = { basic = \"env:JIRA_LOGIN\" }\n";
    std::fs::write(&file, text + notify).unwrap();

    let mut command = program(&new);
    command.args(["serve", "--sandbox=127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    command.envs(env_of(&new)).env("JIRA_LOGIN", LOGIN);
    let (server, lines) = Process::listening(&mut command, "stand-in cloud on ");
    let sandbox = server.url.split(' ').next().unwrap().to_owned();
    let (mut said, mut url) = (String::new(), None);
    for line in lines.map(Result::unwrap) {
        url = line.strip_prefix("listening on ").map(str::to_owned);
        said += &format!("{line}\n");
        if url.is_some() {
            break;
        }
    }
    for part in [
        "its journal: file:sandbox/journal",
        "/sandbox/inbox, not to your systems",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let (_, headers) = run_real(
        &new,
        "",
        &["sign", "--json", "--source", "jira", "--body", BODY],
    );
    let headers: BTreeMap<String, String> = serde_json::from_str(&headers).unwrap();
    let headers: Vec<_> = headers.into_iter().collect();
    let sent = std::fs::read(new.join(BODY)).unwrap();
    let answer = send(&url.unwrap(), "POST", "/hooks/jira", &headers, sent)
        .await
        .unwrap();
    assert_eq!(answer.body["status"], "completed", "{}", answer.body);

    let mut letters = Value::Null;
    for _ in 0..100 {
        letters = server_letters(&sandbox).await;
        if !letters["letters"].as_array().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let letters = letters.to_string();
    assert!(letters.contains("/rest/api/2/issue/"), "{letters}");
    for secret in [LOGIN, "real-password", &STANDARD.encode(LOGIN)] {
        assert!(!letters.contains(secret), "{letters}");
    }
    drop(server);

    assert!(!new.join("journal").exists() && !new.join("seal.key").exists());
    let real = Process::sandbox();
    for arguments in [&["grants"][..], &["requests"], &["notify"]] {
        let (code, out) = run_real(&new, &real.url, arguments);
        assert!(
            code == Some(0) && out.starts_with("no "),
            "{arguments:?}: {out}"
        );
        let with = [arguments, &["--sandbox"]].concat();
        let (code, out) = run_real(&new, &real.url, &with);
        assert!(
            code == Some(0) && !out.starts_with("no "),
            "{with:?}: {out}"
        );
    }
    for arguments in [&["audit", "verify"][..], &["report", "--html", "r.html"]] {
        let (code, out) = run_real(&new, &real.url, &[arguments, &["--sandbox"]].concat());
        assert_eq!(code, Some(0), "{arguments:?}: {out}");
    }

    // A real share, and a sweep at a stand-in cloud that knows nothing of it.
    let body = std::fs::read_to_string(new.join(BODY)).unwrap();
    assert!(body.contains("700000164995"), "{body}");
    let mut command = program(&new);
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .envs(env_of(&new));
    command
        .env("JIRA_LOGIN", LOGIN)
        .env("SHAREHOOK_CLOUD_ENDPOINT", &real.url);
    command.envs(crate::support::sandbox_keys());
    let server = Process::serving(&mut command);
    let answer = send(
        &server.url,
        "POST",
        "/hooks/jira",
        &headers,
        body.into_bytes(),
    )
    .await;
    let answer = answer.unwrap();
    assert_eq!(answer.body["status"], "completed", "{}", answer.body);
    assert!(answer.body.get("duplicate").is_none(), "{}", answer.body);
    drop(server);
    let (_, before) = run_real(&new, &real.url, &["grants"]);
    let other = Process::sandbox();
    let at = format!(
        "--sandbox={}",
        other.url.split(' ').next().unwrap().replace("http://", "")
    );
    let (code, out) = run_real(&new, &real.url, &["sweep", &at]);
    assert!(code == Some(0) && out.contains("revoked: none"), "{out}");
    let (_, after) = run_real(&new, &real.url, &["grants"]);
    assert!(after == before && after.contains("700000164995"), "{after}");
}

async fn server_letters(sandbox: &str) -> Value {
    let answer = send(sandbox, "GET", "/sandbox/inbox", &[], Vec::new()).await;
    answer.unwrap().body
}
