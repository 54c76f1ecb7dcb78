//! Secrets and cloud keys that are replaced while the application runs.

#[cfg(unix)]
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use secrecy::SecretString;
use serde_json::json;
use sha2::Digest as _;
use sharehook::app::{App, Delivery, Ending, Headers, Prepared, Reply, Via, fetch_secrets};
use sharehook::clock::{Clock, system_now};
use sharehook::config::{Config, Vars};
use sharehook::domain::Problems;
use sharehook::inbound::{SchemeName, SchemeSpec, sign};
use sharehook_sandbox::{
    SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxKey, SandboxOptions, Site,
};
use tokio::net::TcpListener;

use crate::support::files::text_below;
use crate::support::{copy_policy, deadline, invocation, request, sandbox_keys};

const FIRST: &str = "the-first-token-of-the-helpdesk-0001";
const SECOND: &str = "the-second-token-of-the-helpdesk-002";
const THIRD: &str = "the-third-token-of-the-helpdesk-0003";

/// An application with a source whose secret is in the file `token`.
pub(crate) async fn open(folder: &Path, cloud: &str) -> Arc<App> {
    open_with(folder, cloud, sandbox_keys()).await
}

/// Like [`open`], but with these environment variables, and with the AWS secrets that the
/// configuration names.
async fn open_with(folder: &Path, cloud: &str, vars: Vars) -> Arc<App> {
    copy_policy(folder);
    let text = format!(
        "journal = \"file:journal\"\n[cloud]\nsite = \"cn\"\n{cloud}\n\
         [[source]]\nname = \"helpdesk\"\nscheme = \"token\"\nsecrets = [\"file:token\"]\n\
         [[source]]\nname = \"invoke\"\nscheme = \"trusted\"\nfrom = [\"invoke\"]\n"
    );
    std::fs::write(folder.join("token"), FIRST).unwrap();
    let file = folder.join("sharehook.toml");
    std::fs::write(&file, &text).unwrap();
    let fetched = fetch_secrets(&text, &vars).await;
    let config = Config::load(&file, &vars, &fetched).unwrap();
    let prepared = Prepared::new(config).unwrap();
    Arc::new(prepared.open(&vars, Clock::System).await.unwrap())
}

async fn without_cloud(folder: &Path) -> Arc<App> {
    open(folder, "endpoint = \"http://127.0.0.1:9\"").await
}

/// Whether a delivery with this token is authenticated. The policy then refuses the unsigned
/// source.
async fn authenticates(app: &Arc<App>, token: &str, id: &str) -> bool {
    let body = request(id, json!({})).to_string();
    let spec = SchemeSpec::preset(SchemeName::Token);
    let secret = SecretString::from(token);
    let headers = sign(&spec, &secret, body.as_bytes(), id, system_now()).unwrap();
    let delivery = Delivery {
        source: "helpdesk".parse().unwrap(),
        via: Via::Http(Headers::new(headers)),
        body: body.into_bytes().into(),
    };
    let app = app.now_in_force().await;
    !matches!(app.receive(delivery, deadline()).await, Reply::Unauthorised)
}

fn records(folder: &Path) -> String {
    text_below(&folder.join("journal"))
}

/// Returns the versions of the token that the records name.
fn versions(folder: &Path) -> Vec<String> {
    let text = records(folder);
    let mut found: Vec<String> = text
        .split("\"file:token@")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test]
async fn a_replaced_secret_counts_at_once_and_the_one_before_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let app = without_cloud(folder.path()).await;
    assert!(authenticates(&app, FIRST, "r-1").await);
    assert!(!authenticates(&app, SECOND, "r-2").await);
    // Anyone can cause secrets to be read again, so that happens only every few seconds. A reload
    // reads them at once.
    std::fs::write(folder.path().join("token"), SECOND).unwrap();
    assert!(!authenticates(&app, SECOND, "r-3").await);
    app.reload().await.unwrap();
    assert!(authenticates(&app, SECOND, "r-4").await);
    assert!(!authenticates(&app, FIRST, "r-5").await);

    let named = versions(folder.path());
    assert_eq!(named.len(), 2, "one for each secret: {named:?}");
    let all = records(folder.path());
    for secret in [FIRST, SECOND] {
        // With a plain hash, a reader of the journal could test guesses of the secret.
        let hash = hex::encode(sha2::Sha256::digest(secret));
        assert!(!all.contains(&hash[..8]) && !all.contains(secret));
    }
}

