//! Each kind of bad input gets its documented status and an answer that names the problem. None
//! causes a call to the cloud.

use serde_json::{Value, json};
use sharehook::inbound::SchemeName;

use crate::support::process::{Finish as _, signed};
use crate::support::service::{self, HELPDESK_TOKEN, JIRA_SECRET, NATIVE_SECRET, Service, request};

fn native(body: &str) -> Vec<(String, String)> {
    signed(SchemeName::StandardWebhooks, NATIVE_SECRET, "msg_1", body)
}

async fn untouched(service: &Service) {
    assert!(
        service.cloud.calls().is_empty(),
        "the cloud was called: {:?}",
        service.cloud.calls()
    );
    assert_eq!(service.records(), 0, "the journal was written");
}

#[tokio::test]
async fn an_unproven_sender_gets_one_generic_401() {
    let service = Service::start().await;
    let body = request("A-1", json!({})).to_string();
    let good = native(&body);
    let without = |name: &str| {
        good.iter()
            .filter(|(n, _)| n != name)
            .cloned()
            .collect::<Vec<_>>()
    };
    let with = |name: &str, value: &str| {
        let mut headers = without(name);
        headers.push((name.to_owned(), value.to_owned()));
        headers
    };
    let stale = {
        let secret = secrecy::SecretString::from(NATIVE_SECRET.to_owned());
        let then = service::now() - jiff::SignedDuration::from_mins(6);
        sharehook::inbound::sign(
            &sharehook::inbound::SchemeSpec::preset(SchemeName::StandardWebhooks),
            &secret,
            body.as_bytes(),
            "msg_1",
            then,
        )
        .unwrap()
    };
    let mut twice = good.clone();
    twice.push(("webhook-signature".to_owned(), "v1,AAAA".to_owned()));
    let tampered = body.replace("700000164995", "700000000666");
    type Headers = Vec<(String, String)>;
    let cases: Vec<(&str, Headers, &str)> = vec![
        (
            "unsigned",
            vec![("content-type".to_owned(), "application/json".to_owned())],
            &body,
        ),
        ("no id", without("webhook-id"), &body),
        ("tampered", good.clone(), &tampered),
        ("stale", stale, &body),
        (
            "another time",
            with("webhook-timestamp", "1700000000"),
            &body,
        ),
        (
            "not a time",
            with("webhook-timestamp", "+1700000000"),
            &body,
        ),
        ("not base64", with("webhook-signature", "v1,%%%"), &body),
        (
            "another scheme",
            signed(SchemeName::Jira, JIRA_SECRET, "1", &body),
            &body,
        ),
        ("two signatures headers", twice, &body),
    ];
    let mut texts = Vec::new();
    for (name, headers, body) in cases {
        let answer = service
            .post("/hooks/native", &headers, body.as_bytes().to_vec())
            .await;
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
        texts.push(answer.body.to_string());
    }
    texts.dedup();
    assert_eq!(
        texts.len(),
        1,
        "a stranger can tell the failures apart: {texts:?}"
    );
    untouched(&service).await;
}

#[tokio::test]
async fn a_trusted_source_takes_nothing_over_http() {
    let service = Service::start().await;
    let body = request("Q-1", json!({})).to_string();
    let envelope = json!({"Records": [{"eventSource": "aws:sqs", "eventSourceARN": service::QUEUE_ARN, "messageId": "1", "body": body}]});
    for source in ["queue", "invoke"] {
        for body in [body.clone(), envelope.to_string()] {
            let headers = [("content-type".to_owned(), "application/json".to_owned())];
            assert_eq!(
                service
                    .post(&format!("/hooks/{source}"), &headers, body.into_bytes())
                    .await
                    .status,
                401
            );
        }
    }
    untouched(&service).await;
}

