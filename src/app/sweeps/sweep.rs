//! The sweep: finishes what is unfinished, starts what is due, revokes what has expired. In: the
//! journal's index. Out: a report. Two at once do no harm, because each piece of work is claimed
//! before it is done.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join3};
use tracing::Instrument as _;

use crate::app::grants::Unfinished;
use crate::app::notifying::Failures;
use crate::app::{App, Deadline, context};
use crate::domain::Timestamp;
use crate::journal::{
    Affected, History, JournalError, MAX_PAUSE_OF_REVOCATION, State, StreamId, StreamState, WakeUp,
    Work,
};
use crate::telemetry::{Step, step};

use super::sweep_report::SweepReport;

/// The sweep starts no request with less time left.
const MIN_TIME_LEFT: Duration = Duration::from_secs(2);
/// Requests that are looked at before the first of them is worked on.
const LEADS: usize = 128;
/// Requests that are read at once; requests that are worked on at once.
const READERS: usize = 16;
const WORKERS: usize = 8;

/// A request that wake-ups point at, or whose worker is gone.
struct DueStream {
    stream: StreamId,
    /// Those whose time has come.
    wake_ups: Vec<WakeUp>,
}

/// The same, read and found due.
type Due<'a> = (&'a DueStream, State);

/// A sweep under way.
struct Round {
    now: Timestamp,
    /// Whether what only a pause delays is tried too.
    at_once: bool,
    deadline: Deadline,
    report: SweepReport,
    /// Streams that may owe a notification now. It is delivered when all work is done.
    owing: Vec<(Vec<WakeUp>, StreamState)>,
}

impl App {
    /// Does everything that is due, by the journal's index, goes on with the daily pass that compares
    /// the index with the records, and publishes the report.
    ///
    /// # Errors
    /// When the index cannot be listed; what fails for one request is in the report.
    pub async fn sweep(&self, deadline: Deadline) -> Result<SweepReport, JournalError> {
        let report = Box::pin(self.sweep_round(deadline, false)).await?;
        self.swept();
        Ok(report)
    }

    /// The same for a person who has just corrected the cause of a failure: also tries at once what
    /// waits for the end of a pause.
    pub async fn sweep_at_once(&self, deadline: Deadline) -> Result<SweepReport, JournalError> {
        Box::pin(self.sweep_round(deadline, true)).await
    }

    async fn sweep_round(
        &self,
        deadline: Deadline,
        at_once: bool,
    ) -> Result<SweepReport, JournalError> {
        self.log_refusals();
        self.clouds.forget_clock();
        let mut round = Round {
            now: self.now(),
            at_once,
            deadline,
            report: SweepReport::default(),
            owing: Vec::new(),
        };
        Box::pin(self.reconcile(deadline)).await;
        // What only a pause delays has its wake-up at the end of it.
        let until = match at_once {
            true => round
                .now
                .checked_add(MAX_PAUSE_OF_REVOCATION)
                .unwrap_or(Timestamp::MAX),
            false => round.now,
        };
        let (due, pass) = (self.journal.due(until), self.journal.pass(round.now));
        let abandoned = self.journal.abandoned();
        let (wake_ups, mut pass, abandoned) = try_join3(due, pass, abandoned).await?;
        let due = by_stream(wake_ups, abandoned, round.now);
        self.sweep_due(due, &mut round).await;
        pass = self.journal.after_wrong_clock(pass).await?;
        if !pass.done() && !round.report.out_of_time {
            let ever_done = pass.ever_done();
            if let Err(error) = Box::pin(self.go_on(&mut pass, deadline)).await {
                round.report.failures.push(error.to_string());
            }
            // The first pass may just have found what is due.
            if !ever_done {
                let wake_ups = self.journal.due(until).await?;
                let due = by_stream(wake_ups, Vec::new(), round.now);
                self.sweep_due(due, &mut round).await;
            }
        }
        Box::pin(self.notify_due(&mut round)).await;
        round.report.clock_difference = self.clouds.clock_difference();
        round.report.failures.extend(self.seal_when_due().await);
        let unpublished = self.publish_report_when_due(deadline).await;
        round.report.failures.extend(unpublished);
        Ok(round.report)
    }

    async fn sweep_due(&self, due: Vec<DueStream>, round: &mut Round) {
        self.journal.work_done().begin(due.len());
        for leads in due.chunks(LEADS) {
            if context::left(round.deadline) < MIN_TIME_LEFT {
                round.report.out_of_time = true;
                break;
            }
            Box::pin(self.follow(leads, round)).await;
            self.journal.work_done().add(leads.len());
        }
    }

