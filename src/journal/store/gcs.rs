//! Stores the journal in Google Cloud Storage. Takes a bucket and the process's `GOOGLE_…`
//! variables. A write that must not replace an existing file has the header
//! `x-goog-if-generation-match: 0`. If no variable contains credentials, `object_store` looks for
//! gcloud's default credentials, and then asks the metadata server.

use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey as Key};
use secrecy::SecretString;
use serde_json::Value;

use super::remote::{Service, Setting, set_and_build};

const SERVICE: &str = "https://storage.googleapis.com";

impl Service for GoogleCloudStorageBuilder {
    type Key = Key;
    type Store = GoogleCloudStorage;
    const PREFIX: &str = "GOOGLE_";

    fn of_bucket(bucket: &str) -> Self {
        // Set the URL here. Otherwise the key file of a service account could name another URL,
        // even one without TLS.
        Self::new().with_base_url(SERVICE).with_bucket_name(bucket)
    }

    fn kind(key: &Key) -> Option<Setting> {
        Some(match key {
            Key::BaseUrl => Setting::Endpoint,
            Key::BearerToken | Key::ServiceAccountKey => Setting::Secret,
            Key::ServiceAccount | Key::ApplicationCredentials => Setting::Plain,
            _ => return None,
        })
    }

    /// The secret texts in the JSON of a service account's key.
    fn inner_secrets(key: &Key, value: &str) -> Vec<SecretString> {
        match (key, serde_json::from_str(value)) {
            (Key::ServiceAccountKey, Ok(Value::Object(fields))) => {
                let texts = ["private_key", "private_key_id"];
                let texts = texts.iter().filter_map(|name| fields.get(*name)?.as_str());
                texts.map(SecretString::from).collect()
            }
            (Key::ServiceAccountKey, Ok(Value::String(text))) => vec![text.into()],
            _ => Vec::new(),
        }
    }

    set_and_build!();
}
