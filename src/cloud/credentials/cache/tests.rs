//! Tests the cache against stand-ins on loopback for the machine's metadata service and the token
//! service.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::cloud::credentials::key::CredentialSource;
use crate::cloud::settings::CloudSettings;
use tc3::{SignedParts, parse_authorization, verify};

mod failures;
mod owners;
mod roles;

const NOW: i64 = 1_767_225_600;
const ROLE: &str = "qcs::cam::uin/100000000001:roleName/sharehook";

fn clock() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// The answers that a stand-in sends, in order. It repeats the last answer.
type Script = Arc<Mutex<VecDeque<(u16, String)>>>;
type Seen = Arc<Mutex<Vec<(String, BTreeMap<String, String>, Vec<u8>)>>>;

struct StandIn {
    address: SocketAddr,
    script: Script,
    seen: Seen,
}

impl StandIn {
    async fn start(answers: &[(u16, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Script = Arc::new(Mutex::new(answers.iter().cloned().collect()));
        let seen: Seen = Arc::default();
        let (next, log) = (Arc::clone(&script), Arc::clone(&seen));
        let answer = move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let headers = headers
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
                .collect();
            log.lock()
                .push((uri.path().to_owned(), headers, body.to_vec()));
            // This is long enough for all concurrent callers to begin waiting.
            tokio::time::sleep(Duration::from_millis(30)).await;
            let mut next = next.lock();
            let (status, text) = if next.len() > 1 {
                next.pop_front()
            } else {
                next.front().cloned()
            }
            .unwrap();
            let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
            response
                .headers_mut()
                .insert("date", "Thu, 01 Jan 2026 01:00:00 GMT".parse().unwrap());
            response
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self {
            address,
            script,
            seen,
        }
    }

    fn now_answers(&self, status: u16, text: String) {
        *self.script.lock() = VecDeque::from([(status, text)]);
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn count(&self) -> usize {
        self.seen.lock().len()
    }
}

fn sts_answer(name: &str, expires: i64) -> String {
    let credentials = json!({ "TmpSecretId": name, "TmpSecretKey": format!("HUSH-{name}"), "Token": "HUSH-token" });
    json!({ "Response": { "Credentials": credentials, "ExpiredTime": expires, "RequestId": "r" } })
        .to_string()
}

fn metadata_answer(name: &str, expires: i64) -> String {
    json!({ "TmpSecretId": name, "TmpSecretKey": "HUSH", "Token": "HUSH-token", "ExpiredTime": expires, "Code": "Success" })
        .to_string()
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect()
}

fn remote(endpoint: &str, clock: fn() -> Timestamp) -> Remote {
    let endpoint = Some(endpoint.to_owned());
    Remote::new(&CloudSettings {
        endpoint,
        ..CloudSettings::new(clock)
    })
    .unwrap()
}

fn keyed() -> CredentialChain {
    let secret = |text: &str| SecretString::from(text);
    let chain = CredentialChain::from_disk(&BTreeMap::new(), None);
    chain
        .with_key("prod", &(secret("id"), secret("key")))
        .unwrap()
}

/// Checks the signature with the verifier that is tested against published vectors.
fn assert_signed(headers: &BTreeMap<String, String>, body: &[u8], timestamp: i64) {
    let all: Vec<(&str, &str)> = headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let authorization = parse_authorization(&headers["authorization"]).unwrap();
    assert_eq!(
        (
            authorization.secret_id.as_str(),
            authorization.scope.service.as_str()
        ),
        ("id", "sts")
    );
    assert_eq!(headers["x-tc-timestamp"], timestamp.to_string());
    let parts = SignedParts {
        method: "POST",
        query: "",
        headers: &all,
        payload: body,
    };
    verify(
        &authorization,
        "key",
        Timestamp::from_second(timestamp).unwrap(),
        &parts,
    )
    .unwrap();
}

fn never() -> Deadline {
    Deadline::NEVER
}

#[tokio::test]
async fn credentials_are_kept_until_renewed_and_renewal_tells_whether_anything_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("k");
    let write = |id: &str| {
        std::fs::write(&path, format!("[default]\nsecret_id={id}\nsecret_key=k\n")).unwrap()
    };
    write("one");
    let name = path.display().to_string();
    let off = ("SHAREHOOK_METADATA_ENDPOINT", "off");
    let vars = variables(&[("TENCENTCLOUD_CREDENTIALS_FILE", &name), off]);
    let cache = CredentialCache::new(CredentialChain::from_disk(&vars, None), Remote::nowhere());
    let one = cache.current(never()).await.unwrap();
    write("two");
    assert_eq!(cache.current(never()).await.unwrap().secret_id, "one");
    let two = cache.renew(&one, never()).await.unwrap().unwrap();
    assert_eq!(cache.current(never()).await.unwrap().secret_id, "two");
    assert!(cache.renew(&two, never()).await.unwrap().is_none());
    // A caller refused with the old credentials gets the new ones without another look-up.
    assert_eq!(
        cache.renew(&one, never()).await.unwrap().unwrap().secret_id,
        "two"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(cache.renew(&two, never()).await.is_err());
    assert_eq!(cache.current(never()).await.unwrap().secret_id, "two");
}

#[tokio::test]
async fn a_replaced_file_is_read_after_five_minutes_and_a_missing_one_changes_nothing() {
    static SECONDS: AtomicI64 = AtomicI64::new(NOW);
    let moving = || Timestamp::from_second(SECONDS.load(Ordering::Relaxed)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("k");
    let write = |id: &str| {
        std::fs::write(&path, format!("[default]\nsecret_id={id}\nsecret_key=k\n")).unwrap()
    };
    let name = path.display().to_string();
    let off = ("SHAREHOOK_METADATA_ENDPOINT", "off");
    let vars = variables(&[("TENCENTCLOUD_CREDENTIALS_FILE", &name), off]);
    let chain = CredentialChain::from_disk(&vars, None);
    let cache = CredentialCache::new(chain, remote("http://127.0.0.1:1", moving));
    let id = async || cache.current(never()).await.unwrap().secret_id.clone();
    write("one");
    assert_eq!(id().await, "one");
    write("two");
    SECONDS.store(NOW + 299, Ordering::Relaxed);
    assert_eq!(id().await, "one");
    SECONDS.store(NOW + 300, Ordering::Relaxed);
    assert_eq!(id().await, "two");
    std::fs::remove_file(&path).unwrap();
    SECONDS.store(NOW + 900, Ordering::Relaxed);
    assert_eq!(id().await, "two");
}

#[tokio::test]
async fn an_outdated_file_is_read_at_once_and_a_missing_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("k");
    let write = |id: &str| {
        std::fs::write(&path, format!("[default]\nsecret_id={id}\nsecret_key=k\n")).unwrap()
    };
    let name = path.display().to_string();
    let vars = variables(&[("TENCENTCLOUD_CREDENTIALS_FILE", &name)]);
    let cache = CredentialCache::new(CredentialChain::from_disk(&vars, None), Remote::nowhere());
    let id = async || cache.current(never()).await.unwrap().secret_id.clone();
    write("one");
    assert_eq!(id().await, "one");
    write("two");
    assert_eq!(id().await, "one");
    cache.look_again();
    assert_eq!(id().await, "two");
    std::fs::remove_file(&path).unwrap();
    cache.look_again();
    assert_eq!(id().await, "two");
}

#[tokio::test]
async fn on_the_function_platform_each_call_looks_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("k");
    let write = |id: &str| {
        std::fs::write(&path, format!("[default]\nsecret_id={id}\nsecret_key=k\n")).unwrap()
    };
    let name = path.display().to_string();
    let vars = variables(&[
        ("TENCENTCLOUD_CREDENTIALS_FILE", &name),
        ("TENCENTCLOUD_RUNENV", "SCF"),
    ]);
    let cache = CredentialCache::new(CredentialChain::from_disk(&vars, None), Remote::nowhere());
    for id in ["one", "two"] {
        write(id);
        assert_eq!(cache.current(never()).await.unwrap().secret_id, id);
    }
}

#[tokio::test]
async fn a_wrong_clock_is_mended_by_the_answers_date() {
    let expired = r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"m"},"RequestId":"r"}}"#;
    let sts = StandIn::start(&[
        (200, expired.to_owned()),
        (200, sts_answer("tmp", NOW + 9_000)),
    ])
    .await;
    let cache = CredentialCache::new(
        keyed().assuming(ROLE.parse().unwrap()),
        remote(&sts.url(), clock),
    );
    cache.current(never()).await.unwrap();
    let seen = sts.seen.lock();
    assert_signed(&seen[1].1, &seen[1].2, NOW + 3_600);
}

