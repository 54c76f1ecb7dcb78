//! Handles the tokens of waiting Step Functions tasks. Only the process that received a delivery
//! keeps its token, in memory and for half an hour. If this process does not have the token of a
//! request, a [`NoToken`] tells why. A duplicate delivery has its own token, so its task is ended,
//! too.

use crate::app::{App, IncomingRequest};
use crate::domain::Status;
use crate::inbound::Callback;
use crate::journal::{Owed, StreamId, StreamState};

use super::outbox::{KEPT, Kept};
use super::target::Target;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The delivery had no token, so no task waits for the outcome.
    NoTask,
    Elsewhere,
    Gone,
}

impl App {
    /// If a duplicate delivery has the token of a task, puts its request into the outbox, so that
    /// the task gets the recorded outcome. Step Functions sends such a duplicate, with a new token,
    /// when it repeats a state.
    pub(in crate::app) fn queue_task_again(&self, incoming: &IncomingRequest<'_>) {
        if incoming.callback.is_some_and(Callback::has_task) {
            self.outbox.add(StreamId::of(&incoming.identity), false);
        }
    }

    /// Queues again each request whose task still waits and whose token came with a duplicate
    /// delivery. This is needed because another process may have recorded the outcome, or because
    /// the last attempt failed.
    pub(in crate::app) fn queue_waiting_tasks(&self) {
        self.outbox.add_duplicates();
    }

    /// Adds to `due` the notifications of the recorded outcome that end the task of a duplicate
    /// delivery. If such a notification was already delivered for another token, that delivery is
    /// on record, and this attempt is not recorded.
    pub(super) fn with_tasks(
        &self,
        state: &StreamState,
        kept: Option<&Kept>,
        mut due: Vec<Owed>,
    ) -> Vec<Owed> {
        let request = state.state().filter(|_| !is_pending(state));
        if let Some(request) = request
            && kept.is_some_and(Kept::has_task_of_duplicate)
        {
            let mut again = request.last_outcome(&self.prepared.notice_rules, self.now());
            again.retain(|owed| {
                self.ends_task(owed) && due.iter().all(|known| known.notice != owed.notice)
            });
            due.extend(again);
        }
        due
    }

    pub(super) fn ends_task(&self, owed: &Owed) -> bool {
        let target = self.prepared.targets.get(&owed.notice.notify);
        target.is_some_and(Target::ends_task)
    }

    /// Returns why this process does not have the token, or `None` if it has the token.
    pub(super) fn no_token(&self, state: &StreamState) -> Option<NoToken> {
        let kept = self.outbox.kept(state.stream());
        if kept.is_some_and(|kept| kept.callback.has_task()) {
            return None;
        }
        let StreamState::Request(request) = state else {
            return Some(NoToken::NoTask);
        };
        if !request.intent().task_token {
            return Some(NoToken::NoTask);
        }
        // Ignore the sign of the age: the clock of the process that received the delivery may have
        // been ahead.
        let age = self.now().duration_since(request.approved_at());
        match age.unsigned_abs() < KEPT {
            true => Some(NoToken::Elsewhere),
            false => Some(NoToken::Gone),
        }
    }
}

pub(super) fn is_pending(state: &StreamState) -> bool {
    let request = state.state();
    request.is_some_and(|request| request.status() == Status::Pending)
}
