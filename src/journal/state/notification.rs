//! The notifications in a request's records: the outcomes, and the state of each notification.

use jiff::SignedDuration;

use crate::domain::{Notice, NoticeKind, Timestamp};

/// How old an outcome without any attempt may be to be notified. A new `[[notify]]` must not notify
/// all of history.
const MAX_AGE_WITHOUT_ATTEMPT: SignedDuration = SignedDuration::from_hours(72);

/// The outcomes, and the state of each notification.
#[derive(Debug, Clone, Default)]
pub(super) struct Notifications {
    pub(super) outcomes: Vec<Outcome>,
    /// Notifications with an attempt, in the order of the first attempts.
    pub(super) attempted: Vec<NotificationState>,
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
            && now.duration_since(self.at) > MAX_AGE_WITHOUT_ATTEMPT
    }
}

/// The state of a notification after its newest attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationState {
    /// The notification.
    pub notice: Notice,
    /// Attempts so far.
    pub attempts: u32,
    /// When the newest attempt ended.
    pub at: Timestamp,
    /// Whether it was delivered.
    pub delivered: bool,
    /// Why the newest attempt failed.
    pub why: Option<String>,
    /// When the next attempt is due; `None` when it was delivered or given up.
    pub not_before: Option<Timestamp>,
}

impl NotificationState {
    /// Whether it was not delivered, and no further attempt is due.
    pub(super) fn given_up(&self) -> bool {
        !self.delivered && self.not_before.is_none()
    }
}
