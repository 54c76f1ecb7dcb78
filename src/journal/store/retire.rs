//! Retention: removes the records of a finished request from `requests/`, except record 0. The
//! removed records remain in the log's segments. The object `retired` beside record 0 names these
//! segments, so that a duplicate delivery still gets the recorded answer. Records that are written
//! later, such as those of notifications, stay in `requests/`. Every step may be repeated.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use sha2::{Digest, Sha256};

use super::super::chain::Finding;
use super::super::log::{Hash, VerifiedLog};
use super::super::record::{Flaw, StreamId, file_seq};
use super::objects::{Created, Fetched, LISTING_TIMEOUT, RETIRED};
use super::{Journal, JournalError};

const FORMAT: &str = "sharehook retired 1";

/// The result of retiring a finished request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// The request is retired, or can be in a dry run. This many records were removed from
    /// `requests/`.
    Removed(u64),
    /// Some records are not sealed, so none was removed.
    Unsealed,
}

/// The content of the object `retired`: the number of records that were retired, and their
/// segments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Retired {
    pub(super) end: u64,
    segments: BTreeSet<u64>,
}

impl Retired {
    /// Computes the content from the log, for a stream whose records before number `end` are
    /// retired. `None` unless all these records are sealed.
    fn of(log: &VerifiedLog, stream: StreamId, end: u64) -> Option<Self> {
        let sealed = log.sealed(stream)?;
        let segments = sealed.range(..end).map(|(_, (_, segment))| *segment);
        let segments = segments.collect();
        sealed
            .range(..end)
            .map(|(seq, _)| *seq)
            .eq(0..end)
            .then_some(Self { end, segments })
    }

    /// Whether these are, according to the log, exactly the segments that contain the retired
    /// records.
    pub(super) fn agrees(&self, log: &VerifiedLog, stream: StreamId) -> bool {
        Self::of(log, stream, self.end).as_ref() == Some(self)
    }

    /// Whether record `seq` is retired and may be in segment `number`.
    pub(super) fn has(&self, seq: u64, number: u64) -> bool {
        seq < self.end && self.segments.contains(&number)
    }

    fn write(&self) -> String {
        let segments: Vec<String> = self.segments.iter().map(u64::to_string).collect();
        format!(
            "{FORMAT}\n{} records in segments {}\n",
            self.end,
            segments.join(" ")
        )
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let rest = text.strip_prefix(FORMAT)?.strip_prefix('\n')?;
        let (end, segments) = rest.trim_end().split_once(" records in segments ")?;
        let segments: Option<_> = segments.split(' ').map(|n| n.parse().ok()).collect();
        let read = Self {
            end: end.parse().ok()?,
            segments: segments?,
        };
        (read.write() == text).then_some(read)
    }
}

impl Journal {
    /// Returns the streams that are not completely retired: those that lack the object `retired`,
    /// or still have a record after record 0 that this object counts. Lists everything below
    /// `requests/` once. Reads the object of each retired stream that has other records than record
    /// 0.
    pub async fn not_retired(&self) -> Result<Vec<StreamId>, JournalError> {
        let root = self.path(&["requests"]);
        let walk = async {
            // Each stream's first record after record 0, and whether the stream is retired.
            let mut streams: BTreeMap<StreamId, (Option<u64>, bool)> = BTreeMap::new();
            let mut found = self.at(&root).list(Some(&root));
            while let Some(object) = found.try_next().await? {
                let mut parts = object.location.as_ref().rsplit('/');
                let name = parts.next().unwrap_or_default();
                let Some(Ok(stream)) = parts.next().map(str::parse::<StreamId>) else {
                    continue;
                };
                let (first, retired) = streams.entry(stream).or_default();
                let later = file_seq(name).filter(|seq| *seq > 0);
                *first = first.iter().copied().chain(later).min();
                *retired |= name == RETIRED;
            }
            Ok(streams)
        };
        let streams = self.listing(&root, LISTING_TIMEOUT, walk).await?;
        let mut kept = Vec::new();
        for (stream, (first, retired)) in streams {
            let complete = match (first, retired) {
                (_, false) => false,
                (None, true) => true,
                (Some(first), true) => {
                    let named = self.retired(stream).await?;
                    named.is_some_and(|retired| retired.end <= first)
                }
            };
            if !complete {
                kept.push(stream);
            }
        }
        Ok(kept)
    }

