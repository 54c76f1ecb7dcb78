//! Opens an object store of any of the three services. A [`Service`] says which variables it takes
//! and how its builder is used; the caller's HTTP client, the bounds on retries and the demand for
//! TLS are the same for all.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::location::{Bucket, JournalLocation};
use super::Access;
use super::error::{JournalError, Scrub, place_error};
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

/// One service that keeps objects, as a builder of its client.
pub(super) trait Service: Sized {
    /// A setting of the builder.
    type Key;
    /// The client that is built.
    type Store: ObjectStore;

    /// The builder for a bucket.
    fn new(bucket: &str) -> Self;

    /// The setting that a variable of the process gives, if the service takes it. Variables that
    /// would change what is written, or weaken it, are not taken: unsigned requests, no conditions,
    /// plain http anywhere, another bucket.
    fn key(variable: &str) -> Option<Self::Key>;

    /// Whether the setting is the address of a server.
    fn is_endpoint(key: &Self::Key) -> bool;

    /// Adds the parts of a setting's value that must never be shown.
    fn secrets(key: &Self::Key, value: &SecretString, secrets: &mut Vec<SecretString>);

    /// Sets it.
    #[must_use]
    fn set(self, key: Self::Key, value: &str) -> Self;

    /// Builds the client; `plain_http`: an address on loopback is without TLS.
    fn build(
        self,
        plain_http: bool,
        retries: RetryConfig,
        http: CallersClient,
    ) -> object_store::Result<Self::Store>;
}

/// The store, the journal's root in it, and the credentials that no text may show.
///
/// # Errors
/// [`JournalError::Place`]: no client, an endpoint without TLS beyond loopback, variables that do
/// not fit together.
pub(super) fn open<S: Service>(
    bucket: &Bucket,
    access: &Access,
    location: &JournalLocation,
) -> Result<(Arc<dyn ObjectStore>, Path, Scrub), JournalError> {
    let scrub = scrub::<S>(access);
    let Some(http) = access.http.clone() else {
        let problem = format!("{location} needs an HTTP client and there is none");
        return Err(Problem::new("journal", problem, "open it where calls can be made").into());
    };
    let mut builder = S::new(&bucket.name);
    let mut plain_http = false;
    for (key, name, value) in settings::<S>(access) {
        let value = value.expose_secret();
        if S::is_endpoint(&key) {
            plain_http |= !encrypted(name, value)?;
        }
        builder = builder.set(key, value);
    }
    let store = builder
        .build(plain_http, retries(), CallersClient(http))
        .map_err(|error| place_error(location, &scrub, &error))?;
    let root =
        Path::parse(&bucket.prefix).map_err(|error| place_error(location, &scrub, &error))?;
    Ok((Arc::new(store), root, scrub))
}

/// The values that must never be shown.
pub(super) fn scrub<S: Service>(access: &Access) -> Scrub {
    let mut secrets = Vec::new();
    for (key, _, value) in settings::<S>(access) {
        S::secrets(&key, value, &mut secrets);
    }
    Scrub::new(secrets)
}

/// The variables that the service takes and that are not empty.
pub(super) fn settings<S: Service>(
    access: &Access,
) -> impl Iterator<Item = (S::Key, &str, &SecretString)> {
    access.variables.iter().filter_map(|(name, value)| {
        let key = S::key(name).filter(|_| !value.expose_secret().is_empty())?;
        Some((key, name.as_str(), value))
    })
}

/// The builder's own name for a setting of a variable that begins with `prefix`.
pub(super) fn parsed<K: std::str::FromStr>(variable: &str, prefix: &str) -> Option<K> {
    variable.strip_prefix(prefix)?;
    variable.to_ascii_lowercase().parse().ok()
}

/// How often and how long a store repeats a call by itself.
fn retries() -> RetryConfig {
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
fn encrypted(name: &str, endpoint: &str) -> Result<bool, JournalError> {
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
