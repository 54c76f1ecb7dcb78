//! The journal's I/O: one small set of operations over a directory, an object store or memory.
//! Takes a location and records; returns claims, states and findings. Makes no calls to the cloud
//! and reads no clock.

mod access;
mod azure;
mod claim;
mod directory;
mod error;
mod file;
mod follow;
mod gcs;
mod history;
mod incidents;
mod index;
mod log;
mod newest_first;
mod objects;
mod observed;
mod open_request;
mod open_store;
mod pending;
mod place;
mod place_test;
mod prove;
mod remote;
mod reopen;
mod retire;
mod s3;
mod sealing;
mod skipped;
mod streams;
mod unclaimed;
mod unsealed;
mod verify;
mod verify_log;
mod walk_log;
mod work_done;
mod workers;

pub use access::Access;
pub use claim::{Claim, MAX_PAUSE, WorkerLease};
pub use error::{AppendError, JournalError, StoreFault};
pub use history::History;
pub use incidents::Recorded;
pub use index::{Comparison, Index, Looks, Pass};
pub use newest_first::{NewestFirst, RequestFiles};
pub use observed::{OPERATIONS, StoreResult};
pub use open_request::{Opened, Opening};
pub use retire::Retirement;
pub use sealing::Sealing;
pub use unsealed::Unsealed;
pub use verify::{LogPart, Report};
pub use work_done::WorkDone;

use std::fmt;
use std::sync::Arc;

use super::location::JournalLocation;
use place::{Place, Tested};

/// An open journal. Clones are cheap and share their state. Many tasks can use one journal at the
/// same time, and so can many processes if it is in a directory or an object store.
///
/// Every operation returns a [`JournalError`] if the store fails. The section "Errors" of an
/// operation lists its further errors and says what was written.
#[derive(Clone)]
pub struct Journal {
    records: Place,
    /// Where `index/` is stored. `None` if it is stored beside the records.
    index: Option<Place>,
    echo: Option<Echo>,
    observer: Option<observed::Observer>,
    unsealed: Arc<Unsealed>,
    work_done: Arc<WorkDone>,
    tested: Arc<Tested>,
    /// The device and inode of the directory when the journal was opened. `None` for other places,
    /// and for a missing directory that was opened to read.
    folder: Option<(u64, u64)>,
    /// Whether the journal was opened only to read. If so, every write fails.
    read_only: bool,
}

/// Receives the bytes of each record's file after the record was stored.
type Echo = Arc<dyn Fn(&[u8]) + Send + Sync>;

impl Journal {
    /// The location of the records.
    pub fn place(&self) -> &JournalLocation {
        &self.records.location
    }

    /// Makes the journal pass each stored record to `echo`, as one line of JSON. This gives a
    /// host's log service a second copy. If the store's answer to a write was lost, `echo` may get
    /// the record twice.
    #[must_use]
    pub fn echoing(self, echo: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let first_line = move |bytes: &[u8]| {
            let mut lines = bytes.split(|byte| *byte == b'\n');
            let line = lines.next().unwrap_or_default();
            echo(&String::from_utf8_lossy(line));
        };
        Self {
            echo: Some(Arc::new(first_line)),
            ..self
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("place", self.place())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
