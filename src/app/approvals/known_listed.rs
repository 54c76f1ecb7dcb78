//! What this process knows of the lists of approval systems. With this knowledge, a reconciliation
//! skips the announcements that an earlier one found in the journal, wrote there, or left out as
//! too old.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Mutex;

use crate::domain::{SourceName, Timestamp};

/// What is known of each source's list. The lock is held during a reconciliation.
#[derive(Debug, Default)]
pub(in crate::app) struct KnownListed(pub(super) Mutex<BTreeMap<SourceName, Known>>);

/// What is known of one source's list.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// When this process reads the list next, or asks the journal whether another process has read
    /// it.
    pub(super) next: Option<Timestamp>,
    /// Ids of the listed announcements that need no further look: the journal has them, or their
    /// approval ended too long ago.
    pub(super) announced: BTreeSet<String>,
}
