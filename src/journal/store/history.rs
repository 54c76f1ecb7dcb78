//! Computes the history of one stream: takes the bytes of the records' files, and returns the
//! records and the state after them.

use super::super::chain::{Chain, Finding};
use super::super::record::{Stored, StreamId};
use super::super::state::{State, StreamState};
use super::JournalError;

/// One stream: its records and the state after them.
#[derive(Debug, Clone)]
pub struct History {
    /// The stream's name.
    pub stream: StreamId,
    /// The records, from record 0 on; at least one.
    pub records: Vec<Stored>,
    /// The state after all records.
    pub stream_state: StreamState,
}

impl History {
    /// Verifies a stream's files and returns its history. `None` if there are no files.
    pub fn of(stream: StreamId, files: &[impl AsRef<[u8]>]) -> Result<Option<Self>, Finding> {
        let mut chain = Chain::new(stream);
        let pushed = files.iter().map(|file| chain.push(Ok(file.as_ref())));
        let records = pushed.collect::<Result<_, _>>()?;
        Ok(chain.into_stream_state().map(|stream_state| Self {
            stream,
            records,
            stream_state,
        }))
    }

    /// Returns the state that an answer to the request shows after record `seq`. If the request is
    /// unfinished at that record, or one of its called-off items is still shared, applies later
    /// records until neither is the case.
    pub fn state_at(&self, seq: u64) -> Result<StreamState, JournalError> {
        let until = |stored: &&Stored| stored.record.seq <= seq;
        let mut state = StreamState::from_records(self.records.iter().take_while(until))?;
        for next in self.records.iter().skip_while(until) {
            if state.state().is_none_or(State::answered) {
                break;
            }
            state = state.apply(next)?;
        }
        Ok(state)
    }

    /// The request's state; `None` for an incident.
    pub fn state(&self) -> Option<&State> {
        self.stream_state.state()
    }

    /// Like [`History::state`], but drops the records.
    pub fn into_state(self) -> Option<State> {
        self.stream_state.into_state()
    }
}
