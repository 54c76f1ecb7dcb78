//! Parses the `Authorization` header on the receiving side, and verifies that a given key signed a
//! given request. The caller checks the age of the timestamp.

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::canonical_request::SignedParts;
use super::string_to_sign::{ALGORITHM, CredentialScope, TERMINATION};
use super::{SigningInput, sign};

/// The maximum length of a header. Genuine headers are shorter: temporary ids have a few dozen
/// characters, and three to five headers are signed.
const MAX_HEADER_BYTES: usize = 4096;

/// A parsed `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The id of the key that the header claims; not verified yet.
    pub secret_id: String,
    /// The day and the service that the header claims.
    pub scope: CredentialScope,
    /// The names of the signed headers as written: lower case, in ascending order.
    pub signed_headers: Vec<String>,
    /// The signature as written: 64 hex digits.
    pub signature: String,
}

/// Why a signature is refused. The messages begin with the API's codes, without their prefix
/// `AuthFailure.`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header does not have the documented form.
    #[error("InvalidAuthorization: {0}")]
    InvalidAuthorization(&'static str),
    /// `SignedHeaders` lacks a header that must be signed, or lists one that the request does not
    /// have exactly once.
    #[error(
        "InvalidAuthorization: header {0} is not signed, or the request does not have it exactly once"
    )]
    MissingHeader(String),
    /// The scope's day is not the day of `X-TC-Timestamp`.
    #[error("SignatureFailure: the scope's date is not the day of the timestamp")]
    WrongDate,
    /// The signature was made with another key, or for a request with other content.
    #[error("SignatureFailure: the signature is not that of this request with this key")]
    WrongSignature,
}

/// Reads `TC3-HMAC-SHA256 Credential=<id>/<scope>, SignedHeaders=<names>, Signature=<hex>`.
///
/// # Errors
/// [`Refusal::InvalidAuthorization`] names the part that is wrong.
pub fn parse_authorization(text: &str) -> Result<Authorization, Refusal> {
    let wrong = Refusal::InvalidAuthorization;
    if text.len() > MAX_HEADER_BYTES {
        return Err(wrong("it is too long"));
    }
    let rest = text
        .strip_prefix(ALGORITHM)
        .and_then(|rest| rest.strip_prefix(' '));
    let rest = rest.ok_or(wrong("it does not begin with TC3-HMAC-SHA256"))?;
    let mut fields = rest.split(',').map(str::trim);
    let mut field = |name: &str, problem| {
        fields
            .next()
            .and_then(|field| field.strip_prefix(name))
            .ok_or(wrong(problem))
    };
    let credential = field("Credential=", "Credential is missing or not first")?;
    let names = field("SignedHeaders=", "SignedHeaders is missing or not second")?;
    let signature = field("Signature=", "Signature is missing or not third")?;
    if fields.next().is_some() {
        return Err(wrong("something follows the signature"));
    }
    let mut parts = credential.split('/');
    let (Some(secret_id), Some(date), Some(service), Some(TERMINATION), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(wrong("Credential is not <id>/<date>/<service>/tc3_request"));
    };
    if secret_id.is_empty() || service.is_empty() {
        return Err(wrong("Credential has an empty part"));
    }
    if date.len() != 10 {
        return Err(wrong("the date in Credential is not YYYY-MM-DD"));
    }
    let signed_headers: Vec<String> = names.split(';').map(str::to_owned).collect();
    let sorted = signed_headers
        .iter()
        .zip(signed_headers.iter().skip(1))
        .all(|(one, next)| one < next);
    if !sorted
        || signed_headers
            .iter()
            .any(|name| *name != name.to_ascii_lowercase())
    {
        return Err(wrong(
            "SignedHeaders must be lower-case names in ascending order, each once",
        ));
    }
    if signature.len() != 64 || !signature.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong("Signature is not 64 hex digits"));
    }
    let scope = CredentialScope {
        date: date.to_owned(),
        service: service.to_owned(),
    };
    Ok(Authorization {
        secret_id: secret_id.to_owned(),
        scope,
        signed_headers,
        signature: signature.to_owned(),
    })
}

