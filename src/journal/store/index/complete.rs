//! Detects that a stream has lost its newest records, by comparing it with the log. Such a stream
//! looks intact, but shows an earlier state. For example, a finished request looks unfinished.

use std::ops::ControlFlow;

use super::super::super::chain::Finding;
use super::super::super::record::Flaw;
use super::super::super::state::Head;
use super::super::objects::Fetched;
use super::super::{History, Journal, JournalError};
use super::Index;

impl Journal {
    /// Fails if the log has the record after `head`, but the file of that record does not exist.
    /// Reads the log's entry bundles backwards until one names the stream. If no record of the
    /// stream is sealed, this reads all bundles.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if the record or one of the bundles is missing. Any other error is
    /// a failure of the store.
    pub(in super::super) async fn require_newest(&self, head: &Head) -> Result<(), JournalError> {
        let mut sealed = false;
        self.read_entries(|entries| {
            // The log contains the records of a stream in their order, so the last entry is the
            // newest.
            match entries.iter().rfind(|entry| entry.stream == head.stream) {
                Some(newest) => {
                    sealed = newest.seq >= head.next_seq;
                    ControlFlow::Break(())
                }
                None => ControlFlow::Continue(()),
            }
        })
        .await?;
        let next = self.record_path(head.stream, head.next_seq);
        // Another worker may have written and sealed that record since `head` was read.
        if sealed && matches!(self.fetch_one(&next).await?, Fetched::Absent) {
            return Err(self.dropped(head));
        }
        Ok(())
    }

    /// Fails if the log has records after those in `history`. `index` must have been read before
    /// `history`. Otherwise a record that was written and sealed in between would count as missing.
    pub fn require_sealed(&self, index: &Index, history: &History) -> Result<(), JournalError> {
        let head = history.stream_state.head();
        let sealed = index.sealed.iter().find_map(|all| all.get(&head.stream));
        match sealed.is_some_and(|sealed| *sealed > head.next_seq) {
            true => Err(self.dropped(head)),
            false => Ok(()),
        }
    }

    fn dropped(&self, head: &Head) -> JournalError {
        self.damaged(Finding::of(head.stream, head.next_seq, Flaw::Dropped))
    }
}
