//! Reads all requests and incidents, newest first, and returns the files of each. Streams with
//! unsealed records are read from `requests/`, and all others from the log's segments. If the
//! journal has no seal, or if no pass has compared the index with every stream yet, everything is
//! read from `requests/`, in the order of the streams' names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream, Peekable, StreamExt as _};

use super::super::chain::Finding;
use super::super::log::{Checkpoint, Segment};
use super::super::record::{Flaw, StreamId};
use super::objects::MAX_CONCURRENT;
use super::pending::wrong_newest;
use super::{History, Journal, JournalError};
use crate::domain::Timestamp;

/// Number of segments to read at once.
const SEGMENTS: usize = 8;
/// Maximum number of consecutive missing segments to look for.
const MAX_GAP: u64 = 1_000;

/// The files of one request or incident, from record 0 on.
#[derive(Debug)]
pub struct RequestFiles {
    /// The stream.
    pub stream: StreamId,
    /// The bytes of each record's file, unverified.
    pub files: Vec<Bytes>,
}

impl RequestFiles {
    /// Verifies the files and returns their records and state. `None` if there are no files.
    pub fn history(&self) -> Result<Option<History>, Finding> {
        History::of(self.stream, &self.files)
    }
}

/// The requests and incidents that one step of [`NewestFirst`] has read.
#[derive(Debug, Default)]
pub struct Batch {
    /// The streams that could be read.
    pub requests: Vec<RequestFiles>,
    /// The errors of streams and segments that could not be read.
    pub flaws: Vec<JournalError>,
    /// Later batches contain only requests that were approved before this instant. Exceptions are
    /// possible if clocks differ, or if processes seal concurrently. `None` if the instant is not
    /// known.
    pub rest_before: Option<Timestamp>,
}

/// The end of the log, as far as its objects show it without a key.
#[derive(Debug, Default)]
pub(super) struct LogEnd {
    /// The seal that `log/checkpoint` names; 0 if that file is missing or wrong. Later segments
    /// have no signature that can be checked without a key, so they are not read as sealed.
    newest: u64,
    /// The newest segment, which may be later.
    pub(super) last: u64,
    /// The streams that are read from `requests/`: those in the segments after `newest`, and those
    /// that the index names as unsealed. Also how many records of each must exist at least. Empty
    /// until `unsealed_streams`, and if `newest` is 0, because then all streams are read from there.
    required: BTreeMap<StreamId, u64>,
    /// The error of a `log/checkpoint` that is of a seal which does not exist: the log may lack its
    /// newest seals.
    pub(super) incomplete: Option<JournalError>,
    /// The errors of segments after `newest` that cannot be read, and of a `log/checkpoint` that is
    /// missing or wrong.
    flaws: Vec<JournalError>,
}

/// A segment's number, and the segment. `None` if it does not exist.
type ReadSegment = (u64, Result<Option<Segment>, JournalError>);

/// Reads all requests and incidents, batch by batch.
pub struct NewestFirst {
    journal: Journal,
    /// The flaws that were found before the first batch.
    flaws: Vec<JournalError>,
    /// Streams to read from `requests/`.
    folders: VecDeque<StreamId>,
    /// [`LogEnd::required`].
    required: BTreeMap<StreamId, u64>,
    segments: Peekable<BoxStream<'static, ReadSegment>>,
    /// Records of streams whose record 0 is in an older segment.
    parts: BTreeMap<StreamId, BTreeMap<u64, Bytes>>,
    /// Streams whose records were all read. Their records in further segments are skipped.
    whole: BTreeSet<StreamId>,
}

impl Journal {
    /// Begins to read all requests and incidents. May miss a request that is opened after this
    /// call.
    pub async fn newest_first(&self, now: Timestamp) -> Result<NewestFirst, JournalError> {
        let (folders, end) = self.unsealed_streams(now).await?;
        let segments = usize::try_from(end.newest).unwrap_or(0);
        self.work_done.begin(folders.len() + segments);
        let mut reading = self.reading(folders, 0, end.newest);
        reading.flaws = end.incomplete.into_iter().chain(end.flaws).collect();
        reading.required = end.required;
        Ok(reading)
    }

    /// Returns the requests and incidents that have a record outside the log's first `seals`
    /// segments. Returns all requests and incidents if the journal has no seal, or if no pass has
    /// compared the index with every stream yet. With a flaw in the returned list, requests may be
    /// missing: those in a segment after the seal that `log/checkpoint` names.
    pub async fn changed_since(
        &self,
        seals: u64,
        now: Timestamp,
    ) -> Result<(BTreeSet<StreamId>, Vec<JournalError>), JournalError> {
        let (folders, end) = self.unsealed_streams(now).await?;
        let mut changed: BTreeSet<StreamId> = folders.into_iter().collect();
        let mut segments = self.reading(VecDeque::new(), seals, end.newest).segments;
        while let Some((number, segment)) = segments.next().await {
            let segment = segment?.ok_or_else(|| self.dropped_segment(number))?;
            changed.extend(segment.records.iter().map(|(entry, _)| entry.stream));
        }
        Ok((
            changed,
            end.incomplete.into_iter().chain(end.flaws).collect(),
        ))
    }

