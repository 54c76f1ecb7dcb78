//! Records incidents, which are streams that belong to no request: rejected deliveries, comparisons
//! that found differences, and announcements. Conflicts are recorded in `open_request`. The number
//! of recorded rejections and comparisons per day is limited, and equal ones are recorded at most
//! once a day.

use super::super::record::{Announcement, Drift, Event, Rejection, Stored, StreamId};
use super::super::state::{Incident, StreamState, WakeUp};
use super::follow::write;
use super::objects::{Created, Fetched};
use super::open_request::first;
use super::{Journal, JournalError, WorkerLease};
use crate::domain::{NoticeRules, Timestamp};

/// Maximum number of recorded rejections per source and day.
const REJECTION_SLOTS: u32 = 256;
/// Maximum number of recorded comparisons per day.
const DRIFT_SLOTS: u32 = 16;
/// Number of slots to try for one incident. The first slots may have been taken by other incidents.
const MAX_SLOTS_TRIED: u32 = 8;

/// The result of recording an incident.
#[derive(Debug)]
pub enum Recorded {
    /// The incident was recorded, or a new event was added to an announcement on record.
    New(Box<Incident>),
    /// The same incident is on record already.
    Known,
    /// Other incidents of today have taken every slot that was tried.
    Full,
}

impl Journal {
    /// Records a delivery that is not a valid request.
    pub async fn record_rejection(
        &self,
        rejection: Rejection,
        lease: &WorkerLease,
        rules: &NoticeRules,
    ) -> Result<Recorded, JournalError> {
        let rejection = rejection.bounded();
        let digest = rejection.received.body_digest.clone();
        let with_slot = |slot| {
            let stream = StreamId::of_rejection(&rejection.source, lease.now, slot);
            let rejection = rejection.clone();
            (stream, Event::Rejected(Rejection { slot, ..rejection }))
        };
        let slots = slots(&digest, REJECTION_SLOTS).map(with_slot);
        self.record_incident(slots, lease, rules).await
    }

    /// Records a comparison that found differences.
    pub async fn record_drift(
        &self,
        drift: Drift,
        lease: &WorkerLease,
        rules: &NoticeRules,
    ) -> Result<Recorded, JournalError> {
        let with_slot = |slot| {
            let stream = StreamId::of_drift(lease.now, slot);
            let drift = drift.clone();
            (stream, Event::Drifted(Drift { slot, ..drift }))
        };
        let slots = slots(&drift.digest, DRIFT_SLOTS).map(with_slot);
        self.record_incident(slots, lease, rules).await
    }

    /// Records that a verified event, or a list of the approval system, names an instance. First
    /// writes a wake-up for the fetch. If the announcement is already on record, but led to
    /// no request or was given up, appends a new event to it, so that the instance is fetched
    /// again.
    pub async fn record_announcement(
        &self,
        announcement: Announcement,
        lease: &WorkerLease,
    ) -> Result<Recorded, JournalError> {
        let stream = StreamId::of_announcement(&announcement.source, &announcement.delivery_id);
        let begin = announcement.not_before.unwrap_or(lease.now).max(lease.now);
        let event = Event::Received(Box::new(announcement));
        let (stored, bytes) = write(first(stream, lease, event))?;
        let StreamState::Incident(incident) = StreamState::begin(&stored)? else {
            return Err(JournalError::NotARequest { stream });
        };
        self.add_wake_up(WakeUp::new(begin, stream, 0)).await?;
        self.touch(&self.unsealed_path(stream, 0)).await?;
        match self.create(stream, 0, &bytes).await? {
            Created::Ours => Ok(Recorded::New(incident)),
            Created::Theirs(_) => {
                let known = self.read_unretired(stream).await?;
                let Some(state) = known.map(|history| history.stream_state) else {
                    return Ok(Recorded::Known);
                };
                if !lacks(&state, &stored.record.event) {
                    return Ok(Recorded::Known);
                }
                let event = stored.record.event;
                match self.record_attempt(state, lease, event).await? {
                    StreamState::Incident(incident) => Ok(Recorded::New(incident)),
                    StreamState::Request(_) => Err(JournalError::NotARequest { stream }),
                }
            }
        }
    }

