//! What a request's records say of notifications: what there was to tell, and what became of it.

use jiff::SignedDuration;

use crate::domain::{Notice, NoticeKind, Timestamp};

/// An outcome for which no delivery was tried is told for so long: a first `[[notify]]` does not tell
/// of all history.
const TOLD_WITHIN: SignedDuration = SignedDuration::from_hours(72);

/// What there was to tell, and what became of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) told: Vec<Told>,
}

/// A record that somebody may want to be told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) on: NoticeKind,
    pub(super) about: u64,
    pub(super) at: Timestamp,
}

impl Outcome {
    /// What a share's end brings is the present as long as it stands.
    pub(super) fn is_history(&self, now: Timestamp) -> bool {
        !matches!(self.on, NoticeKind::Expiring | NoticeKind::Overdue)
            && now.duration_since(self.at) > TOLD_WITHIN
    }
}

/// What became of a notification so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub notice: Notice,
    /// Attempts so far.
    pub attempts: u32,
    /// When the newest attempt ended.
    pub at: Timestamp,
    /// Whether it was delivered.
    pub sent: bool,
    /// Why the newest attempt failed.
    pub why: Option<String>,
    /// When the next attempt is due; none when it was delivered or given up.
    pub not_before: Option<Timestamp>,
}
