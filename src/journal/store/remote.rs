//! Opens an object store of one of three services. Each [`Service`] names the environment variables
//! that it supports, and builds its client. All services share the HTTP client, the limits on
//! retries and the requirement of TLS.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector};
use object_store::list::PaginatedListStore;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::location::{Bucket, JournalLocation};
use super::Access;
use super::error::{JournalError, Scrub, place_error};
use crate::domain::{Problem, is_loopback};

/// Time limit for all retries of a request to the store; just below the journal's own limit per
/// operation.
const RETRY_FOR: Duration = Duration::from_secs(8);
const RETRIES: usize = 3;

/// Gives `object_store` the caller's HTTP client. A client that `object_store` builds itself would
/// need a process-wide TLS provider, on which a library cannot rely.
#[derive(Debug)]
pub(super) struct CallersClient(reqwest::Client);

impl HttpConnector for CallersClient {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// A server's address.
    Endpoint,
    Secret,
    Plain,
}

/// An object store service. It is implemented for the builder in `object_store` that builds the
/// service's client.
pub(super) trait Service: Sized {
    /// A setting of the builder.
    type Key: FromStr;
    type Store: ObjectStore + PaginatedListStore;
    /// The prefix of the service's environment variables.
    const PREFIX: &str;

    fn of_bucket(bucket: &str) -> Self;

    /// Returns the kind of a setting that an environment variable may change, and `None` for all
    /// other settings. The others include those that would weaken the store or redirect its writes,
    /// such as unsigned requests, writes without conditions, plain http, or another bucket.
    fn kind(key: &Self::Key) -> Option<Setting>;

    /// The secret parts of a secret value, such as a private key in JSON.
    fn inner_secrets(_key: &Self::Key, _value: &str) -> Vec<SecretString> {
        Vec::new()
    }

    /// Returns the setting for an environment variable. `None` if the service does not support the
    /// variable.
    fn key(variable: &str) -> Option<Self::Key> {
        prefixed::<Self>(variable)
    }

    #[must_use]
    fn set(self, key: Self::Key, value: &str) -> Self;

    /// Builds the client. `plain_http` says whether an endpoint on loopback has no TLS.
    fn build_with(
        self,
        plain_http: bool,
        retries: RetryConfig,
        http: CallersClient,
    ) -> object_store::Result<Self::Store>;
}

/// Implements `set` and `build_with` of a [`Service`]. The builders of `object_store` have the same
/// methods but no common trait.
macro_rules! set_and_build {
    () => {
        fn set(self, key: Key, value: &str) -> Self {
            self.with_config(key, value)
        }

        fn build_with(
            self,
            plain_http: bool,
            retries: object_store::RetryConfig,
            http: super::remote::CallersClient,
        ) -> object_store::Result<Self::Store> {
            let options = object_store::ClientOptions::new().with_allow_http(plain_http);
            self.with_client_options(options)
                .with_retry(retries)
                .with_http_connector(http)
                .build()
        }
    };
}
pub(super) use set_and_build;

/// An open bucket.
pub(super) struct Remote {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same store, to list it page by page.
    pub(super) pages: Arc<dyn PaginatedListStore>,
    /// The path of the bucket's prefix.
    pub(super) root: Path,
    /// The credentials that no text may show.
    pub(super) scrub: Scrub,
}

/// Opens a bucket of the service.
///
/// # Errors
/// [`JournalError::Place`] if there is no HTTP client, if an endpoint is not an http or https URL,
/// contains credentials or lacks TLS outside loopback, or if `object_store` refuses the variables.
pub(super) fn open<S: Service>(
    setting: &'static str,
    bucket: &Bucket,
    access: &Access,
) -> Result<Remote, JournalError> {
    let scrub = scrub::<S>(access);
    let location = JournalLocation::Bucket(bucket.clone());
    let failed = |error: &(dyn Error + 'static)| place_error(setting, &location, &scrub, error);
    let Some(http) = access.http.clone() else {
        let problem = format!("{bucket} needs an HTTP client, and none was given");
        return Err(Problem::new(setting, problem, "open it with an HTTP client").into());
    };
    let mut builder = S::of_bucket(&bucket.name);
    let plain_http = plain_http::<S>(access)?;
    for (key, _, value) in settings::<S>(access) {
        let mut value = value.expose_secret();
        if S::kind(&key) == Some(Setting::Endpoint) {
            value = value.trim_end_matches('/');
        }
        builder = builder.set(key, value);
    }
    let store = builder
        .build_with(plain_http, retries(), CallersClient(http))
        .map_err(|error| failed(&error))?;
    let root = Path::parse(&bucket.prefix).map_err(|error| failed(&error))?;
    let store = Arc::new(store);
    Ok(Remote {
        pages: Arc::clone(&store) as _,
        store,
        root,
        scrub,
    })
}

/// Whether a variable has an endpoint without TLS.
///
/// # Errors
/// An endpoint is no http or https URL, contains credentials or lacks TLS outside loopback.
pub(super) fn plain_http<S: Service>(access: &Access) -> Result<bool, Problem> {
    let mut plain_http = false;
    for (key, name, value) in settings::<S>(access) {
        if S::kind(&key) == Some(Setting::Endpoint) {
            plain_http |= !encrypted(name, value.expose_secret())?;
        }
    }
    Ok(plain_http)
}

/// Returns the secret values among the variables, which no text may show.
pub(super) fn scrub<S: Service>(access: &Access) -> Scrub {
    let mut secrets = Vec::new();
    for (key, _, value) in settings::<S>(access) {
        if S::kind(&key) == Some(Setting::Secret) {
            secrets.push(value.clone());
            secrets.extend(S::inner_secrets(&key, value.expose_secret()));
        }
    }
    Scrub::new(secrets)
}

/// Returns the non-empty variables that the service supports, each with its setting.
pub(super) fn settings<S: Service>(
    access: &Access,
) -> impl Iterator<Item = (S::Key, &str, &SecretString)> {
    access.variables.iter().filter_map(|(name, value)| {
        let key = S::key(name).filter(|_| !value.expose_secret().is_empty())?;
        Some((key, name.as_str(), value))
    })
}

/// Returns the setting for a variable that begins with [`Service::PREFIX`].
pub(super) fn prefixed<S: Service>(variable: &str) -> Option<S::Key> {
    variable.strip_prefix(S::PREFIX)?;
    let key = variable.to_ascii_lowercase().parse().ok();
    key.filter(|key| S::kind(key).is_some())
}

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

/// Whether an endpoint uses TLS. Plain http is an error, except on loopback, where a stand-in may
/// use it.
fn encrypted(name: &str, endpoint: &str) -> Result<bool, Problem> {
    let refused = |problem: &str| {
        let remedy = "write https://HOST, or http:// with a loopback address for a stand-in";
        Err(Problem::new(name, problem, remedy))
    };
    let Ok(url) = reqwest::Url::parse(endpoint) else {
        return refused("is not a URL");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("contains a user name or password");
    }
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(true),
        ("http", Some(host)) if is_loopback(host) => Ok(false),
        ("http", Some(_)) => refused("is plain http and not on loopback"),
        _ => refused("does not begin with https:// or http://"),
    }
}
