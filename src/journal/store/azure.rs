//! Stores the journal in Azure Blob Storage. Takes a container and the process's `AZURE_…`
//! variables. A write that must not replace an existing file has the header `If-None-Match: *`. For
//! a managed identity, `object_store` itself reads the variable `IDENTITY_HEADER`.

use object_store::azure::{AzureConfigKey as Key, MicrosoftAzure, MicrosoftAzureBuilder};
use secrecy::SecretString;

use super::remote::{Service, Setting, prefixed, set_and_build};

impl Service for MicrosoftAzureBuilder {
    type Key = Key;
    type Store = MicrosoftAzure;
    const PREFIX: &str = "AZURE_";

    fn of_bucket(container: &str) -> Self {
        Self::new().with_container_name(container)
    }

    /// Also takes `IDENTITY_ENDPOINT`, which hosts with a managed identity set.
    fn key(variable: &str) -> Option<Key> {
        match variable {
            "IDENTITY_ENDPOINT" => Some(Key::MsiEndpoint),
            _ => prefixed::<Self>(variable),
        }
    }

    fn kind(key: &Key) -> Option<Setting> {
        Some(match key {
            Key::Endpoint | Key::AuthorityHost => Setting::Endpoint,
            Key::AccessKey | Key::ClientSecret | Key::Token | Key::SasKey => Setting::Secret,
            Key::AccountName
            | Key::ClientId
            | Key::AuthorityId
            | Key::FederatedTokenFile
            // This is not a `Setting::Endpoint`, which would have to use TLS: the address is on
            // this machine or link-local.
            | Key::MsiEndpoint
            | Key::ObjectId
            | Key::MsiResourceId => Setting::Plain,
            _ => return None,
        })
    }

    /// Returns the parameter `sig` of a shared access signature, both as it is written and
    /// percent-decoded.
    fn inner_secrets(key: &Key, value: &str) -> Vec<SecretString> {
        if !matches!(key, Key::SasKey) {
            return Vec::new();
        }
        let pairs = value.trim_start_matches('?').split('&');
        let signatures = pairs.filter_map(|pair| pair.strip_prefix("sig="));
        signatures
            .flat_map(|signature| {
                let decoded = reqwest::Url::parse(&format!("http://localhost/?{signature}"));
                let decoded = decoded
                    .ok()
                    .and_then(|url| Some(url.query_pairs().next()?.0.into_owned()));
                [Some(signature.into()), decoded.map(SecretString::from)]
            })
            .flatten()
            .collect()
    }

    set_and_build!();
}
