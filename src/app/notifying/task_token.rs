//! Why this process does not have the token of a waiting Step Functions task. Only the process that
//! received the delivery keeps it, in memory and for half an hour. In: the state of a request. Out:
//! a [`NoToken`].

use crate::app::App;
use crate::journal::StreamState;

use super::outbox::KEPT;

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
