//! Signed requests for the tests of this crate.

use std::collections::BTreeMap;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::request::Request;
use super::seed::{SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY};

pub(super) const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// An unsigned call. A test changes the fields that it is about.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) host: String,
    pub(super) service: &'static str,
    pub(super) version: &'static str,
    pub(super) action: &'static str,
    pub(super) region: &'static str,
    pub(super) params: Value,
    pub(super) query: Option<String>,
    pub(super) id: &'static str,
    pub(super) key: &'static str,
    pub(super) token: &'static str,
    pub(super) at: Timestamp,
    /// The date in the credential scope, or `None` for the date of `at`.
    pub(super) date: Option<&'static str>,
}

impl Draft {
    /// A Lighthouse call at [`NOW`] in ap-singapore with the seeded key.
    pub(super) fn lighthouse(action: &'static str, params: Value) -> Self {
        Self {
            host: "127.0.0.1:18300".to_owned(),
            service: "lighthouse",
            version: "2020-03-24",
            action,
            region: "ap-singapore",
            params,
            query: None,
            id: SANDBOX_SECRET_ID,
            key: SANDBOX_SECRET_KEY,
            token: "",
            at: NOW,
            date: None,
        }
    }

    /// A CVM call at [`NOW`] in ap-singapore with the seeded key.
    pub(super) fn cvm(action: &'static str, params: Value) -> Self {
        Self {
            service: "cvm",
            version: "2017-03-12",
            ..Self::lighthouse(action, params)
        }
    }

    /// Returns the signed request: a GET if there is a query, otherwise a POST.
    pub(super) fn sign(&self) -> Request {
        let (method, query, body, content_type) = match &self.query {
            Some(query) => (
                "GET",
                query.clone(),
                String::new(),
                "application/x-www-form-urlencoded",
            ),
            None => (
                "POST",
                String::new(),
                self.params.to_string(),
                "application/json",
            ),
        };
        let date = self
            .date
            .map_or_else(|| self.at.strftime("%Y-%m-%d").to_string(), str::to_owned);
        let seconds = self.at.as_second().to_string();
        let (host, action) = (self.host.to_lowercase(), self.action.to_lowercase());
        let canonical = format!(
            "{method}\n/\n{query}\ncontent-type:{content_type}\nhost:{host}\nx-tc-action:{action}\n\n\
             content-type;host;x-tc-action\n{}",
            hex::encode(Sha256::digest(&body))
        );
        let scope = format!("{date}/{}/tc3_request", self.service);
        let to_sign = format!(
            "TC3-HMAC-SHA256\n{seconds}\n{scope}\n{}",
            hex::encode(Sha256::digest(canonical))
        );
        let steps = [date.as_str(), self.service, "tc3_request", &to_sign];
        let signature = steps
            .iter()
            .fold(format!("TC3{}", self.key).into_bytes(), |key, step| {
                let mac = Hmac::<Sha256>::new_from_slice(&key)
                    .unwrap()
                    .chain_update(step);
                mac.finalize().into_bytes().to_vec()
            });
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host;x-tc-action, Signature={}",
            self.id,
            hex::encode(signature)
        );
        let headers = [
            ("host", self.host.as_str()),
            ("content-type", content_type),
            ("x-tc-action", self.action),
            ("x-tc-version", self.version),
            ("x-tc-region", self.region),
            ("x-tc-timestamp", &seconds),
            ("x-tc-token", self.token),
            ("authorization", &authorization),
        ];
        let sent = headers.into_iter().filter(|(_, value)| !value.is_empty());
        let headers: BTreeMap<String, String> =
            sent.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Request {
            method: method.to_owned(),
            query,
            headers,
            body: Bytes::from(body),
        }
    }
}