    /// Removes a request's records, except record 0, after comparing each of them with its sealed
    /// hash. If the request was retired before, removes only records that the object `retired`
    /// counts. The caller must make sure that the request is finished. With `dry_run`, makes the
    /// same checks but changes nothing.
    ///
    /// # Errors
    /// If a record is missing or differs from what was sealed, or if the object `retired` is wrong,
    /// no record is removed. If the store fails, some records may have been removed; another call
    /// removes the rest.
    pub async fn retire(
        &self,
        stream: StreamId,
        log: &VerifiedLog,
        dry_run: bool,
    ) -> Result<Retirement, JournalError> {
        let folder = self.folder(stream).await?;
        let end = match (folder.retired, self.retired(stream).await?) {
            (false, _) => folder.end,
            (true, Some(retired)) => retired.end,
            (true, None) => return Err(self.damaged(self.wrong_retired_object(stream))),
        };
        let (Some(retired), Some(sealed)) = (Retired::of(log, stream, end), log.sealed(stream))
        else {
            return Ok(Retirement::Unsealed);
        };
        let mut present = Vec::new();
        for (seq, (hash, _)) in sealed {
            let flaw = match self.fetch_one(&self.record_path(stream, *seq)).await? {
                Fetched::Absent if folder.retired && (1..end).contains(seq) => continue,
                // Another process may have retired the request after its folder was listed.
                Fetched::Absent if !folder.retired && self.is_retired(stream).await? => {
                    return Box::pin(self.retire(stream, log, dry_run)).await;
                }
                Fetched::Absent => Flaw::Dropped,
                Fetched::Bytes(bytes) if *hash == <Hash>::from(Sha256::digest(&bytes)) => {
                    present.push(*seq);
                    continue;
                }
                _ => Flaw::Resealed,
            };
            return Err(self.damaged(Finding::of(stream, *seq, flaw)));
        }
        if dry_run {
            return Ok(Retirement::Removed(0));
        }
        let path = self.path(&["requests", &stream.to_string(), RETIRED]);
        let created = self.create_at(&path, retired.write().as_bytes()).await?;
        if let Created::Theirs(_) = created {
            if !folder.retired {
                return Box::pin(self.retire(stream, log, dry_run)).await;
            }
            return Err(self.damaged(self.wrong_retired_object(stream)));
        }
        let removed = present.iter().filter(|seq| (1..end).contains(*seq));
        for seq in removed.clone() {
            self.remove_at(&self.record_path(stream, *seq)).await?;
        }
        Ok(Retirement::Removed(removed.count() as u64))
    }

    /// Reads a retired stream's files from its segments.
    pub(super) async fn retired_files(&self, stream: StreamId) -> Result<Vec<Bytes>, JournalError> {
        let Some(retired) = self.retired(stream).await? else {
            return Err(self.damaged(self.wrong_retired_object(stream)));
        };
        let mut files = BTreeMap::new();
        for number in &retired.segments {
            let segment = self.segment(*number).await?;
            let records = segment.map(|segment| segment.records);
            let ours = records.into_iter().flatten();
            for (entry, file) in ours.filter(|(entry, _)| entry.stream == stream) {
                files.insert(entry.seq, file);
            }
        }
        match (0..retired.end).find(|seq| !files.contains_key(seq)) {
            Some(lost) => Err(self.damaged(Finding::of(stream, lost, Flaw::Dropped))),
            None => Ok(files.into_values().collect()),
        }
    }

    /// Reads the object `retired`. `None` if it does not exist, or if its content is not valid.
    pub(super) async fn retired(&self, stream: StreamId) -> Result<Option<Retired>, JournalError> {
        let path = self.path(&["requests", &stream.to_string(), RETIRED]);
        match self.fetch_one(&path).await? {
            Fetched::Bytes(bytes) => Ok(Retired::read(&bytes)),
            Fetched::Absent | Fetched::TooLarge(_) => Ok(None),
        }
    }

    pub(super) fn wrong_retired_object(&self, stream: StreamId) -> Finding {
        let why = "it does not list the segments that contain the request's records";
        let path = format!("requests/{stream}/{RETIRED}");
        Finding {
            stream: stream.to_string(),
            ..Finding::about(path, Flaw::Altered(why.to_owned()))
        }
    }
}
