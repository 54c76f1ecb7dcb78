//! The claim to a request, and the records that its holder writes. Only creating a record yields a
//! [`Claim`]: when a request is opened or a turn begins. Every later record of the turn needs it.

use futures_util::future::join;
use jiff::SignedDuration;

use super::super::record::{Event, Stored, Worker};
use super::super::state::{State, Work};
use super::follow::{follow, next};
use super::objects::Created;
use super::workers::Hold;
use super::{AppendError, Journal, JournalError};
use crate::domain::{AccountId, Timestamp, Verdict};

/// A worker that has written nothing for this long has lost its claim, whatever the journal shows.
/// Another may have finished the request since, and retention may have removed its records, so that
/// their numbers look free.
pub const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// A turn to take.
#[derive(Debug, Clone)]
pub struct WorkerLease {
    /// The present instant.
    pub now: Timestamp,
    /// The end of the lease: later than `now`, and late enough for the work. Then another worker
    /// may take over.
    pub until: Timestamp,
    /// Marks the records of this turn; fresh random bytes.
    pub worker: Worker,
    /// The root account of the worker's credentials, if it is known.
    pub owner: Option<AccountId>,
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

/// The exclusive right to work on one request, until another worker takes over after the lease.
#[derive(Debug)]
pub struct Claim {
    state: State,
    worker: Worker,
    owner: Option<AccountId>,
    /// When the turn began.
    since: Timestamp,
    /// Whether the index lists a record of this turn as unsealed.
    named: bool,
    /// Shows others that this worker lives.
    hold: Option<Hold>,
}

/// The result of the record that begins a turn.
pub(super) enum Claimed {
    /// This worker has the turn.
    Won(Box<Claim>),
    /// Another worker's record came first.
    Late(Box<Stored>),
}

impl Drop for Claim {
    /// Deletes the worker's file only after a record ended the turn. If the turn just stops, the file
    /// stays, so that another worker continues it.
    fn drop(&mut self) {
        if self.state.holder() != Some(&self.worker) {
            self.hold.take().into_iter().for_each(Hold::remove);
        }
    }
}

impl Claim {
    /// Only the worker that created the record calls this.
    pub(super) fn won(state: State, lease: WorkerLease, named: bool, hold: Option<Hold>) -> Self {
        Self {
            state,
            worker: lease.worker,
            owner: lease.owner,
            since: lease.now,
            named,
            hold,
        }
    }

    /// The root account whose image this turn shares or cancels, which its records name from now on.
    pub fn set_owner(&mut self, owner: Option<AccountId>) {
        self.owner = owner;
    }

    /// The account that the records of this turn name.
    pub fn owner(&self) -> Option<&AccountId> {
        self.owner.as_ref()
    }

    /// The state as of the newest record.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Appends the turn's next record: [`Event::Progress`], [`Event::Deferred`], [`Event::Closed`],
    /// [`Event::Revoked`], or [`Event::Taken`] to prolong the lease. The record is durable when
    /// this returns.
    ///
    /// # Errors
    /// [`AppendError::Lost`]: another worker has taken over; stop. [`AppendError::CalledOff`]: a
    /// cancel called off part of the request; the claim still holds, and nothing was written.
    /// [`AppendError::Store`]: the store failed, or the event cannot follow and nothing was
    /// written. After a failure of the store, append the same event again: the append detects if
    /// the first one was stored.
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
        // A second round is needed when the next record is this worker's own, whose answer was
        // lost.
        let mut rounds = 0;
        while rounds < 2 {
            let (stored, bytes) = next(
                self.state.head(),
                at,
                &self.worker,
                self.owner.clone(),
                event.clone(),
            )?;
            let after = follow(&self.state, &stored)?;
            journal
                .announce(Some(&self.state), &after, !self.named)
                .await?;
            // The sealer treats a call-off as the end of a turn.
            self.named = !event.ends_turn();
            let head = self.state.head();
            match journal.create(head.stream, head.next_seq, &bytes).await? {
                Created::Ours => {
                    self.state = after;
                    return Ok(());
                }
                Created::Theirs(found) => {
                    let found = journal.follower(self.state.head(), &found)?;
                    if found.record.event.leaves_turn_unchanged() {
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
                        // The sealer treats it as the end of a turn.
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
    /// Takes a turn at a request that is due: after a lease ended or its worker died, at its start,
    /// or when its share expired. Returns the work with the claim; `None` if the request is not due
    /// or another worker was first. `verdict` allows a share that was decided again, and is recorded
    /// with the turn. `at_once`: the turn may begin before a pause is over, or although another grant
    /// covered what is to be revoked.
    ///
    /// # Errors
    /// The store failed, or the turn ends before it begins.
    pub async fn take(
        &self,
        state: State,
        lease: WorkerLease,
        verdict: Option<Verdict>,
        at_once: bool,
    ) -> Result<Option<(Claim, Work)>, JournalError> {
        let lease = lease.checked()?;
        let due = state.needs_work(lease.now);
        let paused = || state.needs_work_at_once(lease.now);
        let early = || {
            paused()
                .or_else(|| state.needs_work_uncovered(lease.now))
                .filter(|_| at_once)
        };
        let Some(work) = due.or_else(early) else {
            return Ok(None);
        };
        let event = match &work {
            Work::Revoke {
                accounts,
                lighthouse,
            } if state.revokes_anew(lease.now) => Event::Revoking {
                until: lease.until,
                accounts: accounts.clone(),
                lighthouse: *lighthouse,
            },
            _ => Event::Taken {
                until: lease.until,
                verdict,
                holder_gone: state.holder_gone(),
            },
        };
        match self.claim(&state, lease, event).await? {
            Claimed::Won(claim) => Ok(Some((*claim, work))),
            Claimed::Late(_) => Ok(None),
        }
    }

    /// Writes the record that begins a turn, while it shows others that this worker lives.
    pub(super) async fn claim(
        &self,
        state: &State,
        lease: WorkerLease,
        event: Event,
    ) -> Result<Claimed, JournalError> {
        let head = state.head();
        let (stored, bytes) = next(head, lease.now, &lease.worker, lease.owner.clone(), event)?;
        let after = follow(state, &stored)?;
        let hold = self.hold(state.stream(), &lease.worker);
        // A sweep deletes the entries of a request that is not live: a reopened one needs them again.
        let listed = state.live(lease.now).then_some(state);
        let (announced, hold) = join(self.announce(listed, &after, true), hold).await;
        announced?;
        match self.create(head.stream, head.next_seq, &bytes).await? {
            Created::Ours => {
                let claim = Claim::won(after, lease, true, hold);
                Ok(Claimed::Won(Box::new(claim)))
            }
            Created::Theirs(found) => {
                hold.into_iter().for_each(Hold::remove);
                let found = self.follower(head, &found)?;
                Ok(Claimed::Late(Box::new(found)))
            }
        }
    }
}
