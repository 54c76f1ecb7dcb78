//! The edge of the journal: a directory, an object store or memory behind one small set of
//! operations. In: a place and what is to be recorded. Out: claims, states, findings. Knows nothing
//! of the cloud that is shared in, and reads no clock.

mod access;
mod azure;
mod claim;
mod directory;
mod error;
mod gcs;
mod history;
mod index;
mod log;
mod newest_first;
mod objects;
mod open_request;
mod open_store;
mod place_test;
mod remote;
mod retire;
mod s3;
mod sealing;
mod split;
mod streams;
mod unsealed;
mod verify;
mod verify_log;

pub use access::Access;
pub use claim::{Claim, MAX_PAUSE, WorkerLease};
pub use error::{AppendError, JournalError, PlaceError, StoreFault};
pub use history::History;
pub use index::{Index, Indexed, Pass};
pub use newest_first::{NewestFirst, RequestFiles};
pub use open_request::{Opened, Opening};
pub use retire::Retirement;
pub use sealing::Sealing;
pub use unsealed::Unsealed;
pub use verify::Report;

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use super::location::JournalLocation;
use error::Scrub;

/// The journal. Cheap to clone; clones are the same journal. Safe to use from many tasks, and, on a
/// directory or an object store, from many processes at once.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn ObjectStore>,
    root: Path,
    place: Arc<JournalLocation>,
    /// Where its index lies, when that is a place of its own.
    index: Option<Arc<JournalLocation>>,
    scrub: Arc<Scrub>,
    echo: Option<Echo>,
    unsealed: Arc<Unsealed>,
    /// Whether the place was proven to keep what it is relied on for.
    proven: Arc<tokio::sync::OnceCell<()>>,
    /// Which directory it was when it was opened: device and number.
    folder: Option<(u64, u64)>,
}

/// Receives each record's file once it is stored.
type Echo = Arc<dyn Fn(&[u8]) + Send + Sync>;

impl Journal {
    /// Where it lies.
    pub fn place(&self) -> &JournalLocation {
        &self.place
    }

    /// Whether this process has written records that it has not sealed.
    pub fn unsealed(&self) -> &Unsealed {
        &self.unsealed
    }

    /// The same journal, which passes each record's line of JSON to `echo` once it is stored: a second
    /// copy, for a host's log service. May pass a record twice when the store's answer was lost.
    #[must_use]
    pub fn echoing(self, echo: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let first_line = move |bytes: &[u8]| {
            let line = bytes
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
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
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
