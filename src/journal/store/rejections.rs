//! Deliveries that were authenticated and not understood: a record for each, of a bounded number for each
//! source and day. In: what a delivery lacks. Out: whether it is on record.

use super::super::record::{Event, Rejection, Stored, StreamId};
use super::claim::write;
use super::objects::{Created, Fetched};
use super::open_request::first;
use super::{Journal, JournalError, WorkerLease};

/// Records of each source and day.
const SLOTS: u32 = 256;
/// Slots that are tried for one delivery, so that few deliveries rarely meet.
const TRIES: u32 = 8;

impl Journal {
    /// Records a delivery that is no valid request. One that comes again on the same day is on record
    /// already; one beyond the bound is not recorded, and `false` is returned.
    ///
    /// # Errors
    /// The store failed.
    pub async fn record_rejection(
        &self,
        rejection: Rejection,
        lease: &WorkerLease,
    ) -> Result<bool, JournalError> {
        let rejection = rejection.bounded();
        let digest = rejection.received.body_digest.clone();
        // Any hash does: the digest's first digits.
        let begin = u32::from_str_radix(digest.get(..6).unwrap_or_default(), 16).unwrap_or(0);
        for slot in (0..TRIES).map(|step| begin.wrapping_add(step) % SLOTS) {
            let stream = StreamId::of_rejection(&rejection.source, lease.now, slot);
            let same = |bytes: &[u8]| {
                Stored::read(bytes).is_ok_and(|stored| match stored.record.event {
                    Event::Rejected(known) => known.received.body_digest == digest,
                    _ => false,
                })
            };
            match self.fetch_one(&self.record_path(stream, 0)).await? {
                Fetched::Bytes(bytes) if same(&bytes) => return Ok(true),
                Fetched::Bytes(_) | Fetched::TooLarge(_) => continue,
                Fetched::Absent => {}
            }
            let event = Event::Rejected(Rejection {
                slot,
                ..rejection.clone()
            });
            let (_, bytes) = write(first(stream, lease, event))?;
            self.touch(&self.unsealed_path(stream, 0)).await?;
            match self.create(stream, 0, &bytes).await? {
                Created::Ours => return Ok(true),
                Created::Theirs(found) if same(&found) => return Ok(true),
                Created::Theirs(_) => {}
            }
        }
        Ok(false)
    }
}
