//! Sends events and address checks to a running `sharehook serve`, as each approval system with
//! encrypted deliveries sends them. Checks that the system can read the answers.

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::inbound::{Headers, SchemeSpec, seal};

use crate::support::http::{self, Answer};
use crate::support::process::{Process, program};

const FEISHU: &str = "aVerificationToken00000000000001:an-encrypt-key-for-tests-0001";
const ADDRESSED: &str = "aTokenForTests000001:0123456789abcdefghijklmnopqrstuvwxyzABCDEFH";

struct Served {
    process: Process,
    _folder: tempfile::TempDir,
}

fn serve() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let policy = format!("{}/policy", env!("CARGO_MANIFEST_DIR"));
    let mut text =
        format!("journal = \"file:journal\"\npolicy = {policy:?}\n[cloud]\nsite = \"intl\"\n");
    for (name, from) in [
        ("feishu", "cli_a1"),
        ("dingtalk", "dingkey1"),
        ("wecom", "ww01"),
    ] {
        text += &format!(
            "[[source]]\nname = \"{name}\"\nscheme = \"{name}\"\nsecrets = [\"file:{name}.secret\"]\nfrom = [\"{from}\"]\n"
        );
        let secret = if name == "feishu" { FEISHU } else { ADDRESSED };
        std::fs::write(folder.path().join(format!("{name}.secret")), secret).unwrap();
    }
    std::fs::write(folder.path().join("sharehook.toml"), text).unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--sandbox=127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    command.args(["--config", "sharehook.toml"]);
    Served {
        process: Process::serving(&mut command),
        _folder: folder,
    }
}

struct Sent {
    headers: Vec<(String, String)>,
    query: String,
    body: Value,
}

fn sealed(name: &str, from: &str, event: &str) -> Sent {
    let spec: SchemeSpec = name.parse().unwrap();
    let secret = SecretString::from(if name == "feishu" { FEISHU } else { ADDRESSED });
    let now = sharehook::clock::system_now();
    let from = [from.to_owned()];
    let (headers, body) = seal(&spec, &secret, &from, event.into(), "", now).unwrap();
    let all = |names: &[&str], read: &dyn Fn(&str) -> Option<String>| -> Vec<(String, String)> {
        let found = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), read(name)?)));
        found.collect()
    };
    let header = |name: &str| headers.one(name).unwrap().map(str::to_owned);
    let field = |name: &str| Headers::query(&headers, name).next().map(str::to_owned);
    let query = all(&["msg_signature", "timestamp", "nonce"], &field);
    let query: Vec<String> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let names = [
        "content-type",
        "x-lark-signature",
        "x-lark-request-timestamp",
        "x-lark-request-nonce",
    ];
    Sent {
        headers: all(&names, &header),
        query: query.join("&"),
        body: serde_json::from_slice(&body).unwrap(),
    }
}

impl Served {
    async fn post(&self, name: &str, sent: &Sent) -> Answer {
        let path = format!("/hooks/{name}?{}", sent.query);
        let body = sent.body.to_string();
        http::send(&self.process.url, "POST", &path, &sent.headers, body)
            .await
            .unwrap()
    }
}

fn event(name: &str) -> String {
    let now = sharehook::clock::system_now();
    let (seconds, millis) = (now.as_second(), now.as_millisecond());
    let event = match name {
        "feishu" => json!({
            "schema": "2.0",
            "header": {"event_id": "e1", "token": "aVerificationToken00000000000001", "app_id": "cli_a1",
                "create_time": millis.to_string(), "event_type": "approval.instance.status_changed_v4"},
            "event": {"status": "APPROVED"},
        }),
        "dingtalk" => {
            json!({"EventType": "bpms_instance_change", "EventTime": millis, "eventId": "e1"})
        }
        _ => json!({"ToUserName": "ww01", "CreateTime": seconds, "MsgType": "event"}),
    };
    event.to_string()
}

