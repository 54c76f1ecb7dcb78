//! Sends requests to a running `sharehook serve --sandbox`. Tests one accepted request and some
//! refused ones for each preset that [`sign`] supports, handshakes, and the rotation of secrets.

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::domain::Timestamp;
use sharehook::inbound::{SchemeKind, SchemeName, SchemeSpec, TimeSource, sign};

use crate::support::files::text_below;
use crate::support::http::{self, Answer};
use crate::support::process::{Process, program};

const TEXT_SECRET: &str = "a-secret-for-tests-only-0123456789";
const OLD_SECRET: &str = "an-older-secret-that-still-counts-1";
const BASE64_SECRET: &str = "whsec_YS1zZWNyZXQtZm9yLXRlc3RzLW9ubHktMDEyMzQ1Njc4OQ==";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:share-requests";

/// A server with a source for each scheme of [`over_http`] and a few more. It is killed on drop.
struct Served {
    process: Process,
    folder: tempfile::TempDir,
}

fn secret_of(name: SchemeName) -> &'static str {
    match name {
        SchemeName::StandardWebhooks | SchemeName::Svix | SchemeName::Gitlab => BASE64_SECRET,
        SchemeName::Basic => "svc_share:a-password-for-tests-only-01",
        _ => TEXT_SECRET,
    }
}

/// The schemes for which [`sign`] can sign a request. Schemes that encrypt have tests of their own.
fn over_http() -> Vec<SchemeName> {
    let signs = |name: &SchemeName| {
        let spec = SchemeSpec::preset(*name);
        !matches!(
            spec.kind(),
            SchemeKind::Trusted | SchemeKind::Sns | SchemeKind::Envelope(_)
        )
    };
    SchemeName::ALL.iter().copied().filter(signs).collect()
}

fn config() -> String {
    let policy = format!("{}/policy", env!("CARGO_MANIFEST_DIR"));
    let mut text =
        format!("journal = \"file:journal\"\npolicy = {policy:?}\n[cloud]\nsite = \"intl\"\n");
    for name in over_http() {
        let handshake = match name {
            SchemeName::Slack | SchemeName::Asana => {
                format!("handshake = \"{}\"\n", name.as_str())
            }
            SchemeName::Bearer => {
                "handshake = { cloudevents = { origins = [\"events.example.com\"] } }\n".to_owned()
            }
            _ => String::new(),
        };
        text += &format!(
            "[[source]]\nname = \"p-{0}\"\nscheme = \"{0}\"\nsecrets = [\"file:{0}.secret\"]\n{handshake}",
            name.as_str()
        );
    }
    text += "[[source]]\nname = \"okta\"\nscheme = { like = \"token\", header = \"authorization\" }\nsecrets = [\"file:github.secret\"]\nhandshake = \"okta\"\n";
    text += "[[source]]\nname = \"rotating\"\nscheme = \"github\"\nsecrets = [\"file:github.secret\", \"file:old.secret\"]\n";
    text += &format!("[[source]]\nname = \"topic\"\nscheme = \"trusted\"\nfrom = [\"{TOPIC}\"]\n");
    text
}

fn serve() -> Served {
    let folder = tempfile::tempdir().unwrap();
    for name in over_http() {
        std::fs::write(
            folder.path().join(format!("{}.secret", name.as_str())),
            secret_of(name),
        )
        .unwrap();
    }
    std::fs::write(folder.path().join("old.secret"), OLD_SECRET).unwrap();
    std::fs::write(folder.path().join("sharehook.toml"), config()).unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--sandbox=127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    command.args(["--config", "sharehook.toml"]);
    Served {
        process: Process::serving(&mut command),
        folder,
    }
}

fn request(id: &str, millis: i64) -> Vec<u8> {
    json!({"id": id, "action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore", "accounts": ["700000164995"],
        "requester": "nobody@example.com", "webhookTimestamp": millis})
    .to_string()
    .into_bytes()
}

