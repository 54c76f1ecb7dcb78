//! Why this process does not have the token of a waiting Step Functions task. Only the process that
//! received the delivery keeps it, in memory and for half an hour. In: the state of a request. Out:
//! a [`NoToken`]. Also ends the task of a duplicate, which has a token of its own.

use crate::app::App;
use crate::domain::Status;
use crate::journal::{Owed, State, StreamState};

use super::outbox::KEPT;
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
    /// Puts a finished request into the outbox because a duplicate of it has the token of a task:
    /// Step Functions repeats a state with a new token. The task gets the recorded outcome.
    pub(in crate::app) fn queue_task_again(&self, state: &State) {
        if state.status() != Status::Pending {
            self.outbox.add_task(state.stream());
        }
    }

    /// Adds to `due` the notifications of the recorded outcome that end the task of a duplicate,
    /// once for each duplicate. If one was delivered before, for another token, that is on record,
    /// and this attempt gets no record.
    pub(super) fn with_tasks(&self, state: &StreamState, mut due: Vec<Owed>) -> Vec<Owed> {
        let request = state.state().filter(|it| it.status() != Status::Pending);
        if let Some(request) = request
            && self.outbox.take_task(state.stream())
        {
            let mut again = request.last_outcome(&self.prepared.notice_rules, self.now());
            again.retain(|owed| {
                let target = self.prepared.targets.get(&owed.notice.notify);
                target.is_some_and(Target::ends_task)
                    && due.iter().all(|known| known.notice != owed.notice)
            });
            due.extend(again);
        }
        due
    }

    /// Why this process does not have the token; `None` if it has the token.
    pub(super) fn no_token(&self, state: &StreamState) -> Option<NoToken> {
        let kept = self.outbox.callback(state.stream());
        if kept.is_some_and(|callback| callback.task_token.is_some()) {
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
