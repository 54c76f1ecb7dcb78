//! The right to work on a request, and what its holder writes. Only creating a record
//! yields a [`Claim`], at the opening or at the start of a turn, and every later record of the request
//! needs one.

use jiff::SignedDuration;

use super::super::record::{CallOff, Event, Record, Stored, VERSION, Worker};
use super::super::state::{Phase, State, Work};
use super::objects::Created;
use super::{AppendError, Journal, JournalError};
use crate::domain::{Timestamp, Verdict};

/// A worker that has not written for so long has lost its claim, whatever the journal says: the
/// request may have been finished by another since, and its records retired, so that their numbers
/// seem free.
pub const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// A turn that somebody wants to take.
#[derive(Debug, Clone)]
pub struct WorkerLease {
    /// The present instant.
    pub now: Timestamp,
    /// The end of the lease: later than `now`, and late enough for the work. Others take over after
    /// it.
    pub until: Timestamp,
    /// The mark of this turn, of fresh random bytes.
    pub worker: Worker,
}

impl WorkerLease {
    pub(super) fn checked(self) -> Result<Self, JournalError> {
        if self.until <= self.now {
            return Err(JournalError::EmptyLease {
                from: self.now,
                until: self.until,
            });
        }
        Ok(self)
    }
}

/// The right to work on one request until somebody takes over after the lease.
#[derive(Debug)]
pub struct Claim {
    state: State,
    worker: Worker,
    /// When the turn began.
    since: Timestamp,
    /// Whether the index has an entry that lists a record of this turn as unsealed.
    named: bool,
}

impl Claim {
    /// Only for the winner of a record.
    pub(super) fn won(state: State, lease: WorkerLease, named: bool) -> Self {
        Self {
            state,
            worker: lease.worker,
            since: lease.now,
            named,
        }
    }

    /// The request as of the newest record.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Ends the turn here; what is left to do is done in another, after the lease or the deferral.
    pub fn into_state(self) -> State {
        self.state
    }

    /// Appends what was done or found out: [`Event::Progress`], [`Event::Deferred`],
    /// [`Event::Closed`], [`Event::Revoked`], or [`Event::Taken`] to prolong the lease. It is
    /// durable when this returns.
    ///
    /// # Errors
    /// [`AppendError::Lost`]: another worker has taken over; stop. [`AppendError::CalledOff`]: a cancel
    /// called off some of the request; the claim still holds, and nothing was written. [`AppendError::Store`]: the
    /// journal failed, or the event cannot follow and nothing was written. After a failure of the
    /// store the same event may be recorded again: should the first attempt have been stored after
    /// all, that is found out.
    pub async fn record(
        &mut self,
        journal: &Journal,
        at: Timestamp,
        event: Event,
    ) -> Result<(), AppendError> {
        let last = self.state.updated_at().max(self.since);
        if at.duration_since(last) >= MAX_PAUSE {
            return Err(AppendError::Lost);
        }
        // The second round is for an own record whose answer was lost: it is taken in first.
        let mut rounds = 0;
        while rounds < 2 {
            let (stored, bytes) = next(&self.state, at, &self.worker, event.clone())?;
            let after = follow(&self.state, &stored)?;
            journal
                .announce(Some(&self.state), &after, !self.named)
                .await?;
            // The sealer takes a call-off for the end of a turn.
            self.named = !event.ends_turn();
            let head = self.state.head();
            match journal.create(head.stream, head.next_seq, &bytes).await? {
                Created::Ours => {
                    self.state = after;
                    return Ok(());
                }
                Created::Theirs(found) => {
                    let found = journal.follower(&self.state, &found)?;
                    if matches!(found.record.event, Event::Cancelled(_)) {
                        self.state = follow(&self.state, &found)?;
                        self.named = false;
                        continue;
                    }
                    rounds += 1;
                    let called_off = matches!(found.record.event, Event::CalledOff(_));
                    if !called_off && found.record.worker != self.worker {
                        return Err(AppendError::Lost);
                    }
                    self.state = follow(&self.state, &found)?;
                    if called_off {
                        // The sealer takes it for the end of a turn.
                        self.named = false;
                        return Err(AppendError::CalledOff);
                    }
                    if found.record.event == event {
                        return Ok(());
                    }
                }
            }
        }
        Err(AppendError::Lost)
    }
}

impl Journal {
    /// Takes a turn at a request that is due: after a lease ended, when its moment came, or when
    /// its share expired. `None`: it is not due, or another worker was quicker. What has to be done
    /// is returned with the claim.
    ///
    /// # Errors
    /// What the store said, or a turn that ends before it begins.
    pub async fn take(
        &self,
        state: State,
        lease: WorkerLease,
    ) -> Result<Option<(Claim, Work)>, JournalError> {
        self.take_under(state, lease, None).await
    }

