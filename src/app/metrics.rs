//! The text of `/metrics`: the process's counters, and the overdue shares in the journal's index.

use std::collections::BTreeSet;

use crate::journal::JournalError;

use super::App;
use super::overdue_count::Ends;

impl App {
    /// The counters, and the number of overdue receivers, in Prometheus' text format.
    pub async fn metrics(&self) -> String {
        let count = async |known| Box::pin(self.count_overdue(known)).await;
        let now = tokio::time::Instant::now();
        self.counters.render(
            self.overdue.or_count(now, count).await,
            self.rules().policy_digest(),
        )
    }

    /// Overdue requests are due in the index. Reads each due request whose share expires later only
    /// once.
    async fn count_overdue(&self, known: Ends) -> Result<(usize, Ends), JournalError> {
        let now = self.now();
        let (mut ends, mut unsure) = (Ends::new(), BTreeSet::new());
        for wake_up in self.journal.due(now).await? {
            let later = |end: &&Option<_>| end.is_none_or(|end| end > now);
            match known.get(&wake_up.stream).filter(later) {
                Some(end) => drop(ends.insert(wake_up.stream, *end)),
                None => drop(unsure.insert(wake_up.stream)),
            }
        }
        let mut receivers = 0;
        for state in self.read_streams(unsure).await? {
            ends.insert(state.stream(), state.expires_at());
            receivers += state.overdue(now).len();
        }
        Ok((receivers, ends))
    }
}
