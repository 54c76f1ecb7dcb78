//! Checks TC3-HMAC-SHA256 signatures: parses the Authorization header and recomputes the signature.
//! Written from the documentation (cloud.tencent.com/document/api/213/30654) and independent of the
//! client's signer in the crate `tc3`, so that each checks the other. Stores no keys and reads no
//! clock.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::error::{ApiError, clip, refuse};
use super::request::{Common, Request};

const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// Maximum difference between the timestamp and the server's clock, in seconds.
const TOLERANCE: u64 = 300;

/// The parsed header `TC3-HMAC-SHA256 Credential=<id>/<date>/<service>/tc3_request,
/// SignedHeaders=<a;b>, Signature=<hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) secret_id: String,
    pub(super) date: String,
    pub(super) service: String,
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: Vec<u8>,
}

impl Authorization {
    /// Parses the header. Fails with `AuthFailure.InvalidAuthorization`, and names the wrong part
    /// in the message.
    pub(super) fn parse(header: &str) -> Result<Self, ApiError> {
        let parameters = header
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| malformed("does not begin with TC3-HMAC-SHA256 and a space"))?;
        let mut parts = parameters.split(", ");
        let mut part = |name: &str| {
            let value = parts
                .next()
                .and_then(|part| part.strip_prefix(name)?.strip_prefix('='));
            value
                .filter(|v| !v.is_empty())
                .ok_or_else(|| malformed(&format!("lacks {name}= or has it in the wrong position")))
        };
        let (credential, headers, signature) = (
            part("Credential")?,
            part("SignedHeaders")?,
            part("Signature")?,
        );
        if parts.next().is_some() {
            return Err(malformed(
                "has more than Credential, SignedHeaders and Signature",
            ));
        }
        let mut scope = credential.rsplitn(4, '/');
        let (Some("tc3_request"), Some(service), Some(date), Some(id)) =
            (scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(malformed(
                "has a Credential that is not id/date/service/tc3_request",
            ));
        };
        Ok(Self {
            secret_id: id.to_owned(),
            date: date.to_owned(),
            service: service.to_owned(),
            signed_headers: signed_headers(headers)?,
            signature: signature_bytes(signature)?,
        })
    }

    /// Checks that this key signed this request. The caller finds the key by `secret_id`.
    ///
    /// Errors: `AuthFailure.SignatureExpire` (more than 300 s from `now`) or
    /// `AuthFailure.SignatureFailure`.
    pub(super) fn verify(
        &self,
        request: &Request,
        common: &Common,
        key: &SecretString,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        if common.timestamp.abs_diff(now.as_second()) > TOLERANCE {
            let message = format!(
                "The timestamp differs from the server's time {now} by more than {TOLERANCE} s."
            );
            return refuse("AuthFailure.SignatureExpire", message);
        }
        if utc_date(common.timestamp).as_deref() != Some(self.date.as_str()) {
            return Err(mismatch(
                "the Credential's date is not the timestamp's date in UTC",
            ));
        }
        if !request.is_to_loopback()
            && request.host_name().split('.').next() != Some(self.service.as_str())
        {
            return Err(mismatch(
                "the Credential's service is not the first label of the host",
            ));
        }
        let canonical = self.canonical_request(request)?;
        let to_sign = self.string_to_sign(&common.timestamp_text, &canonical);
        let k1 = keyed(
            format!("TC3{}", key.expose_secret()).as_bytes(),
            self.date.as_bytes(),
        )?;
        let k2 = keyed(&k1.finalize().into_bytes(), self.service.as_bytes())?;
        let k3 = keyed(&k2.finalize().into_bytes(), b"tc3_request")?;
        let signature = keyed(&k3.finalize().into_bytes(), to_sign.as_bytes())?;
        signature.verify_slice(&self.signature).map_err(|_| {
            mismatch(&format!(
                "the server's canonical request has the SHA-256 {}; compare it with that of yours",
                hex_sha256(&canonical)
            ))
        })
    }

    /// Joins the method, `/`, the query, the signed headers, their names, and the payload's hash.
    /// According to the documentation, every header value is trimmed and lower-cased. The signature
    /// of a client that signs a mixed-case host therefore does not match.
    fn canonical_request(&self, request: &Request) -> Result<String, ApiError> {
        let mut headers = String::new();
        for name in &self.signed_headers {
            let value = request.headers.get(name).ok_or_else(|| {
                mismatch(&format!("the signed header {} was not sent", clip(name)))
            })?;
            headers.push_str(&format!("{name}:{}\n", value.trim().to_lowercase()));
        }
        let (query, payload): (&str, &[u8]) = match request.method.as_str() {
            "GET" => (&request.query, b""),
            _ if request.header("x-tc-content-sha256") == Some("UNSIGNED-PAYLOAD") => {
                ("", b"UNSIGNED-PAYLOAD")
            }
            _ => ("", &request.body),
        };
        let names = self.signed_headers.join(";");
        Ok(format!(
            "{}\n/\n{query}\n{headers}\n{names}\n{}",
            request.method,
            hex_sha256(payload)
        ))
    }

    fn string_to_sign(&self, timestamp: &str, canonical: &str) -> String {
        let scope = format!("{}/{}/tc3_request", self.date, self.service);
        format!(
            "{ALGORITHM}\n{timestamp}\n{scope}\n{}",
            hex_sha256(canonical)
        )
    }
}

