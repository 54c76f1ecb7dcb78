//! The notifications in a request's records: the outcomes, and the state of each notification.

use jiff::SignedDuration;

use crate::domain::{Notice, NoticeKind, Timestamp};

/// How long an outcome without any attempt is notified. A new `[[notify]]` must not notify all of
/// history.
const TOLD_WITHIN: SignedDuration = SignedDuration::from_hours(72);

/// The outcomes, and the state of each notification.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) told: Vec<Told>,
}

/// A record that is an outcome to notify.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) on: NoticeKind,
    pub(super) about: u64,
    pub(super) at: Timestamp,
}

impl Outcome {
    /// An outcome of the share's expiry stays current while the share is in effect.
    pub(super) fn is_history(&self, now: Timestamp) -> bool {
        !matches!(self.on, NoticeKind::Expiring | NoticeKind::Overdue)
            && now.duration_since(self.at) > TOLD_WITHIN
    }
}

/// The state of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The notification.
    pub notice: Notice,
    /// Attempts so far.
    pub attempts: u32,
    /// When the newest attempt ended.
    pub at: Timestamp,
    /// Whether it was delivered.
    pub sent: bool,
    /// Why the newest attempt failed.
    pub why: Option<String>,
    /// When the next attempt is due; `None` when it was delivered or given up.
    pub not_before: Option<Timestamp>,
}
