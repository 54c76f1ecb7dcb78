//! S3 as the journal's place. In: a bucket and the process's `AWS_…` variables. Out: a store that
//! signs, retries within bounds and calls through the caller's HTTP client. Reads no environment
//! itself.

use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, Checksum, S3ConditionalPut,
};
use secrecy::{ExposeSecret, SecretString};

use super::super::location::JournalLocation;
use super::error::{JournalError, Scrub};
use super::open_store::place_error;
use super::{Access, remote};

/// The bucket as a store.
///
/// # Errors
/// [`JournalError::Place`]: no client, an endpoint without TLS beyond loopback, variables that do
/// not fit together.
pub(super) fn store(
    bucket: &str,
    access: &Access,
    location: &JournalLocation,
    scrub: &Scrub,
) -> Result<AmazonS3, JournalError> {
    let http = remote::client(access, location)?;
    let mut builder = AmazonS3Builder::new();
    let mut plain = false;
    for (key, name, value) in served(access) {
        let value = value.expose_secret();
        if matches!(key, Key::Endpoint | Key::S3Endpoint | Key::StsEndpoint) {
            plain |= !remote::encrypted(name, value)?;
        }
        builder = builder.with_config(key, value);
    }
    builder
        .with_bucket_name(bucket)
        .with_allow_http(plain)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // A bucket with Object Lock refuses a write that bears no checksum.
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(remote::retries())
        .with_http_connector(http)
        .build()
        .map_err(|error| place_error(location, scrub, &error))
}

/// The values that must never be shown.
pub(super) fn scrub(access: &Access) -> Scrub {
    let secret = |key: &Key| {
        matches!(key, Key::AccessKeyId | Key::SecretAccessKey | Key::Token)
            || matches!(key, Key::Encryption(_))
    };
    Scrub::new(
        served(access)
            .filter(|(key, ..)| secret(key))
            .map(|(.., value)| value.clone())
            .collect(),
    )
}

/// The variables that say which credentials, where, and how to encrypt. Whatever would change
/// *what* is written or weaken it (unsigned requests, no conditions, plain http anywhere, another
/// bucket) is not taken from there.
fn served(access: &Access) -> impl Iterator<Item = (Key, &str, &SecretString)> {
    access.variables.iter().filter_map(|(name, value)| {
        let key: Key = name
            .strip_prefix("AWS_")
            .map(|_| name.to_ascii_lowercase())?
            .parse()
            .ok()?;
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

#[cfg(test)]
mod tests;
