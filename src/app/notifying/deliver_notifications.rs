//! Delivers notifications: finds those that a stream owes, sends them, and records the result of
//! each attempt. This happens after the outcome is durable, and changes neither an answer nor a
//! decision. If a process stops after it has sent a notification but before it has recorded the
//! result, the next attempt sends the notification again with the same id.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::app::application::fresh_worker;
use crate::app::context::left;
use crate::app::{App, Deadline, IncomingRequest};
use crate::domain::Timestamp;
use crate::inbound::{Callback, VerifiedDelivery};
use crate::journal::{Incident, JournalError, Owed, State, StreamId, StreamState, WakeUp};
use crate::telemetry::within;

use super::attempt_in_turn::Round;
use super::failure::{Failure, Failures};
use super::in_order::in_order;
use super::outbox::Queued;
use super::task_token::{NoToken, is_pending};

/// Number of streams whose notifications a server delivers at once.
const MAX_DELIVERING: usize = 8;
/// Time limit for all notifications of one stream on a server. A sweep uses its own deadline
/// instead.
const MAX_TIME: Duration = Duration::from_secs(30);
/// A server makes the second attempt itself if the pause before it is at most this long. Otherwise
/// a sweep makes the second attempt. Sweeps also make all later attempts.
const SECOND_ATTEMPT: Duration = Duration::from_secs(10);
/// Maximum time that a function or a command spends on notifications before its answer.
const BEFORE_ANSWER: Duration = Duration::from_secs(2);
const MISSED: &str = "no attempt was made within 72 h of the outcome; check that sweeps run";
const LAPSED: &str = "the share ended before the notice of its end was delivered";

impl App {
    /// Returns the callback of a delivery (its `response_url` or task token) if a target may use
    /// it.
    pub(in crate::app) fn callback_of(&self, delivery: &VerifiedDelivery) -> Option<Callback> {
        let mut targets = self.config().notify.iter();
        let used = targets.any(|target| target.preset.uses_callback());
        used.then(|| Callback::of(delivery)).flatten()
    }

    /// Keeps the callback of a request if the delivery has one. The journal has the request with
    /// the same content. `is_duplicate` means that an earlier delivery brought the request.
    pub(in crate::app) fn keep_callback(&self, incoming: &IncomingRequest<'_>, is_duplicate: bool) {
        if let Some(callback) = incoming.callback {
            let stream = StreamId::of(&incoming.identity);
            self.outbox.keep(stream, callback.clone(), is_duplicate);
        }
    }

    /// Puts a request into the outbox if a notification is due now. `first` means that this process
    /// has just recorded the outcome.
    pub(in crate::app) fn queue_notifications(&self, state: &State, first: bool) {
        let now = self.now();
        let rules = &self.prepared.notice_rules;
        if state.owes_from(rules, now).is_some_and(|at| at <= now) {
            self.outbox.add(state.stream(), first);
        }
    }

    /// Handles a duplicate delivery: puts its request into the outbox if a notification has been
    /// due for [`SECOND_ATTEMPT`] or longer. Before that time, the process that recorded the
    /// outcome may still be about to deliver the notification.
    pub(in crate::app) fn queue_late_notifications(&self, state: &State) {
        let now = self.now();
        let from = state.owes_from(&self.prepared.notice_rules, now);
        let late = |at: Timestamp| at.checked_add(SECOND_ATTEMPT).is_ok_and(|late| late <= now);
        if from.is_some_and(late) {
            self.outbox.add(state.stream(), false);
        }
    }

    pub(in crate::app) fn queue_incident(&self, incident: &Incident) {
        let owes = incident.owes_from(&self.prepared.notice_rules, self.now());
        if owes.is_some() {
            self.outbox.add(incident.stream(), true);
        }
    }

