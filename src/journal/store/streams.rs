//! Reads whole streams: checked against their chain, or as the bytes they are. Takes a stream's name;
//! returns its records and their state.

use bytes::Bytes;
use object_store::path::Path;

use super::super::chain::{Chain, Finding};
use super::super::record::{Flaw, StreamId};
use super::objects::{Fetched, Folder, MAX_CONCURRENT, OPERATION_TIMEOUT};
use super::{History, Journal, JournalError};

impl Journal {
    /// Reads a stream and checks its chain. `None`: there is no such stream. An archived one whose
    /// earlier records were removed is read from its last record.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when a file is missing or wrong, which is never taken for an
    /// absent stream; else what the store said.
    pub async fn read(&self, stream: StreamId) -> Result<Option<History>, JournalError> {
        let Folder { end, count, .. } = self.folder(stream).await?;
        if count < end
            && let Some(last) = self.last_of_archived(stream, end).await?
        {
            return Ok(Some(last.into_history(stream)));
        }
        let mut chain = Chain::new(stream);
        let mut records = Vec::new();
        for start in (0..end).step_by(MAX_CONCURRENT as usize) {
            for fetched in self
                .fetch(stream, start, end.min(start + MAX_CONCURRENT))
                .await?
            {
                match chain.push(fetched.as_file()) {
                    Ok(stored) => records.push(stored),
                    Err(finding) => return self.read_archived(stream, finding).await,
                }
            }
        }
        Ok(chain.into_stream_state().map(|stream_state| History {
            stream,
            records,
            stream_state,
        }))
    }

    /// The names of all streams, sorted. Its memory grows with their number, not with what they
    /// hold.
    ///
    /// # Errors
    /// What the store said.
    pub async fn streams(&self) -> Result<Vec<StreamId>, JournalError> {
        let listed = self.list_requests().await?;
        let names = listed.common_prefixes.iter().filter_map(Path::filename);
        let mut streams: Vec<StreamId> = names.filter_map(|name| name.parse().ok()).collect();
        streams.sort_unstable();
        Ok(streams)
    }

    /// A stream's files as they are, in the order of their numbers, unchecked, and the walk that
    /// checks them; none when there is no such stream. Of an archived one whose earlier records
    /// were removed it is the last file.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] for a file that is missing or too large to be a record; else what
    /// the store said.
    pub async fn stored(&self, stream: StreamId) -> Result<(Chain, Vec<Bytes>), JournalError> {
        let end = self.folder(stream).await?.end;
        let mut files = Vec::new();
        for start in (0..end).step_by(MAX_CONCURRENT as usize) {
            let fetched = self
                .fetch(stream, start, end.min(start + MAX_CONCURRENT))
                .await?;
            for (seq, fetched) in (start..).zip(fetched) {
                let flaw = match fetched {
                    Fetched::Bytes(bytes) => {
                        files.push(bytes);
                        continue;
                    }
                    Fetched::Absent => Flaw::Missing,
                    Fetched::TooLarge(bytes) => Flaw::TooLarge { bytes },
                };
                return self
                    .stored_archived(stream, Finding::of(stream, seq, flaw))
                    .await;
            }
        }
        Ok((Chain::new(stream), files))
    }

    /// Whether the place can be reached and listed. It writes nothing: the first write tells
    /// whether that is allowed.
    ///
    /// # Errors
    /// What the store said.
    pub async fn check(&self) -> Result<(), JournalError> {
        if let super::JournalLocation::Directory(dir) = &*self.place
            && !dir.is_dir()
        {
            let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(self.failed("list", "requests", &gone));
        }
        // No identity has this stream: finding it empty costs one short listing in a journal of any
        // size.
        let nobody = self.path(&["requests", "00000000000000000000000000000000"]);
        self.listed(&nobody, OPERATION_TIMEOUT).await.map(|_| ())
    }
}
