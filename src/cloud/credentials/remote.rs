//! How places beyond this process are asked. In: the cloud's settings. Out: an HTTP client, the
//! token service's address, the time.

use crate::cloud::client::{self, Client};
use crate::cloud::endpoint::Endpoint;
use crate::cloud::settings::{Clock, CloudSettings};
use crate::domain::{Problems, Timestamp};

/// What asking for temporary credentials takes.
#[derive(Debug)]
pub struct Remote {
    /// As the cloud is reached: through the proxy, where there is one.
    pub(super) client: Client,
    /// The machine's metadata is never behind a proxy.
    pub(super) direct: Client,
    pub(super) sts: Endpoint,
    clock: Clock,
}

impl Remote {
    /// Nothing is connected to yet.
    ///
    /// # Errors
    /// `cloud.endpoint` or `cloud.proxy` is not an address.
    pub fn new(settings: &CloudSettings) -> Result<Self, Problems> {
        Ok(Self {
            client: client::build(settings.proxy.as_deref())?,
            direct: client::http_client()?,
            sts: settings.endpoint_of("sts")?,
            clock: settings.clock,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// For tests of what stays on this machine: every call ends at a closed port.
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
