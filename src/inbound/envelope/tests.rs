//! Tests single steps that no public function runs alone. Published vectors test the decryption,
//! the signature, and the exact bytes of the reply to DingTalk. Whole deliveries are tested in
//! tests/it/senders/envelopes.rs.

use serde_json::Value;

use crate::domain::Timestamp;
use crate::inbound::delivery::Headers;
use crate::inbound::trace::Trace;

use super::addressed;
use super::cipher;
use super::feishu;
use super::key::EnvelopeKey;
use super::opened::Checked;
use super::scheme::{EnvelopeScheme, EnvelopeSystem};
use super::seal;
use super::seed::Seed;
use super::xml;

const TEXT: &str = include_str!("../../../tests/vectors/approval-systems.json");

fn vectors(layer: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(TEXT).unwrap();
    all.into_iter()
        .filter(|vector| vector["layer"] == layer)
        .collect()
}

fn text<'a>(vector: &'a Value, pointer: &str) -> &'a str {
    vector.pointer(pointer).and_then(Value::as_str).unwrap()
}

fn system(vector: &Value) -> EnvelopeSystem {
    match text(vector, "/system") {
        "feishu" => EnvelopeSystem::Feishu,
        "dingtalk" => EnvelopeSystem::Dingtalk,
        other => panic!("{other}"),
    }
}

fn key(vector: &Value) -> EnvelopeKey {
    let system = system(vector);
    let secret = match system {
        EnvelopeSystem::Feishu => text(vector, "/secrets/encrypt_key").to_owned(),
        _ => format!(
            "{}:{}",
            text(vector, "/secrets/token"),
            text(vector, "/secrets/aes_key")
        ),
    };
    let scheme = EnvelopeScheme::of(system);
    let key = EnvelopeKey::read(scheme, &secret, false);
    key.unwrap_or_else(|(flaw, _)| panic!("{flaw}"))
}

#[test]
fn every_official_sample_of_a_step_is_decrypted_or_has_its_signature() {
    let decrypted = vectors("decrypt");
    for vector in &decrypted {
        let body: Value = serde_json::from_str(text(vector, "/body")).unwrap();
        let (key, encrypted) = (key(vector), text(&body, "/encrypt"));
        let plain = match system(vector) {
            EnvelopeSystem::Feishu => cipher::open(key.cipher(), encrypted).unwrap(),
            _ => {
                let opened = cipher::open_addressed(key.cipher(), encrypted);
                let (plain, receiver) = opened.unwrap();
                assert_eq!(receiver, text(vector, "/secrets/owner_key").as_bytes());
                plain
            }
        };
        assert_eq!(plain, text(vector, "/plain").as_bytes());
    }
    let signed = vectors("signature");
    for vector in &signed {
        let header = |name: &str| text(vector, &format!("/headers/X-Lark-{name}"));
        let signature = feishu::signature_of(
            &key(vector),
            header("Request-Timestamp"),
            header("Request-Nonce"),
            text(vector, "/body").as_bytes(),
        );
        assert_eq!(signature, header("Signature"));
    }
    assert_eq!((decrypted.len(), signed.len()), (4, 1));
}

