//! The notifications of one stream: the state of each one, and those that are owed. Computed from
//! the stream's outcomes, the records of attempts to notify, and the configured rules.

use jiff::SignedDuration;

use super::super::record::{Event, FailedNotification, Notified, Record};
use super::broken_record::{BrokenRecord, broken};
use crate::domain::{Notice, NoticeKind, NoticeRules, NotifyName, SourceName, Timestamp};

/// Maximum age of an outcome at the first attempt to notify it. Without this limit a new
/// `[[notify]]` section would notify every old outcome.
const MAX_AGE_WITHOUT_ATTEMPT: SignedDuration = SignedDuration::from_hours(72);

/// The outcomes of a stream, and the state of each notification.
#[derive(Debug, Clone, Default)]
pub(in crate::journal) struct Notifications {
    pub(super) outcomes: Vec<Outcome>,
    attempted: Vec<NotificationState>,
}

/// An outcome to notify, with the number and the instant of its record. A coming or missed expiry
/// has the number of the last outcome's record, but its own instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) on: NoticeKind,
    pub(super) about: u64,
    pub(super) at: Timestamp,
}

impl Outcome {
    pub(super) fn new(on: NoticeKind, record: &Record) -> Self {
        Self {
            on,
            about: record.seq,
            at: record.at,
        }
    }

    /// Returns the outcome's notifications to the targets that want it.
    fn notices(
        self,
        rules: &NoticeRules,
        source: Option<&SourceName>,
    ) -> impl Iterator<Item = Notice> {
        let notice = move |notify: &NotifyName| Notice {
            notify: notify.clone(),
            on: self.on,
            about: self.about,
        };
        rules.targets(self.on, source).map(notice)
    }

    /// Whether the outcome is too old for a first attempt. A coming or missed expiry is never too
    /// old, because its notice stays true as long as the share is in effect.
    fn is_history(&self, now: Timestamp) -> bool {
        !matches!(self.on, NoticeKind::Expiring | NoticeKind::Overdue)
            && now.duration_since(self.at) > MAX_AGE_WITHOUT_ATTEMPT
    }
}

/// A notification to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The notification.
    pub notice: Notice,
    /// The number of the next attempt, from 1.
    pub attempt: u32,
    /// The attempt may not begin before this instant.
    pub at: Timestamp,
    /// When the outcome happened. For a coming expiry, this is when its notice became due.
    pub since: Timestamp,
}

impl Owed {
    /// Whether an attempt may begin now, or was made before. False for the notice of a coming
    /// expiry before that notice is due.
    pub fn has_begun(&self, now: Timestamp) -> bool {
        self.attempt > 1 || self.at <= now
    }
}

/// The state of a notification after its newest attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationState {
    /// The notification.
    pub notice: Notice,
    /// The number of attempts so far.
    pub attempts: u32,
    /// When the newest attempt ended.
    pub at: Timestamp,
    /// Whether the notification was delivered.
    pub delivered: bool,
    /// Whether nothing had to be sent for it.
    pub silent: bool,
    /// Why the newest attempt failed.
    pub why: Option<String>,
    /// When the next attempt is due. `None` if the notification was delivered or given up.
    pub not_before: Option<Timestamp>,
}

impl Notifications {
    pub(super) fn attempted(&self) -> &[NotificationState] {
        &self.attempted
    }

    /// Returns the notifications of these outcomes that are owed now or later. `source` is the
    /// source of the request or delivery, or `None` for a comparison.
    pub(super) fn owed(
        &self,
        outcomes: &[Outcome],
        rules: &NoticeRules,
        source: Option<&SourceName>,
        now: Timestamp,
    ) -> Vec<Owed> {
        let mut owed = Vec::new();
        for outcome in outcomes {
            for notice in outcome.notices(rules, source) {
                let (attempts, at) = match self.attempt_of(&notice) {
                    None if outcome.is_history(now) => continue,
                    None => (0, outcome.at),
                    Some(known) => match known.not_before {
                        Some(at) => (known.attempts, at),
                        None => continue,
                    },
                };
                owed.push(Owed {
                    notice,
                    attempt: attempts.saturating_add(1),
                    at,
                    since: outcome.at,
                });
            }
        }
        owed
    }

    /// Returns the notifications that had no attempt, although their outcomes happened at or after
    /// `since` and are now too old for a first attempt.
    pub(super) fn missed(
        &self,
        rules: &NoticeRules,
        source: Option<&SourceName>,
        since: Timestamp,
        now: Timestamp,
    ) -> Vec<Notice> {
        let outcomes = self.outcomes.iter();
        outcomes
            .filter(|outcome| outcome.at >= since && outcome.is_history(now))
            .flat_map(|outcome| outcome.notices(rules, source))
            .filter(|notice| self.attempt_of(notice).is_none())
            .collect()
    }

