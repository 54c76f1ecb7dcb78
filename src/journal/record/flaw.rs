//! The flaws that a stored record can have, each with its remedy.

use std::fmt;

/// A flaw in one file of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// The file's bytes were changed after it was written.
    Altered(String),
    /// The file is missing, although a later one exists.
    Missing,
    /// The file holds another record of this stream.
    Reordered {
        /// The number in the record.
        says: u64,
    },
    /// The file belongs to another stream, or does not belong to the journal.
    Foreign(String),
    /// The file is intact but does not follow its predecessor: one of the two was replaced.
    Unlinked,
    /// The file's bytes are unchanged, but they are not a record.
    Unreadable(String),
    /// Written by a newer program.
    Newer(String),
    /// Written by an older program, in a format that this one does not read.
    Older(String),
    /// Larger than any record that this program writes. It was not read.
    TooLarge {
        /// The file's size in bytes.
        bytes: u64,
    },
    /// The record cannot follow the ones before it.
    Impossible(String),
    /// The file is intact, but another one was sealed at this place.
    Resealed,
    /// The file is missing, although the log has it.
    Dropped,
    /// The index lacks an entry that the records require.
    Unlisted(&'static str),
    /// The index names a record that does not exist.
    Unrecorded,
    /// An object of the log differs from what was signed, or does not continue its predecessor.
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

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered(why) => write!(f, "altered: {why}"),
            Self::Missing => f.write_str("missing, although a later record exists"),
            Self::Reordered { says } => write!(f, "reordered: it holds record {says}"),
            Self::Foreign(why) => write!(f, "foreign: {why}"),
            Self::Unlinked => f.write_str(
                "does not follow its predecessor: this file or the one before it was replaced",
            ),
            Self::Unreadable(why) => write!(f, "unreadable: {why}"),
            Self::Newer(why) => write!(f, "written by a newer sharehook: {why}"),
            Self::Older(why) => write!(f, "written by an older sharehook: {why}"),
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "{bytes} bytes long, more than any record; it was not read"
                )
            }
            Self::Resealed => f.write_str("altered: it is not the record that was sealed"),
            Self::Dropped => f.write_str("dropped: the log has it and it is not there"),
            Self::Unlisted(lost) => write!(f, "missing in the index: {lost}"),
            Self::Unrecorded => f.write_str("it names a record that is not there"),
            Self::BrokenLog(why) => write!(f, "broken log: {why}"),
            Self::Impossible(why) => write!(
                f,
                "holds a step that cannot follow the earlier records: {why}"
            ),
        }
    }
}