#[tokio::test]
async fn a_signature_that_matches_no_secret_makes_them_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let app = without_cloud(folder.path()).await;
    std::fs::write(folder.path().join("token"), SECOND).unwrap();
    assert!(authenticates(&app, SECOND, "r-1").await);
    assert!(!authenticates(&app, FIRST, "r-2").await);
}

/// Replaces the secret's file by a pipe. Reading it is slow, as on a network.
#[cfg(unix)]
fn slow_to_read(folder: &Path) -> PathBuf {
    let file = folder.join("token");
    std::fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    file
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deliveries_wait_for_the_one_that_reads_the_secrets_again() {
    let folder = tempfile::tempdir().unwrap();
    let app = without_cloud(folder.path()).await;
    let file = slow_to_read(folder.path());
    let deliver = |id: &'static str| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { authenticates(&app, SECOND, id).await })
    };
    let one = deliver("r-1");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let other = deliver("r-2");
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::task::spawn_blocking(move || std::fs::write(file, SECOND).unwrap());
    assert!(one.await.unwrap());
    assert!(other.await.unwrap());
}

/// Replaces the configuration by a pipe, so that a reload waits. Returns a function that ends the
/// wait.
#[cfg(unix)]
fn slow_configuration(folder: &Path) -> impl FnOnce() + Send + 'static {
    let (file, plain) = (folder.join("sharehook.toml"), folder.join("plain.toml"));
    std::fs::rename(&file, &plain).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    move || {
        let text = std::fs::read(&plain).unwrap();
        let mut pipe = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        // A reload reads the configuration twice. The second time it reads the plain file, without
        // a wait.
        std::fs::rename(&plain, &file).unwrap();
        pipe.write_all(&text).unwrap();
    }
}

/// Begins a reload, which then reads the slow configuration.
#[cfg(unix)]
async fn reloading(app: &Arc<App>) -> tokio::task::JoinHandle<Result<(), Problems>> {
    let app = Arc::clone(app);
    let reload = tokio::spawn(async move { app.reload().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    reload
}

/// During a slow reload, the first delivery tries to read the secrets itself, and gives up after
/// two seconds. The second delivery waits for the first one, and therefore has a longer limit. The
/// reload ends in time for the second delivery only.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_waiting_delivery_waits_longer_than_a_reading_takes() {
    let folder = tempfile::tempdir().unwrap();
    let app = without_cloud(folder.path()).await;
    std::fs::write(folder.path().join("token"), SECOND).unwrap();
    let end = slow_configuration(folder.path());
    let reload = reloading(&app).await;
    let deliver = |id: &'static str| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { authenticates(&app, SECOND, id).await })
    };
    let reads = deliver("r-1");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let waits = deliver("r-2");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    tokio::task::spawn_blocking(end);
    reload.await.unwrap().unwrap();
    assert_eq!((reads.await.unwrap(), waits.await.unwrap()), (false, true));
}