    /// Begins to read the requests and incidents in `streams`.
    pub fn read_each(&self, streams: &BTreeSet<StreamId>) -> NewestFirst {
        self.work_done.begin(streams.len());
        self.reading(streams.iter().copied().collect(), 0, 0)
    }

    /// Returns the streams with unsealed records, and the end of the log. If the journal has no
    /// seal, or if the index may lack streams, returns all streams, and 0 for the newest seal.
    async fn unsealed_streams(
        &self,
        now: Timestamp,
    ) -> Result<(VecDeque<StreamId>, LogEnd), JournalError> {
        // List the unsealed entries before reading the log. If a record is sealed in between, its
        // stream is then read from `requests/`.
        let listed = self.pass(now).await?.ever_done();
        let unsealed = self.unsealed_entries().await?;
        let mut end = self.log_end().await?;
        if !listed || end.newest == 0 {
            end.newest = 0;
            return Ok((self.streams().await?.into(), end));
        }
        self.read_begun(&mut end).await?;
        // An entry is written after the records before the one that it names.
        for entry in unsealed {
            end.require(entry.stream, entry.seq);
        }
        Ok((end.required.keys().copied().collect(), end))
    }

    /// Begins to read the streams in `folders`, and after them the segments from `newest` down to
    /// `from + 1`.
    fn reading(&self, folders: VecDeque<StreamId>, from: u64, newest: u64) -> NewestFirst {
        let journal = self.clone();
        let read = move |number| {
            let journal = journal.clone();
            async move { (number, journal.segment(number).await) }
        };
        NewestFirst {
            journal: self.clone(),
            flaws: Vec::new(),
            folders,
            required: BTreeMap::new(),
            segments: stream::iter((from + 1..=newest).rev())
                .map(read)
                .buffered(SEGMENTS)
                .boxed()
                .peekable(),
            parts: BTreeMap::new(),
            whole: BTreeSet::new(),
        }
    }

    pub(super) fn dropped_segment(&self, number: u64) -> JournalError {
        self.damaged(Finding::about(self.segment_path(number), Flaw::Dropped))
    }

    /// Returns the number of the seal that `log/checkpoint` names, or 0 if there is none.
    pub async fn newest_seal(&self) -> Result<u64, JournalError> {
        Ok(self.log_end().await?.newest)
    }

    /// Looks for the end of the log. Lists the log's folders only if `log/checkpoint` is missing or
    /// wrong.
    pub(super) async fn log_end(&self) -> Result<LogEnd, JournalError> {
        let note = self.newest_note().await?;
        let known = note.and_then(|note| Checkpoint::unverified(&note).ok());
        let known = known.map_or(0, |known| known.number);
        let mut end = LogEnd {
            newest: known,
            last: known,
            ..LogEnd::default()
        };
        if known == 0 || !self.has_segment(known).await? {
            // Include the checkpoints: if a segment was removed, its checkpoint shows that it
            // existed.
            let segments = self.numbers("segments").await?;
            let checkpoints = self.numbers("checkpoints").await?;
            let without_gap = (1..).zip(&segments).take_while(|(n, found)| n == *found);
            // One stray file with a high number must not cause a million reads.
            let most = without_gap.count() as u64 + MAX_GAP;
            let last = segments.last().max(checkpoints.last()).copied();
            end.last = last.unwrap_or(0).min(most);
            end.newest = known.min(end.last);
            if known > end.last {
                let why = format!(
                    "it is of seal {known}, which does not exist: the newest seals were removed, or this file was changed"
                );
                end.incomplete = Some(self.broken_log("log/checkpoint", why));
            }
        } else {
            while self.has_segment(end.last + 1).await? {
                end.last += 1;
            }
        }
        // Not after one seal: a sealer that was killed during it leaves no `log/checkpoint`.
        if known == 0 && end.last > 1 {
            end.flaws.push(self.damaged(wrong_newest()));
        }
        Ok(end)
    }