    /// Reads some requests and does what is due of them: first what is unfinished, so that a
    /// revocation sees the grants that came into effect.
    async fn follow(&self, leads: &[DueStream], round: &mut Round) {
        let mut reads = Vec::new();
        for some in leads.chunks(READERS) {
            reads.extend(join_all(some.iter().map(|lead| self.journal.read(lead.stream))).await);
        }
        let (mut finish, mut revoke, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (lead, read) in leads.iter().zip(reads) {
            let Some(state) = self.request_of(lead, read, round).await else {
                continue;
            };
            match work_of(&state, round.now, round.at_once) {
                // A wake-up that lies ahead stays as it is.
                None if lead.wake_ups.is_empty() => {}
                None => ends.push((lead, state)),
                Some(Work::Start | Work::Finish) => finish.push((lead, state)),
                Some(Work::Revoke { .. }) => revoke.push((lead, state)),
            }
        }
        // Revocations of one image stand next to each other, so that one call takes back all of them.
        revoke.sort_by_cached_key(|(_, state)| (state.request().region.clone(), state.subject()));
        let affected = |due: &Due<'_>| due.1.affected();
        for due in side_by_side(finish, affected)
            .into_iter()
            .chain(side_by_side(revoke, affected))
        {
            let work = due.iter().map(|(_, state)| {
                let resume = step(Step::Resume);
                resume.record("identity", tracing::field::display(state.identity()));
                self.sweep_one(state.clone(), round.at_once, round.deadline)
                    .instrument(resume)
            });
            for ((lead, state), end) in due.iter().zip(join_all(work).await) {
                match &end {
                    Ok(Some(after)) => ends.push((lead, after.clone())),
                    _ => round.report.add_overdue(state, round.now),
                }
                round
                    .report
                    .add(state.identity().to_string(), end, round.now);
            }
        }
        let now = self.now();
        for (_, state) in &ends {
            round.report.add_overdue(state, now);
        }
        let rules = &self.prepared.notice_rules;
        let owes = |state: &State| state.owes_from(rules, now).is_some_and(|at| at <= now);
        let (owing, ends): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(_, state)| owes(state));
        let owing = owing
            .into_iter()
            .map(|(lead, state)| (lead.wake_ups.clone(), StreamState::Request(Box::new(state))));
        round.owing.extend(owing);
        let ended: Vec<_> = ends
            .iter()
            .map(|(lead, state)| (state, lead.wake_ups.as_slice()))
            .collect();
        if let Err(error) = self.journal.update_index(&ended, now, rules).await {
            round.report.failures.push(error.to_string());
        }
    }

    /// The request that was read. An incident owes notifications, or awaits the fetch of its instance.
    async fn request_of(
        &self,
        lead: &DueStream,
        read: Result<Option<History>, JournalError>,
        round: &mut Round,
    ) -> Option<State> {
        match read.map(|history| history.map(|history| history.stream_state)) {
            Ok(Some(StreamState::Request(state))) => return Some(*state),
            Ok(Some(incident @ StreamState::Incident(_))) => {
                round.owing.push((lead.wake_ups.clone(), incident));
            }
            Ok(None) => self.forget(lead, round).await,
            Err(error) => round.report.failures.push(error.to_string()),
        }
        None
    }

    /// Fetches the instances and delivers the notifications that are due. A target that fails is left to
    /// the next sweep.
    async fn notify_due(&self, round: &mut Round) {
        let rules = &self.prepared.notice_rules;
        let failures = Failures::default();
        for some in std::mem::take(&mut round.owing).chunks(WORKERS) {
            if context::left(round.deadline) < MIN_TIME_LEFT {
                round.report.out_of_time = true;
                break;
            }
            let (deadline, at_once) = (round.deadline, round.at_once);
            let delivered = some.iter().map(async |(wake_ups, state)| {
                let work = self.work_off_announcement(state.clone(), at_once, deadline);
                let state = Box::pin(work).await?;
                let state = self.deliver_due(state, &failures, false, deadline).await?;
                let now = self.now();
                let index = self
                    .journal
                    .update_index_after(&state, wake_ups, now, rules);
                index.await.map(|()| Unfinished::unfetched(&state))
            });
            for end in join_all(delivered).await {
                match end {
                    Ok(unfetched) => round.report.unfinished.extend(unfetched),
                    Err(error) => round.report.failures.push(error.to_string()),
                }
            }
        }
    }

    /// Deletes wake-ups that no record followed. Keeps and reports a wake-up that a record preceded,
    /// because that record was removed.
    async fn forget(&self, lead: &DueStream, round: &mut Round) {
        if lead.wake_ups.iter().any(|wake_up| wake_up.seq > 0) {
            let gone = JournalError::Gone {
                stream: lead.stream,
            };
            round.report.failures.push(gone.to_string());
            return;
        }
        if let Err(error) = self.journal.forget(&lead.wake_ups, round.now).await {
            round.report.failures.push(error.to_string());
        }
    }