/// Recomputes the signature over `request` and compares it in constant time. `request.headers` must
/// contain all headers that arrived. `timestamp` is the value of `X-TC-Timestamp`; the caller
/// decides how old it may be.
///
/// # Errors
/// Returns the first [`Refusal`] that applies.
pub fn verify(
    authorization: &Authorization,
    secret_key: &str,
    timestamp: Timestamp,
    request: &SignedParts<'_>,
) -> Result<(), Refusal> {
    for name in ["content-type", "host"] {
        if !authorization
            .signed_headers
            .iter()
            .any(|signed| signed == name)
        {
            return Err(Refusal::MissingHeader(name.to_owned()));
        }
    }
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for name in &authorization.signed_headers {
        let mut found = request
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some(header), None) => headers.push(*header),
            _ => return Err(Refusal::MissingHeader(name.clone())),
        }
    }
    if CredentialScope::of(&authorization.scope.service, timestamp) != authorization.scope {
        return Err(Refusal::WrongDate);
    }
    let signed = sign(&SigningInput {
        secret_id: &authorization.secret_id,
        secret_key,
        service: &authorization.scope.service,
        timestamp,
        request: SignedParts {
            headers: &headers,
            ..*request
        },
    });
    let same = signed
        .signature
        .as_bytes()
        .ct_eq(authorization.signature.as_bytes());
    if bool::from(same) {
        Ok(())
    } else {
        Err(Refusal::WrongSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [(&str, &str); 3] = [
        ("Host", "127.0.0.1:18300"),
        ("Content-Type", "application/json"),
        ("X-TC-Action", "DescribeImages"),
    ];

    fn now() -> Timestamp {
        Timestamp::from_second(1_767_225_600).unwrap()
    }

    fn signed() -> String {
        let request = SignedParts {
            method: "POST",
            query: "",
            headers: &HEADERS,
            payload: b"{}",
        };
        sign(&SigningInput {
            secret_id: "id",
            secret_key: "key",
            service: "cvm",
            timestamp: now(),
            request,
        })
        .authorization
    }

    fn check(
        text: &str,
        key: &str,
        at: Timestamp,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Option<Refusal> {
        let authorization = match parse_authorization(text) {
            Ok(authorization) => authorization,
            Err(refusal) => return Some(refusal),
        };
        let request = SignedParts {
            method: "POST",
            query: "",
            headers,
            payload,
        };
        verify(&authorization, key, at, &request).err()
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else() {
        let text = signed();
        let more = [HEADERS.as_slice(), &[("x-tc-region", "ap-tokyo")]].concat();
        assert_eq!(check(&text, "key", now(), &more, b"{}"), None);
        assert_eq!(
            check(&text, "kez", now(), &HEADERS, b"{}"),
            Some(Refusal::WrongSignature)
        );
        assert_eq!(
            check(&text, "key", now(), &HEADERS, b"{} "),
            Some(Refusal::WrongSignature)
        );
        let second = now() + jiff::SignedDuration::from_secs(1);
        assert_eq!(
            check(&text, "key", second, &HEADERS, b"{}"),
            Some(Refusal::WrongSignature)
        );
        let yesterday = now() - jiff::SignedDuration::from_secs(1);
        assert_eq!(
            check(&text, "key", yesterday, &HEADERS, b"{}"),
            Some(Refusal::WrongDate)
        );
        let other = [HEADERS[0], HEADERS[1], ("X-TC-Action", "DeleteImages")];
        assert_eq!(
            check(&text, "key", now(), &other, b"{}"),
            Some(Refusal::WrongSignature)
        );
    }

    #[test]
    fn a_signed_header_must_be_there_once() {
        let text = signed();
        let missing = Some(Refusal::MissingHeader("x-tc-action".into()));
        assert_eq!(check(&text, "key", now(), &HEADERS[..2], b"{}"), missing);
        let twice = [HEADERS.as_slice(), &[("x-tc-action", "Other")]].concat();
        assert_eq!(check(&text, "key", now(), &twice, b"{}"), missing);
        let unsigned_host =
            text.replace("content-type;host;x-tc-action", "content-type;x-tc-action");
        let refusal = check(&unsigned_host, "key", now(), &HEADERS, b"{}");
        assert_eq!(refusal, Some(Refusal::MissingHeader("host".into())));
    }

    #[test]
    fn malformed_headers_are_refused() {
        let good = signed();
        let sig = good.split("Signature=").nth(1).unwrap();
        for bad in [
            String::new(),
            "TC3-HMAC-SHA256".into(),
            good.replace("TC3-HMAC-SHA256", "TC3-HMAC-SHA1"),
            good.replace("id/", "/"),
            good.replace("/tc3_request", ""),
            good.replace("/cvm/", "/cvm/x/"),
            good.replace("content-type;host", "Content-Type;host"),
            good.replace("content-type;host", "host;content-type"),
            good.replace("content-type;host", "host;host"),
            good.replace(sig, &sig[..63]),
            good.replace(sig, &"z".repeat(64)),
            format!("{good}, Extra=1"),
            good.replace(", SignedHeaders", ", signedheaders"),
            format!("{good}{}", "0".repeat(5_000)),
            "TC3-HMAC-SHA256 Credential=\u{1F600}".into(),
        ] {
            assert!(
                matches!(
                    parse_authorization(&bad),
                    Err(Refusal::InvalidAuthorization(_))
                ),
                "{bad:.120}"
            );
        }
    }
}
