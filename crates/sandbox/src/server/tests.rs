//! Tests the sandbox over real connections, with requests written and signed by hand.

use super::super::testing::{Draft, NOW};
use super::*;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

async fn running() -> Running {
    Sandbox::start(SandboxOptions::seeded(|| NOW))
        .await
        .unwrap()
}

fn share(running: &Running) -> Draft {
    let params = json!({"BlueprintId": "lhbp-6jc6l8yb", "AccountIds": ["700000164995"]});
    Draft {
        host: running.addr.to_string(),
        ..Draft::lighthouse("ShareBlueprintAcrossAccounts", params)
    }
}

fn wire(request: &Request, path: &str) -> Vec<u8> {
    let target = if request.query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", request.query)
    };
    let mut text = format!(
        "{} {target} HTTP/1.1\r\nconnection: close\r\n",
        request.method
    );
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    [text.as_bytes(), &request.body].concat()
}

/// Sends bytes, reads until the connection ends, and returns what was read. If the connection
/// breaks, returns what was read before, and the kind of the error.
async fn exchange(running: &Running, bytes: Vec<u8>) -> Result<String, (String, ErrorKind)> {
    let addr = running.addr;
    let talk = move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(&bytes).unwrap();
        let mut seen = Vec::new();
        let end = stream.read_to_end(&mut seen);
        let seen = String::from_utf8(seen).unwrap();
        end.map(|_| seen.clone())
            .map_err(|error| (seen, error.kind()))
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_signed_call_shares_over_http() {
    let running = running().await;
    let answer = exchange(&running, wire(&share(&running).sign(), "/"))
        .await
        .unwrap();
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/json\r\n"),
        "the official SDK compares it exactly: {head}"
    );
    assert!(
        head.to_lowercase()
            .contains("date: thu, 01 jan 2026 00:00:00 gmt"),
        "{head}"
    );
    let call = running.calls().remove(0);
    assert_eq!(
        body(&answer),
        json!({"Response": {"RequestId": call.request_id}})
    );
    assert_eq!(
        running
            .state()
            .blueprint_accounts("ap-singapore", "lhbp-6jc6l8yb"),
        ["700000164995"]
    );
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused_with_status_200() {
    let running = running().await;
    let draft = Draft {
        key: "another",
        ..share(&running)
    };
    let answer = exchange(&running, wire(&draft.sign(), "/")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(
        body(&answer)["Response"]["Error"]["Code"],
        "AuthFailure.SignatureFailure"
    );
    assert!(body(&answer)["Response"]["RequestId"].is_string());
}

#[tokio::test]
async fn faults_reach_the_wire() {
    for (fault, changed) in [
        ("*:reset-before", false),
        ("*:reset-after", true),
        ("*:cut-body", true),
        ("*:status:503", false),
        ("*:html-ok", false),
    ] {
        let running = running().await;
        assert!(running.inject(fault.parse().unwrap()));
        let bytes = wire(&share(&running).sign(), "/");
        let answer = exchange(&running, bytes.clone()).await;
        match (fault, &answer) {
            ("*:reset-before" | "*:reset-after", Err((seen, ErrorKind::ConnectionReset))) => {
                assert_eq!(seen, "")
            }
            ("*:cut-body", Ok(seen) | Err((seen, _))) => {
                let (head, part) = seen.split_once("\r\n\r\n").unwrap();
                let length: usize = head
                    .split_once("content-length: ")
                    .unwrap()
                    .1
                    .lines()
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
                assert_eq!(part.len(), length / 2, "{seen}");
            }
            ("*:status:503", Ok(seen)) => {
                assert!(seen.starts_with("HTTP/1.1 503") && seen.contains("<html>"))
            }
            ("*:html-ok", Ok(seen)) => {
                assert!(seen.starts_with("HTTP/1.1 200") && seen.contains("<html>"))
            }
            other => panic!("{other:?}"),
        }
        let accounts = running
            .state()
            .blueprint_accounts("ap-singapore", "lhbp-6jc6l8yb");
        assert_eq!(!accounts.is_empty(), changed, "{fault}");
        let next = exchange(&running, bytes).await.unwrap();
        assert!(
            body(&next)["Response"]["RequestId"].is_string(),
            "the next call is whole again"
        );
    }
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_slow_answer() {
    let running = running().await;
    running.inject("*:slow:60s".parse().unwrap());
    let bytes = wire(&share(&running).sign(), "/");
    let addr = running.addr;
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(&bytes).unwrap();
    while running.calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    running.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(TcpStream::connect(addr).is_err(), "the port is closed");
}

#[tokio::test]
async fn too_much_is_refused_and_not_dropped() {
    let running = running().await;
    let mut large = share(&running).sign();
    large.body = Bytes::from(vec![b' '; MAX_BODY_BYTES + 1]);
    let answer = exchange(&running, wire(&large, "/")).await.unwrap();
    assert_eq!(
        body(&answer)["Response"]["Error"]["Code"],
        "RequestSizeLimitExceeded"
    );
    let query = Some(format!("ImageId={}", "x".repeat(MAX_QUERY_BYTES)));
    let long = Draft {
        query,
        ..share(&running)
    };
    let answer = exchange(&running, wire(&long.sign(), "/")).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 414") && answer.contains("<html>"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_side_door_shows_calls_and_takes_faults() {
    let running = running().await;
    exchange(&running, wire(&share(&running).sign(), "/"))
        .await
        .unwrap();
    let plain = |method: &str, body: &'static str| Request {
        method: method.to_owned(),
        headers: [
            ("host", running.addr.to_string()),
            ("content-type", "application/json".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect(),
        body: Bytes::from(body),
        ..Request::default()
    };
    let calls = exchange(&running, wire(&plain("GET", ""), "/sandbox/calls"))
        .await
        .unwrap();
    assert_eq!(
        body(&calls)["calls"][0]["accounts"],
        json!(["700000164995"])
    );
    let added = exchange(
        &running,
        wire(&plain("POST", "\"*:html-ok\""), "/sandbox/faults"),
    )
    .await
    .unwrap();
    assert_eq!(body(&added), json!({"faults": ["*:html-ok"]}));
    let unknown = exchange(&running, wire(&plain("GET", ""), "/elsewhere"))
        .await
        .unwrap();
    assert!(unknown.starts_with("HTTP/1.1 404"), "{unknown}");
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let options = SandboxOptions {
        listen: ([0, 0, 0, 0], 0).into(),
        ..SandboxOptions::seeded(|| NOW)
    };
    let error = Sandbox::start(options).await.unwrap_err();
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test]
async fn a_state_file_keeps_shares_and_added_images_across_restarts() {
    let path = std::env::temp_dir().join(format!("sandbox-kept-{}.json", std::process::id()));
    let options = |image: &str| SandboxOptions {
        state_file: Some(path.clone()),
        images: vec![image.parse().unwrap()],
        accounts: vec!["777000000001".to_owned()],
        ..SandboxOptions::seeded(|| NOW)
    };
    let running = Sandbox::start(options("lhbp-abcdef01")).await.unwrap();
    let share = json!({"BlueprintId": "lhbp-abcdef01", "AccountIds": ["777000000001"]});
    let draft = Draft {
        host: running.addr.to_string(),
        ..Draft::lighthouse("ShareBlueprintAcrossAccounts", share)
    };
    let answer = exchange(&running, wire(&draft.sign(), "/")).await.unwrap();
    assert!(!answer.contains("Error"), "{answer}");
    running.stop().await;
    let running = Sandbox::start(options("img-abcdef01:eu-frankfurt"))
        .await
        .unwrap();
    let world = running.state();
    running.stop().await;
    let receivers = world.blueprint_accounts("ap-singapore", "lhbp-abcdef01");
    assert_eq!(receivers, ["777000000001"]);
    assert!(
        world.regions["eu-frankfurt"]
            .images
            .contains_key("img-abcdef01")
    );
    std::fs::remove_file(&path).unwrap();
}
