//! The flaws that a stored record can have, each with its remedy.

/// A flaw in one file of the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file's bytes were changed after it was written.
    #[error("altered: {0}")]
    Altered(String),
    /// There is no such file.
    #[error("missing, although a later record exists")]
    Missing,
    /// The file holds another record of this stream.
    #[error("reordered: it holds record {says}")]
    Reordered {
        /// The number in the record.
        says: u64,
    },
    /// The file belongs to another stream, or does not belong to the journal.
    #[error("foreign: {0}")]
    Foreign(String),
    /// The file is intact.
    #[error("does not follow its predecessor: this file or the one before it was replaced")]
    Unlinked,
    /// The file's bytes are unchanged, but they are not a record.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// The file is intact.
    #[error("written by a newer sharehook: {0}")]
    Newer(String),
    /// In a format that this program does not read.
    #[error("written by an older sharehook: {0}")]
    Older(String),
    /// Larger than any record that this program writes.
    #[error("{bytes} bytes long, more than any record; it was not read")]
    TooLarge {
        /// The file's size in bytes.
        bytes: u64,
    },
    /// The record cannot follow the ones before it.
    #[error("holds a step that cannot follow the earlier records: {0}")]
    Impossible(String),
    /// The file is intact, but another one was sealed at this place.
    #[error("altered: it is not the record that was sealed")]
    Resealed,
    /// There is no such file.
    #[error("dropped: the log has it and it is not there")]
    Dropped,
    /// The index lacks an entry that the records require.
    #[error("missing in the index: {0}")]
    Unlisted(&'static str),
    /// The index names a record that does not exist.
    #[error("it names a record that is not there")]
    Unrecorded,
    /// An object of the log differs from what was signed, or does not continue its predecessor.
    #[error("broken log: {0}")]
    BrokenLog(String),
}

impl Flaw {
    /// The flaw's name in tables and machine-readable reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Altered(_) => "altered",
            Self::Missing => "missing",
            Self::Reordered { .. } => "reordered",
            Self::Foreign(_) => "foreign",
            Self::Unlinked => "unlinked",
            Self::Unreadable(_) => "unreadable",
            Self::Newer(_) => "newer",
            Self::Older(_) => "older",
            Self::TooLarge { .. } => "too_large",
            Self::Impossible(_) => "impossible",
            Self::Resealed => "altered_since_sealed",
            Self::Dropped => "dropped",
            Self::Unlisted(_) => "unlisted",
            Self::Unrecorded => "unrecorded",
            Self::BrokenLog(_) => "broken_log",
        }
    }

    /// The remedy.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Newer(_) => {
                "upgrade sharehook to the version that wrote this record, or a later one"
            }
            Self::Older(_) => {
                "begin a new journal with this sharehook, and read the old one with the sharehook that wrote it"
            }
            Self::Foreign(_) => "find out who put it there and move it out of the journal",
            Self::BrokenLog(_) => {
                "find out who changed it and restore it from a backup; until then nothing more is sealed"
            }
            Self::Unlisted(_) => {
                "run `sharehook sweep --rebuild`, which makes it anew from the records"
            }
            Self::Unrecorded => {
                "restore the request from a backup; an interrupted delivery also leaves such an entry, which disappears within a day"
            }
            Self::Missing | Self::Dropped => {
                "restore it from a backup; until then nothing is done for this request"
            }
            _ => {
                "find out who changed it and restore it from a backup; until then nothing is done for this request"
            }
        }
    }
}
