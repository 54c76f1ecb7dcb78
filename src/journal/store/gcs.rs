//! Google Cloud Storage as the journal's place. In: a bucket and the process's `GOOGLE_…`
//! variables. Out: a store whose create-only write is `x-goog-if-generation-match: 0`. Asks no
//! variable itself; without any of them the library looks for gcloud's default credentials and then
//! asks the metadata server.

use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey as Key};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::super::location::JournalLocation;
use super::error::{JournalError, Scrub};
use super::open_store::place_error;
use super::{Access, remote};

const SERVICE: &str = "https://storage.googleapis.com";

/// The bucket as a store.
///
/// # Errors
/// [`JournalError::Place`]: no client, an endpoint without TLS beyond loopback, credentials that
/// cannot be read.
pub(super) fn store(
    bucket: &str,
    access: &Access,
    location: &JournalLocation,
    scrub: &Scrub,
) -> Result<GoogleCloudStorage, JournalError> {
    let http = remote::client(access, location)?;
    // Named here, or else a key file could name another one, and without TLS.
    let mut builder = GoogleCloudStorageBuilder::new().with_base_url(SERVICE);
    for (key, name, value) in served(access) {
        let value = value.expose_secret();
        if matches!(key, Key::BaseUrl) {
            remote::encrypted(name, value)?;
            builder = builder.with_config(key, value.trim_end_matches('/'));
        } else {
            builder = builder.with_config(key, value);
        }
    }
    builder
        .with_bucket_name(bucket)
        .with_retry(remote::retries())
        .with_http_connector(http)
        .build()
        .map_err(|error| place_error(location, scrub, &error))
}

/// The values that must never be shown: the token, the key's JSON, and every text in it.
pub(super) fn scrub(access: &Access) -> Scrub {
    let mut secrets = Vec::new();
    for (key, _, value) in served(access) {
        if matches!(key, Key::BearerToken | Key::ServiceAccountKey) {
            secrets.push(value.clone());
        }
        if matches!(key, Key::ServiceAccountKey) {
            match serde_json::from_str(value.expose_secret()) {
                Ok(Value::Object(fields)) => {
                    let texts = ["private_key", "private_key_id"];
                    let texts = texts.iter().filter_map(|name| fields.get(*name)?.as_str());
                    secrets.extend(texts.map(SecretString::from));
                }
                Ok(Value::String(text)) => secrets.push(text.into()),
                _ => {}
            }
        }
    }
    Scrub::new(secrets)
}

/// The variables that say which credentials and where. Unsigned requests and another bucket are not
/// taken from there.
fn served(access: &Access) -> impl Iterator<Item = (Key, &str, &SecretString)> {
    access.variables.iter().filter_map(|(name, value)| {
        let key: Key = name
            .strip_prefix("GOOGLE_")
            .map(|_| name.to_ascii_lowercase())?
            .parse()
            .ok()?;
        let taken = matches!(
            key,
            Key::ServiceAccount
                | Key::ServiceAccountKey
                | Key::ApplicationCredentials
                | Key::BearerToken
                | Key::BaseUrl
        );
        (taken && !value.expose_secret().is_empty()).then_some((key, name.as_str(), value))
    })
}

#[cfg(test)]
mod tests;
