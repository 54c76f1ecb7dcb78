//! Runs each vector of tests/vectors/approval-systems.json that is a whole delivery through the
//! verifier. Skips only senders without a scheme, and asserts how many vectors were skipped.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;
use sharehook::domain::Timestamp;
use sharehook::inbound::{
    Delivery, HandshakeReply, HandshakeRequest, Headers, Proof, Refusal, ReplyBody, SchemeSpec,
    SecretRules, VerifiedDelivery, Verifier, Via, renewed, seal,
};

const TEXT: &str = include_str!("../../vectors/approval-systems.json");
/// Senders that do not encrypt, and for which the program has no scheme.
const WITHOUT_SCHEME: [&str; 3] = ["coding", "gitee", "tapd"];

fn text<'a>(vector: &'a Value, pointer: &str) -> &'a str {
    let text = vector.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

fn verifier(vector: &Value) -> Verifier {
    let secret = |name: &str| text(vector, &format!("/secrets/{name}"));
    let (scheme, secret, from) = match text(vector, "/system") {
        "feishu" if secret("encrypt_key").is_empty() => (
            "{ like = \"feishu\", encrypted = false }",
            secret("verification_token").to_owned(),
            Vec::new(),
        ),
        "feishu" => (
            "\"feishu\"",
            format!("{}:{}", secret("verification_token"), secret("encrypt_key")),
            vec!["cli_a0000000000000ff".to_owned()],
        ),
        "dingtalk" => (
            "\"dingtalk\"",
            format!("{}:{}", secret("token"), secret("aes_key")),
            vec![secret("owner_key").to_owned()],
        ),
        "wecom" => (
            "\"wecom\"",
            format!("{}:{}", secret("token"), secret("encoding_aes_key")),
            vec![secret("receive_id").to_owned()],
        ),
        other => panic!("{other}"),
    };
    #[derive(serde::Deserialize)]
    struct Source {
        scheme: SchemeSpec,
    }
    let source: Source = toml::from_str(&format!("scheme = {scheme}")).unwrap();
    let secrets = vec![secret.into()];
    Verifier::with_rules(source.scheme, secrets, from, SecretRules::AllowKnown).unwrap()
}

fn headers(vector: &Value) -> Headers {
    let fields = vector["headers"].as_object().unwrap();
    let pairs = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str().unwrap()));
    let query = vector["query"].as_object().unwrap();
    let values = |(name, value): (&String, &Value)| {
        let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
        let pair = |value: Value| (name.clone(), value.as_str().unwrap().to_owned());
        values.into_iter().map(pair).collect::<Vec<_>>()
    };
    Headers::new(pairs).with_query(query.iter().flat_map(values).collect())
}

enum End {
    Handshake(HandshakeReply),
    Event(Box<VerifiedDelivery>),
}

/// Handles a delivery as the HTTP host does: first as a handshake of the scheme, then by
/// verification.
fn received(vector: &Value) -> Result<End, Refusal> {
    let (verifier, headers) = (verifier(vector), headers(vector));
    let now = Timestamp::from_second(vector["now"].as_i64().unwrap()).unwrap();
    let (source, body) = ("vector".parse().unwrap(), text(vector, "/body").to_owned());
    let request = HandshakeRequest {
        source: &source,
        method: text(vector, "/method"),
        headers: &headers,
        body: body.as_bytes(),
    };
    if let Some(answered) = HandshakeReply::of_scheme(&request, &verifier, now) {
        return answered.map(End::Handshake);
    }
    let delivery = Delivery {
        source: source.clone(),
        via: Via::Http(headers),
        body: body.into(),
    };
    let verified = verifier.verify(delivery, now)?;
    Ok(match HandshakeReply::to(&verified, None) {
        Some(reply) => End::Handshake(reply),
        None => End::Event(Box::new(verified)),
    })
}

fn compared(vector: &Value, end: &End) -> Result<(), String> {
    let event = match end {
        End::Handshake(reply) => {
            let expected = match (vector.pointer("/reply/text"), vector.pointer("/reply/json")) {
                (Some(text), _) => ReplyBody::Text(text.as_str().unwrap().to_owned()),
                (None, Some(json)) if json.get("encrypt").is_none() => {
                    ReplyBody::Json(json.clone())
                }
                // An encrypted reply contains random bytes. src/inbound/envelope/tests.rs compares
                // its form.
                _ => return Ok(()),
            };
            let same = vector["kind"] == "handshake" && reply.body == expected;
            return same.then_some(()).ok_or_else(|| format!("{reply:?}"));
        }
        End::Event(event) => event,
    };
    if vector["kind"] != "event" {
        return Err("is no handshake".to_owned());
    }
    let plain = text(vector, "/plain");
    let body = std::str::from_utf8(event.body()).unwrap();
    let same = if plain.starts_with('<') {
        // The verifier has turned XML into JSON. The texts of the XML elements must be in the JSON.
        let leaf = plain
            .split("<![CDATA[")
            .skip(1)
            .map(|rest| rest.split("]]>").next());
        let json: Value = serde_json::from_str(body).unwrap();
        leaf.flatten().all(|leaf| json.to_string().contains(leaf))
    } else {
        body == plain
    };
    let id = vector["delivery_id"].as_str();
    if !same {
        return Err(format!("the plain text is {body}"));
    }
    if id.is_some() && event.delivery_id() != id {
        return Err(format!("the id is {:?}", event.delivery_id()));
    }
    if event.signed() != vector["unsigned"].is_null() {
        return Err(format!("signed is {}", event.signed()));
    }
    Ok(())
}

