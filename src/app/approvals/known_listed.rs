//! What this process knows of the lists of approval systems, so that a sweep does not look up again what the
//! journal has.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Mutex;

use crate::domain::{SourceName, Timestamp};

/// By source. Its lock is held during a reconciliation.
#[derive(Debug, Default)]
pub(in crate::app) struct KnownListed(pub(super) Mutex<BTreeMap<SourceName, Known>>);

/// What is known of one source's list.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// When to look at it next, or ask the journal whether another process has.
    pub(super) next: Option<Timestamp>,
    /// The listed announcements that the journal has.
    pub(super) announced: BTreeSet<String>,
}
