//! S3 as the journal's place. In: a bucket and the process's `AWS_…` variables. Out: a store that signs, retries
//! within bounds and calls through the caller's HTTP client. Reads no environment itself.

use std::net::IpAddr;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, Checksum, S3ConditionalPut};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use secrecy::{ExposeSecret, SecretString};

use super::super::location::JournalLocation;
use super::Access;
use super::error::{JournalError, Scrub};
use super::place::place_error;
use crate::domain::Problem;

/// Retries end after this; the journal's own bound on each operation lies just above.
const RETRY_FOR: Duration = Duration::from_secs(8);
const RETRIES: usize = 3;

/// Hands out the caller's client. The one that the store would make itself needs a process-wide TLS provider, which
/// a library cannot count on.
#[derive(Debug)]
struct CallersClient(reqwest::Client);

impl HttpConnector for CallersClient {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// The bucket as a store.
///
/// # Errors
/// [`JournalError::Place`]: no client, an endpoint without TLS beyond loopback, variables that do not fit together.
pub(super) fn store(
    bucket: &str,
    access: &Access,
    location: &JournalLocation,
    scrub: &Scrub,
) -> Result<AmazonS3, JournalError> {
    let Some(http) = &access.http else {
        let problem = format!("{location} needs an HTTP client and there is none");
        return Err(Problem::new("journal", problem, "open it where calls can be made").into());
    };
    let mut builder = AmazonS3Builder::new();
    let mut plain = false;
    for (key, name, value) in served(access) {
        let value = value.expose_secret();
        if matches!(key, Key::Endpoint | Key::S3Endpoint | Key::StsEndpoint) {
            plain |= !encrypted(name, value)?;
        }
        builder = builder.with_config(key, value);
    }
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    builder
        .with_bucket_name(bucket)
        .with_allow_http(plain)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // A bucket with Object Lock refuses a write that bears no checksum.
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_FOR })
        .with_http_connector(CallersClient(http.clone()))
        .build()
        .map_err(|error| place_error(location, scrub, &error))
}

/// The values that must never be shown.
pub(super) fn scrub(access: &Access) -> Scrub {
    let secret = |key: &Key| {
        matches!(key, Key::AccessKeyId | Key::SecretAccessKey | Key::Token)
            || matches!(key, Key::Encryption(_))
    };
    Scrub::new(served(access).filter(|(key, ..)| secret(key)).map(|(.., value)| value.clone()).collect())
}

/// The variables that say which credentials, where, and how to encrypt. Whatever would change *what* is written or
/// weaken it (unsigned requests, no conditions, plain http anywhere, another bucket) is not taken from there.
fn served(access: &Access) -> impl Iterator<Item = (Key, &str, &SecretString)> {
    access.variables.iter().filter_map(|(name, value)| {
        let key: Key = name.strip_prefix("AWS_").map(|_| name.to_ascii_lowercase())?.parse().ok()?;
        let taken = matches!(
            key,
            Key::AccessKeyId
                | Key::SecretAccessKey
                | Key::Token
                | Key::Region
                | Key::DefaultRegion
                | Key::Endpoint
                | Key::S3Endpoint
                | Key::StsEndpoint
                | Key::VirtualHostedStyleRequest
                | Key::ContainerCredentialsRelativeUri
                | Key::ContainerCredentialsFullUri
                | Key::ContainerAuthorizationTokenFile
                | Key::WebIdentityTokenFile
                | Key::RoleArn
                | Key::RoleSessionName
                | Key::MetadataEndpoint
                | Key::Encryption(_)
        );
        (taken && !value.expose_secret().is_empty()).then_some((key, name.as_str(), value))
    })
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
            let loopback =
                host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
            if loopback { Ok(false) } else { refused("is plain http and not on loopback") }
        }
        _ => refused("is neither https:// nor http://"),
    }
}

#[cfg(test)]
mod tests;