    /// The same for a share that was decided again: `verdict` allows it, and is recorded with the
    /// turn.
    ///
    /// # Errors
    /// As [`Journal::take`].
    pub async fn take_under(
        &self,
        state: State,
        lease: WorkerLease,
        verdict: Option<Verdict>,
    ) -> Result<Option<(Claim, Work)>, JournalError> {
        let lease = lease.checked()?;
        let Some(work) = state.needs_work(lease.now) else {
            return Ok(None);
        };
        // A later attempt to take back needs no turn: see `State::revokes`.
        if matches!(state.phase(), Phase::RevokeDeferred { .. }) {
            return Ok(Some((Claim::won(state, lease, false), work)));
        }
        let event = match (&work, state.phase()) {
            (
                Work::Revoke {
                    accounts,
                    lighthouse,
                },
                Phase::Closed,
            ) => Event::Revoking {
                until: lease.until,
                accounts: accounts.clone(),
                lighthouse: *lighthouse,
            },
            _ => Event::Taken {
                until: lease.until,
                verdict,
            },
        };
        let (stored, bytes) = next(&state, lease.now, &lease.worker, event)?;
        let after = follow(&state, &stored)?;
        self.announce(Some(&state), &after, true).await?;
        let head = state.head();
        match self.create(head.stream, head.next_seq, &bytes).await? {
            Created::Ours => Ok(Some((Claim::won(after, lease, true), work))),
            Created::Theirs(found) => self.follower(&state, &found).map(|_| None),
        }
    }

    /// Calls off what can still be called off of these items: appends the record to the share's stream
    /// even while a worker holds it, so that a cancel never waits. Returns the share's state afterwards.
    ///
    /// # Errors
    /// What the store said. Calling off again is safe.
    pub async fn call_off(
        &self,
        state: State,
        at: Timestamp,
        worker: &Worker,
        call_off: CallOff,
    ) -> Result<State, JournalError> {
        let event = |state: &State| {
            let mut wanted = call_off.clone();
            wanted.items.retain(|item| state.can_be_called_off(item));
            (!wanted.items.is_empty()).then_some(Event::CalledOff(wanted))
        };
        self.append(state, at, worker, event).await
    }

    /// Records in a closed share what a later cancel has taken away of these items, and brings the
    /// index to that.
    ///
    /// # Errors
    /// What the store said. Recording it again is safe.
    pub async fn cancel(
        &self,
        state: State,
        at: Timestamp,
        worker: &Worker,
        cancelled: CallOff,
    ) -> Result<(), JournalError> {
        let event = |state: &State| {
            let mut wanted = cancelled.clone();
            wanted.items.retain(|item| state.can_be_cancelled(item));
            (!wanted.items.is_empty()).then_some(Event::Cancelled(wanted))
        };
        let after = self.append(state, at, worker, event).await?;
        self.settle(&after, &[], at).await
    }

    /// Appends a record that needs no claim, for as long as `event` still wants one.
    async fn append(
        &self,
        mut state: State,
        at: Timestamp,
        worker: &Worker,
        event: impl Fn(&State) -> Option<Event>,
    ) -> Result<State, JournalError> {
        loop {
            let Some(event) = event(&state) else {
                return Ok(state);
            };
            let (stored, bytes) = next(&state, at, worker, event)?;
            let after = follow(&state, &stored)?;
            self.announce(Some(&state), &after, true).await?;
            let head = state.head();
            match self.create(head.stream, head.next_seq, &bytes).await? {
                Created::Ours => return Ok(after),
                Created::Theirs(found) => {
                    let found = self.follower(&state, &found)?;
                    state = follow(&state, &found)?;
                }
            }
        }
    }

    /// The record that somebody else put at the next number. Garbage there is damage, not another
    /// worker.
    fn follower(&self, state: &State, bytes: &[u8]) -> Result<Stored, JournalError> {
        let head = state.head();
        let damaged = |flaw| {
            self.damaged(super::super::chain::Finding::of(
                head.stream,
                head.next_seq,
                flaw,
            ))
        };
        Stored::read(bytes).map_err(damaged)
    }
}

/// The record that comes next in a stream.
fn next(
    state: &State,
    at: Timestamp,
    worker: &Worker,
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
        event,
    })
}

/// A record as bytes.
pub(super) fn write(record: Record) -> Result<(Stored, Vec<u8>), JournalError> {
    Ok(Stored::write(record)?)
}

/// The state after a record. A record that cannot follow is refused here, before it is written.
fn follow(state: &State, stored: &Stored) -> Result<State, JournalError> {
    state.clone().apply(stored).map_err(JournalError::from)
}
