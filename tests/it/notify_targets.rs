//! How the program reaches targets: through the configured proxy, with the configured certificates,
//! and never for longer than a function may wait.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sharehook::app::{Deadline, NotificationEntry};

use crate::notify::SECRET;
use crate::support::{STRANGER, World, request};

const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// The name in the server's certificate. No name server has it, so only the proxy can reach the
/// server.
const NAME: &str = "desk.test";

async fn world(url: &str, more: &str) -> World {
    let mut world = World::new().await;
    std::fs::write(world.folder.path().join("notify.secret"), SECRET).unwrap();
    world.configure(&format!(
        "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"{url}\"\n\
         secret = \"file:notify.secret\"\n{more}\n"
    ));
    world.reset().await;
    world
}

async fn denied(world: &World) {
    let denied = request("CHG1", json!({"accounts": [STRANGER]}));
    world.deliver(&denied).await;
}

/// Accepts connections until the test ends. Each connection has its own thread.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn head(stream: &mut impl std::io::Read) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        text.push(byte[0]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads one request, hands its headers to `keep`, and only then answers 202: a test that knows the
/// answer must find the headers kept.
fn answer(stream: &mut (impl std::io::Read + std::io::Write), keep: impl FnOnce(String)) {
    let head = head(stream);
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    let is_complete = stream.read_exact(&mut body).is_ok();
    keep(head);
    if is_complete {
        drop(
            stream.write_all(
                b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            ),
        );
    }
}

/// A TLS server with a certificate from the test's authority. Stores the headers of each request.
fn tls_desk() -> (u16, Arc<Mutex<Vec<String>>>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/tls");
    let certificate = CertificateDer::from_pem_file(format!("{folder}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, seen) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&seen);
    let port = listen(move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tls = rustls::StreamOwned::new(session, stream);
        answer(&mut tls, |head| {
            if !head.is_empty() {
                kept.lock().unwrap().push(head);
            }
        });
        tls.conn.send_close_notify();
        drop(tls.flush());
    });
    (port, seen)
}

/// A proxy that connects each CONNECT for the server's name to the local port `to`. Returns its
/// port and a counter of these connections.
fn connect_proxy(to: u16) -> (u16, Arc<AtomicUsize>) {
    let connects = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connects);
    let port = listen(move |mut client| {
        if !head(&mut client).starts_with(&format!("CONNECT {NAME}:443 ")) {
            return;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
        server.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (mut client, mut server) = (client, server);
        let upwards = std::thread::spawn(move || drop(std::io::copy(&mut up, &mut server)));
        drop(std::io::copy(&mut down, &mut client));
        drop(client.shutdown(std::net::Shutdown::Both));
        drop(upwards.join());
    });
    (port, connects)
}

fn ca_file() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/tls");
    format!("ca_file = \"{folder}/ca.pem\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_is_reached_through_its_proxy_with_its_own_authority() {
    let (desk, seen) = tls_desk();
    let (proxy, connects) = connect_proxy(desk);
    let proxy = format!("proxy = \"http://127.0.0.1:{proxy}\"");
    let url = format!("https://{NAME}/hooks");
    let both = world(&url, &format!("{proxy}\n{}", ca_file())).await;
    denied(&both).await;
    both.notify().await;
    {
        let seen = seen.lock().unwrap();
        let [head] = &seen[..] else {
            panic!("{seen:?}")
        };
        assert!(head.starts_with("POST /hooks HTTP/1.1"), "{head}");
        assert!(head.contains("webhook-signature"), "{head}");
    }
    assert_eq!(connects.load(Ordering::SeqCst), 1);
    // Without the authority, the program connects through the proxy but does not trust the server.
    let stranger = world(&url, &proxy).await;
    denied(&stranger).await;
    stranger.notify().await;
    assert_eq!(connects.load(Ordering::SeqCst), 2);
    // Without the proxy, the program cannot reach the server.
    let direct = world(&url, &ca_file()).await;
    denied(&direct).await;
    direct.notify().await;
    assert_eq!(connects.load(Ordering::SeqCst), 2);
    assert_eq!(seen.lock().unwrap().len(), 1);
    for world in [&stranger, &direct] {
        let listed = world
            .app
            .reader()
            .notifications(None)
            .await
            .unwrap()
            .entries;
        assert_eq!(listed[0].attempts, 1, "{listed:?}");
        assert!(listed[0].why.is_some());
    }
}

/// The program's own headers replace those of the same name that a template writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_cannot_replace_the_signature() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let desk = listen(move |mut stream| {
        answer(&mut stream, |head| kept.lock().unwrap().push(head));
    });
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("mine.jq");
    let template = r#"{ method: "POST", path: "", body: {}, headers: {
        "Webhook-Signature": "v1,theirs", "User-Agent": "theirs", "X-Mine": "1" } }"#;
    std::fs::write(&map, template).unwrap();
    let url = format!("http://127.0.0.1:{desk}");
    let world = world(&url, &format!("map = {map:?}")).await;
    denied(&world).await;
    world.notify().await;
    let heads = heads.lock().unwrap();
    let [head] = &heads[..] else {
        panic!("{heads:?}")
    };
    let head = head.to_lowercase();
    assert!(
        head.contains("x-mine: 1\r\n") && !head.contains("theirs"),
        "{head}"
    );
    assert_eq!(head.matches("webhook-signature: v1,").count(), 1, "{head}");
}

