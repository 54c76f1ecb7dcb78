//! Builds the canonical request, which is step 1 of TC3, from the method, the query, the headers to
//! sign and the body. Uses no key and no time. Source:
//! <https://www.tencentcloud.com/document/product/1084/39391>.

use sha2::{Digest, Sha256};

/// The text that is hashed instead of the body if the request has this text in the header
/// `X-TC-Content-SHA256`.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The parts of a request that the signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedParts<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// The query exactly as sent, without `?`; empty for POST.
    pub query: &'a str,
    /// Name and value of each header to sign, in any order. The protocol requires `content-type`
    /// and `host`. The host includes the port, unless it is the default port of the scheme.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body's bytes exactly as sent, or [`UNSIGNED_PAYLOAD`]; empty for GET.
    pub payload: &'a [u8],
}

/// The canonical request and its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalRequest {
    /// The canonical request itself: six items joined by line feeds.
    pub text: String,
    /// The names of the signed headers: lower case, in ascending order, joined with `;`.
    pub signed_headers: String,
    /// SHA-256 of [`SignedParts::payload`], hex.
    pub hashed_payload: String,
}

impl CanonicalRequest {
    /// Builds the canonical request. The URI is always `/`, because the API has no other.
    pub fn of(parts: &SignedParts<'_>) -> Self {
        let mut headers: Vec<(String, String)> =
            parts.headers.iter().map(canonical_header).collect();
        headers.sort();
        let block: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let signed_headers = names.join(";");
        let hashed_payload = hex::encode(Sha256::digest(parts.payload));
        let text = format!(
            "{}\n/\n{}\n{block}\n{signed_headers}\n{hashed_payload}",
            parts.method.to_ascii_uppercase(),
            parts.query
        );
        Self {
            text,
            signed_headers,
            hashed_payload,
        }
    }

    /// Returns the SHA-256 of the text, hex.
    pub fn hashed(&self) -> String {
        hex::encode(Sha256::digest(&self.text))
    }
}

/// Trims and lower-cases the name and the value, but keeps the case of the host, as the official
/// Python signer does. The documentation can also be read as requiring a lower-case host. A host
/// that is sent in lower case satisfies both readings.
fn canonical_header((name, value): &(&str, &str)) -> (String, String) {
    let name = name.trim().to_ascii_lowercase();
    let value = if name == "host" {
        value.trim().to_owned()
    } else {
        value.trim().to_ascii_lowercase()
    };
    (name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(headers: &[(&str, &str)], payload: &[u8]) -> CanonicalRequest {
        CanonicalRequest::of(&SignedParts {
            method: "post",
            query: "",
            headers,
            payload,
        })
    }

    #[test]
    fn headers_are_lower_cased_trimmed_and_sorted() {
        let request = canonical(
            &[
                ("X-TC-Action", " DescribeInstances "),
                ("Host", "cvm.tencentcloudapi.com"),
                ("Content-Type", "application/json"),
            ],
            b"",
        );
        assert_eq!(request.signed_headers, "content-type;host;x-tc-action");
        assert_eq!(
            request.text,
            "POST\n/\n\ncontent-type:application/json\nhost:cvm.tencentcloudapi.com\n\
             x-tc-action:describeinstances\n\ncontent-type;host;x-tc-action\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn every_signed_part_changes_the_hash() {
        let host = [("host", "a"), ("content-type", "b")];
        let base = canonical(&host, b"{}").hashed();
        assert_ne!(base, canonical(&host, b"{ }").hashed());
        assert_ne!(
            base,
            canonical(&[("host", "A"), ("content-type", "b")], b"{}").hashed()
        );
        assert_ne!(
            base,
            canonical(&[("host", "a"), ("content-type", "c")], b"{}").hashed()
        );
        let query = SignedParts {
            method: "POST",
            query: "a=1",
            headers: &host,
            payload: b"{}",
        };
        assert_ne!(base, CanonicalRequest::of(&query).hashed());
        assert_ne!(
            base,
            CanonicalRequest::of(&SignedParts {
                method: "GET",
                query: "",
                ..query
            })
            .hashed()
        );
    }
}
