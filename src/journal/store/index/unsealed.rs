//! The index of unsealed records. The empty file `index/unsealed/<stream>-<seq>` says that the
//! stream's records from `seq` on may be unsealed. Every earlier record is sealed, or covered by an
//! entry with a smaller number.
//!
//! An entry is written before the first record of a turn, and before each record without a claim.
//! Later records of the turn rely on the entry of the first one. So if a sealer finds a turn in
//! progress, it writes an entry for the record after those that it sealed, and only then deletes
//! the older entries. A sealer deletes an entry only if the record that it names is sealed. Nothing
//! needs such an entry any more, so a slow sealer cannot delete an entry that another sealer needs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _};
use object_store::path::Path;

use super::super::super::chain::Finding;
use super::super::super::log::{Checkpoint, Entry, Segment, bundles};
use super::super::super::record::{Flaw, Stored, StreamId};
use super::super::objects::MAX_CONCURRENT;
use super::super::{Journal, JournalError};

/// Number of entry bundles to read at once.
const BUNDLES: usize = 32;

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
    /// Returns every entry, sorted by stream and number. Needs one listing.
    pub(in super::super) async fn unsealed_entries(
        &self,
    ) -> Result<Vec<UnsealedEntry>, JournalError> {
        let listed = self.list_index(&["unsealed"]).await?;
        let names = listed.iter().filter_map(|o| o.location.filename());
        let mut entries: Vec<UnsealedEntry> = names.filter_map(UnsealedEntry::read).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    /// Returns how many of a stream's first `records` records are sealed, according to the index.
    /// `None` if the journal has no seal.
    pub async fn sealed_count(
        &self,
        stream: StreamId,
        records: u64,
    ) -> Result<Option<u64>, JournalError> {
        if !self.has_seals().await? {
            return Ok(None);
        }
        let entries = self.unsealed_entries().await?;
        let unsealed = entries.iter().find(|entry| entry.stream == stream);
        Ok(Some(
            unsealed.map_or(records, |entry| entry.seq.min(records)),
        ))
    }

    /// Deletes those of `entries` whose records are in the segment, and returns whether there are any. If the newest sealed record of
    /// a stream does not end a turn, first writes an entry for the record after it, because later
    /// records of that turn get no entry of their own.
    ///
    /// # Errors
    /// The store failed. Deleting again is safe.
    pub(in super::super) async fn drop_sealed(
        &self,
        entries: &[UnsealedEntry],
        segment: &Segment,
    ) -> Result<bool, JournalError> {
        let newest: BTreeMap<StreamId, (u64, &[u8])> = segment
            .records
            .iter()
            .map(|(entry, file)| (entry.stream, (entry.seq, file.as_ref())))
            .collect();
        let mut done = Vec::new();
        for of_stream in entries.chunk_by(|a, b| a.stream == b.stream) {
            let stream = of_stream.first().map(|entry| entry.stream);
            let Some((seq, file)) = stream.and_then(|stream| newest.get(&stream)) else {
                continue;
            };
            let old = of_stream.iter().filter(|entry| entry.seq <= *seq);
            let old: Vec<Path> = old
                .map(|entry| self.unsealed_path(entry.stream, entry.seq))
                .collect();
            let ends_turn = Stored::read(file).is_ok_and(|one| one.record.event.ends_turn());
            if let (Some(stream), false, false) = (stream, old.is_empty(), ends_turn) {
                self.touch(&self.unsealed_path(stream, seq + 1)).await?;
            }
            done.extend(old);
        }
        let any = !done.is_empty();
        self.delete_entries(done).await.map(|()| any)
    }

    /// Returns the number of sealed records of each stream, according to the log's entry bundles.
    pub(super) async fn sealed_counts(&self) -> Result<BTreeMap<StreamId, u64>, JournalError> {
        let mut sealed: BTreeMap<StreamId, u64> = BTreeMap::new();
        let count = |entries: Vec<Entry>| {
            for entry in entries {
                let end = sealed.entry(entry.stream).or_default();
                *end = (*end).max(entry.seq.saturating_add(1));
            }
            ControlFlow::Continue(())
        };
        self.read_entries(count).await?;
        Ok(sealed)
    }

    /// Calls `each` with the entries of each of the log's bundles, the newest bundle first, until
    /// `each` breaks.
    pub(super) async fn read_entries(
        &self,
        mut each: impl FnMut(Vec<Entry>) -> ControlFlow<()>,
    ) -> Result<(), JournalError> {
        let all = bundles(self.size_of_log().await?);
        let mut bundles = stream::iter(all.rev())
            .map(|path| self.edge_object(Some(path)))
            .buffered(BUNDLES);
        while let Some(bundle) = bundles.next().await {
            if each(Entry::all(&bundle?)).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the number of the log's entries, according to the newest file in
    /// `log/checkpoints/` that is a checkpoint of its number. Reads no later one than that of the
    /// newest segment: the highest number in the folder may be that of a stray file.
    ///
    /// # Errors
    /// `log/checkpoint` shows that the log may lack its newest seals. Otherwise the store failed.
    async fn size_of_log(&self) -> Result<u64, JournalError> {
        let end = self.log_end().await?;
        if let Some(error) = end.incomplete {
            return Err(error);
        }
        let last = end.last;
        let mut numbers = vec![last];
        while let Some(number) = numbers.pop() {
            let note = self.checkpoint(number).await?;
            let read = note.and_then(|note| Checkpoint::unverified(&note).ok());
            if let Some(read) = read.filter(|read| read.number == number) {
                return Ok(read.size);
            }
            if number == last {
                numbers = self.numbers("checkpoints").await?;
                numbers.retain(|number| *number < last);
            }
        }
        Ok(0)
    }

    /// Writes an entry for every stream that has none. The sealer calls this before the first seal,
    /// because a journal without a seal may lack these entries. Lists every stream.
    pub(in super::super) async fn name_all_unsealed(&self) -> Result<(), JournalError> {
        let named = self.unsealed_entries().await?;
        let named: BTreeSet<StreamId> = named.iter().map(|entry| entry.stream).collect();
        let streams = self.streams().await?;
        let unnamed: Vec<Path> = (streams.iter())
            .filter(|stream| !named.contains(stream))
            .map(|stream| self.unsealed_path(*stream, 0))
            .collect();
        for some in unnamed.chunks(MAX_CONCURRENT) {
            try_join_all(some.iter().map(|path| self.touch(path))).await?;
        }
        Ok(())
    }

    pub(in super::super) fn unsealed_path(&self, stream: StreamId, seq: u64) -> Path {
        self.index_path(&["unsealed", &UnsealedEntry { stream, seq }.name()])
    }
}

/// Replaces the findings about missing entries below `unsealed` by one finding. This is for a
/// journal without a seal: its first seal finds the records without these entries.
pub(super) fn sum_up(findings: Vec<Finding>) -> Vec<Finding> {
    let missing = |finding: &Finding| finding.flaw == Flaw::NotListedAsUnsealed;
    let (unnamed, mut others): (Vec<_>, Vec<_>) = findings.into_iter().partition(missing);
    if !unnamed.is_empty() {
        let streams = unnamed.len();
        others.push(Finding::about("log", Flaw::NoSeal { streams }));
    }
    others
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
