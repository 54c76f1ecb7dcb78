//! What a host asks of the application besides deliveries: its configuration, its clock, its
//! readiness, its listings.

use crate::cloud::{Deadline, ImageToShare, ImagesQuery};
use crate::config::Config;
use crate::domain::{CloudError, Region, SourceName, Timestamp};
use crate::journal::JournalError;
use crate::telemetry::Counters;

use super::App;

impl App {
    /// The same application, which tells `echo` each record's line of JSON once it is stored.
    #[must_use]
    pub fn echoing(self, echo: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            journal: self.journal.echoing(echo),
            ..self
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        self.prepared.config()
    }

    /// The counters behind `/metrics`.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The current instant of this application's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long a delivery may take when its host does not say.
    pub fn budget(&self) -> Deadline {
        Deadline::after(std::time::Duration::from_secs(self.config().budget_seconds))
    }

    /// The trusted source for which `origin` may speak.
    pub fn source_of(&self, origin: &str) -> Option<SourceName> {
        self.prepared.source_of(origin)
    }

    /// Whether the journal can be used now.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ready(&self) -> Result<(), JournalError> {
        self.journal.check().await
    }

    /// All pages of what can be shared to Lighthouse.
    ///
    /// # Errors
    /// The cloud's refusal, or why it did not answer.
    pub async fn images(
        &self,
        region: &Region,
        query: ImagesQuery,
        deadline: Deadline,
    ) -> Result<Vec<ImageToShare>, CloudError> {
        let image = match &query {
            ImagesQuery::Ids(ids) => ids.first().map(ToString::to_string),
            _ => None,
        };
        let chosen = self.clouds.of(self.config(), image.as_deref(), region);
        chosen.cloud.images_to_share(region, query, deadline).await
    }
}

/// The first 16 hex digits of a SHA-256: enough to tell two local events apart.
pub fn short_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
        .chars()
        .take(16)
        .collect()
}
