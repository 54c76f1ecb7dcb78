//! What a host reads from the application: its configuration and clock, its readiness, the requests
//! and active grants of the journal, the images that can be shared. Reports each stream that cannot
//! be read; changes nothing.

use std::cmp::Reverse;

use serde::Serialize;

use crate::cloud::{Deadline, ImageToShare, ImagesQuery};
use crate::config::Config;
use crate::domain::{CloudError, Fault, Identity, Item, Region, SourceName, Timestamp};
use crate::journal::{
    Grant, History, Journal, JournalError, Phase, Standing, State, StreamId, Worker,
};

use super::App;
use super::answer::Answer;
use super::overdue::receiver;

/// Entries, and what could not be read.
#[derive(Debug)]
pub struct Listed<T> {
    /// What was read: requests by their latest approval, grants by their oldest.
    pub entries: Vec<T>,
    /// Which streams could not, and why.
    pub flaws: Vec<String>,
}

/// One request of the journal.
#[derive(Debug, Clone, Serialize)]
pub struct RequestEntry {
    /// `source/id`.
    pub identity: String,
    /// Where it stands, with what is still to come.
    pub state: String,
    /// `share` or `cancel`.
    pub action: String,
    /// The image.
    pub image: String,
    /// Where it is.
    pub region: String,
    /// The accounts; none for Lighthouse alone.
    pub accounts: Vec<String>,
    /// Who asked.
    pub requester: String,
    /// When it was approved.
    pub at: Timestamp,
    /// The answer that a duplicate would get.
    pub answer: Answer,
}

/// One line of the register: one receiver of one image.
#[derive(Debug, Clone, Serialize)]
pub struct GrantEntry {
    /// The image as the request names it.
    pub image: String,
    /// The blueprint that came of it in Lighthouse: what a chain's accounts see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blueprint: Option<String>,
    /// Where it is.
    pub region: String,
    /// An account, or Lighthouse.
    pub to: String,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Whether that moment has passed, and whether another grant covers it since.
    pub state: Standing,
    /// The ticket, else the request's id.
    pub ticket: String,
    /// The request that gave it, `source/id`.
    pub request: String,
    /// Who asked.
    pub requester: String,
    /// Who approved.
    pub approvers: Vec<String>,
    /// The policies that allowed it.
    pub policies: Vec<String>,
}

/// Which grants are to be listed; an empty filter takes them all.
#[derive(Debug, Clone, Default)]
pub struct GrantFilter {
    /// This image, or the chain's blueprint.
    pub image: Option<String>,
    /// This receiving account.
    pub account: Option<String>,
    /// This ticket.
    pub ticket: Option<String>,
    /// Only those whose end has passed and that still stand.
    pub expired: bool,
}

impl GrantFilter {
    /// Whether a line of the register is asked for.
    pub fn takes(&self, entry: &GrantEntry) -> bool {
        let image =
            |wanted: &String| *wanted == entry.image || Some(wanted) == entry.blueprint.as_ref();
        self.image.as_ref().is_none_or(image)
            && self
                .account
                .as_ref()
                .is_none_or(|account| *account == entry.to)
            && self
                .ticket
                .as_ref()
                .is_none_or(|ticket| *ticket == entry.ticket)
            && (!self.expired || entry.state != Standing::Active)
    }
}

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
        let look = async {
            self.prove_journal().await?;
            let nonce = crate::clock::fresh_bytes().map_err(JournalError::NoRandomness)?;
            self.journal.check(nonce).await
        };
        let now = tokio::time::Instant::now();
        self.readiness.or_look(now, look).await
    }

    /// Logs which accounts of the cloud cannot be called for lack of credentials.
    pub async fn log_missing_credentials(&self) {
        self.clouds.log_missing_credentials(self.budget()).await;
    }

    /// Logs why a worker's death would not be noticed before its lease ends.
    pub async fn log_missing_locks(&self) {
        let Ok(probe) = crate::clock::fresh_bytes() else {
            return;
        };
        if let Some(error) = self.journal.lacks_locks(Worker::from_random(probe)).await {
            tracing::warn!(%error, "no locks in the journal's folder: the work of a killed process waits until its lease ends");
        }
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
            ImagesQuery::Ids { image_ids } => image_ids.first().map(ToString::to_string),
            _ => None,
        };
        let chosen = self.clouds.of(self.config(), image.as_deref(), region);
        chosen.cloud.images_to_share(region, query, deadline).await
    }
}

impl App {
    /// The requests of the journal, or the newest `limit` of them.
    ///
    /// # Errors
    /// What the journal's store said.
    pub async fn requests(
        &self,
        limit: Option<usize>,
    ) -> Result<Listed<RequestEntry>, JournalError> {
        let (states, flaws) = self.newest_states(limit).await?;
        Ok(Listed {
            entries: states.iter().map(entry).collect(),
            flaws,
        })
    }

    /// The requests with this id, or the one with this `source/id` or stream.
    ///
    /// # Errors
    /// What the journal's store said; that the one request is damaged.
    pub async fn requests_named(&self, name: &str) -> Result<Listed<RequestEntry>, JournalError> {
        let Listed { entries, flaws } = find_requests(&self.journal, name, self.now()).await?;
        Ok(Listed {
            entries: entries.iter().map(entry).collect(),
            flaws,
        })
    }