#[tokio::test]
async fn callers_at_once_share_one_look_and_its_failure() {
    let refused =
        r#"{"Response":{"Error":{"Code":"InternalError","Message":"busy"},"RequestId":"r"}}"#;
    let sts = StandIn::start(&[
        (200, refused.to_owned()),
        (200, sts_answer("tmp", NOW + 7_200)),
    ])
    .await;
    let chain = keyed().assuming(ROLE.parse().unwrap());
    let cache = Arc::new(CredentialCache::new(chain, remote(&sts.url(), clock)));
    for good in [false, true] {
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let cache = Arc::clone(&cache);
                tokio::spawn(async move { cache.current(Deadline::NEVER).await.is_ok() })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), good);
        }
        assert_eq!(sts.count(), if good { 2 } else { 1 });
    }
}

#[tokio::test]
async fn the_machines_role_is_refreshed_early_and_outlives_a_failure() {
    static SECONDS: AtomicI64 = AtomicI64::new(NOW);
    let moving = || Timestamp::from_second(SECONDS.load(Ordering::Relaxed)).unwrap();
    let machine = StandIn::start(&[
        (200, "sharehook-role\n".into()),
        (200, metadata_answer("one", NOW + 1_000)),
    ])
    .await;
    let vars = variables(&[("SHAREHOOK_METADATA_ENDPOINT", &machine.url())]);
    let cache = CredentialCache::new(
        CredentialChain::from_disk(&vars, None),
        remote("http://127.0.0.1:1", moving),
    );
    let id = async || {
        cache
            .current(Deadline::NEVER)
            .await
            .map(|c| c.secret_id.clone())
    };
    assert_eq!(id().await.unwrap(), "one");
    assert_eq!(id().await.unwrap(), "one");
    assert_eq!(machine.count(), 2, "kept");
    let path = machine.seen.lock()[1].0.clone();
    assert_eq!(
        path,
        "/latest/meta-data/cam/security-credentials/sharehook-role"
    );

    // In the last 300 seconds before the expiry, the cache looks for new credentials. After a
    // failure it keeps the current ones, and does not look again for each call.
    SECONDS.store(NOW + 701, Ordering::Relaxed);
    machine.now_answers(500, "HUSH".into());
    assert_eq!(
        (id().await.unwrap(), id().await.unwrap()),
        ("one".into(), "one".into())
    );
    assert_eq!(machine.count(), 3);
    SECONDS.store(NOW + 720, Ordering::Relaxed);
    *machine.script.lock() = VecDeque::from([
        (200, "sharehook-role".into()),
        (200, metadata_answer("two", NOW + 9_000)),
    ]);
    assert_eq!(id().await.unwrap(), "two");

    // Expired credentials are not used.
    SECONDS.store(NOW + 9_001, Ordering::Relaxed);
    machine.now_answers(404, String::new());
    let error = id().await.unwrap_err().to_string();
    assert!(
        error.contains("HTTP 404") && !error.contains("HUSH"),
        "{error}"
    );
}