/// A slow reload delays a delivery by at most four seconds, or by two seconds if the delivery tries
/// to read the secrets itself.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deliveries_do_not_wait_for_a_slow_reload() {
    let folder = tempfile::tempdir().unwrap();
    let app = without_cloud(folder.path()).await;
    std::fs::write(folder.path().join("token"), SECOND).unwrap();
    let end = slow_configuration(folder.path());
    let reload = reloading(&app).await;
    let deliver = |id: &'static str| {
        let app = Arc::clone(&app);
        let counted = async move { authenticates(&app, SECOND, id).await };
        tokio::spawn(tokio::time::timeout(Duration::from_secs(8), counted))
    };
    let (reads, waits) = tokio::join!(deliver("r-1"), deliver("r-2"));
    // Let the reload end before an assertion fails, because it blocks its thread.
    tokio::task::spawn_blocking(end);
    reload.await.unwrap().unwrap();
    assert_eq!((reads.unwrap(), waits.unwrap()), (Ok(false), Ok(false)));
    assert!(authenticates(&app, SECOND, "r-3").await);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_or_used_keeps_its_last_value() {
    for later in [None, Some("short"), Some("")] {
        let folder = tempfile::tempdir().unwrap();
        let app = without_cloud(folder.path()).await;
        let file = folder.path().join("token");
        match later {
            None => std::fs::remove_file(&file).unwrap(),
            Some(text) => std::fs::write(&file, text).unwrap(),
        }
        assert!(!authenticates(&app, THIRD, "r-1").await);
        assert!(authenticates(&app, FIRST, "r-2").await, "{later:?}");
        let metrics = app.metrics().await;
        assert!(
            metrics.contains("sharehook_secret_read_failures_total 1\n"),
            "{metrics}"
        );
        let problems = app.reload().await.unwrap_err().to_string();
        assert!(problems.contains("sharehook.toml:"), "{problems}");
    }
}

