//! The methods with which a host reads from the application: its configuration and clock, its
//! readiness, the requests and grants of the journal, and the images that can be shared. They write
//! nothing except the probes that test whether the journal can be written.

use std::time::Duration;

use crate::cloud::{Deadline, ImageToShare, ImagesQuery};
use crate::config::Config;
use crate::domain::{CloudError, Region, SourceName, Timestamp};
use crate::journal::{JournalError, WorkDone};

use super::App;
use super::application::fresh_worker;
use super::reader::{GrantEntry, JournalReader, Listed, RequestEntry, RequestFilter};

/// The minimum time between two probes that write to the journal. If [`App::ready`] is called in
/// between, it returns the last result.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

impl App {
    /// Returns the application with a callback `echo`. Once a record is stored, `echo` gets the
    /// record as a line of JSON.
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

    /// The progress of the current work on the journal.
    pub fn work_done(&self) -> &WorkDone {
        self.journal.work_done()
    }

    /// The current instant of this application's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the deadline of a delivery if the host sets none: `budget_seconds` from now.
    pub fn budget(&self) -> Deadline {
        Deadline::after(std::time::Duration::from_secs(self.config().budget_seconds))
    }

    /// Returns the source that lists `origin` in `from`, if any.
    pub fn source_of(&self, origin: &str) -> Option<SourceName> {
        self.prepared.source_of(origin)
    }

    /// Tests that the place of the journal refuses to create a file that exists, and lists a new file
    /// at once. This must be done before the process writes its first record. After one success, later calls return at once.
    ///
    /// # Errors
    /// Fails if the place does not refuse, if the store fails, or if the system gives no random
    /// bytes. Then no request may be carried out.
    pub async fn prove_create_only(&self) -> Result<(), JournalError> {
        let nonce = crate::clock::fresh_bytes().map_err(JournalError::NoRandomness)?;
        self.journal.test_place(nonce).await
    }

    /// Returns whether deliveries can be recorded. If they cannot, logs the reason.
    pub async fn ready(&self) -> bool {
        let look = async |_| {
            let looked = self.look_at_journal().await;
            if let Err(error) = &looked {
                tracing::error!(%error, "not ready: the journal cannot be used");
            }
            Ok(looked.is_ok())
        };
        let ready = self.readiness.or_make(PROBE_INTERVAL, look).await;
        ready.unwrap_or(false)
    }

    async fn look_at_journal(&self) -> Result<(), JournalError> {
        self.prove_create_only().await?;
        let nonce = crate::clock::fresh_bytes().map_err(JournalError::NoRandomness)?;
        let known = self.journal.cannot_delete().is_some();
        self.journal.check(nonce).await?;
        if !known {
            self.log_undeletable();
        }
        Ok(())
    }

    /// Logs a warning if the newest probe below `index/` could not be deleted.
    pub fn log_undeletable(&self) {
        if let Some(error) = self.journal.cannot_delete() {
            tracing::warn!(%error, "index files of finished work stay, and each sweep fails to delete them");
        }
    }

    /// Logs each owner account that has no usable credentials.
    pub async fn log_missing_credentials(&self) {
        self.clouds.log_missing_credentials(self.budget()).await;
    }

    /// Logs a warning if the file system of the journal's folder has no locks. Without locks, the
    /// death of a worker is noticed only when its lease ends.
    pub async fn log_missing_locks(&self) {
        if let Ok(probe) = fresh_worker()
            && let Some(error) = self.journal.lacks_locks(probe).await
        {
            tracing::warn!(%error, "no locks in the journal's folder: the work of a killed process waits until its lease ends");
        }
    }

    /// Returns the complete list of images that can be shared to Lighthouse. Does not retry a read
    /// that failed for a passing reason; the error then tells the user to try again.
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
        let cloud = chosen.cloud.at(region, deadline);
        let images = cloud.images_to_share(query).await;
        images.map_err(|error| {
            if !error.class.passing() {
                return error;
            }
            let remedy = "the list is not complete: ask for it again".to_owned();
            CloudError { remedy, ..error }
        })
    }

    /// Returns a reader of this application's journal.
    pub fn reader(&self) -> JournalReader<'_> {
        let rules = &self.prepared.notice_rules;
        let reader = JournalReader::new(&self.journal, rules, self.now());
        reader.with_retry_age(self.config().retry_age)
    }

    /// Returns the requests of the journal. With a `limit`, returns only the newest ones.
    pub async fn requests(
        &self,
        limit: Option<usize>,
    ) -> Result<Listed<RequestEntry>, JournalError> {
        let all = RequestFilter::default();
        self.reader().requests(&all, limit).await
    }

    /// Returns every grant that was not revoked or cancelled. This includes expired grants.
    pub async fn grants(&self) -> Result<Listed<GrantEntry>, JournalError> {
        self.reader().grants().await
    }
}

/// Returns the first 16 hex digits of the SHA-256 of `bytes`, as an id for them.
pub(crate) fn short_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
        .chars()
        .take(16)
        .collect()
}
