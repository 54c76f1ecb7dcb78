//! Applies records to states: returns the next state, or the reason why a record cannot follow. The
//! same rules check a record before it is written and after it is read.

use crate::domain::{Item, ItemResult, ResultKind, Status, Timestamp};

use super::super::record::{CallNote, Deferral, Event, Intent, Progress, Record, Stored, Worker};
use super::broken_record::{BrokenRecord, broken};
use super::results::{blueprint, merge};
use super::{Head, Incident, Phase, Revoking, State, StreamState, Subject, WakeUp};

impl StreamState {
    /// Returns the state after record 0.
    ///
    /// # Errors
    /// Returns an error if the record is not record 0, or if its event cannot begin a stream.
    pub fn begin(first: &Stored) -> Result<Self, BrokenRecord> {
        let record = &first.record;
        if record.seq != 0 || record.prev.is_some() {
            return broken("the first record is not record 0, or it names a record before it");
        }
        let incident = |subject| Self::Incident(Box::new(Incident::begin(first, subject)));
        match &record.event {
            Event::Opened(intent) => Ok(Self::Request(Box::new(State::open(first, intent)?))),
            Event::Conflict(conflict) => Ok(incident(Subject::Conflict(conflict.clone()))),
            Event::Rejected(rejection) => Ok(incident(Subject::Rejected(rejection.clone()))),
            Event::Drifted(drift) => Ok(incident(Subject::Drifted(drift.clone()))),
            Event::Received(event) => Ok(incident(Subject::Received(event.clone()))),
            _ => broken("its event cannot begin a stream"),
        }
    }

    /// Returns the state after these records of a stream, record 0 first.
    ///
    /// # Errors
    /// Returns an error if there is no record, or if a record cannot follow the ones before it.
    pub fn from_records<'a>(
        records: impl IntoIterator<Item = &'a Stored>,
    ) -> Result<Self, BrokenRecord> {
        let mut records = records.into_iter();
        let Some(first) = records.next() else {
            return broken("the stream has no record");
        };
        records.try_fold(Self::begin(first)?, Self::apply)
    }

    /// Returns the state after the next record.
    pub fn apply(self, next: &Stored) -> Result<Self, BrokenRecord> {
        match self {
            Self::Request(state) => Ok(Self::Request(Box::new(state.apply(next)?))),
            Self::Incident(incident) => Ok(Self::Incident(Box::new(incident.apply(next)?))),
        }
    }
}

impl State {
    /// Returns the state of a request from all records of its stream, record 0 first.
    ///
    /// # Errors
    /// Returns an error if there is no record, if a record cannot follow the ones before it, or if
    /// the stream belongs to an incident.
    pub fn from_records(records: &[Stored]) -> Result<Self, BrokenRecord> {
        match StreamState::from_records(records)? {
            StreamState::Request(state) => Ok(*state),
            StreamState::Incident(_) => {
                broken("the stream belongs to an incident, not to a request")
            }
        }
    }

    fn open(first: &Stored, intent: &Intent) -> Result<Self, BrokenRecord> {
        let record = &first.record;
        let phase = match (intent.verdict.allowed, intent.lease) {
            (false, None) => Phase::Denied,
            (false, Some(_)) => {
                return broken("it has a lease, but its verdict denies the request");
            }
            (true, None) => Phase::Waiting {
                until: intent.request.not_before.unwrap_or(record.at),
            },
            (true, Some(lease)) => Phase::Working {
                lease_until: lease.until,
                worker: record.worker.clone(),
            },
        };
        let state = Self {
            stream: record.stream,
            intent: intent.clone(),
            recorded_at: record.at,
            phase,
            status: None,
            results: Vec::new(),
            revoked: Vec::new(),
            revoking: None,
            called_off: Vec::new(),
            cancelled: Vec::new(),
            withdrawn_at: None,
            refusal: None,
            decided_again: None,
            reopened_at: None,
            failed_turns: 0,
            out_of_time: None,
            failed_revocations: 0,
            blueprint: None,
            looked_before: intent.absent,
            called_at: None,
            noted_call_at: None,
            given_at: None,
            last_given_at: None,
            owner: record.owner.clone(),
            updated_at: record.at,
            head: Head::after(first),
            wake_up: None,
            holder_gone: false,
            notifications: Default::default(),
        };
        Ok(state.with_outcome(record).with_wake_up(record))
    }

    /// Returns the state after the next record.
    pub fn apply(mut self, next: &Stored) -> Result<Self, BrokenRecord> {
        let record = &next.record;
        self.head.precedes(record)?;
        self.step(record)?;
        self.updated_at = record.at;
        self.head = Head::after(next);
        Ok(self.with_outcome(record).with_wake_up(record))
    }