    /// Appends an event to an announcement's stream, unless another worker has recorded it already.
    /// The event is the result of an attempt to fetch the instance, or a new event about the
    /// instance. If a further attempt follows, its wake-up is written first. Returns the state
    /// afterwards.
    ///
    /// # Errors
    /// The store failed. The instance is then fetched again.
    pub async fn record_attempt(
        &self,
        state: StreamState,
        lease: &WorkerLease,
        event: Event,
    ) -> Result<StreamState, JournalError> {
        let is_due = |state: &StreamState| match state {
            StreamState::Incident(incident) => {
                let fetch = incident.to_fetch();
                fetch.is_some_and(|(_, at, _)| at <= lease.now)
            }
            StreamState::Request(_) => false,
        };
        let next = match &event {
            Event::FetchFailed(failed) => Some(failed.not_before),
            Event::Settled(_) => None,
            _ => (!is_due(&state)).then_some(lease.now),
        };
        if let Some(at) = next {
            let next = WakeUp::new(at, state.stream(), state.head().next_seq);
            self.add_wake_up(next).await?;
        }
        let wanted = |state: &StreamState| lacks(state, &event).then(|| event.clone());
        self.append(state, lease.now, &lease.worker, wanted).await
    }

    /// Records the incident in the first free stream of `slots`, unless a stream before it contains
    /// the same incident. If the incident owes a notification, first writes the wake-up for it.
    async fn record_incident(
        &self,
        slots: impl Iterator<Item = (StreamId, Event)>,
        lease: &WorkerLease,
        rules: &NoticeRules,
    ) -> Result<Recorded, JournalError> {
        for (stream, event) in slots {
            let same = |bytes: &[u8]| {
                let known = Stored::read(bytes);
                known.is_ok_and(|known| known.record.event.same_incident(&event))
            };
            match self.fetch_one(&self.record_path(stream, 0)).await? {
                Fetched::Bytes(bytes) if same(&bytes) => return Ok(Recorded::Known),
                Fetched::Bytes(_) | Fetched::TooLarge(_) => continue,
                Fetched::Absent => {}
            }
            let (stored, bytes) = write(first(stream, lease, event.clone()))?;
            let StreamState::Incident(incident) = StreamState::begin(&stored)? else {
                continue;
            };
            if incident.owes_from(rules, lease.now).is_some() {
                self.add_wake_up(WakeUp::new(lease.until, stream, 0))
                    .await?;
            }
            self.touch(&self.unsealed_path(stream, 0)).await?;
            match self.create(stream, 0, &bytes).await? {
                Created::Ours => return Ok(Recorded::New(incident)),
                Created::Theirs(found) if same(&found) => return Ok(Recorded::Known),
                Created::Theirs(_) => {}
            }
        }
        Ok(Recorded::Full)
    }

    /// Updates the index after `wake_ups` led to an incident. Writes the incident's next wake-up,
    /// then deletes those of `wake_ups` that are no longer needed. While the incident is due,
    /// nothing is written or deleted.
    pub(super) async fn update_index_of_incident(
        &self,
        incident: &Incident,
        wake_ups: &[WakeUp],
        now: Timestamp,
        rules: &NoticeRules,
    ) -> Result<(), JournalError> {
        let next = incident.next_look(rules, now);
        if next.is_some_and(|at| at <= now) {
            return Ok(());
        }
        let newest = incident.head().newest();
        if let Some(at) = next {
            self.add_wake_up(WakeUp::new(at, incident.stream(), newest))
                .await?;
        }
        // The wake-ups that led here were due. If one of them is in the future now, the clock was
        // put back. Keep that one, because it may be the stream's next wake-up.
        let past = wake_ups.iter().filter(|wake_up| wake_up.at <= now);
        let done = past.filter(|wake_up| wake_up.seq <= newest || wake_up.is_old(now));
        let done = done.map(|wake_up| self.wake_up_path(wake_up)).collect();
        self.delete_entries(done).await
    }
}

fn lacks(state: &StreamState, event: &Event) -> bool {
    matches!(state, StreamState::Incident(incident) if incident.lacks(event))
}

/// Returns the slots to try, out of `count`. The digest determines the first one.
fn slots(digest: &str, count: u32) -> impl Iterator<Item = u32> {
    let begin = u32::from_str_radix(digest.get(..6).unwrap_or_default(), 16).unwrap_or(0);
    (0..MAX_SLOTS_TRIED).map(move |step| begin.wrapping_add(step) % count)
}