#[test]
fn a_reply_has_the_bytes_that_dingtalks_own_library_writes() {
    let mut seen = 0;
    for vector in vectors("delivery") {
        let Some(random) = vector.pointer("/reply/random") else {
            continue;
        };
        let wanted = vector.pointer("/reply/json").unwrap();
        let seed = Seed {
            random: random.as_str().unwrap().as_bytes().try_into().unwrap(),
            nonce: text(wanted, "/nonce").to_owned(),
        };
        let sealed = addressed::seal(
            &key(&vector),
            &seed,
            (text(wanted, "/timeStamp"), &seed.nonce),
            b"success",
            text(&vector, "/secrets/owner_key"),
        );
        let sealed = sealed.unwrap();
        assert_eq!(sealed.encrypted, text(wanted, "/encrypt"));
        assert_eq!(sealed.signature, text(wanted, "/msg_signature"));
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn xml_that_wecom_does_not_write_is_refused() {
    let good = "<?xml version=\"1.0\"?>\n<xml><A>1</A><B><C><![CDATA[a&<b]]></C><C/></B>\n</xml>";
    let read = xml::read(good.as_bytes()).unwrap();
    assert_eq!(
        read,
        serde_json::json!({"A": "1", "B": {"C": ["a&<b", ""]}})
    );
    let deep = format!("<xml>{}x{}</xml>", "<a>".repeat(33), "</a>".repeat(33));
    for bad in [
        "",
        "<xml>",
        "<xml></xml>",
        "<xml>a</xml>",
        "<a><b>1</b></a>",
        "<xml><a>1</b></xml>",
        "<xml><a>1</a></xml><xml><a>1</a></xml>",
        "<xml><a>1</a></xml>x",
        "</xml>",
        "<xml><a b=\"1\">1</a></xml>",
        "<xml>x<a>1</a></xml>",
        "<xml><a>&amp;</a></xml>",
        "<xml><a>&#65;</a></xml>",
        "<xml><?p?><a>1</a></xml>",
        "<!DOCTYPE xml><xml><a>1</a></xml>",
        &deep,
    ] {
        assert!(xml::read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_secret_of_another_form_is_refused_and_not_shown() {
    use EnvelopeSystem::{Dingtalk, Feishu, Wecom};
    let key = "a".repeat(43);
    let plain = EnvelopeScheme {
        encrypted: false,
        ..EnvelopeScheme::of(Feishu)
    };
    for (scheme, secret, says) in [
        (EnvelopeScheme::of(Wecom), key.clone(), "TOKEN:KEY"),
        (EnvelopeScheme::of(Wecom), format!(":{key}"), "token"),
        (EnvelopeScheme::of(Wecom), format!("a-b:{key}"), "token"),
        (EnvelopeScheme::of(Wecom), format!("short:{key}"), "16"),
        (
            EnvelopeScheme::of(Dingtalk),
            format!("longEnoughToken0001:{key}a"),
            "43",
        ),
        (
            EnvelopeScheme::of(Dingtalk),
            format!("longEnoughToken0001:{}", "/".repeat(43)),
            "43",
        ),
        (
            EnvelopeScheme::of(Feishu),
            "longEnoughToken0001:".to_owned(),
            "no Encrypt Key",
        ),
        (
            EnvelopeScheme::of(Feishu),
            "a-short-encrypt-key".to_owned(),
            "24",
        ),
        (plain, "not/a/token/of/feishu".to_owned(), "token"),
    ] {
        let refused = EnvelopeKey::read(scheme, &secret, true);
        let Err((flaw, remedy)) = refused else {
            panic!("{secret} was taken")
        };
        assert!(flaw.contains(says), "{secret}: {flaw}");
        assert!(!flaw.contains(&key) && !remedy.contains(&key));
    }
}

const NOW: i64 = 1_764_072_000;

fn plain_challenge(more: bool) -> Value {
    let mut challenge = serde_json::json!({"challenge": "ajls384kdjx98XX", "token": "xxxxxx",
        "type": "url_verification"});
    if more {
        challenge["event"] = Value::Null;
    }
    challenge
}

#[test]
fn a_challenge_is_renewed_as_one() {
    let scheme = EnvelopeScheme::of(EnvelopeSystem::Feishu);
    let secret = format!("longEnoughToken0001:{}", "k".repeat(32));
    let key = EnvelopeKey::read(scheme, &secret, true).unwrap_or_else(|(flaw, _)| panic!("{flaw}"));
    let now = Timestamp::from_second(NOW).unwrap();
    let opened = |more| {
        let event = seal::renewed(scheme, &key, plain_challenge(more), now);
        let event = event.to_string().into_bytes();
        let sealed = seal::seal(scheme, &key, "", &event, now).unwrap();
        let checked = Checked {
            scheme,
            keys: vec![&key],
            from: &[],
            now,
        };
        let headers = Headers::new(sealed.headers);
        feishu::open(&checked, &headers, &sealed.body, &mut Trace::off())
    };
    assert!(opened(false).unwrap().is_challenge);
    let why = opened(true).err().unwrap().to_string();
    assert!(
        why.contains("challenge") && !why.contains("header"),
        "{why}"
    );
}
