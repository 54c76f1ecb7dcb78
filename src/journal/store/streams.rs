//! Reads whole streams, by name: verified records and their state, or raw bytes.

use bytes::Bytes;
use object_store::path::Path;

use super::super::chain::{Chain, Finding};
use super::super::record::{Event, MAX_RECORDS, Stored, StreamId};
use super::super::state::StreamState;
use super::objects::{Fetched, Folder, MAX_CONCURRENT};
use super::{History, Journal, JournalError, Unsealed, WorkDone};

impl Journal {
    /// The flag that shows whether there may be records to seal.
    pub fn unsealed(&self) -> &Unsealed {
        &self.unsealed
    }

    /// The progress of the current work on the journal.
    pub fn work_done(&self) -> &WorkDone {
        &self.work_done
    }

    /// Reads a stream and verifies its hash chain. `None` if there is no such stream.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if a file is missing or wrong: a damaged stream is never reported
    /// as `None`. Any other error is a failure of the store.
    pub async fn read(&self, stream: StreamId) -> Result<Option<History>, JournalError> {
        let files = self.files(stream).await?;
        let read = History::of(stream, &files);
        let mut history = read.map_err(|finding| self.damaged(finding))?;
        if let Some(history) = &mut history {
            self.notice(&mut history.stream_state).await;
        }
        Ok(history)
    }

    /// Whether the request is retired: except for record 0, its retired records are only in the
    /// log's segments.
    pub async fn is_retired(&self, stream: StreamId) -> Result<bool, JournalError> {
        Ok(self.folder(stream).await?.retired)
    }

    /// Like [`Journal::read`], but returns `None` for a retired request, and does not detect that
    /// the worker of a request has died.
    pub async fn read_unretired(&self, stream: StreamId) -> Result<Option<History>, JournalError> {
        let folder = self.folder(stream).await?;
        if folder.retired {
            return Ok(None);
        }
        self.history(stream, &folder).await
    }

    pub(super) async fn history(
        &self,
        stream: StreamId,
        folder: &Folder,
    ) -> Result<Option<History>, JournalError> {
        let files = self.files_of(stream, folder).await?;
        History::of(stream, &files).map_err(|finding| self.damaged(finding))
    }

    /// Reads a stream as far as the answer to a delivery needs it, and returns the state at that
    /// point. For an incident, that is the state after record 0. For a request, it is the state
    /// after the record that ends the request, or that ends it again if it was reopened. If a
    /// called-off item is still shared at that point, it is the state after the record that revokes
    /// the item.
    ///
    /// Stops at the first number that has no record. So before you work on an unfinished request,
    /// read it with [`Journal::read`], which lists the stream's folder and finds a missing record.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if a record differs from what was written. Any other error is a
    /// failure of the store.
    pub async fn look_up(&self, stream: StreamId) -> Result<Option<StreamState>, JournalError> {
        let mut chain = Chain::new(stream);
        for seq in 0..MAX_RECORDS {
            let fetched = self.fetch_one(&self.record_path(stream, seq)).await?;
            if matches!(fetched, Fetched::Absent) {
                break;
            }
            chain
                .push(fetched.record())
                .map_err(|finding| self.damaged(finding))?;
            let answers = match chain.stream_state() {
                Some(StreamState::Request(state)) if state.answered() => {
                    !self.reopened_after(stream, seq).await?
                }
                Some(StreamState::Incident(_)) => true,
                _ => false,
            };
            if answers {
                break;
            }
        }
        let mut stream_state = chain.into_stream_state();
        if let Some(stream_state) = &mut stream_state {
            self.notice(stream_state).await;
        }
        Ok(stream_state)
    }

    /// Whether a later record reopens the request, which record `seq` ends.
    async fn reopened_after(&self, stream: StreamId, seq: u64) -> Result<bool, JournalError> {
        for seq in seq.saturating_add(1)..MAX_RECORDS {
            let Fetched::Bytes(bytes) = self.fetch_one(&self.record_path(stream, seq)).await?
            else {
                break;
            };
            let read = Stored::read(&bytes);
            let stored = read.map_err(|flaw| self.damaged(Finding::of(stream, seq, flaw)))?;
            if matches!(&stored.record.event, Event::Reopened(reopening) if reopening.verdict.allowed)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the names of all streams, sorted. They are all in memory at the same time.
    pub async fn streams(&self) -> Result<Vec<StreamId>, JournalError> {
        let listed = self.list_requests().await?;
        let names = listed.common_prefixes.iter().filter_map(Path::filename);
        let mut streams: Vec<StreamId> = names.filter_map(|name| name.parse().ok()).collect();
        streams.sort_unstable();
        Ok(streams)
    }

    /// Returns a stream's files in order, unverified. Empty if there is no such stream. The retired
    /// records of a request are read from their segments, and later records from `requests/`.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if a file is missing or too large, if a file is in the place of
    /// the stream's folder, or if the list of a retired stream's segments, or one of these
    /// segments, cannot be read. Any other error is a failure of the store.
    pub async fn files(&self, stream: StreamId) -> Result<Vec<Bytes>, JournalError> {
        let folder = self.folder(stream).await?;
        self.files_of(stream, &folder).await
    }

    async fn files_of(
        &self,
        stream: StreamId,
        folder: &Folder,
    ) -> Result<Vec<Bytes>, JournalError> {
        let mut files = if folder.retired {
            self.retired_files(stream).await?
        } else {
            Vec::new()
        };
        for start in (files.len() as u64..folder.end).step_by(MAX_CONCURRENT) {
            let end = folder.end.min(start + MAX_CONCURRENT as u64);
            let fetched = self.fetch(stream, start, end).await?;
            for (seq, fetched) in (start..).zip(fetched) {
                match fetched {
                    Fetched::Bytes(bytes) => files.push(bytes),
                    // The request may have been retired after its folder was listed.
                    Fetched::Absent if !folder.retired && self.folder(stream).await?.retired => {
                        return self.retired_files(stream).await;
                    }
                    other => {
                        let damaged = |flaw| self.damaged(Finding::of(stream, seq, flaw));
                        other.record().map_err(damaged)?;
                    }
                }
            }
        }
        Ok(files)
    }
}
