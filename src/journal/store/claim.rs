//! The claim to a request, and the records that the claim's worker writes. A worker gets a
//! [`Claim`] only by creating the record that opens the request or begins a turn. Every later
//! record of that turn needs the claim.

use futures_util::future::join;
use jiff::SignedDuration;

use super::super::record::{Event, Stored, Worker};
use super::super::state::{State, Work};
use super::follow::{follow, next};
use super::objects::Created;
use super::workers::Hold;
use super::{AppendError, Journal, JournalError};
use crate::domain::{AccountId, Timestamp, Verdict};

/// A worker that has written nothing for this long has lost its claim. By then another worker may
/// have finished the request, and retention may have removed the request's records from
/// `requests/`. The numbers of these records would look free to the first worker.
pub const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// A worker's lease of one turn at a request.
#[derive(Debug, Clone)]
pub struct WorkerLease {
    /// The present instant.
    pub now: Timestamp,
    /// The end of the lease: from this instant on, another worker may take over. It must be later
    /// than `now`, and should leave enough time for the work.
    pub until: Timestamp,
    /// Fresh random bytes that mark the records of this turn.
    pub worker: Worker,
    /// The root account of the worker's credentials; `None` if it is unknown.
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

/// The exclusive right to work on one request. After the end of the lease, another worker can take
/// over this right.
#[derive(Debug)]
pub struct Claim {
    state: State,
    worker: Worker,
    owner: Option<AccountId>,
    /// When the turn began, by the worker's clock.
    since: Timestamp,
    /// Whether an entry below `index/unsealed/` covers the next record of this turn.
    listed_unsealed: bool,
    /// The lock that shows other processes that this worker is alive. `None` unless the journal is
    /// in a directory whose locks work.
    hold: Option<Hold>,
}

/// The result of writing the record that begins a turn.
pub(super) enum Claimed {
    Won(Box<Claim>),
    /// Another writer was first. This is the record that it created under the same number.
    Late(Box<Stored>),
}

impl Drop for Claim {
    /// Deletes the worker's lock file if a record has ended the turn. Otherwise the file stays,
    /// without its lock. This shows other workers that they may continue the request.
    fn drop(&mut self) {
        if self.state.holder() != Some(&self.worker) {
            self.hold.take().into_iter().for_each(Hold::remove);
        }
    }
}

impl Claim {
    /// Returns the claim of a worker. Call this only after the worker created the record that
    /// begins its turn.
    pub(super) fn won(
        state: State,
        lease: WorkerLease,
        listed_unsealed: bool,
        hold: Option<Hold>,
    ) -> Self {
        Self {
            state,
            worker: lease.worker,
            owner: lease.owner,
            since: lease.now,
            listed_unsealed,
            hold,
        }
    }

    /// Sets the root account that owns the image. The next records of this turn name the account.
    pub fn set_owner(&mut self, owner: Option<AccountId>) {
        self.owner = owner;
    }

    /// The root account that the next records of this turn name.
    pub fn owner(&self) -> Option<&AccountId> {
        self.owner.as_ref()
    }

    /// The request's state after the newest record that this worker knows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Appends the turn's next record, such as [`Event::Progress`] or [`Event::Closed`]. An
    /// [`Event::Taken`] prolongs the lease. The record is durable when this returns.
    ///
    /// # Errors
    /// - [`AppendError::Lost`] if another worker has taken over, or if [`MAX_PAUSE`] has passed
    ///   since the last record. This worker must stop.
    /// - [`AppendError::CalledOff`] if a cancel or withdrawal called off items of the request. The
    ///   record was not written, and the claim remains valid.
    /// - [`AppendError::Store`] if the event cannot follow the newest record, in which case it was
    ///   not written, or if the store failed. After a failure of the store, call this again with
    ///   the same event: it detects whether the first attempt was stored.
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
        // An earlier call may have stored another event under this number, although the store's
        // answer was lost. The second round then appends `event` after that record.
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
                .add_index_entries(Some(&self.state), &after, !self.listed_unsealed)
                .await?;
            // If `event` ends the turn, the sealer writes no entry for later records. The next
            // record then needs an entry of its own.
            self.listed_unsealed = !event.ends_turn();
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
                        self.listed_unsealed = false;
                        continue;
                    }
                    rounds += 1;
                    let called_off = matches!(found.record.event, Event::CalledOff(_));
                    if !called_off && found.record.worker != self.worker {
                        return Err(AppendError::Lost);
                    }
                    self.state = follow(&self.state, &found)?;
                    if called_off {
                        // The sealer treats a call-off as the end of a turn, so the next record
                        // needs an entry.
                        self.listed_unsealed = false;
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
    /// Takes a turn at a request that is due: its start or the end of a pause has come, a lease has
    /// ended, a worker has died, or a share must be revoked. Returns the claim and the work, or
    /// `None` if the request is not due or another writer's record came first.
    ///
    /// `verdict` is recorded in [`Event::Taken`]: the current policies' verdict on a share that was
    /// decided again. With `at_once`, a turn can also be taken during a pause after a failure, and
    /// while a revocation waits because another grant covers some of its items.
    ///
    /// If the request is unfinished and its newest record is at least [`MAX_PAUSE`] old, this first
    /// searches the log for later records. This is needed because a finished request looks
    /// unfinished if its later records or its file `retired` were lost.
    ///
    /// # Errors
    /// Fails if the lease does not end after it begins, if `verdict` is a denial, if a later record
    /// of the request is in the log but not in `requests/`, or if the store fails.
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
                .or_else(|| state.work_without_cover(lease.now))
                .filter(|_| at_once)
        };
        let Some(work) = due.or_else(early) else {
            return Ok(None);
        };
        let age = lease.now.duration_since(state.updated_at()).abs();
        if matches!(work, Work::Start | Work::Finish) && age >= MAX_PAUSE {
            self.require_newest(state.head()).await?;
        }
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

    /// Writes the record that begins a turn. First locks the worker's file, which shows other
    /// processes that the worker is alive.
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
        // A sweep deletes the index entries of a request that is not live, so a reopened request
        // needs all of them again.
        let listed = state.live(lease.now).then_some(state);
        let (indexed, hold) = join(self.add_index_entries(listed, &after, true), hold).await;
        indexed?;
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
