//! Delivers again the notifications that were given up. In: the journal, the names of a target and of
//! a request. Out: their entries, the newest requests first.

use crate::app::reader::{Listed, NotificationEntry, find_requests};
use crate::app::{App, Deadline};
use crate::domain::NotifyName;
use crate::journal::{JournalError, StreamState};

use super::deliver_notifications::Failures;

impl App {
    /// Delivers again what was given up for this target, for the requests with this id, the one with
    /// this `source/id`, or the incident with this stream. Returns the state of those notifications.
    pub async fn retry_notifications(
        &self,
        notify: &NotifyName,
        request: &str,
        deadline: Deadline,
    ) -> Result<Listed<NotificationEntry>, JournalError> {
        self.prove_journal().await?;
        let Listed { entries, flaws, .. } =
            find_requests(&self.journal, request, self.now()).await?;
        let requests = entries.into_iter().map(Box::new).map(StreamState::Request);
        let mut states: Vec<_> = requests.collect();
        if let (true, Ok(stream)) = (states.is_empty(), request.parse()) {
            let incident = self.journal.read(stream).await?;
            states.extend(incident.map(|history| history.stream_state));
        }
        let mut ends = Vec::new();
        for state in states {
            let mut again = state.given_up(notify);
            again.extend(state.owed(&self.prepared.notice_rules, self.now()));
            again.retain(|owed| owed.notice.notify == *notify);
            let noticed: Vec<_> = again.iter().map(|owed| owed.notice.clone()).collect();
            let failures = Failures::default();
            let state = self
                .deliver(state, again, &failures, false, deadline)
                .await?;
            let attempted = state.attempted_notifications().iter();
            let repeated = attempted.filter(|known| noticed.contains(&known.notice));
            ends.extend(repeated.map(|known| NotificationEntry::of(&state, known)));
        }
        Ok(Listed::of(ends, flaws))
    }
}
