//! Handles events that only name an instance. Records a verified event and answers it at once.
//! Later, as due work, fetches the instance, checks it and handles it like any delivery;
//! `withdrawals` handles a withdrawn instance.
//!
//! If the process is killed after the record, a backlog or a sweep continues from it. Fetching
//! twice is harmless: one identity opens one request. The identity is recorded before the request
//! is opened, so a withdrawal finds the request.

use std::time::Duration;

use jiff::SignedDuration;
use tracing::Instrument as _;

use crate::app::context::left;
use crate::app::deliveries::{overloaded, unavailable};
use crate::app::rules::Intake;
use crate::app::{Answer, App, Deadline, Ending, Reply};
use crate::domain::{Identity, Status, Timestamp};
use crate::inbound::{InstanceState, MapRefusal, Named, Rejection, Said, VerifiedDelivery};
use crate::journal::{
    Announcement, Event, FailedFetch, Incident, JournalError, MAX_PAUSE_OF_WORK, Recorded, Settled,
    State, StreamId, StreamState,
};
use crate::telemetry::{Step, step};

use super::fetcher::Fetcher;
use super::recording::How;

/// The pause after the first failed attempt. Each further pause is twice the one before, up to
/// [`MAX_PAUSE_OF_WORK`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The least number of attempts before an event is given up, even if it is older than `retry_for`:
/// an approval must not be lost because no sweep ran in that time. An unknown instance has a limit
/// of its own, [`MAX_ATTEMPTS_IF_UNKNOWN`].
const MIN_ATTEMPTS: u32 = 10;
/// The number of attempts after which an event is given up because its system does not know the
/// instance.
const MAX_ATTEMPTS_IF_UNKNOWN: u32 = 5;
/// The least time left in which an attempt begins. With less, the fetch stays due.
const MIN_TIME_LEFT: Duration = Duration::from_secs(1);

/// Why an attempt stops if another worker was faster.
pub(super) const ENDED: &str = "another worker has already handled this event";

/// The result of an attempt to work off an announcement.
pub(super) enum Attempt {
    /// The announcement is worked off. `requests`: those that it opened or, if it is a withdrawal,
    /// called off. `why` is set if there are none.
    Settled {
        requests: Vec<Identity>,
        why: Option<String>,
    },
    /// The attempt failed and is repeated. The announcement is given up after `retry_for` and at
    /// least [`MIN_ATTEMPTS`] attempts.
    Later(String),
    /// The system does not know the instance. The announcement is given up after
    /// [`MAX_ATTEMPTS_IF_UNKNOWN`] attempts.
    Gone(String),
    /// The attempt failed and is repeated without a limit: the withdrawn approval may have given a
    /// share that must be revoked.
    Owed(String),
}

