//! Archiving a finished request: its records are copied elsewhere, one record stands for them, and
//! once that one is sealed they may be removed. In: streams and a second place. Out: what was done.
//! Every step may be repeated.

use std::collections::BTreeSet;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::chain::{Chain, File, Finding};
use super::super::record::{Event, Flaw, Record, Stored, StreamId, VERSION, Worker};
use super::super::seal::{Hash, Log, seal_name, seal_number};
use super::super::state::{State, StreamState};
use super::claim::write;
use super::objects::{Created, Fetched, Put};
use super::{History, Journal, JournalError};
use crate::domain::Timestamp;

/// Records of one stream that are held at once.
const RECORDS: u64 = 16;

/// What archiving did for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// So many records were copied, and the archived record was appended.
    Now(u64),
    /// It is archived already: earlier, or by another archiver meanwhile.
    Before,
}

/// What became of the records before an archived record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// So many were removed; none when they were gone already.
    Removed(u64),
    /// No seal covers the archived record yet: all stay.
    Unsealed,
}

/// The last record of an archived stream, when that is what the newest file is.
pub(super) struct Last {
    seq: u64,
    bytes: Bytes,
    stored: Stored,
    stream_state: StreamState,
}

impl Last {
    pub(super) fn into_history(self, stream: StreamId) -> History {
        History {
            stream,
            records: vec![self.stored],
            stream_state: self.stream_state,
        }
    }
}

impl Journal {
    /// Copies a finished request's records to `to`, unchanged and under the same paths, then
    /// appends the record that says what they add up to. Whether a share without an end still
    /// stands is not looked at here.
    ///
    /// # Errors
    /// A request that is not finished, records or copies that are not as they should be, else what
    /// the store said. Nothing is lost then, and the same call may be made again.
    pub async fn archive(
        &self,
        stream: StreamId,
        to: &Self,
        at: Timestamp,
        worker: Worker,
    ) -> Result<Filed, JournalError> {
        let (mut chain, files) = self.stored(stream).await?;
        for bytes in &files {
            chain
                .push(File::Bytes(bytes))
                .map_err(|finding| self.damaged(finding))?;
        }
        let Some(StreamState::Request(state)) = chain.into_stream_state() else {
            return Err(JournalError::NotARequest { stream });
        };
        if state.archived() {
            return Ok(Filed::Before);
        }
        let archive = state
            .archive(to.place.to_string())
            .ok_or(JournalError::NotFinished { stream })?;
        for (seq, bytes) in (0..).zip(&files) {
            to.take_copy(stream, seq, bytes).await?;
        }
        let head = state.head();
        let (stored, bytes) = write(Record {
            v: VERSION,
            stream,
            seq: head.next_seq,
            prev: Some(head.hash.clone()),
            at,
            worker,
            event: Event::Archived(Box::new(archive)),
        })?;
        self.follows_as_archived(&state, &stored)?;
        self.touch(&self.unsealed_path(stream, head.next_seq))
            .await?;
        match self.create(stream, head.next_seq, &bytes).await? {
            Created::Ours => Ok(Filed::Now(files.len() as u64)),
            Created::Theirs(found) => {
                let damaged = |flaw| self.damaged(Finding::of(stream, head.next_seq, flaw));
                let found = Stored::read(&found).map_err(damaged)?;
                self.follows_as_archived(&state, &found)
                    .map(|()| Filed::Before)
            }
        }
    }

