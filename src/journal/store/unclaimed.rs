//! Appends records that need no claim: call-offs, cancels, notifications, and the later records of
//! an announcement. Takes a state and an event; returns the state afterwards. If several processes
//! append to a stream at the same time, each appends its record after those of the others, or finds
//! that its record is no longer needed.

use super::super::record::{CallOff, Event, FailedNotification, Notified, Worker};
use super::super::state::{State, StreamState, WakeUp};
use super::follow::next;
use super::objects::Created;
use super::{Journal, JournalError};
use crate::domain::{NoticeRules, Timestamp};

impl Journal {
    /// Calls off those items of `call_off` that can still be called off. The record is written even
    /// during a worker's turn, so a cancel need not wait for the end of that turn. Returns the
    /// request's new state.
    ///
    /// # Errors
    /// The store failed. Calling off again is safe.
    pub async fn call_off(
        &self,
        state: State,
        at: Timestamp,
        worker: &Worker,
        call_off: CallOff,
    ) -> Result<State, JournalError> {
        let event = |state: &State| {
            let mut wanted = call_off.clone();
            wanted.items = state.left_of(&call_off);
            (!wanted.items.is_empty()).then_some(Event::CalledOff(wanted))
        };
        self.append_to_request(state, at, worker, event).await
    }

    /// Records in a closed share that a later cancel has taken away the items of `cancelled`, and
    /// updates the index. Leaves out items that the share no longer holds.
    ///
    /// # Errors
    /// The store failed. Recording again is safe.
    pub async fn cancel(
        &self,
        state: State,
        at: Timestamp,
        worker: &Worker,
        cancelled: CallOff,
    ) -> Result<(), JournalError> {
        let event = |state: &State| {
            let mut wanted = cancelled.clone();
            wanted.items.retain(|item| state.can_be_cancelled(item));
            (!wanted.items.is_empty()).then_some(Event::Cancelled(wanted))
        };
        let after = self.append_to_request(state, at, worker, event).await?;
        self.update_index(&[(&after, &[])], at, &NoticeRules::default())
            .await
    }

    /// Records the result of an attempt to notify, unless another process has recorded that attempt
    /// or a later one. If a further attempt follows, first writes the wake-up for it. Returns the
    /// state afterwards.
    ///
    /// # Errors
    /// The store failed. The notification is still owed.
    pub async fn record_notification(
        &self,
        state: StreamState,
        at: Timestamp,
        worker: &Worker,
        event: Event,
    ) -> Result<StreamState, JournalError> {
        let (notice, attempt, next) = match &event {
            Event::Notified(Notified {
                notice, attempt, ..
            }) => (notice, *attempt, None),
            Event::NotificationFailed(FailedNotification {
                notice,
                attempt,
                not_before,
                ..
            }) => (notice, *attempt, *not_before),
            _ => return Ok(state),
        };
        if let Some(next) = next {
            let wake_up = WakeUp::new(next, state.stream(), state.head().next_seq);
            self.add_wake_up(wake_up).await?;
        }
        let wanted = |state: &StreamState| {
            let new = state.notifications().lacks(notice, attempt);
            new.then(|| event.clone())
        };
        self.append(state, at, worker, wanted).await
    }

    async fn append_to_request(
        &self,
        state: State,
        at: Timestamp,
        worker: &Worker,
        event: impl Fn(&State) -> Option<Event>,
    ) -> Result<State, JournalError> {
        let stream = state.stream();
        let state = StreamState::Request(Box::new(state));
        let event = |state: &StreamState| event(state.state()?);
        let after = self.append(state, at, worker, event).await?;
        after
            .into_state()
            .ok_or(JournalError::NotARequest { stream })
    }

    /// Appends the event that `event` returns for the state. If another writer was first, applies
    /// that writer's record and calls `event` again, until the append succeeds or `event` returns
    /// `None`.
    pub(super) async fn append(
        &self,
        mut state: StreamState,
        at: Timestamp,
        worker: &Worker,
        event: impl Fn(&StreamState) -> Option<Event>,
    ) -> Result<StreamState, JournalError> {
        loop {
            let Some(event) = event(&state) else {
                return Ok(state);
            };
            let (stored, bytes) = next(state.head(), at, worker, None, event)?;
            let after = state.clone().apply(&stored)?;
            let (stream, seq) = (state.head().stream, state.head().next_seq);
            match (state.state(), after.state()) {
                (Some(before), Some(after)) => {
                    self.add_index_entries(Some(before), after, true).await?
                }
                _ => self.touch(&self.unsealed_path(stream, seq)).await?,
            }
            match self.create(stream, seq, &bytes).await? {
                Created::Ours => return Ok(after),
                Created::Theirs(found) => {
                    let found = self.follower(state.head(), &found)?;
                    state = state.apply(&found)?;
                }
            }
        }
    }
}
