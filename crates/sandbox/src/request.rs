//! An HTTP request to the sandbox, and the common parameters in its headers. Source: the pages
//! "Request Structure" and "Common Request Parameters" of Tencent Cloud API 3.0.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;

use super::error::{ApiError, refuse};

/// Size limit of the body of a signed POST request.
pub(super) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// Method, query and body as received; headers by lower-case name.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) query: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Bytes,
}

/// The common parameters of a call, not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) action: String,
    pub(super) version: String,
    /// Unix seconds.
    pub(super) timestamp: i64,
    /// The text of the timestamp, which the signature covers.
    pub(super) timestamp_text: String,
}

impl Request {
    /// Returns a header's trimmed value; `None` if it is absent or empty.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn host_name(&self) -> &str {
        let host = self.header("host").unwrap_or_default();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        }
    }

    pub(super) fn is_to_loopback(&self) -> bool {
        let name = self.host_name();
        let address = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }

    /// Checks method, size and content type, and reads the common parameters except the region.
    pub(super) fn common(&self) -> Result<Common, ApiError> {
        let content_type = self.header("content-type").unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let wanted = match self.method.as_str() {
            "POST" => "application/json",
            "GET" => "application/x-www-form-urlencoded",
            _ => {
                return refuse("UnsupportedProtocol", "Only GET and POST are supported.");
            }
        };
        if self.body.len() > MAX_BODY_BYTES {
            return refuse(
                "RequestSizeLimitExceeded",
                "A request body has at most 10 MB.",
            );
        }
        if !kind.eq_ignore_ascii_case(wanted) {
            let message = format!(
                "A signed {} request has the Content-Type {wanted}.",
                self.method
            );
            return refuse("UnsupportedProtocol", message);
        }
        let action = self
            .header("x-tc-action")
            .ok_or_else(|| ApiError::missing("Action"))?
            .to_owned();
        let version = self
            .header("x-tc-version")
            .ok_or_else(|| ApiError::missing("Version"))?
            .to_owned();
        let text = self
            .header("x-tc-timestamp")
            .ok_or_else(|| ApiError::missing("Timestamp"))?;
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        let Some(timestamp) = text.parse::<i64>().ok().filter(|_| plain) else {
            return Err(ApiError::invalid_value(
                "Timestamp",
                "is not a number of seconds since 1970",
            ));
        };
        Ok(Common {
            action,
            version,
            timestamp,
            timestamp_text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Request {
            method: method.to_owned(),
            headers,
            ..Request::default()
        }
    }

    #[test]
    fn what_is_missing_or_malformed_has_its_code() {
        let json = ("content-type", "application/json; charset=utf-8");
        let (action, version) = (("x-tc-action", "A"), ("x-tc-version", "V"));
        for (request, code) in [
            (request("PUT", &[json]), "UnsupportedProtocol"),
            (request("POST", &[]), "UnsupportedProtocol"),
            (
                request("POST", &[("content-type", "multipart/form-data")]),
                "UnsupportedProtocol",
            ),
            (request("GET", &[json]), "UnsupportedProtocol"),
            (request("POST", &[json, version]), "MissingParameter"),
            (request("POST", &[json, action]), "MissingParameter"),
            (
                request("POST", &[json, action, version]),
                "MissingParameter",
            ),
            (
                request("POST", &[json, action, version, ("x-tc-timestamp", " ")]),
                "MissingParameter",
            ),
            (
                request("POST", &[json, action, version, ("x-tc-timestamp", "+5")]),
                "InvalidParameterValue",
            ),
            (
                request(
                    "POST",
                    &[json, action, version, ("x-tc-timestamp", &"9".repeat(30))],
                ),
                "InvalidParameterValue",
            ),
        ] {
            assert_eq!(request.common().unwrap_err().code, code, "{request:?}");
        }
        let good = request(
            "POST",
            &[json, action, version, ("x-tc-timestamp", "1767225600")],
        );
        assert_eq!(good.common().unwrap().timestamp, 1_767_225_600);
        let large = Request {
            body: Bytes::from(vec![b' '; MAX_BODY_BYTES + 1]),
            ..good
        };
        assert_eq!(large.common().unwrap_err().code, "RequestSizeLimitExceeded");
    }

    #[test]
    fn loopback_hosts_are_known() {
        for (host, loopback) in [
            ("127.0.0.1:18300", true),
            ("localhost", true),
            ("[::1]:8080", true),
            ("lighthouse.tencentcloudapi.com", false),
            ("127.0.0.1.example.com", false),
            ("", false),
        ] {
            assert_eq!(
                request("POST", &[("host", host)]).is_to_loopback(),
                loopback,
                "{host}"
            );
        }
    }
}
