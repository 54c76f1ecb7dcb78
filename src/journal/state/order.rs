//! The order of a share and a cancel of the same image. The later one decides what is shared.
//! `ordered_at` lets a request come after the requests for the same image that were recorded before
//! it, even if a clock was wrong. An adoption, and a cancel of an unknown share, are ordered by the
//! start of their comparison, so that anything recorded after that start wins.

use jiff::SignedDuration;

use super::State;
use crate::domain::{Action, Timestamp};
use crate::journal::StreamId;

impl State {
    /// Returns the request's place in the order of shares and cancels. At the same instant a cancel
    /// comes after a share.
    pub fn order(&self) -> (Timestamp, bool, StreamId) {
        let cancels = self.intent.request.action == Action::Cancel;
        (self.ordered_at(), cancels, self.stream)
    }

    /// Returns the instant that orders the request: `ordered_at` of record 0 if it is set,
    /// otherwise the instant of the approval.
    pub fn ordered_at(&self) -> Timestamp {
        self.intent.ordered_at.unwrap_or(self.intent.approved_at)
    }

    /// Returns the earliest instant at which a cancel comes after this share, or a share after this
    /// cancel.
    pub fn followed_from(&self) -> Timestamp {
        let at = self.ordered_at();
        let moment = SignedDuration::from_nanos(1);
        match self.intent.request.action {
            Action::Share => at,
            Action::Cancel => at.checked_add(moment).unwrap_or(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::testing::{StreamBuilder, at, identity, intent, request};
    use super::*;
    use crate::journal::Event;

    fn opened(id: &str, action: &str, seconds: i64, ordered_at: Option<Timestamp>) -> State {
        let who = identity(id);
        let request = request(json!({"action": action, "expires_at": null}));
        let mut intent = intent(who.clone(), request, Some(60));
        (intent.approved_at, intent.ordered_at) = (at(seconds), ordered_at);
        let builder = StreamBuilder::empty(&who).then(0, 1, Event::Opened(Box::new(intent)));
        State::from_records(&builder.records).unwrap()
    }

    #[test]
    fn each_follows_the_one_before_it_although_the_first_clock_was_ahead() {
        let share = opened("A", "share", 7_200, None);
        let stop = opened("B", "cancel", 60, Some(share.followed_from()));
        let next = opened("C", "share", 120, Some(stop.followed_from()));
        let last = opened("D", "cancel", 180, Some(next.followed_from()));
        let all = [share, stop, next, last].map(|state| state.order());
        assert!(all.is_sorted_by(|one, other| one < other), "{all:?}");
    }

    #[test]
    fn without_a_wrong_clock_the_approval_decides_and_at_the_same_instant_the_cancel_is_later() {
        let [stop, share, next] = [("A", "cancel", 60), ("B", "share", 60), ("C", "share", 61)]
            .map(|(id, action, seconds)| opened(id, action, seconds, None));
        assert!(share.order() < stop.order() && stop.order() < next.order());
        let text = serde_json::to_string(stop.intent()).unwrap();
        assert!(!text.contains("ordered_at"), "{text}");
    }
}
