//! The one file with an HTTP client. In: an address, headers, a body, how long it may take. Out:
//! status and bytes, or how far it came. Knows nothing of actions, signatures or error codes;
//! repeats and redirects nothing by itself.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Client, Url};
use tokio::time::timeout;

use super::envelope::MAX_BODY_BYTES;
use super::error::clip;
use crate::domain::{Problem, Problems};

const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(10);
/// The cloud closes idle connections after about 60 seconds; one that it has just closed costs a
/// call.
const IDLE: Duration = Duration::from_secs(45);

/// An HTTP client with its own root certificates, without redirects, proxies and repetitions:
/// connecting takes 3 seconds at most, a request 10. For every part of the program that speaks
/// HTTP, and for tests.
///
/// # Errors
/// The TLS library refuses its own defaults.
pub fn http_client() -> Result<Client, Problems> {
    build(None)
}

/// The same, through `proxy` when there is one.
pub(super) fn build(proxy: Option<&str>) -> Result<Client, Problems> {
    let failed = |error: &dyn Error| {
        Problem::new("cloud", format!("no HTTP client: {error}"), "report this")
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .pool_idle_timeout(IDLE);
    let builder = match proxy {
        None => builder.no_proxy(),
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| {
            Problem::new(
                "cloud.proxy",
                "is not a proxy's address",
                "write it as in \"http://10.0.0.1:3128\"",
            )
        })?),
    };
    Ok(builder.build().map_err(|error| failed(&error))?)
}

/// Gets a small document: what status 200 answers, at most 64 KiB of it.
///
/// # Errors
/// Why there is none, for the log.
pub async fn fetch(client: &Client, url: &str) -> Result<Vec<u8>, String> {
    const MAX_BYTES: usize = 64 * 1024;
    let mut response = client
        .get(url)
        .send()
        .await
        .map_err(|error| causes(&error))?;
    if response.status().as_u16() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| causes(&error))? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(format!("more than {MAX_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What came back.
pub(super) struct Incoming {
    pub(super) status: u16,
    /// The `Date` header.
    pub(super) date: Option<String>,
    pub(super) body: Vec<u8>,
}

/// How far a request came that got no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// It never left.
    NotConnected(String),
    /// It left, and time ran out.
    Timeout,
    /// It left, and the connection ended.
    Lost(String),
    /// The answer is larger than any that is expected.
    TooLarge,
}

/// Sends one POST and reads the answer, both within `longest`.
pub(super) async fn post(
    client: &Client,
    url: &Url,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
    longest: Duration,
) -> Result<Incoming, Failure> {
    exchange(
        client
            .post(url.clone())
            .headers(header_map(headers)?)
            .body(body),
        longest,
    )
    .await
}

/// Reads something small from a neighbour on this machine or network: status and body, or what went
/// wrong without any of it.
///
/// # Errors
/// No connection, no answer within `longest`, or more than 4 MiB.
pub async fn get(
    client: &Client,
    url: &Url,
    headers: &[(&'static str, String)],
    longest: Duration,
) -> Result<(u16, Vec<u8>), String> {
    let answer = async {
        let request = client.get(url.clone()).headers(header_map(headers)?);
        exchange(request, longest).await
    };
    match answer.await {
        Ok(incoming) => Ok((incoming.status, incoming.body)),
        Err(Failure::NotConnected(cause)) => Err(format!("no connection: {cause}")),
        Err(Failure::Timeout) => Err(format!("no answer within {:.1} s", longest.as_secs_f64())),
        Err(Failure::Lost(cause)) => Err(format!("the connection ended: {cause}")),
        Err(Failure::TooLarge) => Err("the answer is too large".to_owned()),
    }
}

async fn exchange(
    request: reqwest::RequestBuilder,
    longest: Duration,
) -> Result<Incoming, Failure> {
    let exchange = async {
        let mut response = request
            .timeout(longest)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let date = response
            .headers()
            .get(DATE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(Failure::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Incoming { status, date, body })
    };
    timeout(longest, exchange)
        .await
        .unwrap_or(Err(Failure::Timeout))
}

/// Headers as values; those that carry a key or a token are marked, so that no log of the library
/// shows them.
fn header_map(headers: &[(&'static str, String)]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    for (name, text) in headers {
        let name = HeaderName::from_static(name);
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| Failure::NotConnected(format!("header {name} cannot be written")))?;
        value.set_sensitive(matches!(
            name.as_str(),
            "authorization" | "x-tc-token" | "x-aws-parameters-secrets-token"
        ));
        map.insert(name, value);
    }
    Ok(map)
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_connect() || error.is_builder() {
        Failure::NotConnected(causes(error))
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Lost(causes(error))
    }
}

/// The innermost causes: the outer ones repeat the address.
fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    texts.dedup();
    clip(&texts.join(": "), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_built_and_a_bad_proxy_is_told() {
        assert!(http_client().is_ok());
        assert!(build(Some("http://127.0.0.1:3128")).is_ok());
        assert_eq!(build(Some("::")).unwrap_err().0[0].field, "cloud.proxy");
    }

    /// The cloud drops an idle connection after about 60 seconds; ours go well before.
    #[test]
    fn idle_connections_are_dropped_before_the_server_does() {
        const { assert!(IDLE.as_secs() < 50) };
    }

    #[test]
    fn keys_and_tokens_are_marked() {
        let map = header_map(&[
            ("authorization", "a".into()),
            ("x-tc-token", "b".into()),
            ("x-tc-region", "ap-tokyo".into()),
        ]);
        let shown = format!("{:?}", map.unwrap());
        assert_eq!(shown.matches("Sensitive").count(), 2, "{shown}");
        assert!(header_map(&[("x-tc-token", "a\nb".into())]).is_err());
    }
}
