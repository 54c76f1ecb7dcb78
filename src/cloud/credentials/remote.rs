//! Access to credential sources outside this process. In: the cloud's settings. Out: an HTTP
//! client, the token service's address, the time.

use crate::cloud::client::{self, Client};
use crate::cloud::endpoint::Endpoint;
use crate::cloud::settings::{Clock, CloudSettings};
use crate::domain::{Problems, Timestamp};

/// The HTTP client, the token service's address and the clock, for requests to credential sources.
#[derive(Debug)]
pub struct Remote {
    pub(super) client: Client,
    pub(super) sts: Endpoint,
    clock: Clock,
}

impl Remote {
    /// Builds the HTTP client. Opens no connection.
    pub fn new(settings: &CloudSettings) -> Result<Self, Problems> {
        Ok(Self {
            client: client::http_client()?,
            sts: settings.endpoint_of("sts")?,
            clock: settings.clock,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// For tests that need no remote source. The address is a closed port, so every request fails.
    #[cfg(test)]
    pub(super) fn nowhere() -> Self {
        let endpoint = Some("http://127.0.0.1:1".to_owned());
        Self::new(&CloudSettings {
            endpoint,
            ..CloudSettings::new(|| Timestamp::UNIX_EPOCH)
        })
        .unwrap()
    }
}
