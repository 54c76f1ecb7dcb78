//! The end of a stream, to which the next record must refer.

use super::super::record::{Record, Stored, StreamId};
use super::broken_record::{BrokenRecord, broken};

/// The end of a stream: the number of the next record, and the hash that its `prev` must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: StreamId,
    /// The number of the next record.
    pub next_seq: u64,
    /// SHA-256 of the newest record's file, in hex.
    pub hash: String,
}

impl Head {
    pub(super) fn after(newest: &Stored) -> Self {
        Self {
            stream: newest.record.stream,
            next_seq: newest.record.seq.saturating_add(1),
            hash: newest.hash.clone(),
        }
    }

    pub(super) fn precedes(&self, next: &Record) -> Result<(), BrokenRecord> {
        let follows = next.stream == self.stream
            && next.seq == self.next_seq
            && next.prev.as_ref() == Some(&self.hash);
        match follows {
            true => Ok(()),
            false => {
                broken("the record's stream, number or `prev` does not match the record before it")
            }
        }
    }

    /// Returns the number of the newest record.
    pub fn newest(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }
}
