//! Makes the due attempts to notify one target of one stream, and records the result of each. Takes
//! the history of the stream; returns whether a task still waits for its end.

use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::app::context::left;
use crate::app::{App, Deadline};
use crate::domain::{Notice, NotifyName};
use crate::journal::{
    Event, FailedNotification, History, JournalError, Notified, Owed, StreamState, Worker,
};
use crate::notify::next_attempt;
use crate::telemetry::{Metric, NotificationResult, Step, step};

use super::failure::{Failure, Failures};
use super::in_order::Turn;
use super::outbox::Kept;
use super::send_notification::{Attempt, Delivered};

/// One delivery of a stream's notifications. Targets are notified at the same time, so that one
/// that does not answer delays no other.
pub(super) struct Round<'a> {
    pub(super) history: &'a History,
    pub(super) kept: Option<&'a Kept>,
    pub(super) failures: &'a Failures,
    pub(super) first: bool,
    pub(super) deadline: Deadline,
    pub(super) worker: Worker,
    /// The stream's newest state. Locked while a result is recorded.
    pub(super) state: Mutex<StreamState>,
}

impl App {
    /// Sends the notifications of one target in the order of their outcomes, and records each result
    /// before the next attempt. If the target fails, the later outcomes wait, too. Returns whether a
    /// task still waits for its end.
    pub(super) async fn attempt_in_turn(
        &self,
        round: &Round<'_>,
        turns: Vec<Turn>,
    ) -> Result<bool, JournalError> {
        let mut waits = false;
        let mut held_by: Option<(String, Option<i64>)> = None;
        for turn in turns {
            let ends_task = self.ends_task(&turn.owed);
            let failed = round.failures.leave(&turn.owed.notice.notify);
            if failed || left(round.deadline).is_zero() {
                waits |= ends_task;
                continue;
            }
            let held = held_by.as_ref().filter(|_| turn.is_held());
            let end = match held {
                Some((why, retry_after)) => Err(Failure {
                    retry_after: *retry_after,
                    ..Failure::passing(format!("waits for an earlier one: {why}"))
                }),
                None => self.attempt_one(round, &turn.owed).await?,
            };
            let Turn { owed, is_due } = turn;
            if let Err(failure) = &end {
                waits |= ends_task && !failure.refused && !failure.is_final;
                // Only one failure of a stream counts against its target.
                if held_by.is_none() && !failure.is_of_message {
                    round.failures.count(&owed.notice.notify);
                }
                if held_by.is_none() && failure.is_of_target() {
                    held_by = Some((failure.why.clone(), failure.retry_after));
                }
                if !is_due && !failure.is_final {
                    continue;
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

    /// Makes one attempt. Ends a notification without an attempt if the target has received a later
    /// one: the ticket would go back to the earlier outcome.
    async fn attempt_one(
        &self,
        round: &Round<'_>,
        owed: &Owed,
    ) -> Result<Result<Delivered, Failure>, JournalError> {
        let reported = self.reported(round.history, owed).await?;
        if !reported.replaced && round.state.lock().await.overtaken(&owed.notice) {
            let why = "the target has received a later notification of this request";
            return Ok(Err(Failure::lasting(why)));
        }
        let callback = round.kept.map(Kept::usable);
        let attempt = Attempt {
            owed,
            callback: callback.as_ref(),
            first: round.first,
            deadline: round.deadline,
        };
        let notify = step(Step::Notify);
        notify.record("notify", owed.notice.notify.as_str());
        let sending = self.send(&reported, attempt).instrument(notify.clone());
        let mut end = sending.await;
        if let (Err(failure), Some(kept)) = (&end, round.kept)
            && failure.at_response_url
            && failure.refused
        {
            // Slack takes five answers in half an hour. After that, the template writes elsewhere.
            kept.refuse_address();
            let callback = kept.usable();
            let attempt = Attempt {
                callback: Some(&callback),
                ..attempt
            };
            end = self
                .send(&reported, attempt)
                .instrument(notify.clone())
                .await;
        }
        if let Err(failure) = &end {
            notify.record("error", failure.why.as_str());
        }
        Ok(end)
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
