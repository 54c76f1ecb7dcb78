//! The append-only journal: idempotency claim, resumable state, register of grants and audit trail
//! in one write.
//!
//! Each request has a *stream*: the files `requests/<stream>/000000.json`, `000001.json` … in a
//! directory or a bucket. A file is created, never overwritten: the worker that creates number *n* owns
//! that step, and record 0 is the claim to the request. Each record bears the SHA-256 of its
//! predecessor's file. What the records add up to is a `State`.
//!
//! Everything else that is derived lies below `index/`: `due` says when to look at which request,
//! `grants` which unfinished or active requests concern whom, `unsealed` what to seal. It only says
//! where to look, is deleted when it is done with, and can be made anew from the records.
//!
//! `record`, `chain`, `log`, `state`, `export` and `location` are pure; `store` is the only one
//! that touches the place.
//!
//! # What is found, and what is not
//! An altered byte in any file, a file that is missing before another one, files that were swapped
//! or put in from elsewhere, and a step that cannot follow are all found by `Journal::verify` and
//! stop the work on that request. The chain alone does not detect that the newest records of a
//! stream were removed, nor a newest record that was rewritten together with its checksum line. `Journal::verify_sealed` does, for every record that the
//! log (`log/`) has.

mod chain;
pub mod export;
mod location;
pub mod log;
mod record;
mod state;
mod store;

#[cfg(test)]
mod testing;

pub use chain::{Chain, File, Finding};
pub use location::{Bucket, JournalLocation};
pub use record::{
    CallNote, CallOff, Conflict, Deferral, Event, FailedAttempt, Flaw, Intent, Lease, Progress,
    Received, Record, Stored, StreamId, Worker,
};
pub use state::{
    Affected, BrokenRecord, Grant, Head, Phase, Receiver, State, StreamState, WakeUp, Work,
};
pub use store::{
    Access, AppendError, Claim, History, Index, Indexed, Journal, JournalError, MAX_PAUSE,
    NewestFirst, Opened, Opening, Pass, PlaceError, Report, RequestFiles, Retirement, Sealing,
    StoreFault, Unsealed, WorkerLease,
};
