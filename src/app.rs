//! The path of every delivery: it is verified, mapped to requests, decided by the policy, recorded,
//! planned, carried out and answered. Starts with a [`Delivery`] from any host and ends with a
//! [`Reply`]. Host-specific types stay in `entrypoints`.

mod answer;
mod application;
mod approvals;
mod calls;
mod cloud_accounts;
mod context;
mod deliveries;
mod drift;
mod examining;
mod grants;
mod notifying;
mod observing;
mod queries;
mod reader;
mod report;
mod requests;
mod rules;
mod shorten;
mod startup;
mod statement;
mod sweeps;

use tracing::Instrument as _;

use crate::domain::{Status, Timestamp};
use crate::inbound::HandshakeReply;
use crate::journal::{JournalError, Opened, Phase, State, StreamId, StreamState};
use crate::policy::Decision;
use crate::telemetry::{Step, step};

pub use crate::cloud::{Deadline, ImagesQuery, http_client};
pub use crate::inbound::{Delivery, Headers, Via};
pub use crate::journal::Standing;
pub use crate::plan::{Backoff, Patience};
pub use answer::{Answer, Ending, Reply};
pub use application::App;
pub use drift::{Adoption, DriftReport};
pub use examining::{CaseInput, Check};
pub use grants::{RevokeNowError, RevokedNow, review};
pub use reader::{
    GrantEntry, GrantFilter, JournalReader, Listed, NotificationEntry, NotificationStatus,
    ReceiverFilter, RequestEntry, RequestFilter, RequestState, SubjectFilter,
};
pub use report::{Depth, Report};
pub use requests::{Operator, Retried, RetryError};
pub use rules::{Prepared, fetch_secret, fetch_secrets};
pub use startup::open_journal;
pub use sweeps::{Age, Compared, SweepReport, retire, signer};

// Used by the entry points, and not by the integration tests in `tests/`.
pub(crate) use crate::cloud::{Filter as ImageFilter, ImageToShare};
pub(crate) use crate::inbound::{HandshakeRequest, Replies, ReplyBody};
#[cfg(test)]
pub(crate) use reader::{CallEntry, DeliveryFacts, Evidence};
pub(crate) use {
    deliveries::Answered,
    drift::{LeftOut, UnderWay, Unread},
    examining::{CaseError, CaseOutcome, Examination, Finding, Health},
    grants::ReviewEntry,
    observing::MetricsReply,
    queries::short_digest,
    reader::{
        AnnouncementEntry, CancelledEntry, DecisionEntry, Explanation, RejectionEntry,
        find_requests, find_requests_or_ticket,
    },
    report::ReportReply,
    requests::Backlog,
    startup::{StartError, journal_to_read},
    sweeps::{
        Retention, SealError, SealKeyRotation, retirable, rotate_seal_key, seal_journal,
        signer_or_new,
    },
};

use deliveries::{
    CredentialHeaders, EarlyAnswer, IncomingDelivery, IncomingRequest, conflict, identity_of,
    overloaded, own_comment, too_late, unavailable,
};
use requests::{FirstLook, Permission};
use statement::Statement;

impl App {
    /// Verifies one delivery, handles its requests and returns the reply.
    pub async fn receive(&self, delivery: Delivery, deadline: Deadline) -> Reply {
        // The host may stop the process as soon as the sender has an answer, so answer last.
        let early = EarlyAnswer::new(false);
        self.process(delivery, Statement::None, deadline, &early)
            .await
    }

    /// Handles one delivery, logs and counts its result, and returns the reply. `early` can answer
    /// the sender before the work ends.
    async fn process(
        &self,
        delivery: Delivery,
        statement: Statement,
        deadline: Deadline,
        early: &EarlyAnswer,
    ) -> Reply {
        let source = delivery.source.clone();
        // Boxed, because the future is large and each host moves it several times before it runs in
        // a task.
        let reply = self.authenticate_and_answer(delivery, statement, deadline, early);
        let reply = Box::pin(reply).await;
        self.delivery_ended(Some(&source), early.elapsed(), &reply);
        reply
    }