#[tokio::test]
async fn a_verified_mistake_is_answered_with_field_and_remedy() {
    let service = Service::start().await;
    let in_two_days = (service::now() + jiff::SignedDuration::from_hours(48)).to_string();
    let in_two_years =
        (service::now() + jiff::SignedDuration::from_hours(2 * 366 * 24)).to_string();
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let cases: Vec<(&str, u16, String, &str)> = vec![
        ("not JSON", 400, "action=share".to_owned(), "JSON"),
        ("cut", 400, r#"{"action": "sha"#.to_owned(), "JSON"),
        ("deep", 400, deep, "nest"),
        ("not an object", 422, "[]".to_owned(), "object"),
        (
            "unknown field",
            422,
            request("U-1", json!({"colour": "red"})).to_string(),
            "colour",
        ),
        (
            "empty accounts",
            422,
            request("U-2", json!({"accounts": []})).to_string(),
            "accounts",
        ),
        (
            "letters",
            422,
            request("U-3", json!({"accounts": ["abc"]})).to_string(),
            "accounts[0]",
        ),
        (
            "a number",
            422,
            request("U-4", json!({"accounts": [700000164995_u64]})).to_string(),
            "accounts[0]",
        ),
        (
            "unknown region",
            422,
            request("U-5", json!({"region": "mars-north-1"})).to_string(),
            "region",
        ),
        (
            "cvm region unknown",
            422,
            request(
                "U-6",
                json!({"image": "img-6pb6lrmy", "region": "ap-atlantis"}),
            )
            .to_string(),
            "region",
        ),
        (
            "unknown action",
            422,
            request("U-7", json!({"action": "give"})).to_string(),
            "action",
        ),
        (
            "image of another cloud",
            422,
            request("U-8", json!({"image": "ami-12345678"})).to_string(),
            "image",
        ),
        (
            "no requester",
            422,
            request("U-9", json!({"requester": null})).to_string(),
            "requester",
        ),
        (
            "over already",
            422,
            request("U-10", json!({"expires_at": "2020-01-01T00:00:00Z"})).to_string(),
            "expires_at",
        ),
        (
            "a cancel that expires",
            422,
            request("U-11", json!({"action": "cancel", "expires_in": "3d"})).to_string(),
            "expires_in",
        ),
        (
            "over before it begins",
            422,
            request(
                "U-12",
                json!({"not_before": in_two_days, "expires_in": "1d"}),
            )
            .to_string(),
            "expires_in",
        ),
        (
            "begins beyond the bound",
            422,
            request("U-13", json!({"not_before": in_two_years})).to_string(),
            "[limits] not_before_within",
        ),
        (
            "a key twice",
            400,
            request("U-14", json!({})).to_string().replacen(
                '{',
                r#"{"accounts": ["700000200007"],"#,
                1,
            ),
            r#"names the key \"accounts\" twice"#,
        ),
    ];
    let count = cases.len();
    for (name, status, body, word) in cases {
        let answer = service
            .post("/hooks/native", &native(&body), body.into_bytes())
            .await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(
            answer.body.to_string().contains(word),
            "{name} does not name {word}: {answer:?}"
        );
        let problems = answer.body["problems"].as_array().unwrap();
        let remedies = problems.iter().map(|p| p["remedy"].as_str().unwrap());
        let shortest = remedies.map(str::len).min();
        assert!(shortest > Some(0), "{name}: {answer:?}");
    }
    // Each bad input is recorded as a rejected delivery, and none as a request.
    assert!(service.cloud.calls().is_empty());
    let listed = |args: &[&str]| service.run(&[args, &["--json"]].concat()).stdout;
    assert_eq!(listed(&["requests"]), b"[]\n");
    let rejected: Value = serde_json::from_slice(&listed(&["requests", "--rejected"])).unwrap();
    assert_eq!(rejected.as_array().unwrap().len(), count);
}

#[tokio::test]
async fn sizes_types_paths_and_methods_have_their_codes() {
    let service = Service::start().await;
    let body = request("S-1", json!({})).to_string();
    let huge = format!("{}{}", body, " ".repeat(300 * 1024));
    // The server does not read the rest of too large a body. A client that is still sending may
    // miss the answer.
    let mut answer = None;
    for _ in 0..20 {
        answer = service
            .try_post("/hooks/native", &native(&huge), huge.clone().into_bytes())
            .await
            .ok();
        if answer.is_some() {
            break;
        }
    }
    assert_eq!(answer.unwrap().status, 413);
    let mut text: Vec<_> = native(&body)
        .into_iter()
        .filter(|(n, _)| n != "content-type")
        .collect();
    text.push(("content-type".to_owned(), "text/plain".to_owned()));
    assert_eq!(
        service
            .post("/hooks/native", &text, body.clone().into_bytes())
            .await
            .status,
        415
    );
    for path in [
        "/hooks/nobody",
        "/hooks/",
        "/hooks/a/b",
        "/hooks/NATIVE",
        "/hooks/%6eative",
        "/",
        "/admin",
    ] {
        let answer = service
            .post(path, &native(&body), body.clone().into_bytes())
            .await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    assert_eq!(service.get("/hooks/native").await.0, 405);
    assert_eq!(service.get("/healthz").await.0, 200);
    assert_eq!(service.get("/readyz").await.0, 200);
    let (status, metrics) = service.get("/metrics").await;
    assert_eq!(status, 200);
    let completed = metrics
        .lines()
        .filter(|line| line.contains("result=\"completed\""));
    let counts: Vec<&str> = completed
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert!(!counts.is_empty(), "{metrics}");
    assert_eq!(counts, vec!["0"; counts.len()], "{metrics}");
    untouched(&service).await;
}

#[tokio::test]
async fn what_the_policy_refuses_is_journalled_and_not_called() {
    let service = Service::start().await;
    for (id, changes, word) in [
        (
            "D-1",
            json!({"accounts": ["700000164995", "700000999999"]}),
            "700000999999",
        ),
        (
            "D-2",
            json!({"approvers": ["alice@example.com"]}),
            "four-eyes",
        ),
        ("D-3", json!({"approvers": []}), "four-eyes"),
        ("D-4", json!({"image": "lhbp-aaaaaaaa"}), "no policy"),
        (
            "D-5",
            json!({"requester": "mallory@example.com"}),
            "no policy",
        ),
        ("D-6", json!({"accounts": ["700000000101"]}), "expiry-cap"),
    ] {
        let answer = service.native(&request(id, changes)).await;
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (403, &json!("denied")),
            "{id}: {answer:?}"
        );
        assert!(
            answer.body.to_string().contains(word),
            "{id} does not say {word}: {answer:?}"
        );
        let results = answer.body["results"].as_array().unwrap();
        assert!(
            !results.is_empty() && results.iter().all(|r| r["code"] == "PolicyDenied"),
            "{id}: {answer:?}"
        );
        let again = service.native(&request(id, json!({}))).await;
        assert_eq!(
            again.status, 422,
            "{id}: a denied id is bound to its content as well"
        );
    }
    let body = request("D-7", json!({})).to_string();
    let token = signed(SchemeName::Token, HELPDESK_TOKEN, "", &body);
    let unsigned = service
        .post("/hooks/helpdesk", &token, body.into_bytes())
        .await;
    assert_eq!(unsigned.status, 403);
    assert!(unsigned.body.to_string().contains("unsigned-sources"));
    assert!(service.cloud.calls().is_empty());
    assert_eq!(
        service.records(),
        13,
        "seven denials and six conflicts are on record"
    );
}

#[tokio::test]
async fn without_its_journal_nothing_is_done_and_the_sender_is_asked_to_retry() {
    let service = Service::start().await;
    let journal = service.folder.path().join("journal");
    let away = service.folder.path().join("away");
    std::fs::rename(&journal, &away).unwrap();
    // The service's own sweep may create the directory at this moment.
    let replaced = (0..100).any(|_| {
        drop(std::fs::remove_dir_all(&journal));
        std::fs::write(&journal, "not a directory").is_ok()
    });
    assert!(replaced);
    let answer = service.native(&request("N-1", json!({}))).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("30")),
        "{answer:?}"
    );
    assert!(
        answer.body["message"].as_str().unwrap().contains("journal"),
        "{answer:?}"
    );
    assert_eq!(service.get("/readyz").await.0, 503);
    assert!(service.cloud.calls().is_empty());
    std::fs::remove_file(&journal).unwrap();
    std::fs::create_dir(&journal).unwrap();
    // An empty folder would let every recorded request act again, so the program refuses it.
    let other = service.native(&request("N-1", json!({}))).await;
    assert_eq!(other.status, 503, "{other:?}");
    std::fs::remove_dir_all(&journal).unwrap();
    std::fs::rename(&away, &journal).unwrap();
    let retried = service.native(&request("N-1", json!({}))).await;
    assert_eq!(
        (retried.status, &retried.body["status"]),
        (200, &json!("completed")),
        "{retried:?}"
    );
}

