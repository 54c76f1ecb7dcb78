//! Records of deliveries that were verified and not understood, bounded in number per source and
//! day. In: a delivery and its problems. Out: whether it is recorded.

use super::super::record::{Event, Rejection, Stored, StreamId};
use super::claim::write;
use super::objects::{Created, Fetched};
use super::open_request::first;
use super::{Journal, JournalError, WorkerLease};

/// Maximum number of records per source and day.
const SLOTS: u32 = 256;
/// Number of slots to try for one delivery, so that a few deliveries rarely collide.
const TRIES: u32 = 8;

impl Journal {
    /// Records a delivery that is not a valid request. A repeated delivery on the same day has its
    /// record already. Returns `false` beyond the maximum.
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
        // Any hash works: the first digits of the digest.
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
