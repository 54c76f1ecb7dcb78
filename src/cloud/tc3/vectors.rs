//! The signer against `tests/vectors/tc3.json`: the official Python signer, the documentation's worked examples and
//! independently computed values, each compared at every step.

use jiff::Timestamp;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../tests/vectors/tc3.json");

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_else(|| panic!("{field} in {object}"))
}

fn check(vector: &Value) {
    let (name, input, expected) = (text(vector, "name"), &vector["input"], &vector["expected"]);
    let all = [
        ("content-type", text(input, "content_type")),
        ("host", text(input, "host")),
        ("x-tc-action", text(input, "action")),
    ];
    let signed_names: Vec<&str> = text(input, "signed_headers").split(';').collect();
    let headers: Vec<(&str, &str)> = all.into_iter().filter(|(n, _)| signed_names.contains(n)).collect();
    assert_eq!(headers.len(), signed_names.len(), "{name}");
    let unsigned = input["unsigned_payload"].as_bool().unwrap();
    let payload = if unsigned { UNSIGNED_PAYLOAD } else { text(input, "payload") };
    let timestamp = Timestamp::from_second(input["timestamp"].as_i64().unwrap()).unwrap();
    let request = SignedParts {
        method: text(input, "method"),
        query: text(input, "query"),
        headers: &headers,
        payload: payload.as_bytes(),
    };
    let signed = sign(&SigningInput {
        secret_id: text(input, "secret_id"),
        secret_key: text(input, "secret_key"),
        service: text(input, "service"),
        timestamp,
        request,
    });
    assert_eq!(signed.hashed_payload, text(expected, "hashed_payload"), "{name}: hashed_payload");
    assert_eq!(signed.canonical_request, text(expected, "canonical_request"), "{name}: canonical_request");
    assert_eq!(
        signed.hashed_canonical_request,
        text(expected, "hashed_canonical_request"),
        "{name}: hashed_canonical_request"
    );
    assert_eq!(signed.scope.to_string(), text(expected, "credential_scope"), "{name}: credential_scope");
    assert_eq!(signed.string_to_sign, text(expected, "string_to_sign"), "{name}: string_to_sign");
    assert_eq!(signed.signature, text(expected, "signature"), "{name}: signature");
    assert_eq!(signed.authorization, text(expected, "authorization"), "{name}: authorization");
    if let Some(key) = expected["secret_signing_hex"].as_str() {
        let derived = signing_key(text(input, "secret_key"), &signed.scope);
        assert_eq!(hex::encode(derived.as_slice()), key, "{name}: secret_signing");
    }
    let read = parse_authorization(&signed.authorization).unwrap();
    assert_eq!(verify(&read, text(input, "secret_key"), timestamp, &request), Ok(()), "{name}: verify");
    let refused = verify(&read, "another key", timestamp, &request);
    assert_eq!(refused, Err(Refusal::WrongSignature), "{name}: another key");
}

#[test]
fn every_vector_holds_at_every_step() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 25, "a vector was added or lost");
    vectors.iter().for_each(check);
}

#[test]
fn a_token_is_no_input_of_the_signature() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let find = |name: &str| {
        let mut all = file["vectors"].as_array().unwrap().iter();
        all.find(|v| v["name"] == name).unwrap()["expected"]["signature"].clone()
    };
    assert_eq!(find("lh_cancel_with_token"), find("lh_cancel_without_token_same_sig"));
}
