//! Azure Blob Storage as the journal's store. Takes a container and the process's `AZURE_…`
//! variables. Its create-only write is `If-None-Match: *`. For a managed identity the library
//! itself reads `IDENTITY_HEADER`.

use object_store::RetryConfig;
use object_store::azure::{AzureConfigKey as Key, MicrosoftAzure, MicrosoftAzureBuilder};
use secrecy::{ExposeSecret as _, SecretString};

use super::remote::{CallersClient, Service, parsed};

/// Set by hosts that provide a managed identity. The address is on this machine or link-local, so
/// it needs no TLS.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

/// The builder of a client for Azure Blob Storage.
pub(super) struct Azure(MicrosoftAzureBuilder);

impl Service for Azure {
    type Key = Key;
    type Store = MicrosoftAzure;

    fn new(container: &str) -> Self {
        Self(MicrosoftAzureBuilder::new().with_container_name(container))
    }

    fn key(variable: &str) -> Option<Key> {
        if variable == IDENTITY_ENDPOINT {
            return Some(Key::MsiEndpoint);
        }
        parsed(variable, "AZURE_").filter(|key| {
            matches!(
                key,
                Key::AccountName
                    | Key::AccessKey
                    | Key::SasKey
                    | Key::Token
                    | Key::ClientId
                    | Key::ClientSecret
                    | Key::AuthorityId
                    | Key::AuthorityHost
                    | Key::FederatedTokenFile
                    | Key::MsiEndpoint
                    | Key::ObjectId
                    | Key::MsiResourceId
                    | Key::Endpoint
            )
        })
    }

    fn is_endpoint(key: &Key) -> bool {
        matches!(key, Key::Endpoint | Key::AuthorityHost)
    }

    /// For a shared access signature also its `sig`, as written and decoded.
    fn secrets(key: &Key, value: &SecretString, secrets: &mut Vec<SecretString>) {
        if matches!(
            key,
            Key::AccessKey | Key::ClientSecret | Key::Token | Key::SasKey
        ) {
            secrets.push(value.clone());
        }
        if matches!(key, Key::SasKey) {
            let pairs = value.expose_secret().trim_start_matches('?').split('&');
            for signature in pairs.filter_map(|pair| pair.strip_prefix("sig=")) {
                secrets.push(signature.into());
                let decoded = reqwest::Url::parse(&format!("http://localhost/?{signature}"));
                let decoded = decoded
                    .ok()
                    .and_then(|url| Some(url.query_pairs().next()?.0.into_owned()));
                secrets.extend(decoded.map(SecretString::from));
            }
        }
    }

    fn set(self, key: Key, value: &str) -> Self {
        Self(self.0.with_config(key, value))
    }

    fn build(
        self,
        plain_http: bool,
        retries: RetryConfig,
        http: CallersClient,
    ) -> object_store::Result<MicrosoftAzure> {
        self.0
            .with_allow_http(plain_http)
            .with_retry(retries)
            .with_http_connector(http)
            .build()
    }
}

#[cfg(test)]
mod tests;
