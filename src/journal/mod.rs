//! The append-only journal. Its records are at once the idempotency claims, the resumable state,
//! the register of grants and the audit trail.
//!
//! Each request, and each incident, has a *stream*: the files `requests/<stream>/000000.json`,
//! `000001.json` … in a directory or a bucket. A file is created, never overwritten: the worker
//! that creates number *n* owns that step, and record 0 is the claim to the request. Each record
//! contains the SHA-256 of its predecessor's file, so the records form a *hash chain*. Applying a
//! stream's records in order gives its `StreamState`.
//!
//! The index says where to look for records. Its folders below `index/` are:
//! - `due`: when a request or incident needs work,
//! - `grants`: by image, the requests that are unfinished or hold a shared item,
//! - `unsealed`: streams with unsealed records,
//! - `looks`: when the lists of approval systems were read,
//! - `pass`: how much of the index was compared with the records today.
//!
//! The first three can be rebuilt from the records and the log. Files of the index are deleted when
//! they are no longer needed.
//!
//! `record`, `chain`, `log`, `state`, `export`, `location` and `file_place` are pure. `store` does
//! the I/O, and `inside` resolves symbolic links.
//!
//! # What verification detects
//! `Journal::verify` finds an altered byte in any record, a missing record that is not its stream's
//! newest, swapped or foreign files, and a record that cannot follow its predecessors. A record
//! with one of these flaws stops the work on its request. The hash chain alone does not show that
//! the newest records of a stream were removed, or that the newest record was rewritten with a new
//! checksum line. `Journal::verify_sealed` shows both, for every record that the log (`log/`)
//! covers.

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
pub use location::{Bucket, BucketService, JournalLocation};
pub use record::{
    Announcement, CallNote, CallOff, Confirmed, Conflict, Deferral, Drift, Event, FailedAttempt,
    FailedFetch, FailedNotification, Flaw, Intent, Lease, Notified, OutOfTime, Progress, Received,
    Record, Refetch, Rejection, Reopening, Settled, Stored, StreamId, Worker,
};
pub use state::{
    Affected, BrokenRecord, Grant, Head, Incident, NotificationState, Owed, Phase, Receiver,
    Standing, State, StreamState, Subject, WakeUp, Work,
};
pub use state::{
    MAX_CLOCK_DIFFERENCE, MAX_COVER, MAX_LEASE, MAX_PAUSE_OF_REVOCATION, MAX_PAUSE_OF_WORK,
};
pub use store::{
    Access, AppendError, Claim, Comparison, History, Index, Journal, JournalError, LogPart, Looks,
    MAX_PAUSE, NewestFirst, OPERATIONS, Opened, Opening, Pass, Recorded, Report, RequestFiles,
    Retirement, Sealing, StoreFault, StoreResult, Unsealed, WorkDone, WorkerLease,
};
