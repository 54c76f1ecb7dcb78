//! The client against a server on loopback that answers what each test tells it to. Every request that arrives must be signed
//! correctly with the key in use; the server checks it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::error::own;
use super::tc3::{SignedParts, parse_authorization, verify};
use super::*;
use crate::domain::{AccountId, BlueprintId, CloudError, CvmImageId, ErrorClass, Region, Timestamp};

const NOW: i64 = 1_767_225_600;

fn clock() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// One answer of the script.
#[derive(Clone)]
struct Reply {
    status: u16,
    date: Option<&'static str>,
    body: String,
    delay: Duration,
}

fn reply(body: &str) -> Reply {
    Reply { status: 200, date: None, body: body.to_owned(), delay: Duration::ZERO }
}

fn done() -> Reply {
    reply(r#"{"Response":{"RequestId":"r-done"}}"#)
}

fn refused(code: &str) -> Reply {
    reply(&format!(r#"{{"Response":{{"Error":{{"Code":"{code}","Message":"m"}},"RequestId":"r-no"}}}}"#))
}

/// What arrived.
#[derive(Debug, Clone)]
struct Seen {
    action: String,
    timestamp: i64,
    token: Option<String>,
    body: serde_json::Value,
}

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers by `script`, one entry a request; after the last, HTTP 500.
    async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let record = Arc::clone(&seen);
        let answer = move |headers: HeaderMap, body: Bytes| async move {
            record.lock().unwrap().push(checked(&headers, &body));
            let Some(reply) = script.lock().unwrap().pop_front() else {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            };
            sleep(reply.delay).await;
            let status = StatusCode::from_u16(reply.status).unwrap();
            let mut response = (status, reply.body).into_response();
            if let Some(date) = reply.date {
                response.headers_mut().insert("date", date.parse().unwrap());
            }
            response
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self { address, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn checked(headers: &HeaderMap, body: &[u8]) -> Seen {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let all: Vec<(&str, &str)> =
        headers.iter().filter_map(|(n, v)| Some((n.as_str(), v.to_str().ok()?))).collect();
    let timestamp: i64 = text("x-tc-timestamp").unwrap().parse().unwrap();
    let authorization = parse_authorization(text("authorization").unwrap()).unwrap();
    let key = format!("key-of-{}", authorization.secret_id);
    let parts = SignedParts { method: "POST", query: "", headers: &all, payload: body };
    verify(&authorization, &key, Timestamp::from_second(timestamp).unwrap(), &parts).unwrap();
    assert_eq!(authorization.signed_headers, ["content-type", "host", "x-tc-action"]);
    assert_eq!(text("x-tc-language"), Some("en-US"));
    Seen {
        action: text("x-tc-action").unwrap().to_owned(),
        timestamp,
        token: text("x-tc-token").map(str::to_owned),
        body: serde_json::from_slice(body).unwrap(),
    }
}

fn settings(address: SocketAddr) -> CloudSettings {
    CloudSettings {
        endpoint: Some(format!("http://{address}")),
        lighthouse_per_second: 1000.0,
        cvm_per_second: 1000.0,
        ..CloudSettings::new(clock)
    }
}

fn variables() -> BTreeMap<String, String> {
    [("TENCENTCLOUD_SECRET_ID", "id"), ("TENCENTCLOUD_SECRET_KEY", "key-of-id")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn cloud(address: SocketAddr) -> Cloud {
    let none = Arc::new(|_: &Path| Err(io::Error::from(io::ErrorKind::NotFound)));
    Cloud::new(settings(address), CredentialChain::new(&variables(), None, none)).unwrap()
}

fn region() -> Region {
    "ap-singapore".parse().unwrap()
}

fn blueprint() -> BlueprintId {
    "lhbp-6jc6l8yb".parse().unwrap()
}

fn image() -> CvmImageId {
    "img-6pb6lrmy".parse().unwrap()
}

fn accounts(count: usize) -> Vec<AccountId> {
    (0..count).map(|n| format!("{}", 700_000_000_000_u64 + n as u64).parse().unwrap()).collect()
}

async fn share(cloud: &Cloud, deadline: Deadline) -> Result<Receipt, CloudError> {
    cloud.share_blueprint(&region(), &blueprint(), &accounts(2), deadline).await
}

async fn read(cloud: &Cloud) -> Result<(), CloudError> {
    cloud.cvm_shares(&region(), &image(), Deadline::NEVER).await.map(|_| ())
}

#[tokio::test]
async fn a_share_is_signed_sent_and_receipted() {
    let server = Server::start([done()]).await;
    let receipt = share(&cloud(server.address), Deadline::NEVER).await.unwrap();
    assert_eq!(receipt.request_id.as_deref(), Some("r-done"));
    let seen = server.seen().remove(0);
    assert_eq!((seen.action.as_str(), seen.timestamp), ("ShareBlueprintAcrossAccounts", NOW));
    let expected =
        serde_json::json!({"BlueprintId": "lhbp-6jc6l8yb", "AccountIds": ["700000000000", "700000000001"]});
    assert_eq!((seen.body, seen.token), (expected, None));
}

#[tokio::test]
async fn every_write_sends_its_own_action() {
    let available = reply(r#"{"Response":{"BlueprintId":"lhbp-su83x02a","RequestId":"r"}}"#);
    let server = Server::start([done(), done(), available]).await;
    let cloud = cloud(server.address);
    let (here, who) = (region(), accounts(1));
    cloud.cancel_blueprint(&here, &blueprint(), &who, Deadline::NEVER).await.unwrap();
    cloud.modify_cvm_sharing(&here, &image(), &who, Permission::Cancel, Deadline::NEVER).await.unwrap();
    let receipt =
        cloud.modify_lighthouse_sharing(&here, &image(), Permission::Share, Deadline::NEVER).await.unwrap();
    assert_eq!(receipt.blueprint.unwrap().as_str(), "lhbp-su83x02a");
    let sent: Vec<(String, String)> =
        server.seen().into_iter().map(|s| (s.action, s.body["Permission"].to_string())).collect();
    let expected = [
        ("CancelShareBlueprintAcrossAccounts", "null"),
        ("ModifyImageSharePermission", "\"CANCEL\""),
        ("ModifyImageSharePermission", "\"SHARE\""),
    ];
    assert_eq!(sent, expected.map(|(action, permission)| (action.to_owned(), permission.to_owned())));
}

#[tokio::test]
async fn a_request_beyond_a_limit_is_not_sent() {
    let server = Server::start([]).await;
    let cloud = cloud(server.address);
    let (here, toronto, never) = (region(), "na-toronto".parse::<Region>().unwrap(), Deadline::NEVER);
    let results = [
        cloud.share_blueprint(&here, &blueprint(), &accounts(11), never).await.unwrap_err(),
        cloud.share_blueprint(&here, &blueprint(), &[], never).await.unwrap_err(),
        cloud.share_blueprint(&toronto, &blueprint(), &accounts(1), never).await.unwrap_err(),
        cloud.modify_cvm_sharing(&here, &image(), &accounts(11), Permission::Share, never).await.unwrap_err(),
    ];
    for error in results {
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::NotSent, own::LIMIT), "{error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_expired_signature_is_mended_once_from_the_answer_s_date() {
    let expired =
        || Reply { date: Some("Thu, 01 Jan 2026 01:00:00 GMT"), ..refused("AuthFailure.SignatureExpire") };
    let server = Server::start([expired(), done(), done(), expired(), expired()]).await;
    let cloud = cloud(server.address);
    share(&cloud, Deadline::NEVER).await.unwrap();
    share(&cloud, Deadline::NEVER).await.unwrap();
    let stamps: Vec<i64> = server.seen().iter().map(|s| s.timestamp - NOW).collect();
    assert_eq!(stamps, [0, 3600, 3600]);
    let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
    assert_eq!((error.class, server.seen().len()), (ErrorClass::Clock, 5));
}

#[tokio::test]
async fn an_expired_signature_without_a_date_is_not_repeated() {
    let nonsense = Reply { date: Some("yesterday"), ..refused("AuthFailure.SignatureExpire") };
    let server = Server::start([nonsense]).await;
    assert_eq!(share(&cloud(server.address), Deadline::NEVER).await.unwrap_err().class, ErrorClass::Clock);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn expired_credentials_are_renewed_once() {
    let refusals = || refused("UnauthorizedOperation.TokenInvalid");
    let server = Server::start([refusals(), done(), refusals(), refusals()]).await;
    let reads = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&reads);
    let read = move |_: &Path| {
        let mut n = counted.lock().unwrap();
        *n += 1;
        Ok(format!("[default]\nsecret_id=id{n}\nsecret_key=key-of-id{n}\ntoken=token{n}\n"))
    };
    let chain = CredentialChain::new(&BTreeMap::new(), None, Arc::new(read));
    let cloud = Cloud::new(settings(server.address), chain).unwrap();
    share(&cloud, Deadline::NEVER).await.unwrap();
    let tokens: Vec<String> = server.seen().into_iter().filter_map(|s| s.token).collect();
    assert_eq!(tokens, ["token1", "token2"]);
    let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
    assert_eq!((error.class, server.seen().len()), (ErrorClass::Refresh, 4));
}

#[tokio::test]
async fn credentials_that_cannot_change_are_not_sent_again() {
    let server = Server::start([refused("AuthFailure.TokenFailure")]).await;
    let error = share(&cloud(server.address), Deadline::NEVER).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.seen().len()), ("AuthFailure.TokenFailure", 1));
}

#[tokio::test]
async fn nothing_else_is_repeated() {
    for (answer, class) in [
        (refused("InternalError"), ErrorClass::Transient),
        (refused("RequestLimitExceeded"), ErrorClass::Throttled),
        (refused("FailedOperation.AccountAlreadyExists"), ErrorClass::AsWanted),
        (Reply { status: 502, ..reply("<html>Bad Gateway</html>") }, ErrorClass::Ambiguous),
        (Reply { status: 307, ..reply("") }, ErrorClass::Ambiguous),
        (reply("<html>Welcome</html>"), ErrorClass::Ambiguous),
        (reply(&"x".repeat(envelope::LARGEST_BODY + 1)), ErrorClass::Ambiguous),
    ] {
        let server = Server::start([answer, done()]).await;
        let error = share(&cloud(server.address), Deadline::NEVER).await.unwrap_err();
        assert_eq!((error.class, server.seen().len()), (class, 1), "{error}");
    }
}

#[tokio::test]
async fn no_connection_means_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = share(&cloud(address), Deadline::NEVER).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::NotSent, own::CONNECT_FAILED));
    for part in ["ShareBlueprintAcrossAccounts", "ap-singapore", &address.to_string(), " s"] {
        assert!(error.message.contains(part), "{part} in {}", error.message);
    }
}

/// Reads what comes until the request is there, then closes without an answer, or after a part of one.
async fn breaking_server(beginning: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            while !seen.ends_with(b"}") {
                stream.readable().await.unwrap();
                match stream.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => seen.extend_from_slice(&buffer[..n]),
                    Err(_) => {}
                }
            }
            stream.writable().await.unwrap();
            if !beginning.is_empty() {
                stream.try_write(beginning).unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn a_connection_lost_after_sending_is_ambiguous_for_a_write_and_harmless_for_a_read() {
    for beginning in [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Response\":{\"RequestId\":\"r\"}}",
        b"\x15\x03\x01 not http at all\r\n\r\n",
    ] {
        let address = breaking_server(beginning).await;
        let cloud = cloud(address);
        let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::Ambiguous, own::CONNECTION_LOST),
            "{error}"
        );
        assert_eq!(read(&cloud).await.unwrap_err().class, ErrorClass::Transient);
    }
}

#[tokio::test]
async fn the_deadline_is_kept() {
    let slow = || Reply { delay: Duration::from_secs(30), ..done() };
    let server = Server::start([slow(), slow()]).await;
    let cloud = cloud(server.address);
    let begin = Instant::now();
    let error = share(&cloud, Deadline::after(Duration::from_millis(300))).await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Ambiguous, own::TIMEOUT));
    assert!(error.message.contains("within 0.3 s"), "{}", error.message);

    let error = share(&cloud, Deadline::at(begin)).await.unwrap_err();
    assert_eq!((error.class, server.seen().len()), (ErrorClass::NotSent, 1));
}