#[tokio::test]
async fn a_start_with_anything_wrong_names_every_problem_and_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    service::write_folder(folder.path(), "http://127.0.0.1:1");
    let policy = folder.path().join("policy").join("mine.cedar");
    std::fs::write(
        &policy,
        "@id(\"mine\")\npermit (principal, action, resource)\nwhen { context.acount == principal };",
    )
    .unwrap();
    let config = folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("env:GITHUB_SECRET", "env:NOT_THERE");
    std::fs::write(&config, text).unwrap();
    let run = |args: &[&str]| service::command(folder.path()).args(args).finish();
    let output = run(&["check"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        ["sharehook.toml:", "mine.cedar:3"]
            .iter()
            .all(|place| String::from_utf8_lossy(&output.stdout).contains(place)),
        "{output:?}"
    );
    let fixed = std::fs::read_to_string(&config)
        .unwrap()
        .replace("env:NOT_THERE", "env:GITHUB_SECRET");
    std::fs::write(&config, fixed).unwrap();
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["sweep"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?} {output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("mine.cedar:"),
            "{output:?}"
        );
    }
    assert_eq!(run(&["no-such-command"]).status.code(), Some(64));
    assert_eq!(run(&[]).status.code(), Some(64));
}

#[tokio::test]
async fn no_secret_is_in_any_output() {
    let service = Service::start().await;
    let body = request("Z-1", json!({})).to_string();
    service
        .post("/hooks/native", &native(&body), body.into_bytes())
        .await;
    for args in [
        &["check"][..],
        &["requests", "Z-1", "--json"],
        &["requests", "--json"],
        &["--help"],
    ] {
        let output = service.run(args);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        for secret in [
            NATIVE_SECRET,
            JIRA_SECRET,
            HELPDESK_TOKEN,
            sharehook_sandbox::SANDBOX_SECRET_KEY,
        ] {
            assert!(!text.contains(secret), "{args:?} shows a secret");
        }
    }
    for entry in walk(service.folder.path().join("journal")) {
        let bytes = std::fs::read(&entry).unwrap();
        let text = String::from_utf8_lossy(&bytes); // The log's tiles are binary.
        assert!(!text.contains(NATIVE_SECRET) && !entry.to_string_lossy().contains(NATIVE_SECRET));
        let record = entry.extension().is_some_and(|kind| kind == "json");
        assert!(!record || serde_json::from_str::<Value>(text.lines().next().unwrap()).is_ok());
    }
}

fn walk(folder: std::path::PathBuf) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(path)
            } else {
                vec![path]
            }
        })
        .collect()
}
