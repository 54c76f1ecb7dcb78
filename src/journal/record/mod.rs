//! One record of the journal: what it says ([`Event`]), whose it is ([`StreamId`]), and how it lies
//! in its file. In: values of the domain. Out: bytes with their own checksum, and back. Knows no
//! store and no clock.

mod bytes;
mod event;
mod flaw;
mod received;
mod stream;
mod worker;

pub use bytes::Stored;
pub use event::{
    CallNote, CallOff, Conflict, Deferral, Event, FailedAttempt, Intent, Lease, Progress,
};
pub use flaw::Flaw;
pub use received::Received;
pub use stream::StreamId;
pub use worker::Worker;

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;

/// The version of the format that this program writes, and the only one that it reads. Version 4
/// names the last call in the record that ends the turn.
pub(in crate::journal) const VERSION: u32 = 4;

/// Records in one stream are numbered with six digits.
pub(in crate::journal) const MAX_RECORDS: u64 = 1_000_000;

/// No record is larger: 500 accounts that each fail with a long message fit several times over.
pub(in crate::journal) const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024;

/// One step in the story of one request. It is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the format.
    pub v: u32,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place there, from 0.
    pub seq: u64,
    /// SHA-256, hex, of the predecessor's whole file; `None` only for record 0.
    pub prev: Option<String>,
    /// When, by the writer's clock.
    pub at: Timestamp,
    /// Whose turn it was written in.
    pub worker: Worker,
    /// What happened.
    pub event: Event,
}

/// The name of record `seq`'s file inside its stream: `000007.json`.
pub(in crate::journal) fn file_name(seq: u64) -> String {
    format!("{seq:06}.json")
}

/// The record number that a file's name says, when it is exactly what [`file_name`] writes.
pub(in crate::journal) fn file_seq(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_file_names_are_read() {
        assert_eq!(file_seq(&file_name(7)), Some(7));
        assert_eq!(file_seq(&file_name(MAX_RECORDS - 1)), Some(999_999));
        for foreign in [
            "7.json",
            "0000007.json",
            "00000a.json",
            "+00007.json",
            "000007",
            "000007.jsonx",
            "",
            "٠٠٠٠٠٧.json",
        ] {
            assert_eq!(file_seq(foreign), None, "{foreign:?}");
        }
    }
}