impl App {
    /// Records and answers a verified event that names an instance; one that is on record and
    /// settled gets the recorded outcome. Ignores an event that names none. Rejects an event that
    /// cannot be read.
    pub(in crate::app) async fn receive_announcement(
        &self,
        verified: &VerifiedDelivery,
        intake: &Intake,
        fetcher: &Fetcher,
    ) -> Reply {
        let one = |end| Reply::Answers(vec![end]);
        let now = self.now();
        let event = fetcher.event_of(verified);
        let named = event.and_then(|event| match fetcher.named(&event, now) {
            Ok(named) => Ok((event, named)),
            Err(problem) => Err(MapRefusal::Invalid(problem.into())),
        });
        let (event, named) = match named {
            Ok((event, Some(named))) => (event, named),
            Ok((event, None)) => {
                if let Some(definition) = fetcher.unlisted(&event) {
                    tracing::info!(source = %verified.source(), definition, "ignored an approval: `definitions` of its source does not list its definition");
                }
                let id = verified.delivery_id().unwrap_or_default();
                return one((Ending::Done, Answer::new(id, Status::Ignored)));
            }
            Err(refusal) => return self.not_understood(verified, &intake.map, refusal).await,
        };
        let mut identity = Identity::new(verified.source(), named.id());
        let mut answer = Answer::new(&identity.id, Status::Pending);
        match self.may_concern(&identity.source, fetcher, &named).await {
            Ok(true) => {}
            Ok(false) => return one((Ending::Done, Answer::new(&identity.id, Status::Ignored))),
            Err(error) => return one(unavailable(&identity, &error)),
        }
        if self.prepared.plan_only {
            let message = "a dry run does not fetch the instance; its state would decide";
            answer.message = Some(message.to_owned());
            return one((Ending::Done, answer));
        }
        answer.message =
            Some("the event is on record; sharehook fetches the instance, and its state decides what follows".to_owned());
        let (bytes, max) = (verified.body().len(), self.config().unfinished);
        let Some(unfinished) = self.slots.admit(&identity.source, bytes, max) else {
            return one(overloaded(&identity));
        };
        let event = fetcher.without_secrets(event, verified);
        for (id, not_before) in fetcher.announced_as(&named, verified, now) {
            identity.id = id;
            answer.id.clone_from(&identity.id);
            let how = How::Event { not_before };
            let recorded = self.record_event(verified, intake, &identity, event.clone(), how);
            match recorded.await {
                Ok(Recorded::New(incident)) => {
                    self.slots.queue(incident.stream(), Some(unfinished));
                    answer.duplicate = false;
                    break;
                }
                Ok(Recorded::Known | Recorded::Full) => answer.duplicate = true,
                Err(error) => return one(unavailable(&identity, &error)),
            }
        }
        if answer.duplicate {
            let stream = StreamId::of_announcement(&identity.source, &identity.id);
            match self.settled_answers(stream).await {
                Ok(Some(answers)) => return Reply::Answers(answers),
                Ok(None) => {}
                Err(error) => return one(unavailable(&identity, &error)),
            }
        }
        one((Ending::Pending, answer))
    }

    /// Fetches the instance of a recorded announcement and handles it, if the fetch is due and
    /// enough time is left. With `at_once`, does so even before the fetch is due. Returns the state
    /// afterwards.
    pub(in crate::app) async fn work_off_announcement(
        &self,
        state: StreamState,
        at_once: bool,
        deadline: Deadline,
    ) -> Result<StreamState, JournalError> {
        let StreamState::Incident(incident) = &state else {
            return Ok(state);
        };
        let now = self.now();
        let due = |at: Timestamp| at_once || at <= now;
        let Some((announcement, _, attempt)) = incident.to_fetch().filter(|(_, at, _)| due(*at))
        else {
            return Ok(state);
        };
        if left(deadline) < MIN_TIME_LEFT {
            return Ok(state);
        }
        let name = incident.name();
        let attempted = self.attempt_to_fetch((incident, announcement), deadline);
        let end = Box::pin(attempted).await;
        // This process ran out of time, which says nothing about the instance: record no failure.
        if !matches!(end, Attempt::Settled { .. }) && left(deadline) < MIN_TIME_LEFT {
            tracing::warn!(
                name,
                "no time left to fetch an instance; a later sweep fetches it"
            );
            return Ok(state);
        }
        let event = self.event_of(end, incident, attempt).await?;
        self.prove_create_only().await?;
        let lease = self.worker_lease(self.now(), deadline)?;
        self.journal.record_attempt(state, &lease, event).await
    }

