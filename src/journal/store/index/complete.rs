//! Finds streams that lack records which the log has. Such a stream looks intact, but its state is
//! that of an earlier instant: a finished request looks unfinished. Takes a stream's end; returns
//! an error that names the first missing record.

use std::ops::ControlFlow;

use super::super::super::chain::Finding;
use super::super::super::record::Flaw;
use super::super::super::state::Head;
use super::super::objects::Fetched;
use super::super::{History, Journal, JournalError};
use super::Index;

impl Journal {
    /// Fails if the log has the record after `head`, and the file of that record does not exist.
    /// Reads the log's entry bundles backwards to the stream's newest entry: what was sealed since
    /// then, or the whole log if no record of the stream is sealed.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] for that record. Otherwise the store failed.
    pub(in super::super) async fn require_newest(&self, head: &Head) -> Result<(), JournalError> {
        let mut sealed = false;
        self.read_entries(|entries| {
            // The log has the records of a stream in their order.
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
    /// `history`: otherwise a record that was sealed in between counts as missing.
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
