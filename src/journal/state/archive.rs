//! A finished request in one record. In: a state after which nothing is ever due. Out: the
//! [`Archive`] that says what its records add up to; and the same state again, made of that record
//! alone.

use crate::domain::{ItemResult, Status};

use super::super::record::{Archive, Ended, Event, Stored};
use super::apply::{BrokenRecord, broken};
use super::{Head, Phase, State, StreamState};

impl StreamState {
    /// The story of an archived request, from its last record alone.
    ///
    /// # Errors
    /// When it is not such a record, or says what no records can add up to.
    pub fn restore(last: &Stored) -> Result<Self, BrokenRecord> {
        match &last.record.event {
            Event::Archived(archive) => Ok(Self::Request(Box::new(State::restore(last, archive)?))),
            _ => broken("a story that begins in its middle"),
        }
    }
}

impl State {
    /// What a finished request's records add up to; `None` as long as anything may be due. Whether
    /// something that has no end still stands is another question: a later request may have taken
    /// it away.
    pub fn archive(&self, copied_to: String) -> Option<Archive> {
        if self.due_at().is_some() {
            return None;
        }
        let ended = match self.phase {
            Phase::Denied => Ended::Denied,
            Phase::Closed => Ended::Closed,
            Phase::Revoked => Ended::Revoked,
            _ => return None,
        };
        Some(Archive {
            intent: self.intent.clone(),
            ended,
            status: self.status,
            results: self.results.clone(),
            revoked: self.revoked.clone(),
            called_off: self.called_off.clone(),
            cancelled: self.cancelled.clone(),
            refusal: self.refusal.clone(),
            blueprint: self.blueprint.clone(),
            observed: self.observed,
            given_at: self.given_at,
            updated_at: self.updated_at,
            copied_to,
        })
    }

    /// Takes in the record that archives the request: it must say exactly what the records before
    /// it add up to.
    pub(super) fn set_aside(&mut self, archive: &Archive) -> Result<(), BrokenRecord> {
        match self.archive(archive.copied_to.clone()) {
            None => broken("archived before it was finished"),
            Some(told) if told != *archive => {
                broken("it says something else than the records before it add up to")
            }
            Some(_) => {
                self.archived = true;
                Ok(())
            }
        }
    }

    /// The state that the records before an archived record added up to.
    fn restore(last: &Stored, archive: &Archive) -> Result<Self, BrokenRecord> {
        let record = &last.record;
        if record.seq == 0 || record.prev.is_none() {
            return broken("archived without a record before it");
        }
        let allowed = archive.intent.verdict.allowed;
        let closed = matches!(
            archive.status,
            Some(Status::Completed | Status::Partial | Status::Failed)
        ) || archive.refusal.is_some() && archive.status == Some(Status::Denied);
        let phase = match archive.ended {
            Ended::Denied if !allowed && archive.status.is_none() => Phase::Denied,
            Ended::Closed if allowed && closed => Phase::Closed,
            Ended::Revoked if allowed && closed => Phase::Revoked,
            _ => return broken("archived with an end that does not fit its verdict and status"),
        };
        let state = Self {
            stream: record.stream,
            intent: archive.intent.clone(),
            phase,
            status: archive.status,
            results: archive.results.clone(),
            revoked: archive.revoked.clone(),
            revoking: None,
            called_off: archive.called_off.clone(),
            cancelled: archive.cancelled.clone(),
            refusal: archive.refusal.clone(),
            failed_revocations: 0,
            blueprint: archive.blueprint.clone(),
            observed: archive.observed,
            given_at: archive.given_at,
            updated_at: archive.updated_at,
            head: Head {
                stream: record.stream,
                next_seq: record.seq.saturating_add(1),
                hash: last.hash.clone(),
            },
            archived: true,
            wake_up: None,
        };
        if state.due_at().is_some() || state.results().iter().any(ItemResult::pending) {
            return broken("archived before it was finished");
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests;