fn signed_headers(text: &str) -> Result<Vec<String>, ApiError> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    if names
        .iter()
        .any(|name| name.is_empty() || name.bytes().any(|b| b.is_ascii_uppercase()))
    {
        return Err(malformed("has SignedHeaders that are not lower-case names"));
    }
    if !names.is_sorted_by(|a, b| a < b) {
        return Err(malformed(
            "has SignedHeaders that are not in ascending order, each once",
        ));
    }
    if ["content-type", "host"]
        .iter()
        .any(|must| names.iter().all(|name| name != must))
    {
        return Err(malformed("has SignedHeaders without content-type and host"));
    }
    Ok(names)
}

fn signature_bytes(text: &str) -> Result<Vec<u8>, ApiError> {
    let lower = text
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    hex::decode(text)
        .ok()
        .filter(|bytes| lower && bytes.len() == 32)
        .ok_or_else(|| malformed("has a Signature that is not 64 lower-case hex digits"))
}

fn utc_date(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds)
        .ok()
        .map(|at| at.strftime("%Y-%m-%d").to_string())
}

fn hex_sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn keyed(key: &[u8], message: &[u8]) -> Result<Hmac<Sha256>, ApiError> {
    let mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| ApiError::new("InternalError", "A key of this length cannot be used."))?;
    Ok(mac.chain_update(message))
}

fn malformed(problem: &str) -> ApiError {
    ApiError::new(
        "AuthFailure.InvalidAuthorization",
        format!("The Authorization header {problem}."),
    )
}

