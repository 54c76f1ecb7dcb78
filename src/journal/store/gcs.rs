//! Google Cloud Storage as the journal's store. Takes a bucket and the process's `GOOGLE_…`
//! variables. Its create-only write is `x-goog-if-generation-match: 0`. Without any variable the
//! library looks for gcloud's default credentials, then asks the metadata server.

use object_store::RetryConfig;
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey as Key};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::remote::{CallersClient, Service, parsed};

const SERVICE: &str = "https://storage.googleapis.com";

/// The builder of a client for Google Cloud Storage.
pub(super) struct Gcs(GoogleCloudStorageBuilder);

impl Service for Gcs {
    type Key = Key;
    type Store = GoogleCloudStorage;

    fn new(bucket: &str) -> Self {
        // Set explicitly, because a key file could name another address, and one without TLS.
        let builder = GoogleCloudStorageBuilder::new().with_base_url(SERVICE);
        Self(builder.with_bucket_name(bucket))
    }

    fn key(variable: &str) -> Option<Key> {
        parsed(variable, "GOOGLE_").filter(|key| {
            matches!(
                key,
                Key::ServiceAccount
                    | Key::ServiceAccountKey
                    | Key::ApplicationCredentials
                    | Key::BearerToken
                    | Key::BaseUrl
            )
        })
    }

    fn is_endpoint(key: &Key) -> bool {
        matches!(key, Key::BaseUrl)
    }

    /// The token, the key's JSON, and the secret texts in it.
    fn secrets(key: &Key, value: &SecretString, secrets: &mut Vec<SecretString>) {
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

    fn set(self, key: Key, value: &str) -> Self {
        let value = match key {
            Key::BaseUrl => value.trim_end_matches('/'),
            _ => value,
        };
        Self(self.0.with_config(key, value))
    }

    /// The base URL alone decides whether TLS is used.
    fn build(
        self,
        _plain_http: bool,
        retries: RetryConfig,
        http: CallersClient,
    ) -> object_store::Result<GoogleCloudStorage> {
        self.0.with_retry(retries).with_http_connector(http).build()
    }
}

#[cfg(test)]
mod tests;