/// A stand-in for the Lambda extension. Returns the variables that name it, and the milliseconds
/// that each of its answers takes.
async fn extension() -> (Vars, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let delay = Arc::new(AtomicU64::new(0));
    let takes = Arc::clone(&delay);
    let answer = move || async move {
        tokio::time::sleep(Duration::from_millis(takes.load(Ordering::Relaxed))).await;
        json!({ "Parameter": { "Value": "a-long-enough-secret-in-aws-0001", "Version": 1 } })
            .to_string()
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    let mut vars = sandbox_keys();
    let port_variable = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT";
    vars.insert(port_variable.to_owned(), port.to_string());
    vars.insert("AWS_SESSION_TOKEN".to_owned(), "session-token".to_owned());
    (vars, delay)
}

/// A replaced secret must be used even if another secret takes too long to read, or if many secrets
/// together take long.
#[tokio::test]
async fn a_slow_secret_keeps_no_other_from_being_renewed() {
    for (secrets, millis, fails) in [(1, 6_000, true), (9, 400, false)] {
        let (vars, delay) = extension().await;
        let source = |n| {
            format!(
                "[[source]]\nname = \"s{n}\"\nscheme = \"token\"\nsecrets = [\"aws-ssm:/s{n}\"]\n"
            )
        };
        let sources: String = (0..secrets).map(source).collect();
        let cloud = format!("endpoint = \"http://127.0.0.1:9\"\n{sources}");
        let folder = tempfile::tempdir().unwrap();
        let app = open_with(folder.path(), &cloud, vars).await;
        std::fs::write(folder.path().join("token"), SECOND).unwrap();
        delay.store(millis, Ordering::Relaxed);
        assert!(authenticates(&app, SECOND, "r-1").await, "{secrets}");
        assert!(!authenticates(&app, FIRST, "r-2").await, "{secrets}");
        let failed = "sharehook_secret_read_failures_total 1\n";
        let metrics = app.metrics().await;
        assert_eq!(metrics.contains(failed), fails, "{metrics}");
    }
}

#[tokio::test]
async fn a_replaced_key_of_the_cloud_signs_the_calls_that_follow() {
    let cloud = Sandbox::start(SandboxOptions::seeded(system_now).on(Site::Cn))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    key("id", SANDBOX_SECRET_ID);
    key("key", "a-key-that-was-revoked");
    let account = format!(
        "endpoint = \"{}\"\n[cloud.accounts.images]\nimages = [\"lhbp-\"]\n\
         secret_id = \"file:id\"\nsecret_key = \"file:key\"",
        cloud.url()
    );
    let app = open(folder.path(), &account).await;
    let share = async |app: &App, id: &str| {
        let asked = invocation(&request(id, json!({})));
        match app.receive(asked, deadline()).await {
            Reply::Answers(mut answers) => answers.remove(0),
            other => panic!("{other:?}"),
        }
    };
    let (ending, answer) = share(&app, "r-1").await;
    assert_eq!(ending, Ending::Pending, "{answer:?}");
    key("key", SANDBOX_SECRET_KEY);
    app.reload().await.unwrap();
    let (ending, answer) = share(&app.in_force(), "r-2").await;
    assert_eq!(ending, Ending::Done, "{answer:?}");
}

#[tokio::test]
async fn a_reload_reads_the_file_with_the_keys_of_the_cloud() {
    let key = |id: &str| SandboxKey::new(id, "a-key-in-a-file-0123456789");
    let cloud = Sandbox::start(SandboxOptions {
        keys: vec![key("AKIDold"), key("AKIDnew")],
        ..SandboxOptions::seeded(system_now).on(Site::Cn)
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join(".tencentcloud");
    std::fs::create_dir(&keys).unwrap();
    let write = |id: &str| {
        let text =
            format!("[default]\nsecret_id = {id}\nsecret_key = a-key-in-a-file-0123456789\n");
        std::fs::write(keys.join("credentials"), text).unwrap();
    };
    let vars = Vars::from([
        ("HOME".to_owned(), folder.path().display().to_string()),
        ("SHAREHOOK_METADATA_ENDPOINT".to_owned(), "off".to_owned()),
    ]);
    write("AKIDold");
    let endpoint = format!("endpoint = \"{}\"", cloud.url());
    let app = open_with(folder.path(), &endpoint, vars).await;
    for (request_id, signer) in [("r-1", "AKIDold"), ("r-2", "AKIDnew")] {
        let asked = invocation(&request(request_id, json!({})));
        let Reply::Answers(answers) = app.in_force().receive(asked, deadline()).await else {
            panic!("{request_id}")
        };
        assert_eq!(answers[0].0, Ending::Done, "{answers:?}");
        let calls = cloud.calls();
        assert_eq!(calls.last().unwrap().key_id, signer, "{request_id}");
        write("AKIDnew");
        app.reload().await.unwrap();
    }
}

/// The file of the id already has a new key's id, but the new secret key is missing or unusable.
/// The program must keep using the old pair.
#[tokio::test]
async fn half_a_new_key_of_the_cloud_is_not_used() {
    let cloud = Sandbox::start(SandboxOptions::seeded(system_now).on(Site::Cn))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    key("id", SANDBOX_SECRET_ID);
    key("key", SANDBOX_SECRET_KEY);
    let account = format!(
        "endpoint = \"{}\"\n[cloud.accounts.images]\nimages = [\"lhbp-\"]\n\
         secret_id = \"file:id\"\nsecret_key = \"file:key\"",
        cloud.url()
    );
    for unusable in [None, Some("a-key-with-a-line-end\n\n")] {
        let app = open(folder.path(), &account).await;
        key("id", "the-id-of-a-new-key");
        match unusable {
            None => std::fs::remove_file(folder.path().join("key")).unwrap(),
            Some(text) => key("key", text),
        }
        key("token", SECOND);
        // A signature that matches no secret makes all secrets be read again.
        assert!(authenticates(&app, SECOND, "r-1").await);
        let asked = invocation(&request("r-2", json!({})));
        let Reply::Answers(answers) = app.in_force().receive(asked, deadline()).await else {
            panic!("{unusable:?}")
        };
        assert_eq!(answers[0].0, Ending::Done, "{unusable:?}: {answers:?}");
        std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
        key("id", SANDBOX_SECRET_ID);
        key("key", SANDBOX_SECRET_KEY);
    }
}

#[tokio::test]
async fn what_a_process_opens_once_changes_only_with_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let app = without_cloud(folder.path()).await;
    let file = folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (from, to, named) in [
        ("file:journal", "memory:", "journal"),
        (":9\"", ":10\"", "cloud"),
        (
            "[[source]]",
            "[limits]\nbody_bytes = 2048\n[[source]]",
            "limits.body_bytes",
        ),
    ] {
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let problems = app.reload().await.unwrap_err().to_string();
        assert!(
            problems.contains(&format!("{named} cannot change")),
            "{problems}"
        );
    }
    std::fs::write(
        &file,
        text.replacen("[[source]]", "[limits]\nunfinished = 7\n[[source]]", 1),
    )
    .unwrap();
    app.reload().await.unwrap();
    assert_eq!(app.in_force().config().unfinished, 7);
    assert_eq!(
        app.config().unfinished,
        10_000,
        "work under way keeps its rules"
    );
}
