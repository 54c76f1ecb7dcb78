//! What can be wrong with a stored record, each with what to do about it.

use std::fmt;

/// One thing wrong with one file of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// The file's bytes are not the ones that were written.
    Altered(String),
    /// The file is not there, but a later one is.
    Missing,
    /// The file holds another record of the same stream.
    Reordered {
        /// The number that the record bears.
        says: u64,
    },
    /// The file belongs to another stream or is not the journal's at all.
    Foreign(String),
    /// The file is whole in itself but does not follow its predecessor: one of the two was
    /// replaced.
    Unlinked,
    /// The bytes are the ones that were written, and yet no record.
    Unreadable(String),
    /// Written by a newer program.
    Newer(String),
    /// Written by an older program, in a format that this one does not read.
    Older(String),
    /// Larger than any record that this program writes; it was not read.
    TooLarge {
        /// The file's size in bytes.
        bytes: u64,
    },
    /// A step that cannot follow the ones before it.
    Impossible(String),
    /// The file is whole in itself, but it is not the one that was sealed here.
    Resealed,
    /// The file is not there, but the log has it.
    Dropped,
    /// The index lacks what the records ask of it.
    Unlisted(&'static str),
    /// The index names a record that is not there.
    Unrecorded,
    /// An object of the log is not what was signed, or does not follow the one before it.
    BrokenLog(String),
}

impl Flaw {
    /// One word for tables and machine-readable reports.
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

    /// What an operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Newer(_) => "run the newer sharehook, or upgrade this one",
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
                "restore the request from a backup; a delivery that broke off before it was recorded leaves the same, for a day at most"
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
            Self::Impossible(why) => write!(f, "tells an impossible step: {why}"),
        }
    }
}
