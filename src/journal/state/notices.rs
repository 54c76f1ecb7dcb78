//! The notifications that a request owes, and when each one is due. Computed from the request's
//! state, the configured rules and the current instant.

use jiff::SignedDuration;

use super::super::record::{Event, Record};
use super::due::earliest_end;
use super::notification::{NotificationState, Outcome, Owed};
use super::wake_up::WakeUp;
use super::{Phase, State};
use crate::domain::{Notice, NoticeKind, NoticeRules, NotifyName, Status, Timestamp};

impl State {
    /// Returns the notifications that the request owes now or later under the configured rules.
    pub fn owed(&self, rules: &NoticeRules, now: Timestamp) -> Vec<Owed> {
        if rules.subscriptions.is_empty() {
            return Vec::new();
        }
        let outcomes = self.outcomes_to_notify(rules, now);
        let source = Some(&self.identity().source);
        self.notifications.owed(&outcomes, rules, source, now)
    }

    /// Returns the notifications that were owed, had no attempt, and are now too old for one.
    /// `wake_ups` are the wake-ups that led the sweep to the request. A notification counts as owed
    /// only if its outcome happened at or after `earliest_end(wake_ups)`. A sweep deletes a wake-up
    /// when nothing is owed, so a new `[[notify]]` section owes nothing for older outcomes.
    pub fn missed(&self, rules: &NoticeRules, wake_ups: &[WakeUp], now: Timestamp) -> Vec<Notice> {
        let Some(since) = earliest_end(wake_ups) else {
            return Vec::new();
        };
        let source = Some(&self.identity().source);
        self.notifications.missed(rules, source, since, now)
    }

    /// Returns when the next notification is due.
    pub fn owes_from(&self, rules: &NoticeRules, now: Timestamp) -> Option<Timestamp> {
        self.owed(rules, now).iter().map(|owed| owed.at).min()
    }

    /// Returns when a sweep must look at the request: for work, its grants, or a notification.
    pub fn next_look(&self, rules: &NoticeRules, now: Timestamp) -> Option<Timestamp> {
        let work = self.look_at().filter(|_| self.live(now));
        work.into_iter().chain(self.owes_from(rules, now)).min()
    }

    /// Returns the notifications of the newest outcome that is not a revocation. Each one is ready
    /// for one more attempt, even if it was delivered before. Leaves out notifications whose first
    /// attempt is still to come.
    pub fn last_outcome(&self, rules: &NoticeRules, now: Timestamp) -> Vec<Owed> {
        let source = Some(&self.identity().source);
        self.notifications.last_outcome(rules, source, now)
    }

    /// Returns the notifications to the target `notify` that were given up, each ready for one more
    /// attempt.
    pub(super) fn given_up(&self, notify: &NotifyName, rules: &NoticeRules) -> Vec<Owed> {
        let mut all = self.notifications.given_up(notify);
        for owed in &mut all {
            if let Some(at) = self.due_by_end(owed.notice.on, rules) {
                owed.since = at;
            }
        }
        all
    }

    /// Returns the notices of the share's end that wait for a further attempt although the end came
    /// first, each with the number of that attempt. They are not owed any more.
    pub fn lapsed(&self, rules: &NoticeRules, now: Timestamp) -> Vec<(Notice, u32)> {
        let ended = *self.phase() == Phase::Revoked;
        let source = Some(&self.identity().source);
        let lapsed = |known: &&NotificationState| {
            let is_past = match known.notice.on {
                NoticeKind::Expiring => ended || self.ends_at().is_some_and(|end| end <= now),
                NoticeKind::Overdue => ended,
                _ => false,
            };
            is_past && known.not_before.is_some() && rules.wants(&known.notice, source)
        };
        let attempted = self.notifications.attempted().iter().filter(lapsed);
        attempted
            .map(|known| (known.notice.clone(), known.attempts.saturating_add(1)))
            .collect()
    }

    /// Returns the time at which the notice of a coming or missed expiry becomes due. `None` for
    /// other notifications and for a share without an end. Also `None` for a coming expiry if
    /// `rules` have no notice period.
    fn due_by_end(&self, on: NoticeKind, rules: &NoticeRules) -> Option<Timestamp> {
        let end = self.ends_at()?;
        match on {
            NoticeKind::Expiring => {
                let before = rules.before_end.as_ref()?.seconds();
                end.checked_sub(SignedDuration::from_secs(before)).ok()
            }
            NoticeKind::Overdue => Some(end),
            _ => None,
        }
    }

