//! Reads secrets in AWS from a stand-in for the Lambda extension, on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use serde_json::json;
use sharehook::app::{Prepared, Reply, fetch_secrets};
use sharehook::clock::{Clock, system_now};
use sharehook::config::{Config, Vars};
use sharehook::domain::Problems;
use sharehook_sandbox::SandboxOptions;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::process::{Finish as _, Process};
use crate::support::service::{HELPDESK_TOKEN, NATIVE_SECRET, Site};
use crate::support::{deadline, invocation, request, sandbox_keys};

const TOKEN: &str = "session-token";

type Seen = Arc<Mutex<Vec<String>>>;

/// Starts a stand-in for AWS's secrets extension. It answers the first `unready` requests with the
/// error that the real extension returns while it starts.
async fn extension(unready: usize) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Seen = Arc::default();
    let log = Arc::clone(&seen);
    let answer = move |uri: Uri, headers: HeaderMap| async move {
        if headers
            .get("x-aws-parameters-secrets-token")
            .is_none_or(|token| token != TOKEN)
        {
            return (StatusCode::UNAUTHORIZED, "HUSH".to_owned());
        }
        let mut log = log.lock().unwrap();
        log.push(uri.to_string());
        if log.len() <= unready {
            return (
                StatusCode::BAD_REQUEST,
                "not ready to serve traffic, please wait".to_owned(),
            );
        }
        let several = json!({ "JIRA": "a-long-enough-secret-of-jira-0001", "PORT": 7 }).to_string();
        let answer = match uri.to_string().as_str() {
            "/secretsmanager/get?secretId=prod%2Fsharehook" => {
                json!({ "SecretString": several, "VersionId": "5f0c" })
            }
            "/secretsmanager/get?secretId=binary" => json!({ "SecretBinary": "AAAA" }),
            "/systemsmanager/parameters/get?name=%2Fsharehook%2Fgithub&withDecryption=true" => {
                json!({ "Parameter": { "Value": "a-long-enough-secret-of-github-1", "Version": 3 } })
            }
            _ => return (StatusCode::BAD_REQUEST, "HUSH".to_owned()),
        };
        (StatusCode::OK, answer.to_string())
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (port, seen)
}

fn vars(port: u16, token: &str) -> Vars {
    BTreeMap::from([
        (
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT".to_owned(),
            port.to_string(),
        ),
        ("AWS_SESSION_TOKEN".to_owned(), token.to_owned()),
    ])
}

fn text(secrets: &[&str]) -> String {
    let source = |(n, secret)| {
        format!(
            "[[source]]\nname = \"s{n}\"\nscheme = \"jira\"\nsecrets = [\"{secret}\"]\nmap = \"jira\"\n"
        )
    };
    let sources: String = secrets.iter().enumerate().map(source).collect();
    format!("journal = \"memory:\"\n[cloud]\nsite = \"intl\"\n{sources}")
}

async fn read(text: &str, vars: Vars) -> Result<Config, Problems> {
    let fetched = fetch_secrets(text, &vars).await;
    Config::read("c.toml", text, &vars, &fetched)
}

#[tokio::test]
async fn secrets_and_parameters_are_fetched_once_each() {
    let (port, seen) = extension(2).await;
    let text = text(&[
        "aws-secretsmanager:prod/sharehook#JIRA",
        "aws-ssm:/sharehook/github",
        "aws-secretsmanager:prod/sharehook",
    ]);
    let config = read(&text, vars(port, TOKEN)).await.unwrap();
    let secrets: Vec<&str> = config
        .sources
        .iter()
        .map(|source| source.secrets[0].expose_secret())
        .collect();
    assert_eq!(
        &secrets[..2],
        [
            "a-long-enough-secret-of-jira-0001",
            "a-long-enough-secret-of-github-1"
        ]
    );
    assert!(secrets[2].starts_with('{'));
    let version = |index: usize| config.sources[index].secrets[0].version.as_deref();
    assert_eq!((version(0), version(1)), (Some("5f0c"), Some("3")));
    assert!(!format!("{config:?}").contains("long-enough"));
    assert_eq!(
        seen.lock().unwrap().len(),
        4,
        "twice not ready, then one request for each"
    );
}

