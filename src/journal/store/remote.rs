//! What all remote places have in common. In: what opening needs. Out: the caller's client for the
//! store, the bounds on its repetitions, and whether an endpoint is encrypted.

use std::net::IpAddr;
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::super::location::JournalLocation;
use super::Access;
use super::error::JournalError;
use crate::domain::Problem;

/// Retries end after this; the journal's own bound on each operation lies just above.
const RETRY_FOR: Duration = Duration::from_secs(8);
const RETRIES: usize = 3;

/// Hands out the caller's client. The one that the store would make itself needs a process-wide TLS
/// provider, which a library cannot count on.
#[derive(Debug)]
pub(super) struct CallersClient(reqwest::Client);

impl HttpConnector for CallersClient {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// The caller's client.
///
/// # Errors
/// [`JournalError::Place`]: there is none.
pub(super) fn client(
    access: &Access,
    location: &JournalLocation,
) -> Result<CallersClient, JournalError> {
    let problem = || format!("{location} needs an HTTP client and there is none");
    let http = access.http.as_ref();
    let http =
        http.ok_or_else(|| Problem::new("journal", problem(), "open it where calls can be made"))?;
    Ok(CallersClient(http.clone()))
}

/// How often and how long a store repeats a call by itself.
pub(super) fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    RetryConfig {
        backoff,
        max_retries: RETRIES,
        retry_timeout: RETRY_FOR,
    }
}

/// Whether an endpoint uses TLS; plain http is for a stand-in on loopback only.
pub(super) fn encrypted(name: &str, endpoint: &str) -> Result<bool, JournalError> {
    let refused = |problem: &str| {
        let remedy = "write https://HOST, or http:// with a loopback address for a stand-in";
        Err(Problem::new(name, problem, remedy).into())
    };
    let Ok(url) = reqwest::Url::parse(endpoint) else {
        return refused("is not a URL");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("carries credentials");
    }
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(true),
        ("http", Some(host)) => {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let loopback = host == "localhost"
                || bare
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback());
            if loopback {
                Ok(false)
            } else {
                refused("is plain http and not on loopback")
            }
        }
        _ => refused("is neither https:// nor http://"),
    }
}