#[tokio::test]
async fn an_encrypted_event_is_answered_in_its_senders_form_whatever_the_map_says() {
    let served = serve();
    for (name, from) in [
        ("feishu", "cli_a1"),
        ("dingtalk", "dingkey1"),
        ("wecom", "ww01"),
    ] {
        let sent = sealed(name, from, &event(name));
        let answer = served.post(name, &sent).await;
        // The map finds no request in these events. The sender would repeat an event unless it gets
        // 200.
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        match name {
            "feishu" => assert_eq!(answer.body, json!({})),
            "wecom" => assert_eq!(answer.body, json!("success")),
            _ => {
                let fields = ["msg_signature", "timeStamp", "nonce", "encrypt"];
                let object = answer.body.as_object().unwrap();
                assert_eq!(object.keys().collect::<Vec<_>>(), fields);
            }
        }
        // Every forgery gets the same answer: a changed bit of the cipher text, another key,
        // another receiver, no signature.
        let mut refusals = Vec::new();
        let mut changed = sealed(name, from, &event(name));
        let text = changed.body["encrypt"].as_str().unwrap().to_owned();
        let other = if text.starts_with('A') { "B" } else { "A" };
        changed.body["encrypt"] = format!("{other}{}", &text[1..]).into();
        refusals.push(changed);
        let of_another = event(name)
            .replace("cli_a1", "cli_b2")
            .replace("ww01", "ww02");
        refusals.push(sealed(name, "another", &of_another));
        refusals.push(Sent {
            headers: Vec::new(),
            query: String::new(),
            ..sealed(name, from, &event(name))
        });
        let plain: Value = serde_json::from_str(&event(name)).unwrap();
        refusals.push(Sent {
            body: plain,
            ..sealed(name, from, &event(name))
        });
        for refused in refusals {
            let answer = served.post(name, &refused).await;
            let body = json!({"error": "unauthorised: the delivery could not be authenticated"});
            assert_eq!(
                (answer.status, answer.body),
                (401, body),
                "{name}: {}",
                refused.body
            );
        }
    }
}

#[tokio::test]
async fn an_address_check_is_answered_and_carries_no_event() {
    let served = serve();
    let challenge = json!({"type": "url_verification", "challenge": "c1", "token": "aVerificationToken00000000000001"});
    for signed in [true, false] {
        let mut sent = sealed("feishu", "", &challenge.to_string());
        if !signed {
            sent.headers.retain(|(name, _)| name == "content-type");
        }
        let answer = served.post("feishu", &sent).await;
        assert_eq!(
            (answer.status, answer.body),
            (200, json!({"challenge": "c1"}))
        );
    }
    let mut smuggled = challenge.clone();
    smuggled["event"] = json!({"status": "APPROVED"});
    let mut sent = sealed("feishu", "", &smuggled.to_string());
    sent.headers.retain(|(name, _)| name == "content-type");
    assert_eq!(served.post("feishu", &sent).await.status, 401);

    let sent = sealed("dingtalk", "dingkey1", r#"{"EventType":"check_url"}"#);
    let answer = served.post("dingtalk", &sent).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body["encrypt"].is_string(), "{}", answer.body);

    let sent = sealed("wecom", "ww01", "1616140317555161061");
    let echo = sent.body["encrypt"].as_str().unwrap().replace('+', "%2B");
    let path = format!("/hooks/wecom?{}&echostr={echo}", sent.query);
    let url = &served.process.url;
    let answer = http::send(url, "GET", &path, &[], "").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    // The answer has no quotes, so the test's helper reads it as a number.
    assert_eq!(answer.body, json!(1_616_140_317_555_161_061_u64));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let forged = path.replace("nonce=", "nonce=1");
    let answer = http::send(url, "GET", &forged, &[], "").await.unwrap();
    assert_eq!(answer.status, 401);
    let bare = http::send(url, "GET", "/hooks/wecom", &[], "")
        .await
        .unwrap();
    assert_eq!(bare.status, 405);
}