    /// Works on one request that is due; `None` when the time has run out. When its end came
    /// meanwhile, takes back at once what it gave.
    pub(in crate::app) async fn sweep_one(
        &self,
        state: State,
        at_once: bool,
        deadline: Deadline,
    ) -> Result<Option<State>, JournalError> {
        if context::left(deadline) < MIN_TIME_LEFT {
            return Ok(None);
        }
        let now = self.now();
        let after = match work_of(&state, now, at_once) {
            Some(Work::Start | Work::Finish) => {
                Box::pin(self.run_turn(state, now, at_once, deadline)).await?
            }
            _ => state,
        };
        match work_of(&after, now, at_once) {
            Some(Work::Revoke { .. }) => Box::pin(self.revoke(after, now, at_once, deadline))
                .await
                .map(Some),
            _ => Ok(Some(after)),
        }
    }
}

fn work_of(state: &State, now: Timestamp, at_once: bool) -> Option<Work> {
    if at_once {
        state.needs_work_at_once(now)
    } else {
        state.needs_work(now)
    }
}

/// Requests that may be worked on at once: no two of them about the same image and account, or one
/// would do what the other has done already.
fn side_by_side<T>(due: Vec<T>, affected: impl Fn(&T) -> Vec<Affected>) -> Vec<Vec<T>> {
    let mut waves: Vec<(Vec<Affected>, Vec<T>)> = Vec::new();
    for one in due {
        let mine = affected(&one);
        let free = |taken: &[Affected]| {
            !taken
                .iter()
                .any(|other| mine.iter().any(|c| c.meets(other)))
        };
        match waves
            .iter_mut()
            .find(|(taken, wave)| wave.len() < WORKERS && free(taken))
        {
            Some((taken, wave)) => {
                taken.extend(mine);
                wave.push(one);
            }
            None => waves.push((mine, vec![one])),
        }
    }
    waves.into_iter().map(|(_, wave)| wave).collect()
}

/// The requests whose workers are gone, and then those that wake-ups point at, the oldest first.
fn by_stream(wake_ups: Vec<WakeUp>, abandoned: Vec<StreamId>, now: Timestamp) -> Vec<DueStream> {
    let mut places: BTreeMap<StreamId, usize> = abandoned.iter().copied().zip(0..).collect();
    let abandoned = abandoned.into_iter().map(|stream| DueStream {
        stream,
        wake_ups: Vec::new(),
    });
    let mut leads: Vec<DueStream> = abandoned.collect();
    for wake_up in wake_ups {
        let (stream, end) = (wake_up.stream, leads.len());
        let place = *places.entry(stream).or_insert(end);
        if place == end {
            let wake_ups = Vec::new();
            leads.push(DueStream { stream, wake_ups });
        }
        if let (Some(lead), true) = (leads.get_mut(place), wake_up.at <= now) {
            lead.wake_ups.push(wake_up);
        }
    }
    leads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Receiver;

    fn affected(image: &str, receiver: &str) -> Affected {
        let receiver = match receiver {
            "many" => Receiver::Many,
            "lighthouse" => Receiver::Lighthouse,
            account => Receiver::Account(account.parse().unwrap()),
        };
        Affected {
            region: "ap-singapore".parse().unwrap(),
            image: image.parse().unwrap(),
            receiver,
        }
    }

    #[test]
    fn two_requests_about_the_same_account_are_not_worked_on_at_once() {
        let (a, b) = ("lhbp-6jc6l8yb", "lhbp-su83x02a");
        let due: Vec<(u32, &str, &str)> = vec![
            (1, a, "700000164995"),
            (2, a, "1038493875"),
            (3, a, "700000164995"),
            (4, b, "700000164995"),
            (5, a, "many"),
            (6, b, "lighthouse"),
        ];
        let waves = side_by_side(due, |(_, image, receiver)| vec![affected(image, receiver)]);
        let waves: Vec<Vec<u32>> = waves
            .into_iter()
            .map(|w| w.into_iter().map(|(n, ..)| n).collect())
            .collect();
        assert_eq!(waves, [vec![1, 2, 4, 6], vec![3], vec![5]]);
    }

    #[test]
    fn no_more_than_a_few_are_worked_on_at_once() {
        let waves = side_by_side((0..20).collect(), |_: &i32| vec![]);
        assert_eq!(waves.iter().map(Vec::len).collect::<Vec<_>>(), [8, 8, 4]);
    }
}
