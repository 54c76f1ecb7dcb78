//! Repeats notifications for an operator. Takes the name of a target, and delivers the notifications
//! that it did not get, of one request or of all. Returns those that were tried, with their results.

use crate::app::context::left;
use crate::app::reader::{Listed, NotificationEntry, RequestFilter, find_requests};
use crate::app::{App, Deadline};
use crate::domain::NotifyName;
use crate::journal::{JournalError, Owed, StreamState};

use super::failure::Failures;

impl App {
    /// Delivers to this target the notifications that were given up, are owed now, or wait for a
    /// further attempt. `request`: an id that several requests may have, the `source/id` of one
    /// request, or the stream of an incident. Returns the state of those notifications.
    pub async fn retry_notifications(
        &self,
        notify: &NotifyName,
        request: &str,
        deadline: Deadline,
    ) -> Result<Listed<NotificationEntry>, JournalError> {
        let Listed { entries, flaws, .. } =
            find_requests(&self.journal, request, self.now()).await?;
        let requests = entries.into_iter().map(Box::new).map(StreamState::Request);
        let mut states: Vec<_> = requests.collect();
        if let (true, Ok(stream)) = (states.is_empty(), request.parse()) {
            let incident = self.journal.read(stream).await?;
            states.extend(incident.map(|history| history.stream_state));
        }
        let ends = self.retry_each(states, notify, deadline).await?;
        Ok(Listed::of(ends, flaws))
    }

    /// Does what [`App::retry_notifications`] does, for all incidents and then all requests, the
    /// oldest requests first. If the time is up before all are tried, a flaw says so.
    pub async fn retry_all_notifications(
        &self,
        notify: &NotifyName,
        deadline: Deadline,
    ) -> Result<Listed<NotificationEntry>, JournalError> {
        let reader = self.reader();
        let requests = reader
            .newest_states(&RequestFilter::default(), None)
            .await?;
        let incidents = reader
            .incidents(None, |incident| Some(incident.clone()))
            .await?;
        let mut flaws = requests.flaws;
        flaws.extend(incidents.flaws);
        flaws.sort();
        flaws.dedup();
        let incidents = incidents.entries.into_iter().map(Box::new);
        let requests = requests.entries.into_iter().rev().map(Box::new);
        let states = incidents
            .map(StreamState::Incident)
            .chain(requests.map(StreamState::Request));
        let ends = self.retry_each(states.collect(), notify, deadline).await?;
        if left(deadline).is_zero() {
            flaws.push("the time was up; repeat the command for the rest".to_owned());
        }
        Ok(Listed::of(ends, flaws))
    }

    async fn retry_each(
        &self,
        states: Vec<StreamState>,
        notify: &NotifyName,
        deadline: Deadline,
    ) -> Result<Vec<NotificationEntry>, JournalError> {
        let mut ends = Vec::new();
        for state in states {
            if left(deadline).is_zero() {
                break;
            }
            let again = |state: &StreamState| self.not_received(state, notify);
            let noticed: Vec<_> = again(&state).into_iter().map(|owed| owed.notice).collect();
            if noticed.is_empty() {
                continue;
            }
            let failures = Failures::default();
            let delivered = self.deliver(state.stream(), again, &failures, false, deadline);
            let state = delivered.await?.unwrap_or(state);
            let attempted = state.attempted_notifications().iter();
            let repeated = attempted.filter(|known| noticed.contains(&known.notice));
            ends.extend(repeated.map(|known| NotificationEntry::of(&state, known)));
        }
        Ok(ends)
    }

    /// Returns what the target has not received of this stream, and could have.
    fn not_received(&self, state: &StreamState, notify: &NotifyName) -> Vec<Owed> {
        let (rules, now) = (&self.prepared.notice_rules, self.now());
        let mut again = state.given_up(notify, rules);
        again.extend(state.owed(rules, now));
        again.retain(|owed| owed.notice.notify == *notify && owed.has_begun(now));
        again
    }
}
