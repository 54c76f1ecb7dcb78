//! The straight line: a delivery is verified, mapped, decided, claimed, planned, carried out,
//! closed, answered. In: a [`Delivery`] from any host, and until when an answer is of use. Out: a
//! [`Reply`]. Knows no host's types.

mod answer;
mod approver_origin;
mod archive;
mod call_off;
mod claim_writer;
mod cloud_accounts;
mod coalesce;
mod context;
mod drift;
mod events;
mod execute;
mod grants;
mod handshake;
mod identity;
mod invocation_credentials;
mod observe;
mod policy_test;
mod precheck;
mod queries;
mod refused_chain;
mod resume;
mod revoke;
mod seal_key;
mod sealing;
mod secrets;
mod sharing_calls;
mod sns_certificates;
mod startup;
mod sweep;
mod withhold;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::clock::{self, Clock};
use crate::domain::{
    Identity, Item, ItemResult, Problem, ResultKind, ShareRequest, SourceName, Status, Timestamp,
    Verdict,
};
use crate::inbound::{Map, Refusal, VerifiedDelivery};
use crate::journal::{
    History, Journal, JournalError, Opened, Opening, Received, State, StreamId, Worker, WorkerLease,
};
use crate::plan::Plan;
use crate::policy::{Approved, Decision};
use crate::telemetry::{Counted, Counters};

pub use crate::cloud::{Deadline, Filter as ImageFilter, ImageToShare, ImagesQuery, http_client};
pub use crate::inbound::{Delivery, HandshakeRequest, Headers, Via};
pub use crate::plan::{Backoff, Patience};
pub use answer::{Answer, Ending, Reply};
pub use approver_origin::{ApproverOrigin, SourceSummary};
pub use archive::{Age, ArchiveOrder, Archiving, archivable, archive, archive_place};
pub use drift::{Difference, DriftReport, Drifted, Unread};
pub use policy_test::{CaseInput, CaseOutcome};
pub use queries::short_digest;
pub use queries::{GrantEntry, GrantFilter, Listed, RequestEntry};
pub use seal_key::{SealError, signer, signer_or_new};
pub use sealing::seal_journal;
pub use secrets::fetch_secrets;
pub use startup::{Prepared, StartError, open_journal};
pub use sweep::SweepReport;

use answer::{conflict, refused_items, unavailable};
use claim_writer::{ClaimWriter, Stop};
use cloud_accounts::{CloudAccounts, own_account};
use context::{CallQueues, ExecutionContext, ReadQueues};
use identity::identity_of;
use invocation_credentials::CredentialHeaders;
use sns_certificates::{Certificates, Unverified};
use withhold::Permission;
use withhold::trace;

/// Everything that a delivery needs.
#[derive(Debug)]
pub struct App {
    prepared: Arc<Prepared>,
    journal: Journal,
    clouds: CloudAccounts,
    calls: CallQueues,
    reads: ReadQueues,
    clock: Clock,
    counters: Counters,
    certificates: Certificates,
}

/// One request of a delivery, on its way.
struct Case<'a> {
    identity: Identity,
    request: &'a ShareRequest,
    delivery: &'a VerifiedDelivery,
    received: &'a Received,
    now: Timestamp,
    deadline: Deadline,
}

impl App {
    /// The whole way of one delivery.
    pub async fn receive(&self, mut delivery: Delivery, deadline: Deadline) -> Reply {
        let now = self.clock.now();
        let source = delivery.source.clone();
        let credential_headers = match &mut delivery.via {
            Via::Http(headers) => CredentialHeaders::take_from(headers),
            Via::Host { .. } => CredentialHeaders::none(),
        };
        let Some(intake) = self.prepared.intake(&source) else {
            return self.turned_away(Reply::UnknownSource);
        };
        let verified = match self.verified(intake, delivery, now).await {
            Ok(verified) => verified,
            Err(Unverified::Refused(refusal)) => return self.unauthorised(&source, &refusal),
            Err(Unverified::NotNow(why)) => return self.not_now(&why),
        };
        self.use_credentials(&credential_headers);
        if let Some(reply) = self.subscribed(intake, &verified).await {
            return reply;
        }
        if let Some(reply) = intake
            .handshake
            .as_ref()
            .and_then(|handshake| handshake.answer(&verified))
        {
            self.counters.count(Counted::Ignored);
            return Reply::Handshake(reply);
        }
        self.receive_verified(&verified, &intake.map, now, deadline)
            .await
    }

