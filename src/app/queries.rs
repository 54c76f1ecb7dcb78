//! What a host reads from the application: its configuration and clock, its readiness, the requests
//! and active grants of its journal, the images that can be shared. Changes nothing.

use std::time::Duration;

use crate::cloud::{Deadline, ImageToShare, ImagesQuery};
use crate::config::Config;
use crate::domain::{CloudError, Region, SourceName, Timestamp};
use crate::journal::{JournalError, WorkDone};

use super::App;
use super::application::fresh_worker;
use super::reader::{GrantEntry, JournalReader, Listed, RequestEntry, RequestFilter};

/// How often a probe writes the journal. Other probes get the same answer.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

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

    /// The compiled rules.
    pub fn rules(&self) -> &super::Prepared {
        &self.prepared
    }

    /// How far the present work has come.
    pub fn work_done(&self) -> &WorkDone {
        self.journal.work_done()
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

    /// Proves, before this process writes its first record, that the journal's place refuses to
    /// create a file twice.
    ///
    /// # Errors
    /// That it does not, or what the store said: then nothing may be carried out.
    pub async fn prove_journal(&self) -> Result<(), JournalError> {
        let nonce = crate::clock::fresh_bytes().map_err(JournalError::NoRandomness)?;
        self.journal.test_place(nonce).await
    }

    /// Whether deliveries can be recorded. The reason why not goes to the log.
    pub async fn ready(&self) -> bool {
        let look = async |_| {
            let looked = self.look_at_journal().await;
            if let Err(error) = &looked {
                tracing::error!(%error, "not ready: the journal cannot be written");
            }
            Ok(looked.is_ok())
        };
        let now = tokio::time::Instant::now();
        let ready = self.readiness.or_make(now, PROBE_INTERVAL, look).await;
        ready.unwrap_or(false)
    }

    async fn look_at_journal(&self) -> Result<(), JournalError> {
        self.prove_journal().await?;
        let nonce = crate::clock::fresh_bytes().map_err(JournalError::NoRandomness)?;
        self.journal.check(nonce).await
    }

    /// Logs which accounts of the cloud cannot be called for lack of credentials.
    pub async fn log_missing_credentials(&self) {
        self.clouds.log_missing_credentials(self.budget()).await;
    }

    /// Logs why a worker's death would not be noticed before its lease ends.
    pub async fn log_missing_locks(&self) {
        if let Ok(probe) = fresh_worker()
            && let Some(error) = self.journal.lacks_locks(probe).await
        {
            tracing::warn!(%error, "no locks in the journal's folder: the work of a killed process waits until its lease ends");
        }
    }

    /// All pages of what can be shared to Lighthouse.
    pub async fn images(
        &self,
        region: &Region,
        query: ImagesQuery,
        deadline: Deadline,
    ) -> Result<Vec<ImageToShare>, CloudError> {
        let image = match &query {
            ImagesQuery::Ids { image_ids } => image_ids.first().map(ToString::to_string),
            _ => None,
        };
        let chosen = self.clouds.of(self.config(), image.as_deref(), region);
        chosen
            .cloud
            .at(region, deadline)
            .images_to_share(query)
            .await
    }

    /// Reads this application's journal.
    pub fn reader(&self) -> JournalReader<'_> {
        JournalReader::new(&self.journal, &self.prepared.notice_rules, self.now())
    }

    /// The requests of the journal, or the newest `limit` of them.
    pub async fn requests(
        &self,
        limit: Option<usize>,
    ) -> Result<Listed<RequestEntry>, JournalError> {
        let all = RequestFilter::default();
        self.reader().requests(&all, limit).await
    }

    /// Every active grant: what a request gave and neither its expiry nor a later cancel took away.
    pub async fn grants(&self) -> Result<Listed<GrantEntry>, JournalError> {
        self.reader().grants().await
    }
}

/// The first 16 hex digits of a SHA-256: enough to tell two local events apart.
pub(crate) fn short_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
        .chars()
        .take(16)
        .collect()
}
