//! Makes the next record of a stream, or reads the one that another worker wrote, and computes the
//! state after it. Takes the stream's head, and an event or the bytes of a record's file.

use super::super::chain::Finding;
use super::super::record::{Event, Record, Stored, VERSION, Worker};
use super::super::state::{Head, State};
use super::{Journal, JournalError};
use crate::domain::{AccountId, Timestamp};

/// Makes the record that follows `head`.
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

/// Encodes a record. Returns it with its hash, and the bytes of its file.
pub(super) fn write(record: Record) -> Result<(Stored, Vec<u8>), JournalError> {
    Ok(Stored::write(record)?)
}

pub(super) fn follow(state: &State, stored: &Stored) -> Result<State, JournalError> {
    Ok(state.clone().apply(stored)?)
}

impl Journal {
    /// Reads the record that another worker wrote after `head`. An unreadable record is reported as
    /// damage, so that the caller does not take it for a lost race.
    pub(super) fn follower(&self, head: &Head, bytes: &[u8]) -> Result<Stored, JournalError> {
        let damaged = |flaw| self.damaged(Finding::of(head.stream, head.next_seq, flaw));
        Stored::read(bytes).map_err(damaged)
    }
}
