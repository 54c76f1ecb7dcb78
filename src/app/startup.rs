//! Opens the journal and creates the cloud clients. Takes a [`Prepared`], which has a valid
//! configuration. Returns an [`App`], or an error that says what cannot be opened.

use std::sync::Arc;

use crate::clock::{self, Clock};
use crate::cloud::{self, CloudSettings, WaitObserver};
use crate::config::{Config, Vars};
use crate::domain::Problems;
use crate::journal::{Access, Journal, JournalError, JournalLocation};
use crate::telemetry::{Metric, Metrics};

use super::application::App;
use super::approvals::Instances;
use super::cloud_accounts::CloudAccounts;
use super::deliveries::Certificates;
use super::rules::{InForce, Prepared};

/// Why the application cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Configuration, maps or policies are invalid.
    #[error("{0}")]
    Invalid(#[from] Problems),
    /// The configuration is valid, but something that it names cannot be opened.
    #[error("sharehook: {0}")]
    Failed(String),
}

impl Prepared {
    /// Opens the journal and creates the cloud clients. For a dry run, the journal is opened only
    /// for reading. Then no use case can carry out a request, because that requires a claim, which
    /// is written to the journal.
    pub async fn open(self, vars: &Vars, clock: Clock) -> Result<App, StartError> {
        if self.plan_only {
            return self.open_to_read(vars, clock);
        }
        let journal = open_journal(self.config(), vars)?;
        Self::open_over(Arc::new(self), journal, vars, clock)
    }

    /// Does the same as [`Prepared::open`], but opens the journal only for reading.
    pub fn open_to_read(self, vars: &Vars, clock: Clock) -> Result<App, StartError> {
        let config = self.config();
        let journal = journal_to_read(&config.journal, config.index.as_ref(), vars)?;
        Self::open_over(Arc::new(self), journal, vars, clock)
    }

    /// Creates the application with a journal that is already open. This is public for tests with
    /// stores that fail.
    #[doc(hidden)]
    pub fn open_over(
        prepared: Arc<Self>,
        journal: Journal,
        vars: &Vars,
        clock: Clock,
    ) -> Result<App, StartError> {
        let metrics: Arc<Metrics> = Arc::default();
        let settings = settings(prepared.config(), &metrics);
        let clouds = CloudAccounts::new(prepared.config(), &settings, vars)?;
        let counts = Arc::clone(&metrics);
        let journal = journal.observed(move |operation, result| {
            counts.count(Metric::JournalOperations, &[operation, result.as_str()]);
        });
        let client = cloud::http_client()?;
        let instances = Instances::new(client.clone());
        let certificates = Certificates::new(client);
        Ok(App {
            rules: Arc::new(InForce::new(Arc::clone(&prepared), vars.clone())),
            prepared,
            journal,
            clouds: Arc::new(clouds),
            calls: Arc::default(),
            reads: Arc::default(),
            clock,
            metrics,
            certificates: Arc::new(certificates),
            instances: Arc::new(instances),
            known_listed: Arc::default(),
            shows_metrics: false,
            continues_after_answer: false,
            stopping: Arc::default(),
            slots: Arc::default(),
            published: Arc::default(),
            readiness: Arc::default(),
            refusals: Arc::default(),
            outbox: Arc::default(),
            counts: Arc::default(),
            counting: Arc::default(),
            last_report: Arc::default(),
            last_refusal: Arc::default(),
            fingerprints: Arc::default(),
        })
    }
}

/// Opens a journal only for reading. A directory that does not exist counts as an empty journal.
pub(crate) fn journal_to_read(
    place: &JournalLocation,
    index: Option<&JournalLocation>,
    vars: &Vars,
) -> Result<Journal, StartError> {
    let access = Access::of(vars, cloud::http_client()?);
    Journal::open_to_read(place, index, &access)
        .map_err(|error| StartError::Failed(error.to_string()))
}

/// Opens the journal that the configuration names.
pub fn open_journal(config: &Config, vars: &Vars) -> Result<Journal, StartError> {
    let access = Access::of(vars, cloud::http_client()?);
    let open = || {
        let journal = Journal::open(&config.journal, &access)?;
        match &config.index {
            Some(index) => journal.with_index(index, &access),
            None => Ok(journal),
        }
    };
    open().map_err(|error: JournalError| StartError::Failed(error.to_string()))
}

fn settings(config: &Config, metrics: &Arc<Metrics>) -> CloudSettings {
    let metrics = Arc::clone(metrics);
    let observe = move |action, wait| metrics.observe(Metric::CloudWait, &[action], wait);
    CloudSettings {
        site: config.cloud.site,
        endpoint: config.cloud.endpoint.clone(),
        lighthouse_per_second: config.cloud.lighthouse_per_second,
        cvm_per_second: config.cloud.cvm_per_second,
        cvm_accounts_per_call: config.cloud.cvm_accounts_per_call,
        waits: Some(WaitObserver::new(observe)),
        // Calls are signed with the real time, even in a test that sets the application's clock.
        ..CloudSettings::new(clock::system_now)
    }
}
