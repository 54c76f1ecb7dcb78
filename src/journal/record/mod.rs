//! A record of the journal: its content ([`Event`]), its stream ([`StreamId`]) and its file format.
//! Turns records into bytes with a checksum, and reads them back. Does no I/O and reads no clock.

mod announcement;
mod bytes;
mod call_note;
mod deferral;
mod drift;
mod event;
mod flaw;
mod received;
mod rejection;
mod reopening;
mod stream;
mod worker;

pub use announcement::{Announcement, Confirmed, FailedFetch, Refetch, Settled};
pub use bytes::Stored;
pub use call_note::CallNote;
pub use deferral::{Deferral, OutOfTime};
pub use drift::Drift;
pub use event::{
    CallOff, Conflict, Event, FailedAttempt, FailedNotification, Intent, Lease, Notified, Progress,
};
pub use flaw::Flaw;
pub use received::Received;
pub use rejection::Rejection;
pub use reopening::Reopening;
pub use stream::StreamId;
pub(in crate::journal) use stream::day;
pub use worker::Worker;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Timestamp};

/// The version of the record format, the only one that this program writes and reads. Since version
/// 4 the record that ends a turn also names the turn's last call.
pub(in crate::journal) const VERSION: u32 = 4;

/// Maximum number of records in a stream, because file names have six digits.
pub(in crate::journal) const MAX_RECORDS: u64 = 1_000_000;

/// Maximum size of a record in bytes. This is several times the size of a record in which 500
/// accounts fail, each with a long message.
pub(in crate::journal) const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024;

/// One record of a stream. It is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the format.
    pub v: u32,
    /// The stream to which the record belongs.
    pub stream: StreamId,
    /// The number of the record in its stream, from 0.
    pub seq: u64,
    /// SHA-256 of the previous record's file, in hex. `None` only for record 0.
    pub prev: Option<String>,
    /// When the record was written, by the writer's clock.
    pub at: Timestamp,
    /// The worker that wrote the record.
    pub worker: Worker,
    /// The root account that owns the image: the account of the worker's credentials, or the
    /// account that is already on record. `None` if the worker knows neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountId>,
    /// The event.
    pub event: Event,
}

/// Returns the file name of record `seq` in its stream, such as `000007.json`.
pub(in crate::journal) fn file_name(seq: u64) -> String {
    format!("{seq:06}.json")
}

/// Returns the record number in a file name, or `None` if [`file_name`] would not write exactly
/// this name.
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