    /// Removes the records before a sealed archived record, after `to` was found to hold each of
    /// them as it was sealed and all of them were found to add up to what the archived record says.
    /// The lowest numbers go first.
    ///
    /// # Errors
    /// Records or copies that are not as they should be: then none is removed. Else what the store
    /// said: then some may be, and the same call may be made again.
    pub async fn remove_archived(
        &self,
        stream: StreamId,
        to: &Self,
        log: &Log,
    ) -> Result<Removal, JournalError> {
        let folder = self.folder(stream).await?;
        if folder.count <= 1 {
            return Ok(Removal::Removed(0));
        }
        let Some((last, earlier)) = log.sealed(stream).split_last() else {
            return Ok(Removal::Unsealed);
        };
        let seq = earlier.len() as u64;
        let mut chain = Chain::new(stream);
        let mut present = Vec::new();
        let archived = match self.fetch_one(&self.record_path(stream, seq)).await? {
            Fetched::Bytes(bytes) => bytes,
            _ => return Err(self.damaged(Finding::of(stream, seq, Flaw::Dropped))),
        };
        let is_archived = |stored: Stored| matches!(stored.record.event, Event::Archived(_));
        if !Stored::read(&archived).is_ok_and(is_archived) {
            return Ok(Removal::Unsealed);
        }
        for start in (0..seq).step_by(RECORDS as usize) {
            let fetched = self.fetch(stream, start, seq.min(start + RECORDS)).await?;
            let hashes = earlier
                .iter()
                .skip(usize::try_from(start).unwrap_or(usize::MAX));
            for ((seq, fetched), hash) in (start..).zip(fetched).zip(hashes) {
                let copy = self.copied(stream, seq, &fetched, hash, to).await?;
                if !matches!(fetched, Fetched::Absent) {
                    present.push(seq);
                }
                chain
                    .push(File::Bytes(&copy))
                    .map_err(|finding| self.damaged(finding))?;
            }
        }
        if !is(&archived, last) {
            return Err(self.damaged(Finding::of(stream, seq, Flaw::Resealed)));
        }
        chain
            .push(File::Bytes(&archived))
            .map_err(|finding| self.damaged(finding))?;
        for seq in &present {
            self.remove(stream, *seq).await?;
        }
        Ok(Removal::Removed(present.len() as u64))
    }

    /// Copies every seal that `to` does not have yet; how many those were.
    ///
    /// # Errors
    /// When `to` has other seals, so that it is the archive of another journal; else what the
    /// stores said.
    pub async fn copy_seals(&self, to: &Self) -> Result<u64, JournalError> {
        let (here, there) = (self.seal_numbers().await?, to.seal_numbers().await?);
        // The newest that both have tells for those before it: its checkpoint is over all of them.
        let newest = here.intersection(&there).max().copied();
        let mut copied = 0;
        for number in here
            .iter()
            .filter(|number| Some(**number) == newest || !there.contains(number))
        {
            let name = seal_name(*number);
            let about = |flaw| Finding {
                path: format!("seals/{name}"),
                stream: String::new(),
                seq: None,
                flaw,
            };
            let Fetched::Bytes(bytes) = self.fetch_one(&self.path(&["seals", &name])).await? else {
                return Err(self.damaged(about(Flaw::Missing)));
            };
            let path = to.path(&["seals", &name]);
            let same = match to.fetch_one(&path).await? {
                Fetched::Bytes(found) => found == bytes,
                Fetched::TooLarge(_) => false,
                Fetched::Absent => {
                    copied += 1;
                    matches!(to.create_at(&path, &bytes).await?, Put::Ours)
                }
            };
            if !same {
                return Err(to.damaged(about(Flaw::CopyAltered)));
            }
        }
        Ok(copied)
    }

    /// The history of a stream of which a record is missing: that of an archived one begins with
    /// its last record. The folder is listed anew: the archived record may have been written after
    /// the first look.
    pub(super) async fn read_archived(
        &self,
        stream: StreamId,
        finding: Finding,
    ) -> Result<Option<History>, JournalError> {
        match self.archived_meanwhile(stream, &finding).await? {
            Some(last) => Ok(Some(last.into_history(stream))),
            None => Err(self.damaged(finding)),
        }
    }

