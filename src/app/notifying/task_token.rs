//! Why this process does not have the token of a waiting Step Functions task. Only the process that
//! received the delivery keeps it, in memory and for half an hour. In: the state of a request. Out:
//! a [`NoToken`]. Also ends the task of a duplicate, which has a token of its own.

use crate::app::{App, IncomingRequest};
use crate::domain::Status;
use crate::inbound::Callback;
use crate::journal::{Owed, StreamId, StreamState};

use super::outbox::{KEPT, Kept};
use super::target::Target;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The delivery had no token: no task waits for the outcome.
    NoTask,
    /// Another process may have the token.
    Elsewhere,
    /// No process has the token any more.
    Gone,
}

impl App {
    /// Puts the request of a duplicate into the outbox if the duplicate has the token of a task:
    /// Step Functions repeats a state with a new token. The task gets the recorded outcome.
    pub(in crate::app) fn queue_task_again(&self, incoming: &IncomingRequest<'_>) {
        if incoming.callback.is_some_and(Callback::has_task) {
            self.outbox.add(StreamId::of(&incoming.identity), false);
        }
    }

    /// Puts the requests into the outbox whose duplicates have tokens of tasks that still wait:
    /// another process may have recorded their outcome, or the last attempt failed.
    pub(in crate::app) fn queue_waiting_tasks(&self) {
        self.outbox.add_duplicates();
    }

    /// Adds to `due` the notifications of the recorded outcome that end the task of a duplicate. If
    /// one was delivered before, for another token, that is on record, and this attempt gets no
    /// record.
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

    /// Whether the notification's messages end a waiting task.
    pub(super) fn ends_task(&self, owed: &Owed) -> bool {
        let target = self.prepared.targets.get(&owed.notice.notify);
        target.is_some_and(Target::ends_task)
    }

    /// Why this process does not have the token; `None` if it has the token.
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
        // `abs`: the clock of the process that received the delivery may have been ahead.
        let age = self.now().duration_since(request.approved_at());
        match age.unsigned_abs() < KEPT {
            true => Some(NoToken::Elsewhere),
            false => Some(NoToken::Gone),
        }
    }
}

/// Whether the outcome of a request is not on record yet.
pub(super) fn is_pending(state: &StreamState) -> bool {
    let request = state.state();
    request.is_some_and(|request| request.status() == Status::Pending)
}