    pub(super) fn last_outcome(
        &self,
        rules: &NoticeRules,
        source: Option<&SourceName>,
        now: Timestamp,
    ) -> Vec<Owed> {
        let mut outcomes = self.outcomes.iter().rev();
        let Some(last) = outcomes.find(|outcome| outcome.on != NoticeKind::Revoked) else {
            return Vec::new();
        };
        let owed = |notice: Notice| {
            let known = self.attempt_of(&notice);
            // A notification that waits for its next attempt is sent then.
            let waits = known.and_then(|known| known.not_before);
            let attempted = known.is_some() || last.is_history(now);
            let attempted = attempted && waits.is_none_or(|at| at <= now);
            attempted.then(|| Owed {
                attempt: known.map_or(0, |known| known.attempts).saturating_add(1),
                notice,
                at: now,
                since: last.at,
            })
        };
        last.notices(rules, source).filter_map(owed).collect()
    }

    /// Whether a later outcome has replaced the one that `notice` reports: the request was decided
    /// or carried out again or, if `by_revocation`, its share has ended.
    pub(super) fn replaced(&self, notice: &Notice, by_revocation: bool) -> bool {
        let mut later = self.outcomes.iter();
        later.any(|outcome| {
            outcome.about > notice.about && (by_revocation || outcome.on != NoticeKind::Revoked)
        })
    }

    /// Whether the target received a later notification while `notice` waited for its next attempt.
    /// False for a notification that was given up, which only an operator repeats.
    pub(super) fn overtaken(&self, notice: &Notice) -> bool {
        let known = self.attempt_of(notice);
        let waits = known.is_some_and(|known| known.not_before.is_some());
        let later = |known: &NotificationState| {
            let received = known.delivered && !known.silent;
            received
                && known.notice.notify == notice.notify
                && known.notice.place() > notice.place()
        };
        waits && self.attempted.iter().any(later)
    }

    pub(super) fn given_up(&self, notify: &NotifyName) -> Vec<Owed> {
        let given_up = |known: &&NotificationState| {
            known.notice.notify == *notify && !known.delivered && known.not_before.is_none()
        };
        let owed = |known: &NotificationState| {
            let about = known.notice.about;
            let outcome = self.outcomes.iter().find(|outcome| outcome.about == about);
            Owed {
                notice: known.notice.clone(),
                attempt: known.attempts.saturating_add(1),
                at: known.at,
                since: outcome.map_or(known.at, |outcome| outcome.at),
            }
        };
        self.attempted.iter().filter(given_up).map(owed).collect()
    }

    /// Whether the result of this attempt is new. This is so if the notification was not delivered,
    /// and no record has this attempt or a later one.
    pub(in crate::journal) fn lacks(&self, notice: &Notice, attempt: u32) -> bool {
        let known = self.attempt_of(notice);
        known.is_none_or(|known| !known.delivered && known.attempts < attempt)
    }

    /// Applies a record of an attempt to notify.
    pub(super) fn record(&mut self, record: &Record) -> Result<(), BrokenRecord> {
        let (notice, attempts, why, not_before) = match &record.event {
            Event::Notified(Notified {
                notice, attempt, ..
            }) => (notice, *attempt, None, None),
            Event::NotificationFailed(failed) => {
                let FailedNotification {
                    notice,
                    attempt,
                    why,
                    not_before,
                } = failed;
                (notice, *attempt, Some(why.clone()), *not_before)
            }
            _ => return broken("the record is not about a notification"),
        };
        let of_outcome = |known: &Outcome| {
            let end = matches!(notice.on, NoticeKind::Expiring | NoticeKind::Overdue);
            known.about == notice.about && (end || known.on == notice.on)
        };
        if !self.outcomes.iter().any(of_outcome) {
            return broken("no earlier record has the outcome that it notifies");
        }
        let newest = NotificationState {
            notice: notice.clone(),
            attempts,
            at: record.at,
            delivered: matches!(record.event, Event::Notified(_)),
            silent: matches!(&record.event, Event::Notified(notified) if notified.silent),
            why,
            not_before,
        };
        let mut attempted = self.attempted.iter_mut();
        match attempted.find(|known| known.notice == *notice) {
            None => self.attempted.push(newest),
            Some(known) if known.delivered => {
                return broken("its notification was delivered before");
            }
            Some(known) if known.attempts >= attempts => {
                return broken("an earlier record has this attempt to notify, or a later one");
            }
            Some(known) => *known = newest,
        }
        Ok(())
    }

    fn attempt_of(&self, notice: &Notice) -> Option<&NotificationState> {
        self.attempted.iter().find(|known| known.notice == *notice)
    }
}
