//! Makes the due attempts to notify one target of one stream, and records the result of each. Takes
//! the history of the stream; returns whether a task still waits for its end.

use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::app::context::left;
use crate::app::{App, Deadline};
use crate::domain::{Notice, NotifyName};
use crate::inbound::Callback;
use crate::journal::{
    Event, FailedNotification, History, JournalError, Notified, Owed, StreamState, Worker,
};
use crate::notify::next_attempt;
use crate::telemetry::{Metric, NotificationResult, Step, step};

use super::failure::{Failure, Failures};
use super::send_notification::{Attempt, Delivered};

/// One delivery of a stream's notifications. Targets are notified at the same time, so that one
/// that does not answer delays no other.
pub(super) struct Round<'a> {
    pub(super) history: &'a History,
    pub(super) callback: Option<&'a Callback>,
    pub(super) failures: &'a Failures,
    pub(super) first: bool,
    pub(super) deadline: Deadline,
    pub(super) worker: Worker,
    /// The stream's newest state. Locked while a result is recorded.
    pub(super) state: Mutex<StreamState>,
}

impl App {
    /// Sends the notifications of one target in order, and records each result before the next
    /// attempt. Returns whether a task still waits for its end.
    pub(super) async fn attempt_in_turn(
        &self,
        round: &Round<'_>,
        all: Vec<Owed>,
    ) -> Result<bool, JournalError> {
        let mut waits = false;
        for owed in all {
            let ends_task = self.ends_task(&owed);
            let gave_up = round.failures.gave_up_on(&owed.notice.notify);
            if gave_up || left(round.deadline).is_zero() {
                waits |= ends_task;
                continue;
            }
            let reported = self.reported(round.history, &owed).await?;
            let attempt = Attempt {
                owed: &owed,
                callback: round.callback,
                first: round.first,
                deadline: round.deadline,
            };
            let notify = step(Step::Notify);
            notify.record("notify", owed.notice.notify.as_str());
            let sending = self.send(&reported, attempt).instrument(notify.clone());
            let end = sending.await;
            if let Err(failure) = &end {
                notify.record("error", failure.why.as_str());
                waits |= ends_task && !failure.refused && !failure.is_final;
                // If the template cannot handle a ticket, that does not mean that the target fails.
                if !failure.is_unwritten {
                    round.failures.count(&owed.notice.notify);
                }
            }
            let mut state = round.state.lock().await;
            let event = self.end_of(&state, owed.notice, owed.attempt, end);
            let (before, at) = (state.clone(), self.now());
            let recorded = self
                .journal
                .record_notification(before, at, &round.worker, event);
            *state = recorded.await?;
        }
        Ok(waits)
    }

    fn count_notification(&self, notify: &NotifyName, result: NotificationResult) {
        let labels = [notify.as_str(), result.as_str()];
        self.metrics.count(Metric::Notifications, &labels);
    }

    /// Counts and logs the result of an attempt. Returns the event that records it.
    pub(super) fn end_of(
        &self,
        state: &StreamState,
        notice: Notice,
        attempt: u32,
        end: Result<Delivered, Failure>,
    ) -> Event {
        let (notify, on, about) = (&notice.notify, notice.on, state.name());
        match end {
            Ok(delivered) => {
                self.count_notification(notify, NotificationResult::Sent);
                tracing::info!(%notify, %on, about, "notified");
                Event::Notified(Notified {
                    notice,
                    attempt,
                    silent: delivered == Delivered::Nothing,
                })
            }
            Err(Failure {
                why,
                is_final,
                retry_after,
                ..
            }) => {
                let next = next_attempt(attempt, self.now(), retry_after);
                let not_before = next.filter(|_| !is_final);
                if not_before.is_some() {
                    self.count_notification(notify, NotificationResult::Failed);
                    tracing::warn!(%notify, %on, about, why, attempt, "not notified yet");
                } else {
                    self.count_notification(notify, NotificationResult::GivenUp);
                    tracing::error!(%notify, %on, about, why, attempt, "gave up a notification; `sharehook notify --retry` tries it again");
                }
                Event::NotificationFailed(FailedNotification {
                    notice,
                    attempt,
                    why,
                    not_before,
                })
            }
        }
    }
}
