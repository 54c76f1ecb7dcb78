//! The flaws that a file of the journal can have, each with its remedy.

/// A flaw in one file of the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file's bytes were changed after it was written.
    #[error("altered: {0}")]
    Altered(String),
    /// A later record exists, but this file does not.
    #[error("missing, although a later record exists")]
    Missing,
    /// The file stores another record of its stream.
    #[error("reordered: it holds record {says}")]
    Reordered {
        /// The number in the record.
        says: u64,
    },
    /// The file belongs to another stream, or does not belong to the journal.
    #[error("foreign: {0}")]
    Foreign(String),
    /// The record's field `prev` does not match the file before it, although this file's own
    /// checksum is right.
    #[error("does not follow its predecessor: this file or the one before it was replaced")]
    Unlinked,
    /// The file's checksum is right, but the file is not a record.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// The file is intact, but a newer program wrote it.
    #[error("written by a newer sharehook: {0}")]
    Newer(String),
    /// The file is intact, but an older program wrote it in a format that is no longer read.
    #[error("written by an older sharehook: {0}")]
    Older(String),
    /// The file is larger than any file of its kind that this program writes.
    #[error("{bytes} bytes long, more than such a file can have; it was not read")]
    TooLarge {
        /// The file's size in bytes.
        bytes: u64,
    },
    /// The record cannot follow the ones before it.
    #[error("this record cannot follow the earlier records: {0}")]
    Impossible(String),
    /// The file is intact, but the log has a different hash for this record.
    #[error("altered: the log has another hash for this record")]
    Resealed,
    /// The file of a sealed record, or an object of the log, does not exist.
    #[error("dropped: the log names this file, but it does not exist")]
    Dropped,
    /// The index lacks an entry that the records require.
    #[error("missing in the index: {0}")]
    Unlisted(&'static str),
    /// The index lacks the entry for a stream's unsealed records. A seal deletes such entries, so the
    /// removal of a seal looks the same.
    #[error("missing in the index: without it, no seal takes the newest records of this stream")]
    NotListedAsUnsealed,
    /// The grant in an index entry differs from the grant that the records give.
    #[error("foreign: its grant differs from the records")]
    WrongGrant,
    /// The journal has no seal, and its index does not list all records as unsealed. A seal deletes
    /// the entries below `index/unsealed/`, and so does the daily pass of a process without a key.
    #[error(
        "no seal exists, and the index does not list all records as unsealed (requests not listed: {streams}): \
         either this journal was never sealed, or its log was removed"
    )]
    NoSeal {
        /// The number of streams whose records the index does not list as unsealed.
        streams: usize,
    },
    /// The index names a record that does not exist.
    #[error("this index entry names a record that does not exist")]
    Unrecorded,
    /// No checkpoint signs the segment, and it is not one that a sealer of this journal may sign.
    #[error("foreign: no checkpoint signs this segment, and {0}")]
    Unsigned(String),
    /// `log/checkpoint` is missing, or no key of the log has signed it.
    #[error("broken log: it must be a copy of the newest checkpoint")]
    WrongNewest,
    /// An object of the log differs from what was signed, or does not continue its predecessor.
    #[error("broken log: {0}")]
    BrokenLog(String),
}

impl Flaw {
    /// The flaw's name in tables and in machine-readable reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Altered(_) => "altered",
            Self::Missing => "missing",
            Self::Reordered { .. } => "reordered",
            Self::Foreign(_) | Self::WrongGrant | Self::Unsigned(_) => "foreign",
            Self::Unlinked => "unlinked",
            Self::Unreadable(_) => "unreadable",
            Self::Newer(_) => "newer",
            Self::Older(_) => "older",
            Self::TooLarge { .. } => "too_large",
            Self::Impossible(_) => "impossible",
            Self::Resealed => "altered_since_sealed",
            Self::Dropped => "dropped",
            Self::Unlisted(_) | Self::NotListedAsUnsealed => "unlisted",
            Self::NoSeal { .. } => "no_seal",
            Self::Unrecorded => "unrecorded",
            Self::WrongNewest | Self::BrokenLog(_) => "broken_log",
        }
    }

    /// What an operator can do about the flaw.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Newer(_) => {
                "upgrade sharehook to the version that wrote this record, or a later one"
            }
            Self::Older(_) => {
                "use a new journal with this version, and read the old journal with the version that wrote it"
            }
            Self::Foreign(_) => "find out who put the file there, and move it out of the journal",
            Self::BrokenLog(_) | Self::TooLarge { .. } => {
                "find out who changed the file and restore it from a backup"
            }
            Self::WrongNewest => {
                "first verify with a checkpoint that was kept elsewhere: newer seals may be gone too; then run `sharehook audit seal`, which writes this file again"
            }
            Self::Unsigned(_) => {
                "if no sealer of this journal made it, move it out of the journal, else restore what differs from a backup; until then no record is sealed"
            }
            Self::Unlisted(_) | Self::WrongGrant => {
                "run `sharehook sweep --rebuild`, which writes the entry again from the records"
            }
            Self::NotListedAsUnsealed => {
                "first verify with a checkpoint that was kept elsewhere, or compare log/ with a backup: removed seals look like this; only if the log is whole, run `sharehook sweep --rebuild`"
            }
            Self::NoSeal { .. } => {
                "if the journal had no seal key until now, run `sharehook audit seal` and verify again; if it was sealed before, restore log/ from a backup"
            }
            Self::Unrecorded => {
                "wait a day: the entry of an interrupted delivery disappears by itself; if it stays, restore the request from a backup"
            }
            Self::Missing => {
                "restore the file from a backup; until then no work is done for this request"
            }
            Self::Dropped => {
                "restore the file from a backup; until then the work that needs it stops"
            }
            _ => {
                "find out who changed the file and restore it from a backup; until then no work is done for this request"
            }
        }
    }
}
