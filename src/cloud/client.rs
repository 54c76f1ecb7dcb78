//! The program's HTTP client. Takes an address, headers, a body and a time limit; returns the
//! status and bytes of the answer, or the stage at which the request failed. Does not repeat
//! requests or follow redirects. Knows nothing about signatures and the cloud's error codes.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
pub(crate) use reqwest::{Client, Url};
use rustls::pki_types::TrustAnchor;
use tokio::time::timeout;

use super::actions::Purpose;
use super::envelope::MAX_BODY_BYTES;
use super::error::{clip, not_sent, unanswered};
use crate::domain::{CloudError, Problem, Problems, ResultCode};

const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(10);
/// How long an idle connection stays open. The cloud closes idle connections after 60 seconds, and
/// a call on a connection that the cloud has just closed fails.
const IDLE: Duration = Duration::from_secs(45);

/// Builds an HTTP client with built-in root certificates and without redirects, proxies and
/// retries. It allows 3 seconds to connect, and 10 seconds for a request that sets no time limit.
/// The program sends its requests with this client, except where a proxy or other certificates are
/// configured.
pub fn http_client() -> Result<Client, Problems> {
    http_client_for(None, &[])
}

/// Like [`http_client`], but sends requests through `proxy` if it is set. Also trusts the
/// certificates in `ca`.
///
/// # Errors
/// `proxy` is not an address, or the client cannot be built.
pub(crate) fn http_client_for(
    proxy: Option<&str>,
    ca: &[TrustAnchor<'static>],
) -> Result<Client, Problems> {
    let failed = |error: &dyn Error| {
        let problem = format!("cannot build the HTTP client: {error}");
        Problem::new("cloud", problem, "report this")
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = webpki_roots::TLS_SERVER_ROOTS.iter().chain(ca);
    let roots = rustls::RootCertStore::from_iter(roots.cloned());
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
                "proxy",
                "is not the address of a proxy",
                "write an address such as \"http://10.0.0.1:3128\"",
            )
        })?),
    };
    Ok(builder.build().map_err(|error| failed(&error))?)
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the server answered HTTP {0}")]
    Status(u16),
    /// No complete answer within the size limit arrived.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Fetches a document of at most 64 KiB.
pub(crate) async fn fetch(client: &Client, url: &str) -> Result<Vec<u8>, FetchError> {
    let answer = exchange(client.get(url), TOTAL, 64 * 1024).await?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(FetchError::Status(status)),
    }
}