#[tokio::test]
async fn a_secret_that_cannot_be_fetched_is_reported_with_its_line() {
    let (port, _) = extension(0).await;
    let text = text(&[
        "aws-secretsmanager:prod/sharehook#GITHUB",
        "aws-secretsmanager:prod/sharehook#PORT",
        "aws-secretsmanager:binary",
        "aws-ssm:/sharehook/github#FIELD",
        "aws-ssm:/absent",
        "aws-ssm:",
    ]);
    let Problems(problems) = read(&text, vars(port, TOKEN)).await.unwrap_err();
    let expected = [
        "no field GITHUB",
        "is not text",
        "binary, not text",
        "not JSON",
        "HTTP 400",
        "no valid name follows",
    ];
    for (index, (problem, expected)) in problems.iter().zip(expected).enumerate() {
        assert_eq!(problem.field, format!("c.toml:{}", 7 + 5 * index));
        assert!(problem.problem.contains(expected), "{problem:?}");
    }
    assert_eq!(problems.len(), expected.len());
    assert!(
        !format!("{problems:?}").contains("HUSH")
            && !format!("{problems:?}").contains("long-enough")
    );
    let Problems(problems) = read(&text, vars(port, "other")).await.unwrap_err();
    let refused = "HTTP 401; try again, or check its port and token";
    assert!(problems[0].problem.contains(refused), "{problems:?}");
}