    /// Logs the result of an attempt. Returns its record.
    async fn event_of(
        &self,
        end: Attempt,
        incident: &Incident,
        attempt: u32,
    ) -> Result<Event, JournalError> {
        let (name, now) = (incident.name(), self.now());
        let age = now.duration_since(incident.at());
        let lasts =
            SignedDuration::try_from(self.config().retry_for).unwrap_or(SignedDuration::MAX);
        let given_up = match &end {
            Attempt::Gone(_) => attempt >= MAX_ATTEMPTS_IF_UNKNOWN,
            _ => age >= lasts && attempt >= MIN_ATTEMPTS,
        };
        Ok(match end {
            Attempt::Settled { requests, why } => {
                match &why {
                    None => tracing::info!(
                        name,
                        "handled an event of an approval system; `sharehook explain` shows its requests"
                    ),
                    Some(why) => {
                        tracing::warn!(
                            name,
                            why,
                            "an event of an approval system leads to no request"
                        );
                    }
                }
                let given_up = false;
                Event::Settled(Settled {
                    requests,
                    why,
                    given_up,
                })
            }
            Attempt::Later(why) | Attempt::Gone(why) if given_up => {
                tracing::error!(name, why, "gave up an event of an approval system");
                let why = Some(format!("given up after {attempt} attempts: {why}"));
                // Read again: this attempt may have opened some of the requests.
                let (requests, _) = match self.incident(incident.stream()).await? {
                    Some(incident) => self.led_to(&incident).await?,
                    None => (Vec::new(), None),
                };
                let requests = requests.iter().map(State::identity).cloned().collect();
                Event::Settled(Settled {
                    requests,
                    why,
                    given_up,
                })
            }
            Attempt::Later(why) | Attempt::Gone(why) | Attempt::Owed(why) => {
                tracing::warn!(
                    name,
                    why,
                    attempt,
                    "an event of an approval system cannot be handled yet"
                );
                Event::FetchFailed(FailedFetch {
                    attempt,
                    why,
                    not_before: now.checked_add(pause(attempt)).unwrap_or(now),
                })
            }
        })
    }

    /// Makes one attempt: fetches the instance, checks it, and handles it like any delivery.
    async fn attempt_to_fetch(
        &self,
        (incident, announcement): (&Incident, &Announcement),
        deadline: Deadline,
    ) -> Attempt {
        let source = &announcement.source;
        let intake = self.prepared.intake(source);
        let Some((intake, fetcher)) =
            intake.and_then(|intake| Some((intake, intake.fetcher.as_ref()?)))
        else {
            return not_configured(
                announcement,
                format!("source {source} has no `fetch` any more"),
            );
        };
        let (event, now) = (&announcement.event, self.now());
        let Ok(Some(named)) = fetcher.named(event, now) else {
            let why = "the event names no instance according to the current `fetch`";
            return not_configured(announcement, why.to_owned());
        };
        if let (Said::Withdrawn, Some(fetch)) = (named.said, fetcher.app()) {
            let withdrawn = self.withdraw((incident, source), fetch, &named, deadline);
            return withdrawn.await;
        }
        let fetched = fetcher.fetch(&self.instances, source, &named, (now, deadline));
        let instance = match fetched.instrument(step(Step::Fetch)).await {
            Ok(instance) => instance,
            Err(gone) if gone.kind == Rejection::Gone => return Attempt::Gone(gone.to_string()),
            Err(unfetched) => return Attempt::Later(unfetched.to_string()),
        };
        let withdrawn = match fetcher.state(&named, event, instance, now) {
            InstanceState::Approved(instance) => {
                let id = fetcher.delivery_id(&named, announcement);
                let verifier = &intake.verifier;
                let delivery = verifier.fetched(source.clone(), id, event, &instance);
                let at = fetcher.approved_at(incident, &instance);
                let opened = self.open_requests(incident, &delivery, (&intake.map, at), deadline);
                return opened.await;
            }
            InstanceState::Withdrawn => named.saying(Said::Withdrawn),
            InstanceState::Withdraws(instance) => Named {
                instance,
                said: Said::Withdrawn,
                ..named
            },
            InstanceState::Pending(why) => return Attempt::Later(why),
            InstanceState::Other(why) => return nothing(why),
        };
        match fetcher.app() {
            Some(fetch) => {
                let how = (intake, fetch);
                self.announce_withdrawal(announcement, how, &withdrawn, deadline)
                    .await
            }
            None => nothing("its approval was withdrawn".to_owned()),
        }
    }
}

/// Ends an announcement that leads to no request.
pub(super) fn nothing(why: String) -> Attempt {
    Attempt::Settled {
        requests: Vec::new(),
        why: Some(why),
    }
}

/// The result if the configuration no longer names the instance's source or definition. A
/// withdrawal waits until the configuration names them again.
fn not_configured(announcement: &Announcement, why: String) -> Attempt {
    match announcement.delivery_id.ends_with(Said::Withdrawn.as_str()) {
        true => Attempt::Owed(why),
        false => Attempt::Later(why),
    }
}

fn pause(attempt: u32) -> SignedDuration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    doubled.min(MAX_PAUSE_OF_WORK)
}
