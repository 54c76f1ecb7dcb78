//! The append-only journal: idempotency claim, resumable state, register of grants and audit trail
//! in one write.
//!
//! Each request has a *stream*: the files `requests/<stream>/000000.json`, `000001.json` … in a
//! directory or a bucket. A file is created, never overwritten: the worker that creates number *n* owns
//! that step, and record 0 is the claim to the request. Each record holds the SHA-256 of its
//! predecessor's file. Applying a stream's records gives its `State`.
//!
//! All derived files are below `index/`: `due` (when a request needs work), `grants` (unfinished
//! and active requests by image), `unsealed` (streams with unsealed records), `looks` (when the lists of
//! approval systems were read). The index only says
//! where to look. Its files are deleted when they are no longer needed, and can be rebuilt from the
//! records.
//!
//! `record`, `chain`, `log`, `state`, `export`, `location` and `file_place` are pure. Only `store` does I/O,
//! and `inside` follows links.
//!
//! # What verification detects
//! `Journal::verify` finds an altered byte in any file, a file missing before another one, swapped
//! or foreign files, and a record that cannot follow its predecessors; each stops the work on that
//! request. The chain alone does not detect that the newest records of a stream were removed, or
//! that the newest record was rewritten with a new checksum line. `Journal::verify_sealed` does,
//! for every record that the log (`log/`) covers.

mod chain;
pub mod export;
mod file_place;
mod inside;
mod location;
pub mod log;
mod record;
mod state;
mod store;

#[cfg(test)]
mod testing;

pub use chain::{Chain, Finding};
pub use file_place::FilePlace;
pub(crate) use inside::is_inside;
pub use location::{Bucket, BucketService, JournalLocation};
pub use record::{
    Announcement, CallNote, CallOff, Confirmed, Conflict, Deferral, Drift, Event, FailedAttempt,
    FailedFetch, FailedNotification, Flaw, Intent, Lease, Notified, Progress, Received, Record,
    Rejection, Reopening, Settled, Stored, StreamId, Worker,
};
pub use state::{
    Affected, BrokenRecord, Grant, Head, Incident, NotificationState, Owed, Phase, Receiver,
    Standing, State, StreamState, Subject, WakeUp, Work,
};
pub use state::{
    MAX_CLOCK_DIFFERENCE, MAX_COVER, MAX_LEASE, MAX_PAUSE_OF_REVOCATION, MAX_PAUSE_OF_WORK,
};
pub use store::{
    Access, AppendError, Claim, History, Index, Journal, JournalError, Looks, MAX_PAUSE,
    NewestFirst, OPERATIONS, Opened, Opening, Pass, Recorded, Report, RequestFiles, Retirement,
    Sealing, StoreFault, StoreResult, Unsealed, WorkDone, WorkerLease,
};