#[tokio::test]
async fn without_the_extension_the_error_says_what_is_missing() {
    let (port, _) = extension(0).await;
    let text = text(&["aws-ssm:/sharehook/github"]);
    for (vars, expected) in [
        (Vars::new(), "AWS_SESSION_TOKEN is not set"),
        (vars(port, "wrong"), "HTTP 401"),
        (
            BTreeMap::from([
                ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT".into(), "x".into()),
                ("AWS_SESSION_TOKEN".into(), "t".into()),
            ]),
            "is not a port number",
        ),
        // The port was free a moment ago, so no process listens on it.
        (
            vars(free_port().await, TOKEN),
            "check that the function has its layer",
        ),
    ] {
        let Problems(problems) = read(&text, vars).await.unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].problem.contains(expected), "{problems:?}");
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn a_configuration_without_secrets_in_aws_makes_no_request() {
    let (port, seen) = extension(0).await;
    let vars = vars(port, TOKEN);
    for text in [
        "journal = \"memory:\"\n# aws-ssm:/commented\n",
        "not = [toml",
    ] {
        assert!(fetch_secrets(text, &vars).await.is_empty(), "{text}");
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_variable_may_name_a_secret_in_aws() {
    let (port, _) = extension(0).await;
    let mut vars = vars(port, TOKEN);
    let field = "aws-secretsmanager:prod/sharehook#JIRA";
    for name in ["JIRA", "TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"] {
        vars.insert(name.to_owned(), field.to_owned());
    }
    let config = read(&text(&["env:JIRA"]), vars.clone()).await.unwrap();
    let secret = &config.sources[0].secrets[0];
    assert_eq!(secret.expose_secret(), "a-long-enough-secret-of-jira-0001");
    assert_eq!(secret.version.as_deref(), Some("5f0c"));
    assert_eq!(secret.reference.to_string(), field, "what records name");
    assert!(config.has_changing_secrets());
    let (id, key) = config.cloud.key.as_ref().unwrap();
    for part in [id, key] {
        assert_eq!(part.expose_secret(), "a-long-enough-secret-of-jira-0001");
    }
    let absent = "aws-secretsmanager:prod/sharehook#GITHUB";
    vars.insert("TENCENTCLOUD_SECRET_KEY".to_owned(), absent.to_owned());
    vars.insert("SHAREHOOK_SEAL_KEY".to_owned(), absent.to_owned());
    let Problems(problems) = read(&text(&["env:JIRA"]), vars).await.unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{shown:?}");
    assert!(
        shown[0].contains("TENCENTCLOUD_SECRET_KEY") && shown[0].contains("no field GITHUB"),
        "{shown:?}"
    );
    assert!(
        shown[1].contains("seal.key") && shown[1].contains("no field GITHUB"),
        "{shown:?}"
    );
}

/// Starts a stand-in for both the Lambda runtime API and the secrets extension. As in AWS, the
/// extension is not ready before the function has asked for its first event. The stand-in hands out
/// one sweep event and sends the function's answer to the returned receiver.
async fn runtime_and_extension() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (answers, answered) = mpsc::channel(1);
    let invoked = Arc::new(AtomicBool::new(false));
    let serve = move |method: Method, uri: Uri, body: String| {
        let (invoked, answers) = (Arc::clone(&invoked), answers.clone());
        async move {
            if method == Method::POST {
                answers.send(format!("{uri} {body}")).await.unwrap();
                return StatusCode::ACCEPTED.into_response();
            }
            if uri.path() == "/secretsmanager/get" {
                return match invoked.load(Ordering::SeqCst) {
                    true => json!({ "SecretString": NATIVE_SECRET, "VersionId": "1" })
                        .to_string()
                        .into_response(),
                    false => {
                        (StatusCode::BAD_REQUEST, "not ready to serve traffic").into_response()
                    }
                };
            }
            if invoked.swap(true, Ordering::SeqCst) {
                return std::future::pending().await;
            }
            let deadline = system_now().as_millisecond() + 20_000;
            let headers = [
                ("lambda-runtime-aws-request-id", "a-request".to_owned()),
                ("lambda-runtime-deadline-ms", deadline.to_string()),
                ("lambda-runtime-invoked-function-arn", "arn".to_owned()),
            ];
            (headers, json!({"task": "sweep"}).to_string()).into_response()
        }
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(serve)).into_future());
    (address, answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_reads_its_secrets_at_its_first_event() {
    let (address, mut answered) = runtime_and_extension().await;
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let mut command = site.command();
    command
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "sharehook")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_SESSION_TOKEN", TOKEN)
        .env(
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT",
            address.port().to_string(),
        )
        .env("NATIVE_SECRET", "aws-secretsmanager:native")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let _process = Process::start(&mut command);
    let answer = tokio::time::timeout(Duration::from_secs(20), answered.recv()).await;
    let answer = answer.expect("the function answers").unwrap();
    assert!(
        answer.contains("/response ") && answer.contains("\"finished\""),
        "{answer}"
    );
}

/// Starts a stand-in for the extension whose only secret is the returned text.
async fn extension_with(text: &str) -> (u16, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = Arc::new(Mutex::new(text.to_owned()));
    let secret = Arc::clone(&text);
    let answer = move || async move {
        let secret = secret.lock().unwrap().clone();
        json!({ "SecretString": secret, "VersionId": "1" }).to_string()
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (port, text)
}

#[tokio::test]
async fn a_running_function_seals_with_the_key_that_replaced_its_own() {
    const NEW: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";
    const OLD: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let (port, secret) = extension_with(OLD).await;
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let file = site.folder.path().join("sharehook.toml");
    let mut vars = vars(port, TOKEN);
    vars.extend(sandbox_keys());
    for name in ["NATIVE", "OLD_NATIVE", "JIRA", "GITHUB"] {
        vars.insert(format!("{name}_SECRET"), NATIVE_SECRET.to_owned());
    }
    vars.insert("HELPDESK_TOKEN".to_owned(), HELPDESK_TOKEN.to_owned());
    vars.insert(
        "SHAREHOOK_SEAL_KEY".to_owned(),
        "aws-secretsmanager:seal".to_owned(),
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let fetched = fetch_secrets(&text, &vars).await;
    let config = Config::load(&file, &vars, &fetched).unwrap();
    let prepared = Prepared::new(config).unwrap();
    let app = Arc::new(prepared.open(&vars, Clock::System).await.unwrap());
    let share = async |id: &str| {
        let asked = invocation(&request(id, json!({})));
        let reply = app.now_in_force().await.receive(asked, deadline()).await;
        assert!(matches!(reply, Reply::Answers(_)), "{reply:?}");
    };
    share("r-1").await;
    assert_eq!(app.seal_when_due().await, None);
    let mut rotate = site.command();
    rotate
        .env("SHAREHOOK_SEAL_KEY", OLD)
        .env("NEXT_KEY", NEW)
        .args(["audit", "rotate-key", "--to", "env:NEXT_KEY"]);
    let done = rotate.finish();
    assert!(done.status.success(), "{done:?}");
    share("r-2").await;
    let problem = app.seal_when_due().await.unwrap();
    assert!(
        problem.contains("aws-secretsmanager:seal is not the key that signs the log now"),
        "{problem}"
    );
    // A mistyped key must not stay in force.
    *secret.lock().unwrap() = "typo".to_owned();
    assert!(app.now_in_force().await.seal_when_due().await.is_some());
    *secret.lock().unwrap() = NEW.to_owned();
    assert_eq!(app.now_in_force().await.seal_when_due().await, None);
    share("r-3").await;
    assert_eq!(app.now_in_force().await.seal_when_due().await, None);
}
