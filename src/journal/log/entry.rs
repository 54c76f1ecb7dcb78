//! An entry of the log: the stream, number and hash of a record. An entry does not contain the
//! record itself, because a record may exceed the 65,535 bytes that C2SP tlog-tiles allows for an
//! entry. Converts entries to text and back.

use std::fmt;
use std::str::FromStr;

use super::super::record::StreamId;
use super::{Hash, leaf_hash};
use crate::domain::Problem;

/// The stream, number and hash of a record. As text, an entry is `stream number sha256`, without a
/// line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The record's stream.
    pub stream: StreamId,
    /// The record's number.
    pub seq: u64,
    /// SHA-256 of the record's file.
    pub hash: Hash,
}

impl Entry {
    /// Reads the entries of a bundle. Stops before the first malformed entry.
    pub fn all(bundle: &[u8]) -> Vec<Self> {
        let mut entries = Vec::new();
        let mut rest = bundle;
        while let Some((length, behind)) = rest.split_first_chunk::<2>()
            && let Some((text, behind)) =
                behind.split_at_checked(u16::from_be_bytes(*length).into())
            && let Some(entry) = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok())
        {
            entries.push(entry);
            rest = behind;
        }
        entries
    }

    /// Returns the leaf hash of this entry in the tree.
    pub fn leaf(&self) -> Hash {
        leaf_hash(self.to_string().as_bytes())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.stream, self.seq, hex::encode(self.hash))
    }
}

impl FromStr for Entry {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let read = || {
            let mut parts = text.split(' ');
            let stream = parts.next()?.parse().ok()?;
            let seq = parts.next()?.parse().ok()?;
            let hash = Hash::try_from(hex::decode(parts.next()?).ok()?).ok()?;
            let entry = Self { stream, seq, hash };
            (entry.to_string() == text).then_some(entry)
        };
        read().ok_or_else(|| {
            let remedy = "write it as `stream number sha256`";
            Problem::new("entry", "is not an entry of the log", remedy)
        })
    }
}