    /// Reads which streams are in the segments after the seal that `log/checkpoint` names. A sealer
    /// may have been killed before it wrote that file, or somebody may have put the segments there.
    async fn read_begun(&self, end: &mut LogEnd) -> Result<(), JournalError> {
        for number in end.newest + 1..=end.last {
            match self.segment(number).await {
                Ok(Some(segment)) => {
                    for entry in segment.entries() {
                        end.require(entry.stream, entry.seq.saturating_add(1));
                    }
                }
                Ok(None) => end.flaws.push(self.dropped_segment(number)),
                Err(error @ JournalError::Damaged { .. }) => end.flaws.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl LogEnd {
    fn require(&mut self, stream: StreamId, records: u64) {
        let required = self.required.entry(stream).or_default();
        *required = records.max(*required);
    }
}

impl NewestFirst {
    /// Reads the next batch; `None` at the end.
    ///
    /// # Errors
    /// The store failed. Damaged files are not errors: the batch lists them.
    pub async fn next(&mut self) -> Result<Option<Batch>, JournalError> {
        if !self.flaws.is_empty() {
            return Ok(Some(flawed(std::mem::take(&mut self.flaws))));
        }
        if !self.folders.is_empty() {
            return self.read_folders().await.map(Some);
        }
        let Some((number, read)) = self.segments.next().await else {
            return Ok(self.headless());
        };
        self.journal.work_done.add(1);
        match read {
            Ok(Some(segment)) => {
                let rest_before = self.rest_before(segment.at).await;
                Ok(Some(self.take(segment, rest_before)))
            }
            Ok(None) => Ok(Some(flawed(vec![self.journal.dropped_segment(number)]))),
            Err(error @ JournalError::Damaged { .. }) => Ok(Some(flawed(vec![error]))),
            Err(error) => Err(error),
        }
    }

    async fn read_folders(&mut self) -> Result<Batch, JournalError> {
        let some: Vec<_> = (self.folders)
            .drain(..self.folders.len().min(MAX_CONCURRENT))
            .collect();
        let reads = join_all(some.iter().map(|stream| self.journal.files(*stream))).await;
        self.journal.work_done.add(some.len());
        let mut batch = Batch::default();
        for (stream, read) in some.into_iter().zip(reads) {
            self.whole.insert(stream);
            if let (Ok(files), Some(records)) = (&read, self.required.get(&stream))
                && (files.len() as u64) < *records
            {
                // The segment may be forged, so the records that exist are shown, too.
                batch.flaws.push(self.missing(stream, files.len() as u64));
            }
            match read {
                // There may be no record yet: an index entry is written before its record.
                Ok(files) if files.is_empty() => {}
                Ok(files) => batch.requests.push(RequestFiles { stream, files }),
                Err(error) if error.concerns_one_request() => batch.flaws.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(batch)
    }

    /// Returns `at`, the instant of the segment that was just read, if the next older segment has
    /// an earlier instant or does not exist. Otherwise one call of [`Journal::seal`] may have made
    /// both segments. Then the older one may contain requests that were approved after `at`, so the
    /// result is `None`.
    async fn rest_before(&mut self, at: Timestamp) -> Option<Timestamp> {
        match Pin::new(&mut self.segments).peek().await {
            Some((_, Ok(Some(older)))) if older.at < at => Some(at),
            Some(_) => None,
            None => Some(at),
        }
    }

    fn take(&mut self, segment: Segment, rest_before: Option<Timestamp>) -> Batch {
        let mut batch = Batch {
            rest_before,
            ..Batch::default()
        };
        let mut begun = Vec::new();
        for (entry, file) in segment.records {
            if self.whole.contains(&entry.stream) {
                continue;
            }
            if entry.seq == 0 {
                begun.push(entry.stream);
            }
            let files = self.parts.entry(entry.stream).or_default();
            files.insert(entry.seq, file);
        }
        for stream in begun {
            self.whole.insert(stream);
            let files = self.parts.remove(&stream).unwrap_or_default();
            match (0..).zip(files.keys()).find(|(seq, found)| seq != *found) {
                Some((seq, _)) => batch.flaws.push(self.missing(stream, seq)),
                None => batch.requests.push(RequestFiles {
                    stream,
                    files: files.into_values().collect(),
                }),
            }
        }
        batch
    }

    /// Returns a batch that reports the streams whose record 0 was in no segment. `None` if there
    /// are no such streams. Must be called after the oldest segment was read.
    fn headless(&mut self) -> Option<Batch> {
        let parts = std::mem::take(&mut self.parts);
        let flaws = parts.keys().map(|stream| self.missing(*stream, 0));
        (!parts.is_empty()).then(|| flawed(flaws.collect()))
    }

    fn missing(&self, stream: StreamId, seq: u64) -> JournalError {
        self.journal
            .damaged(Finding::of(stream, seq, Flaw::Missing))
    }
}

fn flawed(flaws: Vec<JournalError>) -> Batch {
    Batch {
        flaws,
        ..Batch::default()
    }
}
