//! The next record of a stream. In: the stream's end, and an event or the file of another worker's
//! record. Out: the record, and the state after it.

use super::super::chain::Finding;
use super::super::record::{Event, Record, Stored, VERSION, Worker};
use super::super::state::{Head, State};
use super::{Journal, JournalError};
use crate::domain::{AccountId, Timestamp};

/// The record that comes next in a stream.
pub(super) fn next(
    head: &Head,
    at: Timestamp,
    worker: &Worker,
    owner: Option<AccountId>,
    event: Event,
) -> Result<(Stored, Vec<u8>), JournalError> {
    write(Record {
        v: VERSION,
        stream: head.stream,
        seq: head.next_seq,
        prev: Some(head.hash.clone()),
        at,
        worker: worker.clone(),
        owner,
        event,
    })
}

/// A record as bytes.
pub(super) fn write(record: Record) -> Result<(Stored, Vec<u8>), JournalError> {
    Ok(Stored::write(record)?)
}

/// The state after a record. Refuses, before writing, a record that cannot follow.
pub(super) fn follow(state: &State, stored: &Stored) -> Result<State, JournalError> {
    Ok(state.clone().apply(stored)?)
}

impl Journal {
    /// The record that another worker wrote at the next number. An unreadable one is damage, not a
    /// lost race.
    pub(super) fn follower(&self, head: &Head, bytes: &[u8]) -> Result<Stored, JournalError> {
        let damaged = |flaw| self.damaged(Finding::of(head.stream, head.next_seq, flaw));
        Stored::read(bytes).map_err(damaged)
    }
}