    /// [`Journal::stored`] of a stream of which a record is missing.
    pub(super) async fn stored_archived(
        &self,
        stream: StreamId,
        finding: Finding,
    ) -> Result<(Chain, Vec<Bytes>), JournalError> {
        match self.archived_meanwhile(stream, &finding).await? {
            Some(Last { seq, bytes, .. }) => Ok((Chain::at_last(stream, seq), vec![bytes])),
            None => Err(self.damaged(finding)),
        }
    }

    async fn archived_meanwhile(
        &self,
        stream: StreamId,
        finding: &Finding,
    ) -> Result<Option<Last>, JournalError> {
        if finding.flaw != Flaw::Missing {
            return Ok(None);
        }
        let end = self.folder(stream).await?.end;
        self.last_of_archived(stream, end).await
    }

    /// The newest of the records below `end`, if it archives the request.
    pub(super) async fn last_of_archived(
        &self,
        stream: StreamId,
        end: u64,
    ) -> Result<Option<Last>, JournalError> {
        let Some(seq) = end.checked_sub(1) else {
            return Ok(None);
        };
        let Fetched::Bytes(bytes) = self.fetch_one(&self.record_path(stream, seq)).await? else {
            return Ok(None);
        };
        let mut chain = Chain::at_last(stream, seq);
        let Ok(stored) = chain.push(File::Bytes(&bytes)) else {
            return Ok(None);
        };
        Ok(chain.into_stream_state().map(|stream_state| Last {
            seq,
            bytes,
            stored,
            stream_state,
        }))
    }

    /// The record's copy in `to`, made now when only the journal has it, and read back.
    async fn copied(
        &self,
        stream: StreamId,
        seq: u64,
        here: &Fetched,
        hash: &Hash,
        to: &Self,
    ) -> Result<Bytes, JournalError> {
        let path = to.record_path(stream, seq);
        let mut there = to.fetch_one(&path).await?;
        match here {
            Fetched::Bytes(bytes) if is(bytes, hash) => {
                if matches!(there, Fetched::Absent) {
                    to.take_copy(stream, seq, bytes).await?;
                    there = to.fetch_one(&path).await?;
                }
            }
            Fetched::Absent => {}
            _ => return Err(self.damaged(Finding::of(stream, seq, Flaw::Resealed))),
        }
        let flaw = match there {
            Fetched::Bytes(bytes) if is(&bytes, hash) => return Ok(bytes),
            Fetched::Absent => Flaw::CopyMissing,
            _ => Flaw::CopyAltered,
        };
        Err(to.damaged(Finding::of(stream, seq, flaw)))
    }

    /// Takes in the copy of a record of another journal.
    async fn take_copy(
        &self,
        stream: StreamId,
        seq: u64,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        match self
            .create_at(&self.record_path(stream, seq), bytes)
            .await?
        {
            Put::Ours => Ok(()),
            Put::Theirs(_) | Put::TooLarge(_) => {
                Err(self.damaged(Finding::of(stream, seq, Flaw::CopyAltered)))
            }
        }
    }

    /// Whether a record archives what the state says.
    fn follows_as_archived(&self, state: &State, stored: &Stored) -> Result<(), JournalError> {
        let impossible =
            |why: String| Finding::of(state.stream(), stored.record.seq, Flaw::Impossible(why));
        match state.clone().apply(stored) {
            Ok(after) if after.archived() => Ok(()),
            Ok(_) => Err(self.damaged(impossible("it follows the end of the request".to_owned()))),
            Err(broken) => Err(self.damaged(impossible(broken.to_string()))),
        }
    }

    pub(super) async fn seal_numbers(&self) -> Result<BTreeSet<u64>, JournalError> {
        let listed = self.list_seals().await?;
        Ok(listed
            .objects
            .iter()
            .filter_map(|o| o.location.filename().and_then(seal_number))
            .collect())
    }
}

/// Whether a file is the one that was sealed.
pub(super) fn is(bytes: &[u8], hash: &Hash) -> bool {
    *hash == <Hash>::from(Sha256::digest(bytes))
}