#[derive(Debug)]
pub(crate) struct Incoming {
    pub status: u16,
    /// The `Date` header: the server's time.
    pub(super) date: Option<String>,
    pub retry_after: Option<String>,
    /// Where a redirect leads. Redirects are not followed.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Outgoing {
    pub method: &'static str,
    pub url: Url,
    /// Headers: lower-case names and their values. All values are treated as secret.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Why a request got no complete answer, by the stage at which it failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("not sent: {0}")]
    NotConnected(String),
    /// The time limit passed before the answer was complete. The request may have been sent.
    #[error("no answer within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The request may have been sent, but no complete answer arrived: the connection closed, or
    /// the answer is not HTTP.
    #[error("no complete answer arrived: {0}")]
    Lost(String),
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

impl Failure {
    /// Returns the error of a call that failed in this way. `message` names the call and says why
    /// it got no answer.
    pub(super) fn error(&self, message: &str, purpose: Purpose) -> CloudError {
        let code = match self {
            Self::NotConnected(_) => {
                let remedy = "check the network, cloud.endpoint and cloud.site";
                return not_sent(ResultCode::ConnectFailed, message.to_owned(), remedy);
            }
            Self::Timeout(_) => ResultCode::Timeout,
            Self::Lost(_) => ResultCode::ConnectionLost,
            Self::TooLarge(_) => ResultCode::BadAnswer,
        };
        unanswered(code, message, purpose)
    }
}

/// Sends a POST request and reads the answer, both within `longest`.
pub(super) async fn post(
    client: &Client,
    url: &Url,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
    longest: Duration,
) -> Result<Incoming, Failure> {
    let request = client.post(url.clone()).headers(header_map(headers)?);
    exchange(request.body(body), longest, MAX_BODY_BYTES).await
}

/// Sends a GET request and returns the status and the body of the answer, which may have at most 4
/// MiB. Errors do not quote the body, because it may be secret.
pub(crate) async fn get(
    client: &Client,
    url: &Url,
    headers: &[(&'static str, String)],
    longest: Duration,
) -> Result<(u16, Vec<u8>), Failure> {
    let request = client.get(url.clone()).headers(header_map(headers)?);
    let answer = exchange(request, longest, MAX_BODY_BYTES).await?;
    Ok((answer.status, answer.body))
}

/// Sends a request and reads its answer of at most 4 MiB, both within `longest`.
pub(crate) async fn send(
    client: &Client,
    outgoing: Outgoing,
    longest: Duration,
) -> Result<Incoming, Failure> {
    let method = reqwest::Method::from_bytes(outgoing.method.as_bytes());
    let method = method.map_err(|_| unwritable("the method"))?;
    let headers = header_map(&outgoing.headers)?;
    let request = client.request(method, outgoing.url).headers(headers);
    exchange(request.body(outgoing.body), longest, MAX_BODY_BYTES).await
}

/// Sends a request and reads its answer of at most `max_bytes`, both within `longest`.
async fn exchange(
    request: reqwest::RequestBuilder,
    longest: Duration,
    max_bytes: usize,
) -> Result<Incoming, Failure> {
    let failed = |error: reqwest::Error| failure(&error, longest);
    let exchange = async {
        let mut response = request.timeout(longest).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let header = |name: HeaderName| {
            let value = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let (date, retry_after) = (header(DATE), header(RETRY_AFTER));
        let location = header(LOCATION);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > max_bytes {
                return Err(Failure::TooLarge(max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Incoming {
            status,
            date,
            retry_after,
            location,
            body,
        })
    };
    timeout(longest, exchange)
        .await
        .unwrap_or(Err(Failure::Timeout(longest)))
}

/// Builds the header map. Marks every value as sensitive, so that the library does not log it: some
/// values are keys or tokens.
fn header_map(headers: &[(impl AsRef<str>, String)]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    for (name, text) in headers {
        let name = name.as_ref();
        let named = HeaderName::from_bytes(name.as_bytes());
        let (Ok(named), Ok(mut value)) = (named, HeaderValue::from_str(text)) else {
            return Err(unwritable(&format!("header {name}")));
        };
        value.set_sensitive(true);
        map.insert(named, value);
    }
    Ok(map)
}

fn unwritable(what: &str) -> Failure {
    Failure::NotConnected(format!("{what} has characters that HTTP does not allow"))
}

fn failure(error: &reqwest::Error, longest: Duration) -> Failure {
    if error.is_connect() || error.is_builder() {
        Failure::NotConnected(causes(error))
    } else if error.is_timeout() {
        Failure::Timeout(longest)
    } else {
        Failure::Lost(causes(error))
    }
}

/// Returns the causes of an error as text. Omits the message of `error` itself, because it repeats
/// the address.
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
    fn the_client_is_built_and_a_bad_proxy_is_an_error() {
        assert!(http_client().is_ok());
        assert!(http_client_for(Some("http://127.0.0.1:3128"), &[]).is_ok());
        assert_eq!(
            http_client_for(Some("::"), &[]).unwrap_err().0[0].field,
            "proxy"
        );
    }

    #[test]
    fn idle_connections_are_dropped_before_the_server_does() {
        const { assert!(IDLE.as_secs() < 50) };
    }

    #[test]
    fn keys_and_tokens_are_marked() {
        let map = header_map(&[("authorization", "a".into()), ("x-tc-token", "b".into())]);
        let shown = format!("{:?}", map.unwrap());
        assert_eq!(shown.matches("Sensitive").count(), 2, "{shown}");
        assert!(header_map(&[("x-tc-token", "a\nb".into())]).is_err());
    }
}