    /// Delivers the notifications of this process's requests and incidents. Runs until the future
    /// is dropped.
    pub async fn deliver_notifications(self: Arc<Self>) {
        let places = Arc::new(Semaphore::new(MAX_DELIVERING));
        loop {
            self.outbox.filled().await;
            for (stream, Queued { trace, first }) in self.outbox.take() {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                let delivery = Arc::clone(&self).notify_promptly(stream, first, place);
                tokio::spawn(within(trace, delivery));
            }
        }
    }

    /// Delivers the notifications of this process's requests and incidents before `deadline`, and
    /// within at most two seconds. Used by functions and commands, which stop after their answer.
    /// The next sweep delivers the remaining notifications.
    pub async fn notify_before_answer(&self, deadline: Deadline) {
        let deadline = deadline.or_sooner(Deadline::after(BEFORE_ANSWER));
        if left(deadline).is_zero() {
            return;
        }
        let streams = self.outbox.take();
        let deliveries = streams
            .into_iter()
            .map(|(stream, Queued { trace, first })| {
                within(trace, self.notify_of(stream, first, deadline))
            });
        let all = join_all(deliveries);
        // The next attempt repeats an interrupted delivery with the same id.
        drop(tokio::time::timeout(left(deadline), all).await);
    }

    /// Makes the first attempts and, if their time comes soon, the second ones. Other streams use
    /// the place during the pause. Each time the rules in force apply.
    async fn notify_promptly(
        self: Arc<Self>,
        stream: StreamId,
        first: bool,
        place: OwnedSemaphorePermit,
    ) {
        let places = Arc::clone(place.semaphore());
        let now = self.now();
        let begun = self.in_force();
        let next = begun.notify_of(stream, first, Deadline::after(MAX_TIME));
        let next = next.await;
        drop(place);
        let Some(next) = next else { return };
        let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        if wait > SECOND_ATTEMPT {
            return;
        }
        tokio::time::sleep(wait).await;
        if let Ok(_place) = places.acquire_owned().await {
            let again = self.in_force();
            again
                .notify_of(stream, false, Deadline::after(MAX_TIME))
                .await;
        }
    }

    /// Delivers the due notifications of one stream. Returns the time at which the next one is due.
    /// Returns `None` if the stream owes none, if another task is delivering them, or if the
    /// journal failed.
    async fn notify_of(
        &self,
        stream: StreamId,
        first: bool,
        deadline: Deadline,
    ) -> Option<Timestamp> {
        let due = |state: &StreamState| self.due(state);
        let failures = Failures::default();
        let delivered = self.deliver(stream, due, &failures, first, deadline).await;
        match delivered {
            Ok(state) => state?.owes_from(&self.prepared.notice_rules, self.now()),
            Err(error) => {
                tracing::error!(%error, "cannot notify; the next sweep tries again");
                None
            }
        }
    }

    /// Delivers the due notifications of a stream, and records the result of each attempt. Returns
    /// the state afterwards.
    pub(in crate::app) async fn deliver_due(
        &self,
        state: StreamState,
        failures: &Failures,
        deadline: Deadline,
    ) -> Result<StreamState, JournalError> {
        if self.due(&state).is_empty() {
            return Ok(state);
        }
        let due = |state: &StreamState| self.due(state);
        let delivered = self.deliver(state.stream(), due, failures, false, deadline);
        Ok(delivered.await?.unwrap_or(state))
    }

    /// Returns whether the request owes a notification now, or owed one that comes too late now.
    pub(in crate::app) fn owes_now(
        &self,
        state: &State,
        wake_ups: &[WakeUp],
        now: Timestamp,
    ) -> bool {
        let rules = &self.prepared.notice_rules;
        state.owes_from(rules, now).is_some_and(|at| at <= now)
            || !state.missed(rules, wake_ups, now).is_empty()
            || !state.lapsed(rules, now).is_empty()
    }

