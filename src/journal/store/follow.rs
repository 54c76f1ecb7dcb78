//! The next record of a stream. In: the stream's state, and an event or the file of another worker's
//! record. Out: the record, and the state after it.

use super::super::chain::Finding;
use super::super::record::{Event, Record, Stored, VERSION, Worker};
use super::super::state::{BrokenRecord, Head, State, StreamState};
use super::{Journal, JournalError};
use crate::domain::{AccountId, Timestamp};

/// The state of a stream, which a next record changes.
pub(super) trait Follow: Clone {
    /// The end of the stream.
    fn head(&self) -> &Head;
    /// The state after the next record.
    fn after(self, next: &Stored) -> Result<Self, BrokenRecord>;
    /// The request, if it is a request's stream.
    fn request(&self) -> Option<&State>;
}

impl Follow for State {
    fn head(&self) -> &Head {
        self.head()
    }

    fn after(self, next: &Stored) -> Result<Self, BrokenRecord> {
        self.apply(next)
    }

    fn request(&self) -> Option<&State> {
        Some(self)
    }
}

impl Follow for StreamState {
    fn head(&self) -> &Head {
        self.head()
    }

    fn after(self, next: &Stored) -> Result<Self, BrokenRecord> {
        self.apply(next)
    }

    fn request(&self) -> Option<&State> {
        self.state()
    }
}

/// The record that comes next in a stream.
pub(super) fn next(
    state: &impl Follow,
    at: Timestamp,
    worker: &Worker,
    owner: Option<AccountId>,
    event: Event,
) -> Result<(Stored, Vec<u8>), JournalError> {
    let head = state.head();
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
pub(super) fn follow<S: Follow>(state: &S, stored: &Stored) -> Result<S, JournalError> {
    state.clone().after(stored).map_err(JournalError::from)
}

impl Journal {
    /// The record that another worker wrote at the next number. An unreadable one is damage, not a
    /// lost race.
    pub(super) fn follower(
        &self,
        state: &impl Follow,
        bytes: &[u8],
    ) -> Result<Stored, JournalError> {
        let head = state.head();
        let damaged = |flaw| self.damaged(Finding::of(head.stream, head.next_seq, flaw));
        Stored::read(bytes).map_err(damaged)
    }
}
