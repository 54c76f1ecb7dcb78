//! A segment is an object with the record files of one seal. Converts segments to bytes and back.
//! A segment has exactly one encoding, so a change of any byte is detected.
//!
//! A segment begins with header lines and an empty line. Then, for each record, follow a line with
//! the record's stream and number, and the record's file. Such a file always has two lines, so the
//! format needs no lengths. A segment without records introduces the next key.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::record::{MAX_RECORD_BYTES, StreamId};
use super::{Entry, KeyChange};
use crate::domain::Timestamp;

/// Number of bytes of records from which a segment is full. Further records go into the next
/// segment.
const FULL_BYTES: usize = 4 * 1024 * 1024;
/// Maximum number of records in a segment.
const MAX_SEGMENT_RECORDS: usize = 20_000;
/// Maximum length of the line before each record, in bytes.
const MAX_PLACE_BYTES: usize = 64;
/// Maximum size of a segment in bytes. It includes one record of the maximum size, because such a
/// record can be added to a segment that is almost full.
pub(in crate::journal) const MAX_SEGMENT_BYTES: u64 =
    (FULL_BYTES + MAX_SEGMENT_RECORDS * MAX_PLACE_BYTES + 1024) as u64 + MAX_RECORD_BYTES;

const FORMAT: &str = "sharehook segment 1";

/// The records of one seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::journal) struct Segment {
    /// The seal's number, from 1.
    pub(in crate::journal) number: u64,
    /// The number of entries in the log before this seal.
    pub(in crate::journal) start: u64,
    /// When the sealer began the seal, according to the sealer's clock.
    pub(in crate::journal) at: Timestamp,
    /// The key that signs from the next seal on, if this seal introduces one.
    pub(in crate::journal) key_change: Option<KeyChange>,
    /// The entry and the file of each record, in the order of the log.
    pub(in crate::journal) records: Vec<(Entry, Bytes)>,
    bytes: usize,
}

impl Segment {
    pub(in crate::journal) fn new(number: u64, start: u64, at: Timestamp) -> Self {
        Self {
            number,
            start,
            at,
            key_change: None,
            records: Vec::new(),
            bytes: 0,
        }
    }

    pub(in crate::journal) fn push(&mut self, stream: StreamId, seq: u64, file: Bytes) {
        let hash = Sha256::digest(&file).into();
        self.bytes = self.bytes.saturating_add(file.len());
        self.records.push((Entry { stream, seq, hash }, file));
    }

    pub(in crate::journal) fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES || self.records.len() >= MAX_SEGMENT_RECORDS
    }

    pub(in crate::journal) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.records.iter().map(|(entry, _)| entry)
    }

    pub(in crate::journal) fn write(&self) -> Vec<u8> {
        let mut bytes = self.header().into_bytes();
        for (entry, file) in &self.records {
            bytes.extend_from_slice(place(entry.stream, entry.seq).as_bytes());
            bytes.extend_from_slice(file);
        }
        bytes
    }

    /// The lines before the first record.
    fn header(&self) -> String {
        let Self {
            number, start, at, ..
        } = self;
        let change = match &self.key_change {
            None => String::new(),
            Some(change) => format!("{change}\n"),
        };
        format!("{FORMAT}\n{number}\n{start}\n{at}\n{change}\n")
    }

    pub(in crate::journal) fn read(bytes: &Bytes) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let (header, body) = text
            .split_once("\n\n")
            .ok_or("it has no empty line below its header")?;
        let mut segment = Self::read_header(header)
            .filter(|segment| text.starts_with(&segment.header()))
            .ok_or("its header is not a segment's")?;
        let mut lines = body.split_inclusive('\n');
        let mut end = text.len() - body.len();
        while let Some(line) = lines.next() {
            let (stream, seq) = read_place(line).ok_or("a record in it has no place")?;
            let (Some(record), Some(checksum)) = (lines.next(), lines.next()) else {
                return Err("its last record is cut off");
            };
            if !checksum.ends_with('\n') {
                return Err("its last record is cut off");
            }
            let begin = end + line.len();
            end = begin + record.len() + checksum.len();
            segment.push(stream, seq, bytes.slice(begin..end));
        }
        if segment.records.is_empty() == segment.key_change.is_some() {
            Ok(segment)
        } else {
            Err("it must have either records or a new key")
        }
    }

    fn read_header(header: &str) -> Option<Self> {
        let mut lines = header.lines().skip(1);
        let number = lines.next()?.parse().ok()?;
        let start = lines.next()?.parse().ok()?;
        let mut segment = Self::new(number, start, lines.next()?.parse().ok()?);
        if let Some(line) = lines.next() {
            segment.key_change = Some(line.parse().ok()?);
        }
        Some(segment)
    }
}

/// Returns the line that precedes a record's file.
fn place(stream: StreamId, seq: u64) -> String {
    format!("{stream} {seq}\n")
}

fn read_place(line: &str) -> Option<(StreamId, u64)> {
    let (stream, seq) = line.trim_end().split_once(' ')?;
    let (stream, seq) = (stream.parse().ok()?, seq.parse().ok()?);
    (place(stream, seq) == line).then_some((stream, seq))
}

/// Returns the number of records in an encoded segment. Used by the fuzz targets.
pub fn records_in_segment(bytes: &[u8]) -> Result<usize, &'static str> {
    Segment::read(&Bytes::copy_from_slice(bytes)).map(|segment| segment.records.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::MAX_RECORDS;
    use crate::journal::testing::StreamBuilder;

    fn segment() -> Segment {
        let builder = StreamBuilder::full();
        let mut segment = Segment::new(7, 40, "2026-11-21T08:00:00Z".parse().unwrap());
        for (seq, file) in (0..).zip(builder.files()) {
            segment.push(builder.stream, seq, file.into());
        }
        segment
    }

    #[test]
    fn a_segment_comes_back() {
        let segment = segment();
        assert_eq!(Segment::read(&segment.write().into()).unwrap(), segment);
    }

    #[test]
    fn the_largest_segment_can_be_read() {
        let stream = StreamBuilder::full().stream;
        let mut segment = Segment::new(7, 40, "2026-11-21T08:00:00Z".parse().unwrap());
        let small = Bytes::from(vec![b'x'; (FULL_BYTES - 1) / (MAX_SEGMENT_RECORDS - 1)]);
        while segment.records.len() + 1 < MAX_SEGMENT_RECORDS {
            segment.push(stream, MAX_RECORDS - 1, small.clone());
        }
        assert!(!segment.is_full());
        segment.push(
            stream,
            MAX_RECORDS - 1,
            vec![b'x'; MAX_RECORD_BYTES as usize].into(),
        );
        assert!(segment.write().len() as u64 <= MAX_SEGMENT_BYTES);
    }

    #[test]
    fn what_is_not_a_segment_is_refused() {
        let good = String::from_utf8(segment().write()).unwrap();
        let without_records = format!("{}\n\n", good.split_once("\n\n").unwrap().0);
        for bad in [
            String::new(),
            without_records,
            good.replacen("segment 1", "segment 2", 1),
            good.replacen("\n40\n", "\n040\n", 1),
            good[..good.len() - 1].to_owned(),
            format!("{good}x\n"),
        ] {
            let bytes = Bytes::from(bad.clone());
            assert!(Segment::read(&bytes).is_err(), "{bad}");
        }
    }
}
