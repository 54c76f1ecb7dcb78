//! [`App`]: the rules in force, and the state that all use cases share. `startup` opens it. Most
//! use cases are in files of their own, each with an `impl App`. This file also creates the context
//! and the lease for a worker's turn on a request.

use std::sync::Arc;

use hmac::Hmac;
use sha2::Sha256;
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

use crate::clock::{self, Clock};
use crate::cloud::Deadline;
use crate::domain::{ImageRef, Region, ShareRequest, Timestamp};
use crate::journal::{Claim, Journal, JournalError, Worker, WorkerLease};
use crate::telemetry::Metrics;

use super::approvals::{Instances, KnownListed};
use super::cloud_accounts::{Chosen, CloudAccounts};
use super::context::{self, CallQueues, ExecutionContext, LEASE_MARGIN, ReadQueues};
use super::deliveries::{Certificates, Refusals};
use super::notifying::Outbox;
use super::observing::{Counted, Fresh};
use super::report::LastRefusal;
use super::requests::{ClaimWriter, Published, Slots};
use super::rules::{InForce, Prepared};

/// The application under one version of the rules. The journal, the cloud clients and the queues
/// are opened once per process, and clones share them. [`App::in_force`] returns the application
/// under newer rules.
#[derive(Debug, Clone)]
pub struct App {
    pub(super) prepared: Arc<Prepared>,
    pub(super) rules: Arc<InForce>,
    pub(super) journal: Journal,
    pub(super) clouds: Arc<CloudAccounts>,
    pub(super) calls: Arc<CallQueues>,
    pub(super) reads: Arc<ReadQueues>,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) instances: Arc<Instances>,
    pub(super) known_listed: Arc<KnownListed>,
    /// Whether everybody may read `/metrics` if the configuration has no setting for it.
    pub(super) shows_metrics: bool,
    /// Whether the process can continue its work after it has answered a delivery.
    pub(super) continues_after_answer: bool,
    /// When the process received its stop signal.
    pub(super) stopping: Arc<watch::Sender<Option<Instant>>>,
    pub(super) slots: Arc<Slots>,
    pub(super) published: Arc<Published>,
    /// Whether the last probe could write the journal.
    pub(super) readiness: Arc<Fresh<bool>>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) counts: Arc<Fresh<Counted>>,
    /// Held while the metrics are counted.
    pub(super) counting: Arc<tokio::sync::Mutex<()>>,
    pub(super) last_report: Arc<Fresh<String>>,
    pub(super) last_refusal: Arc<LastRefusal>,
    /// The key with which secrets are fingerprinted. It is set at its first use.
    pub(super) fingerprints: Arc<OnceCell<Hmac<Sha256>>>,
}

impl App {
    /// Returns the application for a host that writes the credentials of its role into the headers
    /// of each request. Do not call this on other hosts, because there a sender can write these
    /// headers.
    #[must_use]
    pub fn using_invocation_credentials(self) -> Self {
        self.clouds.use_invocation_credentials();
        self
    }

    /// Returns the application for a server that this program runs itself. Everybody may read
    /// `/metrics` there unless the configuration says otherwise.
    #[must_use]
    pub fn showing_metrics(self) -> Self {
        Self {
            shows_metrics: true,
            ..self
        }
    }

    pub(super) fn context(
        &self,
        request: &ShareRequest,
        deadline: Deadline,
    ) -> ExecutionContext<'_> {
        let chosen = self.cloud_of_owner(&request.target.image(), &request.region);
        ExecutionContext {
            cloud: chosen.cloud.at(&request.region, deadline),
            account: chosen.account,
            calls: &self.calls,
            reads: &self.reads,
            metrics: &self.metrics,
            cvm_accounts_per_call: self.config().cloud.cvm_accounts_per_call,
            cvm_accounts_per_image: self.config().cloud.cvm_accounts_per_image,
            deadline,
            patience: self.prepared.patience,
        }
    }

    /// Returns the cloud client of the account that owns `image`. If `image` is a blueprint that
    /// was created from a CVM image, this is the account of that CVM image, because the
    /// configuration cannot name a blueprint before it exists. `find_source` must have looked up
    /// the CVM image.
    pub(super) fn cloud_of_owner(&self, image: &ImageRef, region: &Region) -> Chosen<'_> {
        let source = self.published.source(region, image);
        let image = source.as_ref().unwrap_or(image).to_string();
        self.clouds.of(self.config(), Some(&image), region)
    }

    pub(super) fn writer(&self, claim: Claim) -> ClaimWriter<'_> {
        ClaimWriter::new(&self.journal, &self.clock, self.config().retry_for, claim)
    }

    /// Returns when a lease that begins at `now` ends: [`LEASE_MARGIN`] after the worker's
    /// deadline.
    pub(super) fn lease(&self, now: Timestamp, deadline: Deadline) -> Timestamp {
        let length = context::left(deadline).saturating_add(LEASE_MARGIN);
        now.checked_add(length).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn worker_lease(
        &self,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<WorkerLease, JournalError> {
        Ok(WorkerLease {
            now,
            until: self.lease(now, deadline),
            worker: fresh_worker()?,
            owner: None,
        })
    }
}

/// Returns a worker with a random name, so that it differs from the workers of other processes.
pub(super) fn fresh_worker() -> Result<Worker, JournalError> {
    let bytes = clock::fresh_bytes().map_err(JournalError::NoRandomness)?;
    Ok(Worker::from_random(bytes))
}
