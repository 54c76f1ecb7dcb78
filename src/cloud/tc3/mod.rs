//! TC3-HMAC-SHA256, the API's request signature. In: keys, an instant, the parts of a request. Out: the `Authorization`
//! header with every intermediate value, or a verdict on one. Imports nothing of this crate, reads no clock, sends nothing.

mod authorization;
mod canonical_request;
mod signature;
mod string_to_sign;

pub use authorization::{Authorization, Refusal, parse_authorization, verify};
pub use canonical_request::{CanonicalRequest, SignedParts, UNSIGNED_PAYLOAD};
pub use signature::{signature, signing_key};
pub use string_to_sign::{ALGORITHM, CredentialScope, string_to_sign};

use jiff::Timestamp;

/// Everything that a signature depends on. It has no `Debug`: it holds the secret key.
#[derive(Clone, Copy)]
pub struct SigningInput<'a> {
    /// The public half of the key.
    pub secret_id: &'a str,
    /// The secret half.
    pub secret_key: &'a str,
    /// The product's short name: `lighthouse`, `cvm`.
    pub service: &'a str,
    /// What is sent as `X-TC-Timestamp`, in whole seconds.
    pub timestamp: Timestamp,
    /// The request.
    pub request: SignedParts<'a>,
}

/// A signature and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// SHA-256 of the body, hex.
    pub hashed_payload: String,
    /// Step 1.
    pub canonical_request: String,
    /// SHA-256 of step 1, hex.
    pub hashed_canonical_request: String,
    /// Day and service.
    pub scope: CredentialScope,
    /// Step 2.
    pub string_to_sign: String,
    /// Step 3, hex.
    pub signature: String,
    /// The header's value.
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
mod vectors;