fn mismatch(problem: &str) -> ApiError {
    ApiError::new(
        "AuthFailure.SignatureFailure",
        format!("The signature does not match: {problem}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::Value;

    struct Vector {
        name: String,
        request: Request,
        common: Common,
        authorization: String,
        key: SecretString,
        now: Timestamp,
        expected: Value,
    }

    fn vectors() -> Vec<Vector> {
        let file: Value = serde_json::from_str(include_str!("../../tc3/vectors/tc3.json")).unwrap();
        file["vectors"]
            .as_array()
            .unwrap()
            .iter()
            .map(vector)
            .collect()
    }

    fn vector(vector: &Value) -> Vector {
        let input = &vector["input"];
        let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
        let seconds = input["timestamp"].as_i64().unwrap();
        let mut headers = vec![
            ("host", text("host")),
            ("content-type", text("content_type")),
            ("x-tc-action", text("action")),
        ];
        if input["unsigned_payload"] == true {
            headers.push(("x-tc-content-sha256", "UNSIGNED-PAYLOAD".to_owned()));
        }
        Vector {
            name: vector["name"].as_str().unwrap().to_owned(),
            request: Request {
                method: text("method"),
                query: text("query"),
                headers: headers
                    .into_iter()
                    .map(|(n, v)| (n.to_owned(), v))
                    .collect(),
                body: Bytes::from(text("payload")),
            },
            common: Common {
                action: text("action"),
                version: text("version"),
                timestamp: seconds,
                timestamp_text: seconds.to_string(),
            },
            authorization: vector["expected"]["authorization"]
                .as_str()
                .unwrap()
                .to_owned(),
            key: SecretString::from(text("secret_key")),
            now: Timestamp::from_second(seconds).unwrap(),
            expected: vector["expected"].clone(),
        }
    }

    fn verify(v: &Vector) -> Result<(), ApiError> {
        Authorization::parse(&v.authorization)?.verify(&v.request, &v.common, &v.key, v.now)
    }

    #[test]
    fn every_vector_verifies_and_its_stages_agree() {
        let all = vectors();
        assert!(all.len() >= 25, "{}", all.len());
        for v in &all {
            // The official Python signer does not lower-case the host, although the documentation
            // requires it. The next vector is the same call with the host in lower case.
            if v.name == "cvm_mixed_case_host" {
                assert_eq!(verify(v).unwrap_err().code, "AuthFailure.SignatureFailure");
                continue;
            }
            let auth = Authorization::parse(&v.authorization).unwrap();
            let canonical = auth.canonical_request(&v.request).unwrap();
            assert_eq!(
                canonical,
                v.expected["canonical_request"].as_str().unwrap(),
                "{}",
                v.name
            );
            let to_sign = auth.string_to_sign(&v.common.timestamp_text, &canonical);
            assert_eq!(
                to_sign,
                v.expected["string_to_sign"].as_str().unwrap(),
                "{}",
                v.name
            );
            assert_eq!(verify(v), Ok(()), "{}", v.name);
        }
    }

    #[test]
    fn any_change_to_a_signed_part_is_found() {
        type Change = fn(&mut Vector);
        let changes: [(&str, Change); 7] = [
            ("body", |v| v.request.body = Bytes::from_static(b"{}")),
            ("host", |v| {
                drop(
                    v.request
                        .headers
                        .insert("host".into(), "cvm.ap-beijing.tencentcloudapi.com".into()),
                )
            }),
            ("content type", |v| {
                drop(
                    v.request
                        .headers
                        .insert("content-type".into(), "application/json;".into()),
                )
            }),
            ("key", |v| {
                v.key = SecretString::from("EXAMPLEsecretKEY0123456789abcdeg".to_owned())
            }),
            ("timestamp", |v| {
                v.common.timestamp_text = format!("0{}", v.common.timestamp_text)
            }),
            ("method", |v| v.request.method = "GET".into()),
            ("scope", |v| {
                v.authorization = v.authorization.replace("/cvm/", "/cbs/")
            }),
        ];
        for (what, change) in changes {
            let mut v = vectors()
                .into_iter()
                .find(|v| v.name == "cvm_share_post")
                .unwrap();
            change(&mut v);
            assert_eq!(
                verify(&v).unwrap_err().code,
                "AuthFailure.SignatureFailure",
                "{what}"
            );
        }
        let mut get = vectors()
            .into_iter()
            .find(|v| v.name == "cvm_share_get_array")
            .unwrap();
        get.request.query.push_str("&AccountIds.2=909619400");
        assert_eq!(
            verify(&get).unwrap_err().code,
            "AuthFailure.SignatureFailure"
        );
        let mut action = vectors()
            .into_iter()
            .find(|v| v.name == "own3_cvm_share")
            .unwrap();
        action
            .request
            .headers
            .insert("x-tc-action".into(), "DescribeImages".into());
        assert_eq!(
            verify(&action).unwrap_err().code,
            "AuthFailure.SignatureFailure"
        );
        action.request.headers.remove("x-tc-action");
        assert_eq!(
            verify(&action).unwrap_err().code,
            "AuthFailure.SignatureFailure"
        );
    }

    #[test]
    fn an_unsigned_payload_may_change() {
        let mut v = vectors()
            .into_iter()
            .find(|v| v.name == "cvm_unsigned_payload")
            .unwrap();
        v.request.body = Bytes::from_static(b"{}");
        assert_eq!(verify(&v), Ok(()));
    }

    #[test]
    fn five_minutes_either_way_are_tolerated_and_no_more() {
        for (offset, expired) in [
            (-301, true),
            (-300, false),
            (0, false),
            (300, false),
            (301, true),
        ] {
            let mut v = vectors()
                .into_iter()
                .find(|v| v.name == "lh_share_basic")
                .unwrap();
            v.now = Timestamp::from_second(v.common.timestamp + offset).unwrap();
            let result = verify(&v);
            assert_eq!(
                result.is_err_and(|e| e.code == "AuthFailure.SignatureExpire"),
                expired,
                "{offset}"
            );
        }
    }

    #[test]
    fn a_signature_made_for_one_service_is_refused_at_another_host() {
        let mut v = vectors()
            .into_iter()
            .find(|v| v.name == "cvm_share_post")
            .unwrap();
        v.request
            .headers
            .insert("host".into(), "lighthouse.tencentcloudapi.com".into());
        let error = verify(&v).unwrap_err();
        assert!(error.message.contains("first label"), "{}", error.message);
    }

    #[test]
    fn a_malformed_header_is_named() {
        let good = "TC3-HMAC-SHA256 Credential=AKID/x/2026-01-01/cvm/tc3_request, SignedHeaders=content-type;host, Signature=";
        let good = format!("{good}{}", "0a".repeat(32));
        assert_eq!(Authorization::parse(&good).unwrap().secret_id, "AKID/x");
        for (from, to) in [
            ("TC3-HMAC-SHA256 ", ""),
            ("TC3-HMAC-SHA256 ", "TC3-HMAC-SHA256"),
            ("TC3", "AWS4"),
            ("/tc3_request", ""),
            ("AKID/x/2026-01-01/", ""),
            ("tc3_request", "aws4_request"),
            (", Signed", ",Signed"),
            ("content-type;host", "host;content-type"),
            ("content-type;host", "content-type;host;host"),
            ("content-type;host", "host"),
            ("content-type;host", "content-type"),
            ("content-type;host", "Content-Type;Host"),
            ("content-type;host", "content-type;;host"),
            ("0a0a", "0A0A"),
            ("0a0a", "0a0"),
            ("0a0a", "zz0a"),
            ("Signature=0", "Signatur=0"),
            (
                "TC3-HMAC-SHA256 Credential",
                "TC3-HMAC-SHA256 Extra=1, Credential",
            ),
            ("0a0a", ", Extra=0a0a"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert_eq!(
                Authorization::parse(&bad).unwrap_err().code,
                "AuthFailure.InvalidAuthorization",
                "{bad}"
            );
        }
        for garbage in [
            "",
            "SKIP",
            "TC3-HMAC-SHA256 ",
            "TC3-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
        ] {
            assert!(Authorization::parse(garbage).is_err(), "{garbage}");
        }
    }
}