    /// Verifies a delivery. Answers subscription messages, handshakes, and the events of a source
    /// with `fetch`, which only name an instance. Passes any other delivery to
    /// [`App::receive_verified`].
    async fn authenticate_and_answer(
        &self,
        mut delivery: Delivery,
        statement: Statement,
        deadline: Deadline,
        early: &EarlyAnswer,
    ) -> Reply {
        let now = self.clock.now();
        let source = delivery.source.clone();
        let credentials = match &mut delivery.via {
            Via::Http(headers) => CredentialHeaders::take_from(headers),
            Via::Host { .. } => CredentialHeaders::none(),
        };
        let verify = step(Step::Verify);
        verify.record("source", source.as_str());
        let authenticated = self.authenticate(delivery, now).instrument(verify);
        let (verified, reloaded) = match authenticated.await {
            Ok(authenticated) => authenticated,
            Err(unverified) => return self.unverified(&source, unverified),
        };
        // If the signature matched only after the secrets were read again, continue with the rules
        // that contain the new secrets.
        let app = reloaded.as_ref().unwrap_or(self);
        let Some(intake) = app.prepared.intake(&source) else {
            return Reply::UnknownSource;
        };
        early.authenticated(intake.replies, verified.reply());
        credentials.hand_to(&app.clouds);
        let confirms = !app.prepared.plan_only;
        let subscribed = app.certificates.subscription(intake, &verified, confirms);
        match subscribed.await {
            Ok(None) => {}
            Ok(Some(reply)) => return Reply::Handshake(reply),
            Err(unverified) => return app.unverified(&source, unverified),
        }
        if let Some(reply) = HandshakeReply::to(&verified, intake.handshake.as_ref()) {
            return Reply::Handshake(reply);
        }
        if let Some(fetcher) = &intake.fetcher {
            return Box::pin(app.receive_announcement(&verified, intake, fetcher)).await;
        }
        let incoming = IncomingDelivery {
            verified: &verified,
            map: &intake.map,
            statement,
            early,
            approved_at: None,
        };
        app.receive_verified(&incoming, now, deadline).await
    }

