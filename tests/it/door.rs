//! Strangers open connections to the real binary: slow, silent, oversized or very many. Checks how
//! the server answers them, and that it still answers an honest delivery.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sharehook::clock::system_now;
use sharehook::inbound::SchemeName;
use sharehook_sandbox::SandboxOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::send;
use crate::support::process::{Process, signed};
use crate::support::service::{NATIVE_SECRET, Service, Site, request};

/// A service that keeps at most `max` connections open.
async fn with_connections(max: usize) -> Service {
    let prepare = |folder: &Path| {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}[http]\nmax_connections = {max}\n")).unwrap();
    };
    Service::prepared(prepare).await
}

fn limit(folder: &Path, line: &str) {
    let file = folder.join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}[limits]\n{line}\n")).unwrap();
}

/// Opens a connection and sends `text`.
async fn sent(service: &Service, text: &str) -> TcpStream {
    let address = service.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads until the server closes the connection. Returns the text and how long that took.
async fn until_closed(mut stream: TcpStream) -> (String, Duration) {
    let (began, mut answer) = (Instant::now(), Vec::new());
    let read = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(Duration::from_secs(30), read).await;
    // A reset closes the connection too.
    drop(ended.expect("the server closes the connection"));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer, began.elapsed())
}

/// Reads the first line of an answer. The connection may stay open.
async fn first_line(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut answer));
    let length = read.await.expect("an answer").unwrap();
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up_after_five_seconds() {
    let service = Service::start().await;
    let heads = [
        "",
        "POST /hooks/native HTTP/1.1\r\nhost: a\r\nx: ",
        // A probe does not prove who sent it, so the server does not wait longer for the next head.
        "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    let mut closing = Vec::new();
    for head in heads {
        closing.push(tokio::spawn(until_closed(sent(&service, head).await)));
    }
    for (closed, head) in closing.into_iter().zip(heads) {
        let (answer, after) = closed.await.unwrap();
        assert!(after >= Duration::from_secs(4), "{head:?}: {after:?}");
        assert!(after < Duration::from_secs(15), "{head:?}: {after:?}");
        assert_eq!(
            answer.contains("200 OK"),
            head.starts_with("GET"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_large_head_and_a_second_version_of_http_are_refused() {
    let service = Service::start().await;
    let large = format!(
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let (answer, _) = until_closed(sent(&service, &large).await).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    let (answer, _) = until_closed(sent(&service, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await).await;
    assert!(!answer.contains(" 200 "), "{answer:?}");
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer:?}"
    );
    assert_eq!(service.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_body_that_is_too_long_or_too_slow_is_answered() {
    let service = Service::start().await;
    let head = |length: usize| {
        format!("POST /hooks/native HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
    };
    // If the declared length is above the limit, the server answers without reading the body.
    let began = Instant::now();
    let line = first_line(&mut sent(&service, &head(1_000_000)).await).await;
    assert!(line.contains(" 413 "), "{line}");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    // A sender that sends the whole body first receives the answer too.
    let mut whole = sent(&service, &head(1_000_000)).await;
    whole.write_all(&vec![b'x'; 1_000_000]).await.unwrap();
    let line = first_line(&mut whole).await;
    assert!(line.contains(" 413 "), "{line}");
    let (_, metrics) = service.get("/metrics").await;
    let counted = "sharehook_deliveries_total{source=\"native\",result=\"invalid\"} 2";
    assert!(metrics.contains(counted), "{metrics}");

    let chunked = "POST /hooks/native HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut broken = sent(&service, &format!("{chunked}nonsense\r\n")).await;
    let line = first_line(&mut broken).await;
    assert!(line.contains(" 400 "), "{line}");

    let began = Instant::now();
    let mut slow = sent(&service, &head(1_000)).await;
    slow.write_all(b"{").await.unwrap();
    let line = first_line(&mut slow).await;
    assert!(line.contains(" 408 "), "{line}");
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(9),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_sender_that_closes_its_side_is_answered() {
    let service = Service::start().await;
    let body = request("half-closed", json!({})).to_string();
    let headers = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "half-closed",
        &body,
    );
    let text = post(&headers, &body);
    for (text, status) in [(text.as_str(), " 200 "), (&text[..text.len() - 9], " 400 ")] {
        let mut stream = sent(&service, text).await;
        stream.shutdown().await.unwrap();
        let (answer, after) = until_closed(stream).await;
        assert!(
            answer.starts_with("HTTP/1.1") && answer.contains(status),
            "{answer:?}"
        );
        assert!(after < Duration::from_secs(3), "{after:?}");
    }
}

/// The bytes of a delivery as an HTTP request.
fn post(headers: &[(String, String)], body: &str) -> String {
    let mut text = format!(
        "POST /hooks/native HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}\r\n{body}")
}

#[tokio::test]
async fn at_the_maximum_the_longest_waiting_stranger_makes_room() {
    let service = with_connections(16).await;
    // The server keeps a connection with a verified request longer than those of strangers.
    let mut honest = Kept::open(&service).await;
    assert_eq!(honest.delivery("kept-1").await, 200);
    let mut strangers = Vec::new();
    for _ in 0..50 {
        strangers.push(sent(&service, "POST /hooks/native HTTP/1.1\r\n").await);
    }
    assert_eq!(service.get("/healthz").await.0, 200);
    let answer = service.native(&request("in-between", json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(honest.delivery("kept-2").await, 200);
    // The server closed the first stranger long before its time limit.
    let (_, after) = until_closed(strangers.swap_remove(0)).await;
    assert!(after < Duration::from_secs(3), "{after:?}");
}

/// The handshake of Asana needs no proof, so it does not extend the time of a stranger's
/// connection.
#[tokio::test]
async fn a_handshake_without_proof_does_not_make_a_sender_verified() {
    let service = Service::prepared(|folder| {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let asana = "[[source]]\nname = \"asana\"\nscheme = \"asana\"\nhandshake = \"asana\"\n\
                     secrets = [\"env:JIRA_SECRET\"]\n";
        std::fs::write(file, text + asana).unwrap();
    })
    .await;
    let handshake = "POST /hooks/asana HTTP/1.1\r\nhost: a\r\nx-hook-secret: of-a-stranger\r\n\
                     content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let mut stranger = sent(&service, handshake).await;
    let line = first_line(&mut stranger).await;
    assert!(line.contains("200"), "{line}");
    let (_, after) = until_closed(stranger).await;
    assert!(after < Duration::from_secs(8), "{after:?}");
}

/// During a flood of deliveries the server delays its answers to them, but not to probes. To make
/// room, it may close a connection whose answer is delayed.
#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_while_hang_ups_use_up_the_connections() {
    let service = with_connections(256).await;
    let address = service.url.strip_prefix("http://").unwrap().to_owned();
    let end = Instant::now() + Duration::from_secs(3);
    let mut strangers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let address = address.clone();
        strangers.spawn(async move {
            while Instant::now() < end {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                let half = "POST /hooks/native HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx";
                drop(stream.write_all(half.as_bytes()).await);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let mut probes = 0;
    while Instant::now() < end {
        assert_eq!(service.get("/healthz").await.0, 200, "probe {probes}");
        probes += 1;
    }
    strangers.join_all().await;
    assert!(probes > 3, "{probes}");
}

/// A connection for several signed deliveries.
struct Kept {
    stream: TcpStream,
}

impl Kept {
    async fn open(service: &Service) -> Self {
        let stream = sent(service, "").await;
        Self { stream }
    }

    async fn delivery(&mut self, id: &str) -> u16 {
        let body = request(id, json!({})).to_string();
        let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, id, &body);
        let text = post(&headers, &body);
        self.stream.write_all(text.as_bytes()).await.unwrap();
        let line = first_line(&mut self.stream).await;
        line.split(' ').nth(1).unwrap_or_default().parse().unwrap()
    }
}

/// Each body is within the limit for one body. All of them together would exceed the memory that
/// the server allows for bodies.
#[tokio::test]
async fn unfinished_bodies_of_strangers_share_a_bounded_memory() {
    let service = Service::start().await;
    let head = "POST /hooks/native HTTP/1.1\r\nhost: a\r\ncontent-length: 262144\r\n\r\n";
    let most = vec![b'x'; 262_000];
    let mut strangers = Vec::new();
    let before = resident(service.process.id());
    for _ in 0..600 {
        let mut stream = sent(&service, head).await;
        // The server may close the connection meanwhile.
        drop(tokio::time::timeout(Duration::from_secs(2), stream.write_all(&most)).await);
        strangers.push(stream);
    }
    let grown = resident(service.process.id()).saturating_sub(before);
    assert!(grown < 90 * 1024, "{grown} kB more than before");
    let answer = service.native(&request("beside-bodies", json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The resident memory of a process, in kB.
fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn senders_that_take_their_time_take_no_slot_for_work() {
    let service = Service::start().await;
    let slow = "POST /hooks/native HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n";
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(sent(&service, slow).await);
    }
    let answer = service.native(&request("beside-200", json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(service.get("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_on_a_slow_cloud_is_recorded_and_carried_out() {
    const BURST: usize = 80;
    let service = Arc::new(Service::prepared(|folder| limit(folder, "seconds = 10")).await);
    assert!(service.cloud.inject("*:slow:500ms".parse().unwrap()));
    let deliver = |number: usize| {
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let request = request(&format!("burst-{number}"), json!({}));
            service.native(&request).await.status
        })
    };
    let deliveries: Vec<_> = (0..BURST).map(deliver).collect();
    let mut accepted = 0;
    for delivery in deliveries {
        let status = delivery.await.unwrap();
        assert!(matches!(status, 200 | 202), "{status}");
        accepted += usize::from(status == 202);
    }
    assert!(accepted > 0, "the burst did not exceed the slots");
    let finished = |shown: &str| shown.matches("\"completed\"").count();
    let mut shown = String::new();
    for _ in 0..60 {
        shown = String::from_utf8(service.run(&["requests", "--json"]).stdout).unwrap();
        if !shown.contains("\"pending\"") {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(finished(&shown) >= BURST, "{shown}");
    assert!(!shown.contains("\"pending\""), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_too_much_unfinished_is_told_to_come_back() {
    let service = Arc::new(Service::prepared(|folder| limit(folder, "unfinished = 1")).await);
    let slow = "ShareBlueprintAcrossAccounts:slow:3s@1";
    assert!(service.cloud.inject(slow.parse().unwrap()));
    let first = {
        let service = Arc::clone(&service);
        tokio::spawn(async move { service.native(&request("first", json!({}))).await.status })
    };
    for _ in 0..100 {
        if service.called("ShareBlueprintAcrossAccounts") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = service.native(&request("second", json!({}))).await;
    assert_eq!(second.status, 429, "{}", second.body);
    assert!(
        second.body.to_string().contains("unfinished"),
        "{}",
        second.body
    );
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(
        service.native(&request("second", json!({}))).await.status,
        200
    );
}

#[tokio::test]
async fn readiness_is_a_write_and_tells_no_path() {
    let service = Service::start().await;
    assert_eq!(service.get("/readyz").await.0, 200);
    let journal = service.folder.path().join("journal");
    let probes = std::fs::read_dir(journal.join("index/probe")).unwrap();
    let probes: Vec<_> = probes.map(|probe| probe.unwrap().file_name()).collect();
    assert_eq!(probes, ["journal"], "a probe was left");
    std::fs::rename(&journal, service.folder.path().join("away")).unwrap();
    let mut seen = (200, String::new());
    for _ in 0..100 {
        seen = service.get("/readyz").await;
        if seen.0 != 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(seen.0, 503, "{}", seen.1);
    assert!(
        !seen.1.contains("journal") && !seen.1.contains('/'),
        "{}",
        seen.1
    );
    assert_eq!(service.get("/healthz").await.0, 200);
}

/// Neither standard output nor the log is read, so both pipes are soon full.
#[tokio::test]
async fn unread_output_does_not_stop_the_service() {
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let mut command = site.command();
    command.env("RUST_LOG", "trace");
    let mut process = Process::unread(command.args(["serve", "--listen", "127.0.0.1:0"]));
    for number in 0..60 {
        let request = request(&format!("unread-{number}"), json!({}));
        let body = request.to_string();
        let id = format!("msg_{number}");
        let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, &id, &body);
        let answer = send(&process.url, "POST", "/hooks/native", &headers, body).await;
        assert_eq!(answer.unwrap().status, 200);
    }
    for _ in 0..300 {
        let forged = [("webhook-id".to_owned(), "x".to_owned())];
        let answer = send(&process.url, "POST", "/hooks/native", &forged, "{}").await;
        assert_eq!(answer.unwrap().status, 401);
    }
    process.terminate();
    let (code, took) = process.ended().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn missing_credentials_of_the_cloud_prevent_neither_start_nor_readiness() {
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let mut command = site.command();
    command
        .env_remove("TENCENTCLOUD_SECRET_ID")
        .env_remove("TENCENTCLOUD_SECRET_KEY");
    let process = Process::serving(command.args(["serve", "--listen", "127.0.0.1:0"]));
    let ready = send(&process.url, "GET", "/readyz", &[], "").await.unwrap();
    assert_eq!(ready.status, 200, "{ready:?}");
}
