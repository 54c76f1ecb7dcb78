//! Opens a request: one create-only write is both the claim and the record of the intent. Takes an
//! authenticated request and its verdict. Returns a claim, or the state of the existing request
//! with the same identity.

use std::collections::BTreeSet;

use futures_util::future::{join, join3};

use super::super::record::{Conflict, Event, Intent, Lease, Record, StreamId, VERSION, Worker};
use super::super::state::{State, StreamState};
use super::follow::write;
use super::objects::Created;
use super::workers::Hold;
use super::{Claim, Journal, JournalError, WorkerLease};
use crate::domain::{Action, Timestamp};

/// A request to record, and the lease of the worker that records it.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The content of record 0. The journal sets `lease` and `ordered_at`. The caller sets `absent`
    /// if it has just read the cloud and found none of the request's items shared. The journal
    /// clears `absent` if the request gets no lease.
    pub intent: Intent,
    /// The worker that writes record 0, and the lease that this worker gets if it carries the
    /// request out.
    pub lease: WorkerLease,
}

/// The result of opening a request.
#[derive(Debug)]
pub enum Opened {
    /// The request is new, and this worker has the claim. A share comes with the other requests for
    /// its images and receivers, also finished cancels that may be later, or with `None` if they
    /// could not be listed. A cancel comes with `None`.
    New(Box<Claim>, Option<BTreeSet<StreamId>>),
    /// The request is new, but has no claim: it was denied, waits for its `not_before`, or was
    /// recorded without a turn.
    Kept(Box<State>),
    /// Another delivery has opened the request, with the same content or with other content.
    Existing(Box<State>),
}

impl Journal {
    /// Records a request that [`Journal::look_up`] did not find. If several callers do this at the
    /// same time, one of them opens the request, and the others get [`Opened::Existing`].
    ///
    /// `turn` says whether this worker carries the request out now. If not, the worker of the next
    /// turn does. `place` computes `ordered_at`; it is awaited while the index entries are written.
    /// While record 0 of a share is written, the other requests that the caller must read are
    /// listed.
    ///
    /// # Errors
    /// The id contains a zero byte, the lease does not end after it begins, the stream belongs to
    /// an incident, or the store or `place` failed. The caller must not carry the request out. If a
    /// record is damaged, that is an error too: the request is never treated as unknown.
    pub async fn open_request(
        &self,
        opening: Opening,
        turn: bool,
        place: impl Future<Output = Result<Option<Timestamp>, JournalError>>,
    ) -> Result<Opened, JournalError> {
        let mut intent = opening.intent;
        if intent.identity.id.contains('\0') {
            let id = intent.identity.id;
            return Err(JournalError::ZeroByteInId { id });
        }
        let stream = StreamId::of(&intent.identity);
        let lease = opening.lease.checked()?;
        let waits = intent.request.begins_after(lease.now).is_some();
        let until = lease.until;
        intent.lease = (turn && intent.verdict.allowed && !waits).then_some(Lease { until });
        intent.absent &= intent.lease.is_some();
        let leased = intent.lease.is_some();
        let shares = leased && intent.request.action == Action::Share;
        let (mut state, mut bytes) = opened(stream, &lease, intent)?;
        let hold = async {
            match leased {
                true => self.hold(stream, &lease.worker).await,
                false => None,
            }
        };
        let indexed = self.add_index_entries(None, &state, true);
        let (indexed, hold, place) = join3(indexed, hold, place).await;
        indexed?;
        if let Some(place) = place? {
            let mut intent = state.intent().clone();
            intent.ordered_at = Some(place);
            (state, bytes) = opened(stream, &lease, intent)?;
        }
        let neighbours = async {
            match shares {
                true => self.neighbours(&state, true).await.ok(),
                false => None,
            }
        };
        let (created, neighbours) = join(self.create(stream, 0, &bytes), neighbours).await;
        match created? {
            Created::Ours if leased => {
                let claim = Claim::won(state, lease, true, hold);
                Ok(Opened::New(Box::new(claim), neighbours))
            }
            Created::Ours => Ok(Opened::Kept(Box::new(state))),
            Created::Theirs(_) => {
                hold.into_iter().for_each(Hold::remove);
                match self.look_up(stream).await? {
                    Some(StreamState::Request(state)) => Ok(Opened::Existing(state)),
                    Some(_) => Err(JournalError::NotARequest { stream }),
                    None => Err(JournalError::Gone { stream }),
                }
            }
        }
    }

    /// Records a conflict: a delivery whose identity is known, but whose content differs.
    pub async fn record_conflict(&self, opening: Opening) -> Result<(), JournalError> {
        let Opening { intent, lease } = opening;
        let stream = StreamId::of_conflict(&intent.identity, &intent.digest);
        let conflict = Conflict {
            identity: intent.identity,
            digest: intent.digest,
            delivery_id: intent.delivery_id,
            received: intent.received,
        };
        let (_, bytes) = write(first(stream, &lease, Event::Conflict(conflict)))?;
        self.touch(&self.unsealed_path(stream, 0)).await?;
        // If an earlier delivery with this content has recorded the conflict, check that its record
        // can be read.
        if let Created::Theirs(_) = self.create(stream, 0, &bytes).await? {
            self.look_up(stream).await?;
        }
        Ok(())
    }
}

/// Returns the state after record 0 of a request, and the record's bytes.
fn opened(
    stream: StreamId,
    lease: &WorkerLease,
    intent: Intent,
) -> Result<(State, Vec<u8>), JournalError> {
    let (stored, bytes) = write(first(stream, lease, Event::Opened(Box::new(intent))))?;
    let state = State::from_records(std::slice::from_ref(&stored))?;
    Ok((state, bytes))
}

pub(super) fn first(stream: StreamId, lease: &WorkerLease, event: Event) -> Record {
    let worker: Worker = lease.worker.clone();
    Record {
        v: VERSION,
        stream,
        seq: 0,
        prev: None,
        at: lease.now,
        worker,
        owner: lease.owner.clone(),
        event,
    }
}
