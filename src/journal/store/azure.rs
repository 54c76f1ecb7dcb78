//! Azure Blob Storage as the journal's place. In: a container and the process's `AZURE_…`
//! variables. Out: a store whose create-only write is `If-None-Match: *`. Asks no variable itself
//! but `IDENTITY_HEADER`, which the library reads for a managed identity.

use object_store::azure::{AzureConfigKey as Key, MicrosoftAzure, MicrosoftAzureBuilder};
use secrecy::{ExposeSecret, SecretString};

use super::super::location::JournalLocation;
use super::error::{JournalError, Scrub};
use super::open_store::place_error;
use super::{Access, remote};

/// Set by hosts that give a managed identity; the address is the host's own, on this machine or
/// link-local.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

/// The container as a store.
///
/// # Errors
/// [`JournalError::Place`]: no client, an endpoint without TLS beyond loopback, variables that do
/// not fit together.
pub(super) fn store(
    container: &str,
    access: &Access,
    location: &JournalLocation,
    scrub: &Scrub,
) -> Result<MicrosoftAzure, JournalError> {
    let http = remote::client(access, location)?;
    let mut builder = MicrosoftAzureBuilder::new();
    let mut plain = false;
    for (key, name, value) in served(access) {
        let value = value.expose_secret();
        if matches!(key, Key::Endpoint | Key::AuthorityHost) {
            plain |= !remote::encrypted(name, value)?;
        }
        builder = builder.with_config(key, value);
    }
    builder
        .with_container_name(container)
        .with_allow_http(plain)
        .with_retry(remote::retries())
        .with_http_connector(http)
        .build()
        .map_err(|error| place_error(location, scrub, &error))
}

/// The values that must never be shown. Of a shared access signature also its `sig`, as it stands
/// and decoded.
pub(super) fn scrub(access: &Access) -> Scrub {
    let mut secrets = Vec::new();
    for (key, _, value) in served(access) {
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
    Scrub::new(secrets)
}

/// The variables that say which account and credentials, and where. Unsigned requests, the
/// emulator's public key, another container or somebody else's command line are not taken from
/// there.
fn served(access: &Access) -> impl Iterator<Item = (Key, &str, &SecretString)> {
    access.variables.iter().filter_map(|(name, value)| {
        let key = match name.as_str() {
            IDENTITY_ENDPOINT => Key::MsiEndpoint,
            _ => name
                .strip_prefix("AZURE_")
                .map(|_| name.to_ascii_lowercase())?
                .parse()
                .ok()?,
        };
        let taken = matches!(
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
        );
        (taken && !value.expose_secret().is_empty()).then_some((key, name.as_str(), value))
    })
}

#[cfg(test)]
mod tests;