#[test]
fn every_delivery_ends_as_it_says() {
    let all: Vec<Value> = serde_json::from_str(TEXT).unwrap();
    assert_eq!(all.len(), 106);
    let mut ends: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for vector in &all {
        let (system, layer) = (text(vector, "/system"), text(vector, "/layer"));
        if WITHOUT_SCHEME.contains(&system) {
            *ends.entry((system, "no scheme")).or_default() += 1;
            continue;
        }
        if layer != "delivery" {
            *ends.entry((system, "a single step")).or_default() += 1;
            continue;
        }
        let (id, expect) = (text(vector, "/id"), text(vector, "/expect"));
        match (expect, received(vector)) {
            ("accept", Ok(end)) => {
                let end = compared(vector, &end);
                wrong.extend(end.err().map(|why| format!("{id}: {why}")));
            }
            ("reject", Err(refusal)) => {
                // The status 415 would show a forger that the signature is right.
                assert!(!refusal.is_media_type(), "{id}");
            }
            (_, Ok(_)) => wrong.push(format!("{id} was accepted")),
            (_, Err(refusal)) => wrong.push(format!("{id} was refused: {refusal}")),
        }
        *ends.entry((system, expect)).or_default() += 1;
    }
    assert_eq!(wrong, [""; 0]);
    let counted = |system, end| ends.get(&(system, end)).copied().unwrap_or_default();
    let sums = ["feishu", "dingtalk", "wecom"]
        .map(|system| ["accept", "reject", "a single step"].map(|end| counted(system, end)));
    assert_eq!(sums, [[8, 20, 3], [9, 14, 2], [12, 27, 0]]);
    let others = WITHOUT_SCHEME.map(|system| counted(system, "no scheme"));
    assert_eq!(others, [4, 4, 3]);
}

fn vector(id: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(TEXT).unwrap();
    let found = all.into_iter().find(|vector| vector["id"] == id);
    found.unwrap()
}

#[test]
fn a_time_of_another_length_is_not_called_missing() {
    for (id, digits) in [
        ("feishu-shifted-digit", "10 digits"),
        ("dingtalk-time-not-a-number", "13 digits"),
    ] {
        let error = received(&vector(id)).err().unwrap().to_string();
        assert!(
            error.contains(digits) && !error.contains("missing"),
            "{error}"
        );
    }
}

#[test]
fn what_was_not_encrypted_is_not_shown_as_decrypted() {
    for (id, decrypted) in [
        ("feishu-v1-approved", true),
        ("feishu-plain-token-only", false),
    ] {
        let vector = vector(id);
        let now = Timestamp::from_second(vector["now"].as_i64().unwrap()).unwrap();
        let delivery = Delivery {
            source: "vector".parse().unwrap(),
            via: Via::Http(headers(&vector)),
            body: text(&vector, "/body").to_owned().into(),
        };
        let explained = verifier(&vector).explain(delivery, now);
        assert!(explained.outcome.is_ok());
        let found = explained.steps.iter().any(|step| step.what == "decrypted");
        assert_eq!(found, decrypted, "{id}");
    }
}

/// Each pair has one half of the secret in common, as while the other half is replaced.
#[test]
fn either_half_of_a_secret_can_be_replaced_while_events_come_under_both() {
    let now = Timestamp::from_second(1_764_072_000).unwrap();
    let (token, other) = ("aTokenForTests000001", "aTokenForTests000002");
    let key = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFH";
    let other_key = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFI";
    for (system, receiver, event) in [
        (
            "feishu",
            "cli_a0000000000000ff",
            r#"{"header":{"app_id":"cli_a0000000000000ff"}}"#,
        ),
        (
            "dingtalk",
            "dinga0000000000000ff",
            r#"{"EventType":"bpms_instance_change"}"#,
        ),
        (
            "wecom",
            "ww0123456789abcdef",
            r#"{"ToUserName":"ww0123456789abcdef"}"#,
        ),
    ] {
        for secrets in [
            [format!("{token}:{key}"), format!("{token}:{other_key}")],
            [format!("{token}:{key}"), format!("{other}:{key}")],
        ] {
            let spec: SchemeSpec = system.parse().unwrap();
            let all: Vec<SecretString> = secrets.iter().map(|one| one.as_str().into()).collect();
            let from = vec![receiver.to_owned()];
            let verifier = Verifier::new(spec.clone(), all.clone(), from.clone()).unwrap();
            for (index, secret) in all.iter().enumerate() {
                let event = renewed(&spec, secret, serde_json::from_str(event).unwrap(), now);
                let body = event.to_string().into_bytes();
                let (headers, body) = seal(&spec, secret, &from, body, "", now).unwrap();
                let delivery = Delivery {
                    source: system.parse().unwrap(),
                    via: Via::Http(headers),
                    body,
                };
                let verified = verifier.verify(delivery, now);
                let verified = verified.unwrap_or_else(|refusal| panic!("{system}: {refusal}"));
                assert_eq!(verified.proof(), Some(&Proof::Secret(index)), "{system}");
            }
        }
    }
}