    /// Every active grant: what a request gave and neither its expiry nor a later cancel took away.
    ///
    /// # Errors
    /// When the journal cannot be listed.
    pub async fn grants(&self) -> Result<Listed<GrantEntry>, JournalError> {
        let now = self.now();
        // An index that was never compared with every request may lack some.
        let (grants, flaws) = if self.journal.pass(now).await?.ever_done() {
            let (grants, flaws) = self.journal.active_grants().await?;
            (grants, flaws.iter().map(ToString::to_string).collect())
        } else {
            let (states, flaws) = self.newest_states(None).await?;
            let grants = states.iter().rev().filter_map(State::grant);
            (grants.collect::<Vec<Grant>>(), flaws)
        };
        let entries = grants.iter().flat_map(|grant| lines(grant, now));
        let entries = entries.collect();
        Ok(Listed { entries, flaws })
    }

    /// [`newest_states`] of this application's journal.
    pub(super) async fn newest_states(
        &self,
        limit: Option<usize>,
    ) -> Result<(Vec<State>, Vec<String>), JournalError> {
        newest_states(&self.journal, limit, self.now()).await
    }
}

/// The requests with this id, or the one with this `source/id` or stream. An id alone is looked for
/// in the whole history.
///
/// # Errors
/// What the journal's store said; that the one request is damaged.
pub async fn find_requests(
    journal: &Journal,
    name: &str,
    now: Timestamp,
) -> Result<Listed<State>, JournalError> {
    let identity = name.split_once('/').and_then(|(source, id)| {
        let (source, id) = (source.parse().ok()?, id.to_owned());
        Some(StreamId::of(&Identity { source, id }))
    });
    for stream in name.parse().ok().into_iter().chain(identity) {
        let history = journal.read(stream).await?;
        if let Some(state) = history.and_then(History::into_state) {
            let (entries, flaws) = (vec![state], Vec::new());
            return Ok(Listed { entries, flaws });
        }
    }
    let (mut entries, flaws) = newest_states(journal, None, now).await?;
    entries.retain(|state| state.identity().id == name);
    Ok(Listed { entries, flaws })
}

/// The states of the newest `limit` requests, or of all, the latest approval first; and what could
/// not be read.
async fn newest_states(
    journal: &Journal,
    limit: Option<usize>,
    now: Timestamp,
) -> Result<(Vec<State>, Vec<String>), JournalError> {
    let (mut states, mut flaws) = (Vec::new(), Vec::new());
    let mut all = journal.newest_first(now).await?;
    while let Some(batch) = all.next().await? {
        for request in &batch.requests {
            match request.history() {
                Ok(history) => states.extend(history.and_then(History::into_state)),
                Err(finding) => flaws.push(finding.to_string()),
            }
        }
        flaws.extend(batch.flaws.iter().map(ToString::to_string));
        let (Some(limit), Some(rest_before)) = (limit, batch.rest_before) else {
            continue;
        };
        states.sort_by_key(newest_first);
        states.truncate(limit);
        let last = states.last().map(State::approved_at);
        if states.len() == limit && last.is_none_or(|last| last >= rest_before) {
            break;
        }
    }
    states.sort_by_key(newest_first);
    states.truncate(limit.unwrap_or(usize::MAX));
    Ok((states, flaws))
}

fn newest_first(state: &State) -> Reverse<Timestamp> {
    Reverse(state.approved_at())
}

fn entry(state: &State) -> RequestEntry {
    let request = state.request();
    let mut told = state.status().to_string();
    match state.phase() {
        Phase::Waiting { until } => told = format!("waiting until {until}"),
        Phase::Working { .. } => told = "working".to_owned(),
        Phase::Deferred {
            fault: Some(Fault::Operator),
            ..
        } => told = "waits for the operator".to_owned(),
        Phase::Deferred { .. } => told = "unfinished".to_owned(),
        Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => told.push_str(", revoking"),
        Phase::Revoked => told.push_str(", revoked"),
        Phase::Denied | Phase::Closed => {}
    }
    RequestEntry {
        identity: state.identity().to_string(),
        state: told,
        action: request.action.as_str().to_owned(),
        image: request.target.image().to_string(),
        region: request.region.to_string(),
        accounts: request
            .target
            .accounts()
            .iter()
            .map(ToString::to_string)
            .collect(),
        requester: request.requester.clone(),
        at: state.approved_at(),
        answer: Answer::of_state(state),
    }
}

fn lines(grant: &Grant, now: Timestamp) -> Vec<GrantEntry> {
    let line = |item: Item| GrantEntry {
        image: grant.image.to_string(),
        blueprint: grant.blueprint.as_ref().map(ToString::to_string),
        region: grant.region.to_string(),
        state: grant.standing(&item, now),
        to: receiver(&item),
        since: grant.since,
        until: grant.until,
        ticket: grant
            .ticket
            .clone()
            .unwrap_or_else(|| grant.identity.id.clone()),
        request: grant.identity.to_string(),
        requester: grant.requester.clone(),
        approvers: grant.approvers.clone(),
        policies: grant.policies.clone(),
    };
    grant.items().into_iter().map(line).collect()
}

/// The first 16 hex digits of a SHA-256: enough to tell two local events apart.
pub fn short_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
        .chars()
        .take(16)
        .collect()
}
