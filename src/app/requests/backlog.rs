//! Works off a server's backlog: requests that were recorded when no slot was free, requests whose
//! turn ran out of time, and events whose instance has not been fetched yet. If the process ends,
//! the sweep finds these requests in the journal.

use std::sync::Arc;
use std::time::Duration;

use crate::app::context::MAX_TURN;
use crate::app::{App, Deadline};
use crate::domain::Timestamp;
use crate::journal::{JournalError, State, StreamId, StreamState, WakeUp, Work};
use crate::telemetry::within;

use super::slots::{Backlog, Slots, Unfinished};

/// The backlog waits at most this long for a request to become due.
const MAX_DUE_WAIT: Duration = Duration::from_secs(2);

impl App {
    /// Returns the application for a server that receives many deliveries at once, and its backlog.
    /// The application carries out a limited number of requests at a time and only records the
    /// others. [`App::work_off`] carries out the recorded requests; if it does not run, the sweeps
    /// do.
    #[must_use]
    pub fn with_slots(self) -> (Self, Backlog) {
        let (slots, backlog) = Slots::bounded();
        let slots = Arc::new(slots);
        (Self { slots, ..self }, backlog)
    }

    /// Carries out the requests that an earlier process left unfinished, then those of the backlog.
    /// Runs until the future is dropped.
    pub async fn work_off(self: Arc<Self>, mut backlog: Backlog) {
        match self.journal.due(WakeUp::second_of(self.now())).await {
            Ok(due) => due
                .iter()
                .for_each(|wake_up| self.slots.queue(wake_up.stream, None)),
            Err(error) => {
                tracing::error!(%error, "cannot list the requests that an earlier process left; the next sweep works on them")
            }
        }
        while let Some(queued) = backlog.next().await {
            let Some(slot) = self.slots.wait().await else {
                return;
            };
            let app = self.in_force();
            tokio::spawn(within(queued.trace, async move {
                if let Err(error) = app.work_off_one(queued.stream).await {
                    tracing::error!(%error, "cannot carry out a request of the backlog; the next sweep tries again");
                }
                drop((slot, queued));
            }));
        }
    }

    /// Waits until no request is being carried out, except by a sweep.
    pub async fn all_carried_out(&self) {
        self.slots.all_free().await;
    }

    /// Takes a turn at one request, unless another worker was first. If the stream is an
    /// announcement, fetches its instance. No sender waits for the result, so the turn may take up
    /// to `MAX_TURN`.
    async fn work_off_one(&self, stream: StreamId) -> Result<(), JournalError> {
        // If the stream has no records, only its wake-up was written. The sweep deletes that
        // wake-up, or reports that the stream has lost its records.
        let Some(history) = self.journal.read(stream).await? else {
            return Ok(());
        };
        let state = match history.stream_state {
            StreamState::Request(state) => *state,
            incident => {
                let due = match &incident {
                    StreamState::Incident(incident) => incident.to_fetch().map(|(_, at, _)| at),
                    StreamState::Request(_) => None,
                };
                let wait = due.and_then(|at| self.within_wait(at));
                tokio::time::sleep(wait.unwrap_or_default()).await;
                let deadline = Deadline::after(MAX_TURN);
                let worked = self.work_off_announcement(incident, false, deadline);
                return Box::pin(worked).await.map(drop);
            }
        };
        let wait = self.due_within(&state);
        tokio::time::sleep(wait.unwrap_or_default()).await;
        let now = self.now();
        if matches!(state.needs_work(now), Some(Work::Start | Work::Finish)) {
            let turn = self.run_turn(state, now, false, Deadline::after(MAX_TURN));
            self.queue_notifications(&Box::pin(turn).await?, false);
        }
        Ok(())
    }

    /// Puts a request into the backlog if it is due within `MAX_DUE_WAIT`, for example because it
    /// got no slot or its turn ran out of time. The sweep handles requests that are due later.
    pub(in crate::app) fn queue_unfinished(&self, state: &State, unfinished: Unfinished) {
        if self.due_within(state).is_some() {
            self.slots.queue(state.stream(), Some(unfinished));
        }
    }

    /// Returns the time until a request is due, or zero if it is due already. Returns `None` if the
    /// request is due later than `MAX_DUE_WAIT` from now, or never.
    fn due_within(&self, state: &State) -> Option<Duration> {
        self.within_wait(state.due_at()?)
    }

    /// The time until `at`, zero if it has passed. `None` if it is longer than `MAX_DUE_WAIT`.
    fn within_wait(&self, at: Timestamp) -> Option<Duration> {
        let left = at.duration_since(self.now());
        let left = Duration::try_from(left).unwrap_or_default();
        (left <= MAX_DUE_WAIT).then_some(left)
    }
}