    /// Records that notifications are given up: those without an attempt in time, and notices of a
    /// share's end that the end has overtaken. Returns the state afterwards.
    pub(in crate::app) async fn give_up_late(
        &self,
        mut state: StreamState,
        wake_ups: &[WakeUp],
    ) -> Result<StreamState, JournalError> {
        let now = self.now();
        let rules = &self.prepared.notice_rules;
        let missed = state.missed(rules, wake_ups, now).into_iter();
        let missed = missed.map(|notice| (notice, 0, MISSED));
        let lapsed = state.lapsed(rules, now).into_iter();
        let lapsed = lapsed.map(|(notice, attempt)| (notice, attempt, LAPSED));
        let late: Vec<_> = missed.chain(lapsed).collect();
        if late.is_empty() {
            return Ok(state);
        }
        self.prove_create_only().await?;
        let worker = fresh_worker()?;
        for (notice, attempt, why) in late {
            let event = self.end_of(&state, notice, attempt, Err(Failure::lasting(why)));
            let recorded = self.journal.record_notification(state, now, &worker, event);
            state = recorded.await?;
        }
        Ok(state)
    }

    /// Returns the due notifications. Leaves out those that need a task token if another process
    /// may have the token, and those of a target whose secret only another process has.
    fn due(&self, state: &StreamState) -> Vec<Owed> {
        let now = self.now();
        let mut due = state.owed(&self.prepared.notice_rules, now);
        let without_token = self.no_token(state) == Some(NoToken::Elsewhere);
        let elsewhere = |owed: &Owed| {
            let target = self.prepared.targets.get(&owed.notice.notify);
            target.is_some_and(|target| target.config.lacks_secret)
        };
        due.retain(|owed| owed.at <= now && !(without_token && self.ends_task(owed)));
        due.retain(|owed| !elsewhere(owed));
        due
    }

    /// Delivers the notifications that `wanted` returns for the stream's state, and records the
    /// result of each attempt. Returns the state afterwards, or `None` if another task of this
    /// process is delivering the stream's notifications. `first` means that this process has just
    /// recorded the outcome, so a first attempt does not check whether the message was sent before.
    pub(super) async fn deliver(
        &self,
        stream: StreamId,
        wanted: impl Fn(&StreamState) -> Vec<Owed>,
        failures: &Failures,
        first: bool,
        deadline: Deadline,
    ) -> Result<Option<StreamState>, JournalError> {
        let Some(_delivering) = self.outbox.begin(stream) else {
            return Ok(None);
        };
        // Read the stream after `begin`, because another task may have been delivering its
        // notifications until then.
        let history = self.journal.read(stream).await?;
        let history = history.ok_or(JournalError::Gone { stream })?;
        let state = history.stream_state.clone();
        let kept = self.outbox.kept(stream);
        let due = self.with_tasks(&state, kept.as_deref(), wanted(&state));
        if !due.is_empty() {
            self.prove_create_only().await?;
        }
        // Whether a task still waits for its end and needs the kept token, now or at the next attempt.
        let later = state.owed(&self.prepared.notice_rules, self.now());
        let scheduled = |owed: &Owed| owed.attempt > 1 && owed.at > self.now();
        let mut waits = later
            .iter()
            .any(|owed| scheduled(owed) && self.ends_task(owed));
        let turns = in_order(due, later, self.now());
        let round = Round {
            history: &history,
            kept: kept.as_deref(),
            failures,
            first,
            deadline,
            worker: fresh_worker()?,
            state: Mutex::new(state),
        };
        let each = turns.into_iter();
        let attempts = each.map(|turns| self.attempt_in_turn(&round, turns));
        // Do not stop at an error: the other targets may already have their messages.
        for task_waits in join_all(attempts).await {
            waits |= task_waits?;
        }
        let state = round.state.into_inner();
        let now = self.now();
        let owed = state.owed(&self.prepared.notice_rules, now);
        if let Some(kept) = kept.filter(|_| !waits && !is_pending(&state)) {
            let needed = owed.iter().any(|owed| owed.has_begun(now));
            self.outbox.used(stream, &kept, needed);
        }
        Ok(Some(state))
    }
}
