//! `index/unsealed/<stream>-<seq>`: an empty file that says that the stream's records from `seq` on
//! may be unsealed. In: what is about to be written, and what was sealed. Out: where the sealer has
//! to look. Every earlier record is sealed, or an entry with a smaller number names it.
//!
//! The first record of a turn, and each record that needs no claim, gets its entry before it is
//! written; the later records of that turn rely on it. So the sealer that meets a turn under way
//! puts an entry behind what it sealed before it deletes the older ones. A name is never needed
//! again once the record that it names is sealed: a slow sealer deletes nothing of another.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use object_store::path::Path;

use super::super::super::record::{Stored, StreamId};
use super::super::objects::Fetched;
use super::super::{Journal, JournalError};

/// Requests that are listed at once.
const SIDE_BY_SIDE: usize = 16;

/// A stream with records that may be unsealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct UnsealedEntry {
    pub(in super::super) stream: StreamId,
    /// The first record that may be unsealed.
    pub(in super::super) seq: u64,
}

impl UnsealedEntry {
    pub(super) fn read(name: &str) -> Option<Self> {
        let (stream, seq) = name.split_once('-')?;
        let entry = Self {
            stream: stream.parse().ok()?,
            seq: seq.parse().ok()?,
        };
        (entry.name() == name).then_some(entry)
    }

    fn name(self) -> String {
        format!("{}-{:06}", self.stream, self.seq)
    }
}

impl Journal {
    /// Every entry, by stream and number. One listing.
    ///
    /// # Errors
    /// What the store said.
    pub(in super::super) async fn unsealed_entries(
        &self,
    ) -> Result<Vec<UnsealedEntry>, JournalError> {
        let listed = self.list_index(&["unsealed"]).await?;
        let names = listed.iter().filter_map(|(path, _)| path.filename());
        let mut entries: Vec<UnsealedEntry> = names.filter_map(UnsealedEntry::read).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    /// Deletes those of `entries` whose records are sealed; `sealed` says how many of a stream are.
    /// Reads the newest of these: more may follow it without an entry, unless it ends its turn.
    ///
    /// # Errors
    /// What the store said. Repeating it is safe.
    pub(in super::super) async fn drop_sealed(
        &self,
        entries: &[UnsealedEntry],
        sealed: impl Fn(StreamId) -> u64,
    ) -> Result<(), JournalError> {
        let mut done = Vec::new();
        for of_stream in entries.chunk_by(|a, b| a.stream == b.stream) {
            let Some(stream) = of_stream.first().map(|entry| entry.stream) else {
                continue;
            };
            let sealed = sealed(stream);
            let old = of_stream.iter().filter(|entry| entry.seq < sealed);
            let old: Vec<Path> = old
                .map(|entry| self.unsealed_path(stream, entry.seq))
                .collect();
            if !old.is_empty() && !self.ends_turn(stream, sealed.saturating_sub(1)).await? {
                self.touch(&self.unsealed_path(stream, sealed)).await?;
            }
            done.extend(old);
        }
        self.delete_entries(done).await
    }

    /// Writes the entries that unsealed records lack, and returns how many. Reads every segment and
    /// lists every request, so its cost grows with the journal: it belongs to making the index anew.
    ///
    /// # Errors
    /// What the store said. Repeating it is safe.
    pub async fn mend_unsealed(&self) -> Result<u64, JournalError> {
        // Of a stream's entries the first comes last, and stays.
        let entries = self.unsealed_entries().await?.into_iter().rev();
        let named: BTreeMap<StreamId, u64> =
            entries.map(|entry| (entry.stream, entry.seq)).collect();
        let mut sealed: BTreeMap<StreamId, u64> = BTreeMap::new();
        for number in 1.. {
            let Some(segment) = self.segment(number).await? else {
                break;
            };
            for (entry, _) in segment.records() {
                let end = sealed.entry(entry.stream).or_default();
                *end = (*end).max(entry.seq.saturating_add(1));
            }
        }
        let streams: Vec<StreamId> = self.streams().await?.into_iter().collect();
        let mut mended = 0;
        for some in streams.chunks(SIDE_BY_SIDE) {
            let folders = try_join_all(some.iter().map(|stream| self.folder(*stream))).await?;
            for (stream, folder) in some.iter().zip(folders) {
                let sealed = sealed.get(stream).copied().unwrap_or(0);
                let named = named.get(stream).is_some_and(|first| *first <= sealed);
                if sealed < folder.end && !named {
                    self.touch(&self.unsealed_path(*stream, sealed)).await?;
                    mended += 1;
                }
            }
        }
        Ok(mended)
    }

    async fn ends_turn(&self, stream: StreamId, seq: u64) -> Result<bool, JournalError> {
        let read = self.fetch_one(&self.record_path(stream, seq)).await?;
        let Fetched::Bytes(bytes) = read else {
            return Ok(false);
        };
        Ok(Stored::read(&bytes).is_ok_and(|stored| stored.record.event.ends_turn()))
    }

    pub(in super::super) fn unsealed_path(&self, stream: StreamId, seq: u64) -> Path {
        self.index_path(&["unsealed", &UnsealedEntry { stream, seq }.name()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_read() {
        let stream = "0123456789abcdef0123456789abcdef";
        let good = format!("{stream}-000007");
        let entry = UnsealedEntry::read(&good).unwrap();
        assert_eq!((entry.seq, entry.name()), (7, good.clone()));
        for bad in [
            "",
            stream,
            &format!("{stream}-7"),
            &format!("{good}-1"),
            &good[1..],
        ] {
            assert_eq!(UnsealedEntry::read(bad), None, "{bad}");
        }
    }
}