/// A target that receives notifications, but answers none while the flag is set. Returns its port,
/// the flag, which is set, and the ids of the notifications.
fn silent_desk() -> (u16, Arc<AtomicBool>, Arc<Mutex<Vec<String>>>) {
    let silent = Arc::new(AtomicBool::new(true));
    let ids = Arc::new(Mutex::new(Vec::new()));
    let (hangs, kept) = (Arc::clone(&silent), Arc::clone(&ids));
    let port = listen(move |mut stream| {
        let keep = |head: String| {
            let id = head
                .lines()
                .find_map(|line| line.strip_prefix("webhook-id: "));
            kept.lock().unwrap().extend(id.map(str::to_owned));
        };
        if hangs.load(Ordering::SeqCst) {
            keep(head(&mut stream));
            // Wait until the client gives up.
            drop(stream.read(&mut [0; 4096]));
            drop(stream.read_to_end(&mut Vec::new()));
        } else {
            answer(&mut stream, keep);
        }
    });
    (port, silent, ids)
}

/// On hosts that may freeze the process, `notify_before_answer` runs before each answer. A target
/// that never answers delays it by at most two seconds, or by the remaining time. The target
/// receives the notification later, under the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_target_delays_a_function_by_two_seconds_at_most() {
    let (desk, silent, ids) = silent_desk();
    let world = world(&format!("http://127.0.0.1:{desk}"), "").await;
    let took = async |left: Duration| {
        let begun = Instant::now();
        world.app.notify_before_answer(Deadline::after(left)).await;
        begun.elapsed()
    };
    denied(&world).await;
    let long = took(Duration::from_secs(60)).await;
    assert!(long >= Duration::from_millis(1_900), "{long:?}");
    assert!(long < Duration::from_secs(4), "{long:?}");
    world
        .deliver(&request("CHG2", json!({"accounts": [STRANGER]})))
        .await;
    let short = took(Duration::from_millis(200)).await;
    assert!(short < Duration::from_millis(1_500), "{short:?}");
    silent.store(false, Ordering::SeqCst);
    world.advance(600);
    assert!(world.sweep().await.failures.is_empty());
    let mut ids = ids.lock().unwrap().clone();
    assert!(ids.len() >= 3, "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    let listed = world
        .app
        .reader()
        .notifications(None)
        .await
        .unwrap()
        .entries;
    let sent = |entry: &&sharehook::app::NotificationEntry| {
        entry.state == sharehook::app::NotificationStatus::Sent
    };
    assert_eq!(listed.iter().filter(sent).count(), 2, "{listed:?}");
}

/// The silent target is the first by name and in the configuration. The other target's result must
/// be on record before the function's two seconds are over, so that no sweep sends it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_target_delays_no_other_target() {
    let (first, silent, waiting) = silent_desk();
    let (second, answers, got) = silent_desk();
    answers.store(false, Ordering::SeqCst);
    let more = format!(
        "[[notify]]\nname = \"second\"\npreset = \"webhook\"\nurl = \"http://127.0.0.1:{second}\"\n\
         secret = \"file:notify.secret\"\n"
    );
    let world = world(&format!("http://127.0.0.1:{first}"), &more).await;
    let listed = async || {
        let listed = world.app.reader().notifications(None).await.unwrap();
        let shown = |entry: NotificationEntry| format!("{} {:?}", entry.notify, entry.state);
        let mut listed: Vec<_> = listed.entries.into_iter().map(shown).collect();
        listed.sort();
        listed
    };
    denied(&world).await;
    let long = Deadline::after(Duration::from_secs(60));
    world.app.notify_before_answer(long).await;
    assert_eq!(waiting.lock().unwrap().len(), 1);
    assert_eq!(listed().await, ["desk Owed", "second Sent"]);
    silent.store(false, Ordering::SeqCst);
    world.advance(600);
    assert!(world.sweep().await.failures.is_empty());
    assert_eq!(listed().await, ["desk Sent", "second Sent"]);
    assert_eq!(waiting.lock().unwrap().len(), 2);
    assert_eq!(got.lock().unwrap().len(), 1);
    world.verify().await.unwrap();
}

/// Redirects are not followed, because the login must not go elsewhere. The reason names the target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reason_of_a_failure_says_where_a_redirect_leads() {
    let port = listen(|mut stream| {
        let head = head(&mut stream);
        let length = head.lines().find_map(|line| {
            let line = line.to_lowercase();
            line.strip_prefix("content-length: ")?.parse().ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        drop(stream.read_exact(&mut body));
        let answer = "HTTP/1.1 307 Moved\r\nlocation: https://new.example/x\r\n\
                      content-length: 0\r\nconnection: close\r\n\r\n";
        drop(stream.write_all(answer.as_bytes()));
    });
    let world = world(&format!("http://127.0.0.1:{port}"), "").await;
    denied(&world).await;
    world.notify().await;
    let listed = world.app.reader().notifications(None).await.unwrap();
    let why = listed.entries[0].why.as_deref();
    assert_eq!(why, Some("HTTP 307 to https://new.example/x, not followed"));
}