    /// Maps a verified delivery and handles each of its requests.
    async fn receive_verified(
        &self,
        delivery: &IncomingDelivery<'_>,
        now: Timestamp,
        deadline: Deadline,
    ) -> Reply {
        let (verified, map, early) = (delivery.verified, delivery.map, delivery.early);
        let mapped = step(Step::Map).in_scope(|| map.apply(verified, now, &self.config().rules()));
        let requests = match mapped {
            Ok(requests) => requests,
            Err(refusal) => {
                return self.not_understood(verified, map, refusal).await;
            }
        };
        if requests.is_empty() {
            let id = verified.delivery_id().unwrap_or_default().to_owned();
            return Reply::Answers(vec![(Ending::Done, Answer::new(id, Status::Ignored))]);
        }
        // The digests that tie each request to this delivery.
        let received = self.received(verified, map);
        let callback = self.callback_of(verified);
        // If the sender cannot be answered early, stop the work in time to answer.
        let deadline = early.deadline(deadline, requests.len());
        let mut answers = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            let identity = identity_of(request, verified, index);
            // Read the clock for each request, because handling the earlier requests took time.
            let now = self.now();
            let incoming = IncomingRequest {
                identity,
                request,
                delivery,
                received: &received,
                callback: callback.as_ref(),
                now,
                approved_at: delivery.approved_at.map_or(now, |at| at.min(now)),
                deadline: context::turn_deadline(deadline),
            };
            answers.push(Box::pin(self.handle(&incoming)).await);
        }
        Reply::Answers(answers)
    }

    /// Answers a request that is in the journal, or begins a new one. Ignores a request that was
    /// caused by sharehook's own comment on the ticket, unless the journal has it with the same
    /// content. Turns a journal error into an answer.
    async fn handle(&self, incoming: &IncomingRequest<'_>) -> (Ending, Answer) {
        let (identity, request) = (&incoming.identity, incoming.request);
        let known = match self.known(incoming).await {
            Ok(known) => known,
            Err(error) => return unavailable(identity, &error),
        };
        let same = |state: &State| state.intent().digest == request.digest();
        if let Some(notify) = self.approved_by_own_agent(&identity.source, request)
            && !known.as_ref().is_some_and(same)
        {
            return own_comment(identity, notify);
        }
        let end = match known {
            Some(state) => self.redelivered(incoming, state).await,
            None => self.begin(incoming).await,
        };
        end.unwrap_or_else(|error| unavailable(identity, &error))
    }

    /// Returns the recorded state of the request, or `None` if the journal has no request with its
    /// identity.
    async fn known(&self, incoming: &IncomingRequest<'_>) -> Result<Option<State>, JournalError> {
        let stream = StreamId::of(&incoming.identity);
        match self.journal.look_up(stream).await? {
            Some(StreamState::Request(state)) => Ok(Some(*state)),
            Some(StreamState::Incident(_)) => Err(JournalError::NotARequest { stream }),
            None => Ok(None),
        }
    }

    /// Decides and records a new request. Carries it out at once if it is allowed, need not wait for
    /// its `not_before`, gets a slot, and was recorded in time. In a dry run, only shows the plan.
    async fn begin(
        &self,
        incoming: &IncomingRequest<'_>,
    ) -> Result<(Ending, Answer), JournalError> {
        let within = self.config().not_before_within;
        let (now, approved_at) = (incoming.now, incoming.approved_at);
        if let Some(problem) = too_late(incoming.request, now, approved_at, within) {
            return Ok(self.refuse_late(incoming, problem).await);
        }
        let decision = self.decide(&incoming.identity, incoming.request, now, approved_at);
        if self.prepared.plan_only {
            self.find_source(incoming.request).await?;
            return Ok(self.show_plan(incoming, &decision).await);
        }
        // Make sure that the store refuses to create a file twice: claims depend on it.
        self.prove_create_only().await?;
        let source = &incoming.identity.source;
        let bytes = incoming.delivery.verified.body().len();
        // The request counts towards its source's limit until `unfinished` is dropped.
        let Some(unfinished) = self.slots.admit(source, bytes, self.config().unfinished) else {
            return Ok(overloaded(&incoming.identity));
        };
        // `None` if all slots are taken, or if no time is left for a call. The slot is released when
        // this function returns. On a server, this function runs in its own task, which continues if
        // the sender hangs up.
        let in_time = !incoming.deadline.passed();
        let slot = in_time.then(|| self.slots.take()).flatten();
        let seen = match &decision {
            Decision::Allow(approved) if slot.is_some() && incoming.makes_calls() => {
                self.first_look(approved, incoming.now, incoming.deadline)
                    .await
            }
            _ => None,
        };
        let record = step(Step::Record);
        record.record("identity", tracing::field::display(&incoming.identity));
        let opened = self.open(incoming, &decision, slot.is_some(), seen.as_ref());
        let opened = opened.instrument(record);
        let state = match (opened.await?, decision) {
            // `neighbours` are the other requests for the same image and receivers, if they could be
            // listed. Use the claim only if record 0 was written in time: a concurrent cancel waits
            // for it only `context::OPENING_TIME`, and after that may not see this request. Without
            // time for a call, a turn would only delay the answer.
            (Opened::New(claim, neighbours), Decision::Allow(approved))
                if self.opened_in_time(incoming.now) && !incoming.deadline.passed() =>
            {
                let recorded = self.answer_and_notify(claim.state(), true);
                incoming.delivery.early.recorded(recorded);
                if seen.is_none() {
                    self.find_source(incoming.request).await?;
                }
                let permission = Permission::Granted(approved);
                let first_look = FirstLook { seen, neighbours };
                let state = self.work_off_claim(*claim, permission, first_look, incoming.deadline);
                Box::pin(state).await?
            }
            // Writing record 0 took too long. The backlog or the sweep takes the request over, and
            // looks at the cloud and at the other requests again.
            (Opened::New(claim, _), _) => {
                let recorded = self.answer_and_notify(claim.state(), true);
                incoming.delivery.early.recorded(recorded);
                self.give_back(*claim).await
            }
            // The request was denied, waits for its `not_before`, or got no slot.
            (Opened::Kept(state), _) => *state,
            (Opened::Existing(state), _) => return self.redelivered(incoming, *state).await,
        };
        self.queue_unfinished(&state, unfinished);
        Ok(self.answer_and_notify(&state, true))
    }

    /// Answers a request that is already in the journal, and resumes it if work is left. If its
    /// content differs from the recorded one, records a conflict and refuses the request.
    async fn redelivered(
        &self,
        incoming: &IncomingRequest<'_>,
        state: State,
    ) -> Result<(Ending, Answer), JournalError> {
        if state.intent().digest != incoming.request.digest() {
            // A conflict is never carried out. `opening` needs a verdict, so pass that of the known
            // request; the record of a conflict does not contain it.
            if !self.prepared.plan_only {
                self.prove_create_only().await?;
                let opening = self.opening(incoming, state.verdict().clone()).await?;
                self.journal.record_conflict(opening).await?;
            }
            return Ok(conflict(&incoming.identity));
        }
        // Not before the content is compared: the callback of a conflicting delivery must not
        // replace the callback of the recorded request.
        self.keep_callback(incoming, true);
        self.queue_late_notifications(&state);
        incoming.delivery.early.recorded(duplicate_of(&state));
        let after = self.resume(state, incoming.now, incoming.deadline).await?;
        self.queue_task_again(incoming);
        Ok(duplicate_of(&after))
    }

    /// Returns the recorded state as an answer, and queues the notifications that are due.
    /// `just_recorded` is true if this process has just recorded the outcome.
    fn answer_and_notify(&self, state: &State, just_recorded: bool) -> (Ending, Answer) {
        self.queue_notifications(state, just_recorded);
        answer_of(state)
    }
}

/// Returns the recorded state as an answer.
fn answer_of(state: &State) -> (Ending, Answer) {
    let ending = match (state.status(), state.phase()) {
        (Status::Denied, _) => Ending::Denied,
        (_, Phase::Waiting { .. }) => Ending::Waiting,
        (Status::Pending, _) => Ending::Pending,
        _ => Ending::Done,
    };
    (ending, Answer::of_state(state))
}

/// Returns the recorded state as the answer to a repeated delivery.
fn duplicate_of(state: &State) -> (Ending, Answer) {
    let (ending, mut answer) = answer_of(state);
    answer.duplicate = true;
    (ending, answer)
}