async fn send(
    served: &Served,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Answer {
    let url = &served.process.url;
    http::send(url, method, path, headers, body).await.unwrap()
}

fn now() -> Timestamp {
    sharehook::clock::system_now()
}

fn signed(spec: &SchemeSpec, secret: &str, body: &[u8], id: &str) -> Vec<(String, String)> {
    sign(spec, &SecretString::from(secret), body, id, now()).unwrap()
}

/// Linear sends its time in the body. A native request has no such field, so the map reports it as
/// an unknown field.
fn accepted_status(spec: &SchemeSpec) -> (u16, &'static str) {
    match spec.kind() {
        SchemeKind::Hmac(record) if matches!(record.time, Some(TimeSource::MillisPointer(_))) => {
            (422, "webhookTimestamp")
        }
        // These senders receive 200 even for a denial.
        _ if ["slack", "pagerduty", "gitlab"].contains(&spec.name()) => (200, "denied"),
        _ => (403, "denied"),
    }
}

#[tokio::test]
async fn one_real_request_per_preset_is_accepted_and_refused() {
    let served = serve();
    for name in over_http() {
        let spec = SchemeSpec::preset(name);
        let (status, says) = accepted_status(&spec);
        let mut body = request(name.as_str(), now().as_millisecond());
        if says == "denied" {
            let mut value: Value = serde_json::from_slice(&body).unwrap();
            value.as_object_mut().unwrap().remove("webhookTimestamp");
            body = value.to_string().into_bytes();
        }
        let path = format!("/hooks/p-{}", name.as_str());
        let headers = signed(&spec, secret_of(name), &body, "msg_1");
        // The answer comes from the policy or the map, so the delivery was verified.
        let sent = send(&served, "POST", &path, &headers, body.clone()).await;
        assert_eq!(sent.status, status, "{name:?}: {}", sent.body);
        assert!(
            sent.body.to_string().contains(says),
            "{name:?}: {}",
            sent.body
        );
        let wrong = if name == SchemeName::Basic {
            "svc_share:another-password-for-tests1"
        } else {
            "YW5vdGhlci1zZWNyZXQtZm9yLXRlc3RzLW9ubHktMDE="
        };
        let forged = signed(&spec, wrong, &body, "msg_1");
        assert_eq!(
            send(&served, "POST", &path, &forged, body.clone())
                .await
                .status,
            401,
            "{name:?} forged"
        );
        if spec.signed() {
            let mut changed = body.clone();
            let place = changed.iter().position(|b| *b == b'7').unwrap();
            changed[place] = b'8';
            assert_eq!(
                send(&served, "POST", &path, &headers, changed).await.status,
                401,
                "{name:?} changed"
            );
        }
        let bare = [("content-type".to_owned(), "application/json".to_owned())];
        assert_eq!(
            send(&served, "POST", &path, &bare, body).await.status,
            401,
            "{name:?} bare"
        );
    }
    // A source with the scheme `trusted` accepts no HTTP request.
    assert_eq!(
        send(&served, "POST", "/hooks/topic", &[], request("x", 1))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn every_handshake_is_answered_and_only_where_it_is_enabled() {
    let served = serve();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let slack = json!({"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRN", "token": "t"})
        .to_string()
        .into_bytes();
    let headers = signed(
        &SchemeSpec::preset(SchemeName::Slack),
        TEXT_SECRET,
        &slack,
        "x",
    );
    let sent = send(&served, "POST", "/hooks/p-slack", &headers, slack.clone()).await;
    assert_eq!(
        (sent.status, sent.body),
        (200, json!({"challenge": "3eZbrw1aBm2rZgRN"}))
    );
    let sent = send(&served, "POST", "/hooks/p-slack", &[], slack.clone()).await;
    assert!(
        sent.status == 401 && !sent.body.to_string().contains("3eZbrw1aBm2rZgRN"),
        "an oracle"
    );

    let challenge = pair("x-okta-verification-challenge", "abc123");
    let sent = send(
        &served,
        "GET",
        "/hooks/okta",
        &[challenge.clone(), pair("authorization", TEXT_SECRET)],
        vec![],
    )
    .await;
    assert_eq!(
        (sent.status, sent.body),
        (200, json!({"verification": "abc123"}))
    );
    assert_eq!(
        send(
            &served,
            "GET",
            "/hooks/okta",
            std::slice::from_ref(&challenge),
            vec![]
        )
        .await
        .status,
        401
    );
    assert_eq!(
        send(&served, "GET", "/hooks/p-github", &[challenge], vec![])
            .await
            .status,
        405
    );

    let secret = pair("x-hook-secret", "b537207f20cbfa02357cf448134da559");
    let sent = send(
        &served,
        "POST",
        "/hooks/p-asana",
        std::slice::from_ref(&secret),
        b"{}".to_vec(),
    )
    .await;
    assert_eq!(
        (sent.status, sent.headers["x-hook-secret"].to_str().unwrap()),
        (200, secret.1.as_str())
    );
    for path in ["/hooks/p-github", "/hooks/okta"] {
        let sent = send(
            &served,
            "POST",
            path,
            std::slice::from_ref(&secret),
            b"{}".to_vec(),
        )
        .await;
        assert!(
            sent.status == 401 && !sent.headers.contains_key("x-hook-secret"),
            "{path}"
        );
    }
    // A handshake with an event in its body, or with too long a secret, is handled as a delivery.
    assert_eq!(
        send(
            &served,
            "POST",
            "/hooks/p-asana",
            std::slice::from_ref(&secret),
            b"{\"a\":1}".to_vec()
        )
        .await
        .status,
        401
    );
    let long = pair("x-hook-secret", &"a".repeat(600));
    assert_eq!(
        send(&served, "POST", "/hooks/p-asana", &[long], b"{}".to_vec())
            .await
            .status,
        401
    );

    let origin = |name: &str| {
        [
            pair("webhook-request-origin", name),
            pair("webhook-request-rate", "120"),
        ]
    };
    let sent = send(
        &served,
        "OPTIONS",
        "/hooks/p-bearer",
        &origin("Events.example.com"),
        vec![],
    )
    .await;
    assert_eq!(sent.status, 200);
    assert_eq!(sent.headers["webhook-allowed-origin"], "events.example.com");
    assert_eq!(
        (
            &sent.headers["webhook-allowed-rate"],
            &sent.headers["allow"]
        ),
        (&"100".parse().unwrap(), &"POST".parse().unwrap())
    );
    assert_eq!(
        send(
            &served,
            "OPTIONS",
            "/hooks/p-bearer",
            &origin("evil.example.com"),
            vec![]
        )
        .await
        .status,
        405
    );
    assert_eq!(
        send(
            &served,
            "OPTIONS",
            "/hooks/p-github",
            &origin("events.example.com"),
            vec![]
        )
        .await
        .status,
        405
    );
}

#[tokio::test]
async fn any_active_secret_counts_and_the_journal_says_which() {
    let served = serve();
    for (id, secret) in [("r-new", TEXT_SECRET), ("r-old", OLD_SECRET)] {
        let mut value: Value = serde_json::from_slice(&request(id, 1)).unwrap();
        value.as_object_mut().unwrap().remove("webhookTimestamp");
        let body = value.to_string().into_bytes();
        let headers = signed(&SchemeSpec::preset(SchemeName::Github), secret, &body, id);
        assert_eq!(
            send(&served, "POST", "/hooks/rotating", &headers, body)
                .await
                .status,
            403,
            "{id}"
        );
    }
    let journal = text_below(&served.folder.path().join("sandbox/journal"));
    for (name, secret) in [("github", TEXT_SECRET), ("old", OLD_SECRET)] {
        let version = journal.split(&format!("\"file:{name}.secret@")).nth(1);
        let version = version.and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(version.len(), 16, "{version} is no fingerprint");
        assert!(!journal.contains(secret), "a secret stands in the journal");
    }
}
