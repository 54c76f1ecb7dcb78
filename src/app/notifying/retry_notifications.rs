//! Repeats notifications for an operator. Takes the name of a target, and delivers the notifications
//! that it did not get, of one request or of all. Returns those that were tried, with their results.

use crate::app::context::left;
use crate::app::reader::{Listed, NotificationEntry, RequestFilter, find_requests, newest};
use crate::app::{App, Deadline};
use crate::domain::{Notice, NotifyName};
use crate::journal::{Incident, JournalError, Owed, StreamId, StreamState};

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
        let owing = states.into_iter();
        let owing = owing.filter_map(|state| self.owing(&state, notify));
        let ends = self.retry_each(owing.collect(), notify, deadline).await?;
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
        let read = |state| self.owing(&StreamState::Request(Box::new(state)), notify);
        let all = RequestFilter::default();
        let requests = newest(reader.newest_first().await?, &all, None, read).await?;
        let read = |incident: &Incident| {
            let incident = StreamState::Incident(Box::new(incident.clone()));
            self.owing(&incident, notify)
        };
        let incidents = reader.incidents(None, read).await?;
        let mut flaws = requests.flaws;
        flaws.extend(incidents.flaws);
        flaws.sort();
        flaws.dedup();
        let requests = requests.entries.into_iter().rev();
        let owing = incidents.entries.into_iter().chain(requests);
        let ends = self.retry_each(owing.collect(), notify, deadline).await?;
        if left(deadline).is_zero() {
            flaws.push("the time was up; repeat the command for the rest".to_owned());
        }
        Ok(Listed::of(ends, flaws))
    }

    async fn retry_each(
        &self,
        owing: Vec<(StreamId, Vec<Notice>)>,
        notify: &NotifyName,
        deadline: Deadline,
    ) -> Result<Vec<NotificationEntry>, JournalError> {
        let mut ends = Vec::new();
        for (stream, noticed) in owing {
            if left(deadline).is_zero() {
                break;
            }
            let again = |state: &StreamState| self.not_received(state, notify);
            let failures = Failures::default();
            let delivered = self.deliver(stream, again, &failures, false, deadline);
            let state = match delivered.await? {
                Some(state) => state,
                // Another task of this process is delivering them.
                None => match self.journal.read(stream).await? {
                    Some(history) => history.stream_state,
                    None => continue,
                },
            };
            let attempted = state.attempted_notifications().iter();
            let repeated = attempted.filter(|known| noticed.contains(&known.notice));
            ends.extend(repeated.map(|known| NotificationEntry::of(&state, known)));
        }
        Ok(ends)
    }

    /// Returns the stream and what the target has not received of it; `None` if that is nothing.
    fn owing(&self, state: &StreamState, notify: &NotifyName) -> Option<(StreamId, Vec<Notice>)> {
        let owed = self.not_received(state, notify).into_iter();
        let notices: Vec<Notice> = owed.map(|owed| owed.notice).collect();
        (!notices.is_empty()).then(|| (state.stream(), notices))
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