    /// Returns every outcome to notify now or later: the recorded outcomes, and the share's coming
    /// or missed end.
    fn outcomes_to_notify(&self, rules: &NoticeRules, now: Timestamp) -> Vec<Outcome> {
        let mut all = self.notifications.outcomes.clone();
        let (Some(last), Some(end)) = (all.last().copied(), self.ends_at()) else {
            return all;
        };
        if self.given().is_empty() {
            return all;
        }
        let by_end = |on: NoticeKind| {
            let at = self.due_by_end(on, rules)?;
            Some(Outcome { on, at, ..last })
        };
        // A share that is shorter than the notice period needs no notice of its expiry.
        let expiring = by_end(NoticeKind::Expiring).filter(|expiring| {
            expiring.at > last.at && now < end && *self.phase() == Phase::Closed
        });
        // A deferred revocation counts as failed, even if it made no call.
        let failed = match self.phase() {
            Phase::RevokeDeferred { .. } => true,
            Phase::Revoking { .. } => self.failed_revocations() > 0,
            _ => false,
        };
        let overdue = by_end(NoticeKind::Overdue);
        let overdue = overdue.filter(|_| failed && !self.overdue(now).is_empty());
        all.extend(expiring.into_iter().chain(overdue));
        all
    }

    pub(super) fn with_outcome(mut self, record: &Record) -> Self {
        let on = match &record.event {
            Event::Opened(intent) if !intent.verdict.allowed => NoticeKind::Denied,
            Event::Refused { .. } => NoticeKind::Denied,
            Event::Closed { status, .. } => match status {
                Status::Completed => NoticeKind::Completed,
                Status::Partial => NoticeKind::Partial,
                _ => NoticeKind::Failed,
            },
            Event::Revoked { .. } if self.given().is_empty() => NoticeKind::Revoked,
            _ => return self,
        };
        self.notifications.outcomes.push(Outcome::new(on, record));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{
        EXPIRY, StreamBuilder, at, not_revoked, notification_failed, notified,
    };
    use super::*;
    use crate::domain::Subscription;

    fn rules(names: &[&str]) -> NoticeRules {
        let subscription = |name: &&str| Subscription {
            name: name.parse().unwrap(),
            on: NoticeKind::ALL.to_vec(),
            sources: vec!["jira".parse().unwrap()],
        };
        NoticeRules {
            subscriptions: names.iter().map(subscription).collect(),
            before_end: "1h".parse().ok(),
        }
    }

    fn owed(builder: &StreamBuilder, now: i64) -> Vec<String> {
        let state = State::from_records(&builder.records).unwrap();
        let owed = state.owed(&rules(&["desk", "ops"]), at(now));
        let shown = |Owed {
                         notice,
                         attempt,
                         at: from,
                         ..
                     }: Owed| {
            let seconds = from.duration_since(at(0)).as_secs();
            format!(
                "{} {} {} {attempt} {seconds}",
                notice.notify, notice.on, notice.about
            )
        };
        owed.into_iter().map(shown).collect()
    }

    /// The records of the full stream up to record 7, which closes the request.
    fn until_closed() -> StreamBuilder {
        let mut builder = StreamBuilder::full();
        builder.records.truncate(8);
        builder
    }

    #[test]
    fn what_is_owed_follows_from_records_rules_and_the_instant() {
        let mut builder = until_closed();
        let closed_at = builder.records[7].record.at.duration_since(at(0)).as_secs();
        let ends = EXPIRY - 3_600;
        let expiring = |name: &str| format!("{name} expiring 7 1 {ends}");
        let completed = |name: &str| format!("{name} partial 7 1 {closed_at}");
        assert_eq!(
            owed(&builder, closed_at),
            [
                completed("desk"),
                completed("ops"),
                expiring("desk"),
                expiring("ops")
            ]
        );
        builder = builder.then(
            closed_at + 1,
            7,
            notified("desk", NoticeKind::Partial, 7, 1),
        );
        let failed = notification_failed("ops", NoticeKind::Partial, 7, 1, Some(closed_at + 6));
        builder = builder.then(closed_at + 2, 8, failed);
        let next = format!("ops partial 7 2 {}", closed_at + 6);
        assert_eq!(
            owed(&builder, closed_at + 2),
            [next, expiring("desk"), expiring("ops")]
        );
        let given_up = notification_failed("ops", NoticeKind::Partial, 7, 2, None);
        builder = builder.then(closed_at + 7, 8, given_up);
        assert_eq!(
            owed(&builder, closed_at + 7),
            [expiring("desk"), expiring("ops")]
        );
        // After the share's end no notice of its expiry is owed. Old outcomes without an attempt
        // are not notified.
        assert_eq!(owed(&until_closed(), EXPIRY).len(), 2);
        assert_eq!(owed(&until_closed(), 4 * 86_400), [""; 0]);
        let state = State::from_records(&builder.records).unwrap();
        assert_eq!(state.owed(&NoticeRules::default(), at(closed_at)), []);
    }

    #[test]
    fn an_outcome_that_no_sweep_attempted_in_time_is_missed() {
        let builder = until_closed();
        let closed = builder.records[7].record.at.duration_since(at(0)).as_secs();
        let (lease_end, late) = (closed + 200, closed + 73 * 3_600);
        let missed = |builder: &StreamBuilder, wake_up: i64, now: i64| {
            let state = State::from_records(&builder.records).unwrap();
            let wake_up = WakeUp::new(at(wake_up), state.stream(), 0);
            let missed = state.missed(&rules(&["desk"]), &[wake_up], at(now));
            missed.len()
        };
        assert_eq!(missed(&builder, lease_end, late), 1);
        assert_eq!(missed(&builder, lease_end, closed + 71 * 3_600), 0);
        // A later wake-up, such as the one at the share's end, is no evidence that the outcome was
        // owed.
        assert_eq!(missed(&builder, lease_end + 2, late), 0);
        let state = State::from_records(&builder.records).unwrap();
        assert_eq!(state.missed(&rules(&["desk"]), &[], at(late)), []);
        let too_late = notification_failed("desk", NoticeKind::Partial, 7, 0, None);
        let given_up = builder.then(late, 8, too_late);
        assert_eq!(missed(&given_up, lease_end, late), 0);
        let state = State::from_records(&given_up.records).unwrap();
        let again = state.given_up(&"desk".parse().unwrap(), &rules(&["desk"]));
        let again: Vec<_> = again
            .iter()
            .map(|owed| (owed.attempt, owed.since))
            .collect();
        assert_eq!(again, [(1, at(closed))]);
    }

    #[test]
    fn a_failed_revocation_is_overdue_however_old() {
        let mut builder = StreamBuilder::full();
        builder.records.truncate(9);
        let begun = State::from_records(&builder.records).unwrap();
        assert!(
            matches!(begun.phase(), Phase::Revoking { .. }),
            "{:?}",
            begun.phase()
        );
        assert!(
            !owed(&builder, 30 * 86_400)
                .iter()
                .any(|owed| owed.contains("overdue"))
        );
        builder = builder.then(EXPIRY + 50, 3, not_revoked(EXPIRY + 500));
        let overdue = format!("desk overdue 7 1 {EXPIRY}");
        assert!(owed(&builder, 30 * 86_400).contains(&overdue));
    }

    /// Each attempt must report the same instant for the outcome.
    #[test]
    fn a_given_up_notice_of_an_end_keeps_its_instant() {
        let (desk, rules) = ("desk".parse().unwrap(), rules(&["desk"]));
        let given_up = |on| notification_failed("desk", on, 7, 1, None);
        let builder = until_closed();
        let closed = builder.records[7].record.at.duration_since(at(0)).as_secs();
        for (on, since) in [
            (NoticeKind::Partial, closed),
            (NoticeKind::Expiring, EXPIRY - 3_600),
            (NoticeKind::Overdue, EXPIRY),
        ] {
            let records = builder.clone().then(EXPIRY + 5, 8, given_up(on)).records;
            let state = State::from_records(&records).unwrap();
            let again = state.given_up(&desk, &rules);
            let instants: Vec<_> = again.iter().map(|owed| owed.since).collect();
            assert_eq!(instants, [at(since)], "{on}");
        }
    }

    #[test]
    fn records_of_notifications_follow_their_outcomes() {
        let builder = until_closed();
        let desk = |attempt| notified("desk", NoticeKind::Partial, 7, attempt);
        let again = notification_failed("desk", NoticeKind::Partial, 7, 1, None);
        for (events, why) in [
            (
                vec![notified("desk", NoticeKind::Denied, 7, 1)],
                "no earlier record has",
            ),
            (
                vec![notified("desk", NoticeKind::Partial, 6, 1)],
                "no earlier record has",
            ),
            (
                vec![notified("desk", NoticeKind::Expiring, 8, 1)],
                "no earlier record has",
            ),
            (vec![desk(1), desk(2)], "delivered before"),
            (vec![again.clone(), again], "or a later one"),
        ] {
            let end = events.into_iter().fold(builder.clone(), |built, event| {
                let last = built.records.last().unwrap().record.at;
                let seconds = last.duration_since(at(0)).as_secs() + 1;
                built.then(seconds, 9, event)
            });
            let error = State::from_records(&end.records).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