    /// The way of a delivery from the map on.
    async fn receive_verified(
        &self,
        verified: &VerifiedDelivery,
        map: &Map,
        now: Timestamp,
        deadline: Deadline,
    ) -> Reply {
        let requests = match map.apply(verified, now, &self.config().rules()) {
            Ok(requests) => requests,
            Err(refusal) => return self.turned_away(Reply::from(refusal)),
        };
        if requests.is_empty() {
            self.counters.count(Counted::Ignored);
            let id = verified.delivery_id().unwrap_or_default().to_owned();
            return Reply::Answers(vec![(Ending::Done, Answer::new(id, Status::Ignored))]);
        }
        let received = self.received(verified, map);
        let mut answers = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            let identity = identity_of(request, verified, index);
            let case = Case {
                identity,
                request,
                delivery: verified,
                received: &received,
                // A delivery of many requests takes its time: each is decided when its turn comes.
                now: self.now(),
                deadline: context::turn(deadline),
            };
            answers.push(Box::pin(self.handle(&case)).await);
        }
        Reply::Answers(answers)
    }

    /// What the journal ties every request of this delivery to.
    fn received(&self, verified: &VerifiedDelivery, map: &Map) -> Received {
        Received {
            body_digest: hex::encode(Sha256::digest(verified.body())),
            map_digest: map.digest().to_owned(),
            config_digest: self.config().digest.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The whole way of one verified request.
    async fn handle(&self, case: &Case<'_>) -> (Ending, Answer) {
        let end = match self.known(case).await {
            Ok(Some(state)) => self.again(case, state).await,
            Ok(None) => self.begin(case).await,
            Err(error) => Err(error),
        };
        end.unwrap_or_else(|error| {
            tracing::error!(%error, identity = %case.identity, "the journal cannot be used");
            self.counters.count(Counted::Unavailable);
            (Ending::Unavailable, unavailable(&case.identity, &error))
        })
    }

    /// What the journal knows of this identity.
    async fn known(&self, case: &Case<'_>) -> Result<Option<State>, JournalError> {
        let history = self.journal.read(StreamId::of(&case.identity)).await?;
        Ok(history.and_then(History::into_state))
    }

    /// A request that nobody has seen before: decide, claim, carry out.
    async fn begin(&self, case: &Case<'_>) -> Result<(Ending, Answer), JournalError> {
        if let Some(problem) = expired_already(case) {
            self.counters.count(Counted::Invalid);
            let answer = Answer::new(&case.identity.id, Status::Failed);
            return Ok((
                Ending::Invalid,
                Answer {
                    problems: vec![problem],
                    ..answer
                },
            ));
        }
        let decision = self.decide(&case.identity, case.request, case.now, case.now);
        if self.prepared.plan_only() {
            return Ok(self.show_plan(case, &decision).await);
        }
        match (self.open(case, &decision).await?, decision) {
            (Opened::New(claim), Decision::Allow(approved)) => {
                let permission = Permission::Granted(approved);
                let state = Box::pin(self.finish(*claim, permission, case.deadline)).await?;
                Ok(self.counted(self.recorded(&state)))
            }
            // A denial never comes with a claim; should it, the claim is dropped unused.
            (Opened::New(claim), Decision::Deny(_)) => {
                Ok(self.counted(self.recorded(claim.state())))
            }
            (Opened::Kept(state), _) => Ok(self.counted(self.recorded(&state))),
            (Opened::Existing(state), _) => self.again(case, *state).await,
            (Opened::Conflict(_), _) => Ok(self.refuse_conflict(case)),
        }
    }

    /// Claims the request: intent, verdict and lease are one create-only write. Nothing has been
    /// called before it.
    async fn open(&self, case: &Case<'_>, decision: &Decision) -> Result<Opened, JournalError> {
        let verdict = match decision {
            Decision::Allow(approved) => approved.verdict().clone(),
            Decision::Deny(verdict) => verdict.clone(),
        };
        self.journal
            .open_request(self.opening(case, verdict)?)
            .await
    }

    fn opening(&self, case: &Case<'_>, verdict: Verdict) -> Result<Opening, JournalError> {
        Ok(Opening {
            identity: case.identity.clone(),
            delivery_id: case.delivery.delivery_id().map(str::to_owned),
            secret_fingerprint: case.delivery.secret_fingerprint().map(str::to_owned),
            scheme: case.delivery.scheme().to_owned(),
            received: case.received.clone(),
            request: case.request.clone(),
            verdict,
            lease: self.worker_lease(case.now, case.deadline)?,
        })
    }

    /// A delivery that came before: it acts once, whatever happens.
    async fn again(&self, case: &Case<'_>, state: State) -> Result<(Ending, Answer), JournalError> {
        if state.intent().digest != case.request.digest() {
            // Journalled as a conflict, never carried out; the verdict that stands is the recorded
            // one.
            let opening = self.opening(case, state.verdict().clone())?;
            self.journal.open_request(opening).await?;
            return Ok(self.refuse_conflict(case));
        }
        self.counters.count(Counted::Duplicate);
        let (ending, answer) = self.resume(state, case.now, case.deadline).await?;
        Ok((
            ending,
            Answer {
                duplicate: true,
                ..answer
            },
        ))
    }

    fn refuse_conflict(&self, case: &Case<'_>) -> (Ending, Answer) {
        tracing::warn!(identity = %case.identity, "a known identity came with other content; nothing was done");
        self.counters.count(Counted::Conflict);
        (Ending::Invalid, conflict(&case.identity))
    }

    /// Looks, plans, and does what is left to do: the same for a new request, a resumed one and an
    /// expiry.
    async fn carry_out(
        &self,
        writer: &mut ClaimWriter<'_>,
        approved: &Approved,
        deadline: Deadline,
    ) -> Result<Vec<ItemResult>, Stop> {
        // Of the request as it was made: an expiry may name the blueprint that a chain made of an
        // image.
        let context = self.context(writer.state().request(), deadline);
        let seen = observe::observe(&context, approved.request()).await;
        let mut done = writer.results();
        done.extend(own_account(context.cloud, approved.request()));
        let observed = writer.observed();
        let plan = Plan::of(approved, &seen, &done, observed);
        writer.planned(&plan).await?;
        let mut results = execute::carry_out(&context, &plan, writer).await?;
        if observed {
            // An interrupted worker may have given what was called off since.
            let called_off = done.iter().filter(|result| result.called_off_by.is_some());
            let given: Vec<ItemResult> = called_off
                .filter_map(|result| trace(writer.state(), result, &seen))
                .collect();
            results.retain(|result| !given.iter().any(|given| given.item == result.item));
            results.extend(given);
        }
        Ok(results)
    }

    /// A dry run: what would be decided and done, and nothing written.
    async fn show_plan(&self, case: &Case<'_>, decision: &Decision) -> (Ending, Answer) {
        let answer = Answer::new(&case.identity.id, Status::Planned);
        let approved = match decision {
            Decision::Allow(approved) => approved,
            Decision::Deny(verdict) => {
                let answer = Answer {
                    status: Status::Denied,
                    ..answer.with_verdict(verdict)
                };
                return (
                    Ending::Denied,
                    Answer {
                        results: refused_items(case.request, verdict),
                        ..answer
                    },
                );
            }
        };
        let context = self.context(case.request, case.deadline);
        let seen = observe::observe(&context, case.request).await;
        let done: Vec<ItemResult> = own_account(context.cloud, case.request)
            .into_iter()
            .collect();
        let plan = Plan::of(approved, &seen, &done, false);
        let settled = |item: Item| {
            let known = plan
                .settled()
                .iter()
                .find(|result| result.item == item)
                .cloned();
            known.unwrap_or_else(|| ItemResult::new(item, ResultKind::Pending, None))
        };
        let results = case
            .request
            .target
            .items()
            .into_iter()
            .map(settled)
            .collect();
        let account = context.account.map(|name| format!("as account {name}"));
        let lines = account
            .into_iter()
            .chain(plan.to_string().lines().map(str::to_owned))
            .collect();
        let message = seen
            .unreadable
            .map(|error| format!("the current state could not be read: {error}"));
        (
            Ending::Done,
            Answer {
                results,
                plan: lines,
                message,
                ..answer.with_verdict(approved.verdict())
            },
        )
    }

    fn context(&self, request: &ShareRequest, deadline: Deadline) -> ExecutionContext<'_> {
        let image = request.target.image().to_string();
        let chosen = self.clouds.of(self.config(), Some(&image), &request.region);
        ExecutionContext {
            cloud: chosen.cloud,
            account: chosen.account,
            calls: &self.calls,
            reads: &self.reads,
            counters: &self.counters,
            cvm_accounts_per_call: self.config().cloud.cvm_accounts_per_call,
            cvm_accounts_per_image: self.config().cloud.cvm_accounts_per_image,
            deadline,
            patience: self.prepared.patience(),
        }
    }

    /// How long others leave a request to the worker that has it: the time it may take, and a
    /// margin for its last write.
    fn lease(&self, now: Timestamp, deadline: Deadline) -> Timestamp {
        const MARGIN: std::time::Duration = std::time::Duration::from_secs(15);
        let length = context::left(deadline).saturating_add(MARGIN);
        now.checked_add(length).unwrap_or(Timestamp::MAX)
    }

    /// A lease on a request, marked with fresh random bytes.
    fn worker_lease(
        &self,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<WorkerLease, JournalError> {
        let worker = Worker::from_random(clock::fresh_bytes().map_err(JournalError::NoRandomness)?);
        Ok(WorkerLease {
            now,
            until: self.lease(now, deadline),
            worker,
        })
    }

    /// Counts an answer by its status.
    fn counted(&self, end: (Ending, Answer)) -> (Ending, Answer) {
        self.counters.count(match end.1.status {
            Status::Completed => Counted::Completed,
            Status::Partial => Counted::Partial,
            Status::Failed => Counted::Failed,
            Status::Denied => Counted::Denied,
            Status::Ignored | Status::Planned => Counted::Ignored,
            Status::Pending => Counted::Pending,
        });
        end
    }

    fn unauthorised(&self, source: &SourceName, refusal: &Refusal) -> Reply {
        tracing::warn!(%source, reason = %refusal, "a delivery was not believed");
        if refusal.is_media_type() {
            self.turned_away(Reply::UnsupportedType)
        } else {
            self.turned_away(Reply::Unauthorised)
        }
    }

    fn turned_away(&self, reply: Reply) -> Reply {
        self.counters.count(match reply {
            Reply::Unauthorised | Reply::UnknownSource => Counted::Unauthorised,
            _ => Counted::Invalid,
        });
        reply
    }
}

/// A share whose end is over before it begins is a mistake, unless the journal knows the request
/// already.
fn expired_already(case: &Case<'_>) -> Option<Problem> {
    let end = case
        .request
        .expires_at(case.now)
        .filter(|end| *end <= case.now)?;
    Some(Problem::new(
        "expires_at",
        format!("{end} is over already"),
        "let the share end in the future",
    ))
}