    /// Sets the wake-up that the request needs after `record`. Keeps the present wake-up if it is
    /// in the future and not later than the needed one, because the sweep at that instant computes
    /// the next wake-up.
    fn with_wake_up(mut self, record: &Record) -> Self {
        let Some(at) = self.look_at() else {
            return self;
        };
        // If the work was due before this record, its wake-up is at this record's instant.
        let wanted = WakeUp::new(at.max(record.at), record.stream, record.seq);
        let ahead = |known: WakeUp| record.at < known.at && known.at <= wanted.at;
        if !self.wake_up.is_some_and(ahead) {
            self.wake_up = Some(wanted);
        }
        self
    }

    fn step(&mut self, record: &Record) -> Result<(), BrokenRecord> {
        match &record.event {
            Event::Taken {
                until,
                verdict,
                holder_gone,
            } => {
                if verdict.as_ref().is_some_and(|verdict| !verdict.allowed) {
                    return broken("it takes the turn, but its verdict denies the request");
                }
                self.decided_again = verdict.clone().or(self.decided_again.take());
                self.taken(record, *until, *holder_gone)
            }
            Event::Progress(progress) => self.progress(record, progress),
            Event::Deferred(deferral) => self.deferred(record, deferral),
            Event::Closed {
                status,
                results,
                calls,
            } => {
                if !matches!(status, Status::Completed | Status::Partial | Status::Failed) {
                    return broken(format!(
                        "it closes the request with the status {status} instead of completed, partial or failed"
                    ));
                }
                self.note_calls(record, calls);
                self.closed(record, *status, results)
            }
            Event::CalledOff(call_off) => self.call_off(record, call_off),
            Event::Cancelled(cancelled) => self.cancel(cancelled),
            Event::Refused {
                verdict,
                results,
                calls,
            } => {
                if verdict.allowed {
                    return broken("it refuses the request, but its verdict allows it");
                }
                self.note_calls(record, calls);
                self.refusal = Some(verdict.clone());
                self.closed(record, Status::Denied, results)
            }
            Event::Revoking {
                until,
                accounts,
                lighthouse,
            } => {
                let revoking = Revoking {
                    accounts: accounts.clone(),
                    lighthouse: *lighthouse,
                    expired: self.expired(record.at),
                };
                self.begin_revoking(record, *until, revoking)
            }
            Event::NotRevoked(attempt) => self.not_revoked(record, attempt),
            Event::Revoked { results, .. } => self.end_revoking(record, results),
            Event::Notified(_) | Event::NotificationFailed(_) => self.notifications.record(record),
            Event::Reopened(reopening) => self.reopen(record, reopening),
            Event::Opened(_)
            | Event::Conflict(_)
            | Event::Rejected(_)
            | Event::Drifted(_)
            | Event::Received(_) => broken("it begins a stream, which only record 0 may do"),
            Event::FetchFailed(_) | Event::Confirmed(_) | Event::Settled(_) => {
                broken("it belongs to the stream of an announcement, not of a request")
            }
        }
    }

    fn taken(
        &mut self,
        record: &Record,
        until: Timestamp,
        holder_gone: bool,
    ) -> Result<(), BrokenRecord> {
        if holder_gone && self.holder().is_none() {
            return broken("it takes the turn from a dead worker, but no worker had the turn");
        }
        let mine = self.holder() == Some(&record.worker);
        let due = self.is_due(record.at);
        let early = self.only_paused() || self.waits_for_cover();
        if !mine && !due && !holder_gone && !early {
            return broken("it takes the turn, but no turn is due");
        }
        self.holder_gone = false;
        if !mine
            && self.looked_before
            && let Phase::Working { lease_until, .. } = &self.phase
        {
            // The interrupted worker began no call after the end of its lease.
            let last = (*lease_until).min(record.at);
            self.called_at = self.called_at.max(Some(last));
            self.doubt_open_items();
        }
        let worker = record.worker.clone();
        self.phase = match self.phase {
            Phase::Waiting { .. } | Phase::Working { .. } | Phase::Deferred { .. } => {
                Phase::Working {
                    lease_until: until,
                    worker,
                }
            }
            Phase::Revoking { .. } | Phase::RevokeDeferred { .. } => Phase::Revoking {
                lease_until: until,
                worker,
            },
            Phase::Denied | Phase::Closed | Phase::Revoked => {
                return broken(
                    "it takes the turn of a closed request, where only a revocation can begin",
                );
            }
        };
        Ok(())
    }

    fn progress(&mut self, record: &Record, progress: &Progress) -> Result<(), BrokenRecord> {
        self.held_by(&record.worker)?;
        if !self.looked_before && self.given_at.is_none() {
            // The account that first read the cloud also makes the calls, and its worker may end
            // without recording them. A read under another account may not show what they did.
            self.owner.clone_from(&record.owner);
        }
        self.looked_before = !progress.names_only;
        self.note_calls(record, &progress.calls);
        self.take_in(record, &progress.results)
    }

