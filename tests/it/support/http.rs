//! Sends one HTTP request and returns its whole answer.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::secrets;

pub(crate) type Headers = Vec<(String, String)>;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// A string if the body is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Sends a request. Returns an error if the connection closes before the whole answer is read.
pub(crate) async fn send(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: impl Into<reqwest::Body>,
) -> Result<Answer, reqwest::Error> {
    let client = sharehook::cloud::http_client().unwrap();
    let mut request = client
        .request(method.parse().unwrap(), format!("{url}{path}"))
        .timeout(Duration::from_secs(25))
        .body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await?;
    secrets::assert_none_in("an answer", text.as_bytes());
    secrets::assert_none_in("an answer", format!("{headers:?}").as_bytes());
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer {
        status,
        headers,
        body,
    })
}
