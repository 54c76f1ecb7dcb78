//! Computes and verifies TC3-HMAC-SHA256, the request signature of the Tencent Cloud API 3.0.
//! `sign` takes keys, a time and the parts of a request, and returns the `Authorization` header
//! with every intermediate value. `verify` checks such a header. Reads no clock and performs no
//! I/O.
//!
#![doc = include_str!("../README.md")]

mod authorization;
mod canonical_request;
mod signature;
mod string_to_sign;

pub use authorization::{Authorization, Refusal, parse_authorization, verify};
pub use canonical_request::{CanonicalRequest, SignedParts, UNSIGNED_PAYLOAD};
pub use signature::{signature, signing_key};
pub use string_to_sign::{ALGORITHM, CredentialScope, string_to_sign};

use jiff::Timestamp;

/// Everything that a signature depends on. It has no `Debug`, because it holds the secret key.
#[derive(Clone, Copy)]
pub struct SigningInput<'a> {
    /// The public id of the key pair.
    pub secret_id: &'a str,
    /// The secret of the key pair.
    pub secret_key: &'a str,
    /// The product's short name: `lighthouse`, `cvm`.
    pub service: &'a str,
    /// The instant that is sent as `X-TC-Timestamp`, in whole seconds.
    pub timestamp: Timestamp,
    /// The parts of the request that are signed.
    pub request: SignedParts<'a>,
}

/// A signature with every intermediate value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// SHA-256 of [`SignedParts::payload`], hex.
    pub hashed_payload: String,
    /// The canonical request, which is step 1.
    pub canonical_request: String,
    /// SHA-256 of the canonical request, hex.
    pub hashed_canonical_request: String,
    /// The day and the service for which the signature is valid.
    pub scope: CredentialScope,
    /// The string to sign, which is step 2.
    pub string_to_sign: String,
    /// The signature, which is step 3, hex.
    pub signature: String,
    /// The value of the `Authorization` header.
    pub authorization: String,
}

/// Signs a request.
pub fn sign(input: &SigningInput<'_>) -> Signed {
    let canonical = CanonicalRequest::of(&input.request);
    let hashed_canonical_request = canonical.hashed();
    let scope = CredentialScope::of(input.service, input.timestamp);
    let string_to_sign = string_to_sign(input.timestamp, &scope, &hashed_canonical_request);
    let signature = signature(input.secret_key, &scope, &string_to_sign);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        input.secret_id, canonical.signed_headers
    );
    Signed {
        hashed_payload: canonical.hashed_payload,
        canonical_request: canonical.text,
        hashed_canonical_request,
        scope,
        string_to_sign,
        signature,
        authorization,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;

    /// The documentation's worked examples, signatures of the official Python signer, and
    /// independently computed values.
    const VECTORS: &str = include_str!("../vectors/tc3.json");

    fn text<'a>(object: &'a Value, field: &str) -> &'a str {
        object[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field} in {object}"))
    }

    fn check(vector: &Value) {
        let (name, input, expected) = (text(vector, "name"), &vector["input"], &vector["expected"]);
        let all = [
            ("content-type", text(input, "content_type")),
            ("host", text(input, "host")),
            ("x-tc-action", text(input, "action")),
        ];
        let signed_names: Vec<&str> = text(input, "signed_headers").split(';').collect();
        let headers: Vec<(&str, &str)> = all
            .into_iter()
            .filter(|(n, _)| signed_names.contains(n))
            .collect();
        assert_eq!(headers.len(), signed_names.len(), "{name}");
        let unsigned = input["unsigned_payload"].as_bool().unwrap();
        let payload = if unsigned {
            UNSIGNED_PAYLOAD
        } else {
            text(input, "payload")
        };
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
        assert_eq!(
            signed.hashed_payload,
            text(expected, "hashed_payload"),
            "{name}: hashed_payload"
        );
        assert_eq!(
            signed.canonical_request,
            text(expected, "canonical_request"),
            "{name}: canonical_request"
        );
        assert_eq!(
            signed.hashed_canonical_request,
            text(expected, "hashed_canonical_request"),
            "{name}: hashed_canonical_request"
        );
        assert_eq!(
            signed.scope.to_string(),
            text(expected, "credential_scope"),
            "{name}: credential_scope"
        );
        assert_eq!(
            signed.string_to_sign,
            text(expected, "string_to_sign"),
            "{name}: string_to_sign"
        );
        assert_eq!(
            signed.signature,
            text(expected, "signature"),
            "{name}: signature"
        );
        assert_eq!(
            signed.authorization,
            text(expected, "authorization"),
            "{name}: authorization"
        );
        if let Some(key) = expected["secret_signing_hex"].as_str() {
            let derived = signing_key(text(input, "secret_key"), &signed.scope);
            assert_eq!(
                hex::encode(derived.as_slice()),
                key,
                "{name}: secret_signing"
            );
        }
        let read = parse_authorization(&signed.authorization).unwrap();
        assert_eq!(
            verify(&read, text(input, "secret_key"), timestamp, &request),
            Ok(()),
            "{name}: verify"
        );
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
        assert_eq!(
            find("lh_cancel_with_token"),
            find("lh_cancel_without_token_same_sig")
        );
    }
}