    fn deferred(&mut self, record: &Record, deferral: &Deferral) -> Result<(), BrokenRecord> {
        self.held_by(&record.worker)?;
        self.take_in(record, &deferral.results)?;
        self.note_calls(record, &deferral.calls);
        // If the deferral `waits` before any call, the earlier read of the cloud no longer counts,
        // because another request may have shared what the next turn finds shared.
        self.looked_before &= !deferral.waits || self.called_at.is_some();
        let failed = u32::from(deferral.fault.is_some());
        self.failed_turns = self.failed_turns.saturating_add(failed);
        self.out_of_time = deferral.out_of_time;
        let (why, not_before) = (deferral.why.clone(), deferral.not_before);
        self.phase = match self.phase {
            Phase::Revoking { .. } => Phase::RevokeDeferred {
                why,
                not_before,
                covered: Vec::new(),
            },
            _ => Phase::Deferred {
                why,
                not_before,
                fault: deferral.fault,
            },
        };
        Ok(())
    }

    fn closed(
        &mut self,
        record: &Record,
        status: Status,
        results: &[ItemResult],
    ) -> Result<(), BrokenRecord> {
        self.held_by(&record.worker)?;
        if !matches!(self.phase, Phase::Working { .. }) {
            return broken("it closes the request a second time");
        }
        self.take_in(record, results)?;
        if let Some(open) = self.results().iter().find(|result| result.pending()) {
            return broken(format!(
                "it closes the request, but {} is pending",
                open.item
            ));
        }
        self.status = Some(status);
        self.phase = Phase::Closed;
        Ok(())
    }

    /// Checks that `worker` has the turn. A worker may still write after its lease has ended, until
    /// another worker creates the next record.
    pub(super) fn held_by(&self, worker: &Worker) -> Result<(), BrokenRecord> {
        match self.holder() {
            Some(holder) if holder == worker => Ok(()),
            Some(_) => broken("its worker does not have the turn"),
            None => broken("no worker has the turn"),
        }
    }

    pub(super) fn take_in(
        &mut self,
        record: &Record,
        results: &[ItemResult],
    ) -> Result<(), BrokenRecord> {
        let mine = self.intent.request.target.items();
        for result in results {
            let asked = match (&self.revoking, &result.item) {
                (Some(revoking), item) => revoking.names(item),
                (None, _) => true,
            };
            if !asked || !mine.contains(&result.item) {
                return broken(format!(
                    "it has a result for {}, which the request or its revocation does not name",
                    result.item
                ));
            }
        }
        if self.revoking.is_some() {
            merge(&mut self.revoked, results);
            return Ok(());
        }
        self.note_owner(record, results);
        let repeated = |result: &ItemResult| {
            let known = self.results.iter().find(|known| known.item == result.item);
            known.is_some_and(|known| known.kind == result.kind)
        };
        if results.iter().any(|r| self.gave(r) && !repeated(r)) {
            self.last_given_at = Some(record.at);
        }
        merge(&mut self.results, results);
        if let Some(named) = results.iter().find_map(|result| blueprint(&result.kind)) {
            self.blueprint = Some(named.clone());
        }
        if results.iter().any(|result| self.gave(result)) {
            self.given_at.get_or_insert(record.at);
        }
        Ok(())
    }

    fn note_calls(&mut self, record: &Record, calls: &[CallNote]) {
        if !calls.is_empty() {
            self.called_at = Some(record.at);
            self.noted_call_at = Some(record.at);
        }
    }

    /// Sets the owner to the account of `record` if the record shows that the request shared an
    /// item for the first time. Repeated results do not count, because the worker that repeats them
    /// may use another account. A result in doubt does not prove who the owner is. If `record`
    /// names no account, the owner of the items that were shared earlier is kept.
    fn note_owner(&mut self, record: &Record, results: &[ItemResult]) {
        let known = |item: &Item| self.results.iter().find(|result| result.item == *item);
        let new = |result: &&ItemResult| {
            self.gave(result) && !known(&result.item).is_some_and(|known| self.gave(known))
        };
        let mut given = results.iter().filter(new);
        let clear = |result: &ItemResult| !matches!(result.kind, ResultKind::Failed { .. });
        if given.clone().any(clear) {
            let known = self.owner.take().filter(|_| self.given_at.is_some());
            self.owner = record.owner.clone().or(known);
        } else if self.given_at.is_none() && given.next().is_some() {
            // All new results are in doubt: an earlier worker may have shared these items under the
            // account on record. If this worker used another account, the owner is unknown.
            self.owner
                .take_if(|owner| record.owner.as_ref() != Some(owner));
        }
    }
}

#[cfg(test)]
mod tests;
