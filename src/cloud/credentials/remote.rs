//! Access to credential sources outside this process. Takes the cloud's settings; provides an HTTP
//! client, the token service's address and the time.

use parking_lot::Mutex;

use crate::cloud::client::{self, Client};
use crate::cloud::endpoint::Endpoint;
use crate::cloud::settings::{Clock, CloudSettings};
use crate::domain::{Problems, Timestamp};

use super::error::CredentialsError;

/// The HTTP client, the token service's address and the clock, for requests to credential sources.
#[derive(Debug)]
pub struct Remote {
    pub(super) client: Client,
    pub(super) sts: Endpoint,
    clock: Clock,
    /// The peer whose answer is awaited, if a request is under way.
    unanswered: Mutex<Option<String>>,
}

impl Remote {
    pub fn new(settings: &CloudSettings) -> Result<Self, Problems> {
        Ok(Self {
            client: client::http_client()?,
            sts: settings.endpoint_of("sts")?,
            clock: settings.clock,
            unanswered: Mutex::default(),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Waits for the answer of `peer`. If the caller stops waiting, [`Remote::out_of_time`] names
    /// the peer.
    pub(super) async fn wait_for<T>(&self, peer: &str, answer: impl Future<Output = T>) -> T {
        *self.unanswered.lock() = Some(peer.to_owned());
        let answer = answer.await;
        self.forget_unanswered();
        answer
    }

    /// Forgets the peer of an earlier look-up.
    pub(super) fn forget_unanswered(&self) {
        *self.unanswered.lock() = None;
    }

    pub(super) fn out_of_time(&self) -> CredentialsError {
        let unanswered = self.unanswered.lock().clone();
        CredentialsError::OutOfTime { unanswered }
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