#[tokio::test]
async fn a_call_has_a_longest_duration_without_any_deadline() {
    let server = Server::start([Reply { delay: Duration::from_secs(30), ..done() }]).await;
    let none = Arc::new(|_: &Path| Err(io::Error::from(io::ErrorKind::NotFound)));
    let settings = CloudSettings { longest_call: Duration::from_millis(200), ..settings(server.address) };
    let cloud = Cloud::new(settings, CredentialChain::new(&variables(), None, none)).unwrap();
    assert_eq!(read(&cloud).await.unwrap_err().code, own::TIMEOUT);
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let server = Server::start([]).await;
    let none = Arc::new(|_: &Path| Err(io::Error::from(io::ErrorKind::NotFound)));
    let chain = CredentialChain::new(&BTreeMap::new(), None, none);
    let error =
        share(&Cloud::new(settings(server.address), chain).unwrap(), Deadline::NEVER).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.seen().len()), (own::NO_CREDENTIALS, 0));
}

#[tokio::test]
async fn all_pages_are_read() {
    let page = |from: usize, count: usize| {
        let images: Vec<_> =
            (from..from + count).map(|n| serde_json::json!({"ImageId": format!("img-{n:08}")})).collect();
        reply(
            &serde_json::json!({"Response": {"TotalCount": 250, "ImageSet": images, "RequestId": "r"}})
                .to_string(),
        )
    };
    let server = Server::start([page(0, 100), page(100, 100), page(200, 50)]).await;
    let found =
        cloud(server.address).images_to_share(&region(), ImagesQuery::All, Deadline::NEVER).await.unwrap();
    assert_eq!(found.len(), 250);
    let offsets: Vec<_> = server.seen().into_iter().map(|s| s.body["Offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, [0, 100, 200]);
}

#[tokio::test]
async fn a_site_without_the_list_of_shares_is_asked_once() {
    let shares = r#"{"Response":{"TotalCount":2,"BlueprintShareAcrossAccountInfoSet":[
        {"BlueprintId":"lhbp-6jc6l8yb","AccountId":"700000000001"},
        {"BlueprintId":"lhbp-another1","AccountId":"700000000002"}],"RequestId":"r"}}"#;
    let server = Server::start([reply(shares), refused("InternalError"), refused("InvalidAction")]).await;
    let cloud = cloud(server.address);
    let ask = || async { cloud.blueprint_shares(&region(), &blueprint(), Deadline::NEVER).await };
    let found = ask().await.unwrap().unwrap();
    assert_eq!(found.iter().map(AccountId::as_str).collect::<Vec<_>>(), ["700000000001"]);
    assert!(ask().await.is_err());
    assert_eq!(ask().await.unwrap(), None);
    assert_eq!(ask().await.unwrap(), None);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn the_blueprint_of_an_image_is_found_by_the_image() {
    let list =
        |entries: &str| reply(&format!(r#"{{"Response":{{"TotalCount":3,"BlueprintSet":[{entries}]}}}}"#));
    let others = r#"{"BlueprintId":"lhbp-00000001","ImageId":""},
        {"BlueprintId":"lhbp-00000002","ImageId":"img-6pb6lrmy","BlueprintType":"PRIVATE"}"#;
    let shared = r#"{"BlueprintId":"lhbp-00000003","ImageId":"img-6pb6lrmy","BlueprintType":"SHARED"}"#;
    let server = Server::start([
        list(&format!("{others},{shared}")),
        reply(r#"{"Response":{"TotalCount":0,"BlueprintSet":[]}}"#),
        refused("ResourceNotFound.BlueprintIdNotFound"),
        refused("InvalidImageId.NotFound"),
        refused("UnauthorizedOperation.NoPermission"),
    ])
    .await;
    let cloud = cloud(server.address);
    let found = cloud.blueprint_of_image(&region(), &image(), Deadline::NEVER).await.unwrap().unwrap();
    assert_eq!(found.blueprint_id.as_str(), "lhbp-00000003");
    assert_eq!(cloud.blueprint_of_image(&region(), &image(), Deadline::NEVER).await.unwrap(), None);
    assert_eq!(cloud.blueprint(&region(), &blueprint(), Deadline::NEVER).await.unwrap(), None);
    assert_eq!(cloud.cvm_image(&region(), &image(), Deadline::NEVER).await.unwrap(), None);
    let error = cloud.cvm_image(&region(), &image(), Deadline::NEVER).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Operator);
}

#[tokio::test]
async fn calls_keep_the_pace() {
    let server = Server::start((0..12).map(|_| done())).await;
    let none = Arc::new(|_: &Path| Err(io::Error::from(io::ErrorKind::NotFound)));
    let settings = CloudSettings { lighthouse_per_second: 20.0, ..settings(server.address) };
    let cloud = Arc::new(Cloud::new(settings, CredentialChain::new(&variables(), None, none)).unwrap());
    let begin = Instant::now();
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(async move { share(&cloud, Deadline::NEVER).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(begin.elapsed() >= Duration::from_millis(11 * 50), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn every_method_can_run_on_any_thread() {
    fn held<T: Send>(_: T) {}
    let server = Server::start([]).await;
    let cloud = cloud(server.address);
    let (here, who, never) = (region(), accounts(1), Deadline::NEVER);
    held(cloud.modify_cvm_sharing(&here, &image(), &who, Permission::Share, never));
    held(cloud.images_to_share(&here, ImagesQuery::All, never));
    held(cloud.blueprint_shares(&here, &blueprint(), never));
    held(cloud.blueprint_of_image(&here, &image(), never));
    held(cloud.cvm_image(&here, &image(), never));
}
