//! Runs every vector of tests/vectors/webhooks.json through the public verifier. Skips none, and
//! asserts their number.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::domain::Timestamp;
use sharehook::inbound::{
    Delivery, Handshake, HandshakeReply, HandshakeRequest, Headers, ReplyBody, SchemeSpec,
    SecretRules, VerifiedDelivery, Verifier, Via,
};

const TEXT: &str = include_str!("../../vectors/webhooks.json");

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_default()
}

fn headers(vector: &Value) -> Headers {
    Headers::new(
        vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())),
    )
}

fn delivery(vector: &Value) -> Delivery {
    let body = text(vector, "body").to_owned().into();
    Delivery {
        source: "vector".parse().unwrap(),
        via: Via::Http(headers(vector)),
        body,
    }
}

fn spec(vector: &Value) -> SchemeSpec {
    let name = match text(vector, "scheme") {
        "github-sha256" => "github",
        "jira-x-hub-signature" => "jira",
        "slack-v0" => "slack",
        "stripe-v1" => return super::docs::example("Stripe-Signature"),
        "pagerduty-v1" => "pagerduty",
        "gitlab-signing-token" => "gitlab",
        // The program does not answer Zoom's URL validation, but verifies its signature like that
        // of a delivery.
        "handshake-zoom" => return super::docs::example("x-zm-signature"),
        "handshake-asana" => "asana",
        "handshake-okta" => return token("authorization"),
        "handshake-cloudevents" => "bearer",
        "static-header" => return token(text(vector, "header")),
        same => same,
    };
    name.parse().unwrap()
}

/// A scheme with a static secret in the header `header`.
pub(super) fn token(header: &str) -> SchemeSpec {
    serde_json::from_value(json!({ "like": "token", "header": header })).unwrap()
}

fn now(vector: &Value) -> Timestamp {
    let millis = |value: &Value| {
        value
            .as_i64()
            .map(|ms| Timestamp::from_millisecond(ms).unwrap())
    };
    let seconds = |value: &Value| value.as_i64().map(|s| Timestamp::from_second(s).unwrap());
    let instant = |value: &Value| value.as_str().map(|text| text.parse().unwrap());
    millis(&vector["now_ms"])
        .or_else(|| seconds(&vector["now"]))
        .or_else(|| instant(&vector["now"]))
        // If the vector has no instant, use the instant that the sender signed. If there is none
        // either, any instant will do.
        .or_else(|| {
            seconds(
                &serde_json::from_str(text(&vector["headers"], "x-zm-request-timestamp"))
                    .unwrap_or_default(),
            )
        })
        .unwrap_or_else(|| "2026-09-10T00:27:00Z".parse().unwrap())
}

fn verifier(vector: &Value) -> Result<Verifier, String> {
    // The sender of this handshake does not know the secret yet, but the source must have one.
    let own = vector["secret"].as_str().or_else(|| {
        vector["headers"]["Authorization"]
            .as_str()
            .filter(|_| text(vector, "scheme") == "handshake-okta")
    });
    let more = vector["additional_secrets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let secrets = [own.unwrap_or("a-secret-of-the-source-itself")]
        .into_iter()
        .chain(more);
    let secrets = secrets.map(SecretString::from).collect();
    Verifier::with_rules(spec(vector), secrets, Vec::new(), SecretRules::AllowKnown)
        .map_err(|p| p.to_string())
}

fn verified(vector: &Value) -> Result<VerifiedDelivery, String> {
    verifier(vector)?
        .verify(delivery(vector), now(vector))
        .map_err(|refusal| refusal.to_string())
}

/// Answers the handshake as the HTTP host does: before verification, then after it.
fn answered(vector: &Value) -> Result<HandshakeReply, String> {
    let handshake = match text(vector, "scheme") {
        "handshake-asana" => Handshake::Asana,
        "handshake-okta" => Handshake::Okta,
        "handshake-cloudevents" => Handshake::Cloudevents {
            origins: vec!["eventemitter.example.com".to_owned()],
            per_minute: 100,
        },
        _ => Handshake::Slack,
    };
    let verifier = verifier(vector)?;
    assert_eq!(handshake.problem(&spec(vector)), None);
    let (source, headers) = ("vector".parse().unwrap(), headers(vector));
    let method = vector["method"].as_str().unwrap_or("POST");
    let request = HandshakeRequest {
        source: &source,
        method,
        headers: &headers,
        body: text(vector, "body").as_bytes(),
    };
    if let Some(answer) = handshake.answer_request(&request, &verifier, now(vector)) {
        return answer.map_err(|refusal| refusal.to_string());
    }
    let verified = verified(vector)?;
    HandshakeReply::to(&verified, Some(&handshake)).ok_or_else(|| "no handshake".to_owned())
}

fn expected(vector: &Value, reply: &HandshakeReply) {
    let id = text(vector, "id");
    let wanted = &vector["expect_response"];
    assert_eq!(wanted["status"], 200, "{id}");
    let ReplyBody::Json(body) = &reply.body else {
        panic!("{id}: {reply:?}")
    };
    if let Some(json) = wanted.get("json") {
        assert_eq!(body, json, "{id}");
    }
    if let Some(part) = wanted["body_contains"].as_str() {
        assert!(body.to_string().contains(part), "{id}");
    }
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        let found = reply
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        assert_eq!(
            found.map(|(_, value)| value.as_str()),
            value.as_str(),
            "{id}: {name}"
        );
    }
}

#[test]
fn every_vector_ends_as_it_says() {
    let file: Value = serde_json::from_str(TEXT).unwrap();
    let lists = [&file["vectors"], &file["constructed"]];
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for vector in lists.into_iter().flat_map(|list| list.as_array().unwrap()) {
        let expect = text(vector, "expect");
        let end = if text(vector, "scheme") == "sns-rsa" {
            super::sns::verified(vector, &file)
        } else {
            verified(vector).map(drop)
        };
        match (expect, &end) {
            ("accept", Ok(())) | ("reject", Err(_)) | ("handshake", _) => {}
            _ => wrong.push(format!("{} should {expect}: {end:?}", text(vector, "id"))),
        }
        if vector.get("expect_response").is_some() && text(vector, "scheme") != "handshake-zoom" {
            match answered(vector) {
                Ok(reply) => expected(vector, &reply),
                Err(why) => wrong.push(format!("{} is not answered: {why}", text(vector, "id"))),
            }
        }
        *ends.entry(expect).or_default() += 1;
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(
        ends,
        BTreeMap::from([("accept", 31), ("handshake", 4), ("reject", 68)])
    );
}
