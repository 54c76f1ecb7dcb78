//! The sweep finishes unfinished requests, starts requests that are due, and revokes expired
//! shares. It finds them in the journal's index and returns a report. Two sweeps may run at the
//! same time, because each request is claimed before it is worked on.

use std::collections::BTreeMap;

use futures_util::future::{join_all, try_join3};
use tracing::Instrument as _;

use crate::app::grants::Unfinished;
use crate::app::notifying::Failures;
use crate::app::{App, Deadline};
use crate::domain::Timestamp;
use crate::journal::{
    Affected, History, JournalError, MAX_PAUSE_OF_REVOCATION, State, StreamId, StreamState, WakeUp,
    Work,
};
use crate::telemetry::{Step, step};

use super::sweep_report::SweepReport;

/// Number of requests that are read before the first of them is worked on.
const STREAMS_PER_ROUND: usize = 128;
/// Number of requests that are read concurrently.
const READERS: usize = 16;
/// Number of requests that are worked on concurrently.
const WORKERS: usize = 8;

/// A stream to read, because a wake-up names it or because its worker died.
struct DueStream {
    stream: StreamId,
    /// The wake-ups of this stream that are due.
    wake_ups: Vec<WakeUp>,
}

type Due<'a> = (&'a DueStream, State);

struct Round {
    now: Timestamp,
    /// Whether to also try requests that wait only for the end of a pause.
    at_once: bool,
    deadline: Deadline,
    report: SweepReport,
    /// Streams that may owe a notification or wait for their instance. Handled after the requests.
    owing: Vec<(Vec<WakeUp>, StreamState)>,
}

impl App {
    /// Performs one sweep:
    ///
    /// 1. Looks for approvals whose event never arrived.
    /// 2. Works on the requests that are due according to the journal's index.
    /// 3. Continues the daily pass that compares the index with the records.
    /// 4. Delivers notifications.
    /// 5. Seals the journal and publishes the report if these are due.
    ///
    /// # Errors
    /// Fails if the journal's index cannot be read, or if the journal was opened only for reading.
    /// An error that concerns one request is added to the report instead.
    pub async fn sweep(&self, deadline: Deadline) -> Result<SweepReport, JournalError> {
        let report = Box::pin(self.sweep_round(deadline, false)).await?;
        self.swept();
        Ok(report)
    }

    /// Does the same as [`App::sweep`], but also tries requests that wait for the end of a pause.
    /// This is for a person who has just corrected the cause of a failure.
    pub async fn sweep_at_once(&self, deadline: Deadline) -> Result<SweepReport, JournalError> {
        Box::pin(self.sweep_round(deadline, true)).await
    }

    async fn sweep_round(
        &self,
        deadline: Deadline,
        at_once: bool,
    ) -> Result<SweepReport, JournalError> {
        // Fail before the first call if the journal is open only for reading, because a sweep must
        // claim each request before it works on it.
        self.journal.writable()?;
        // Another journal may use this index. Do not delete its entries. Any other failure stops
        // each turn that writes, but not the search for overdue shares.
        if let Err(error) = self.prove_create_only().await
            && (self.journal.index_is_elsewhere() || matches!(error, JournalError::Place(_)))
        {
            return Err(error);
        }
        self.log_refusals();
        self.clouds.forget_clock();
        Box::pin(self.reconcile(deadline)).await;
        // Take `now` after the reconciliation, because the announcements that it records are due
        // at once.
        let mut round = Round {
            now: self.now(),
            at_once,
            deadline,
            report: SweepReport::default(),
            owing: Vec::new(),
        };
        // A request that waits for the end of a pause has a wake-up at that time, so `at_once` must
        // also find later wake-ups.
        let until = match at_once {
            true => round
                .now
                .checked_add(MAX_PAUSE_OF_REVOCATION)
                .unwrap_or(Timestamp::MAX),
            false => WakeUp::second_of(round.now),
        };
        let (due, pass) = (self.journal.due(until), self.journal.pass(round.now));
        let abandoned = self.journal.abandoned();
        let (wake_ups, mut pass, abandoned) = try_join3(due, pass, abandoned).await?;
        let due = by_stream(wake_ups, abandoned, round.now);
        self.sweep_due(due, &mut round).await;
        pass = self.journal.after_wrong_clock(pass).await?;
        if !pass.done() && !round.report.out_of_time {
            let ever_done = pass.ever_done();
            match Box::pin(self.continue_pass(&mut pass, deadline)).await {
                Ok(compared) => round.report.failures.extend(compared.failure()),
                Err(error) => round.report.failures.push(error.to_string()),
            }
            // The very first pass may have written wake-ups that are already due.
            if !ever_done {
                let wake_ups = self.journal.due(until).await?;
                let due = by_stream(wake_ups, Vec::new(), round.now);
                self.sweep_due(due, &mut round).await;
            }
        }
        Box::pin(self.notify_due(&mut round)).await;
        self.queue_waiting_tasks();
        round.report.clock_difference = self.clouds.clock_difference();
        round.report.failures.extend(self.seal_when_due().await);
        let unpublished = self.publish_report_when_due(deadline).await;
        round.report.failures.extend(unpublished);
        Ok(round.report)
    }

    async fn sweep_due(&self, due: Vec<DueStream>, round: &mut Round) {
        self.journal.work_done().begin(due.len());
        for due_streams in due.chunks(STREAMS_PER_ROUND) {
            if self.is_ending(round.deadline) {
                round.report.out_of_time = true;
                break;
            }
            Box::pin(self.work_on(due_streams, round)).await;
            self.journal.work_done().add(due_streams.len());
        }
    }

    /// Reads some requests and works on those that are due. Unfinished requests are finished before
    /// any share is revoked, so that a revocation can see the grants of these requests.
    async fn work_on(&self, due_streams: &[DueStream], round: &mut Round) {
        let mut reads = Vec::new();
        for some in due_streams.chunks(READERS) {
            reads.extend(
                join_all(
                    some.iter()
                        .map(|due_stream| self.journal.read(due_stream.stream)),
                )
                .await,
            );
        }
        let (mut finish, mut revoke, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (due_stream, read) in due_streams.iter().zip(reads) {
            let Some(state) = self.request_of(due_stream, read, round).await else {
                continue;
            };
            match work_of(&state, round.now, round.at_once) {
                // The request has no work and no due wake-up, so its index entries stay.
                None if due_stream.wake_ups.is_empty() => {}
                None => ends.push((due_stream, state)),
                Some(Work::Start | Work::Finish) => finish.push((due_stream, state)),
                Some(Work::Revoke { .. }) => revoke.push((due_stream, state)),
            }
        }
        // Sort the revocations by image. Those of one image are then worked on together and
        // coalesced into one call.
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
            for ((due_stream, state), end) in due.iter().zip(join_all(work).await) {
                match &end {
                    Ok(Some(after)) => ends.push((due_stream, after.clone())),
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
        let owes = |(due, state): &Due<'_>| self.owes_now(state, &due.wake_ups, now);
        let (owing, ends): (Vec<_>, Vec<_>) = ends.into_iter().partition(owes);
        let owing = owing.into_iter().map(|(due_stream, state)| {
            (
                due_stream.wake_ups.clone(),
                StreamState::Request(Box::new(state)),
            )
        });
        round.owing.extend(owing);
        let ended: Vec<_> = ends
            .iter()
            .map(|(due_stream, state)| (state, due_stream.wake_ups.as_slice()))
            .collect();
        if let Err(error) = self.journal.update_index(&ended, now, rules).await {
            round.report.failures.push(error.to_string());
        }
    }

    /// Returns the state if `read` is a request. If it is an incident, adds it to `round.owing`,
    /// because an incident may owe notifications or wait for its instance. Also handles streams
    /// without records, and adds errors to the report.
    async fn request_of(
        &self,
        due_stream: &DueStream,
        read: Result<Option<History>, JournalError>,
        round: &mut Round,
    ) -> Option<State> {
        match read.map(|history| history.map(|history| history.stream_state)) {
            Ok(Some(StreamState::Request(state))) => return Some(*state),
            Ok(Some(incident @ StreamState::Incident(_))) => {
                round.owing.push((due_stream.wake_ups.clone(), incident));
            }
            Ok(None) => self.without_records(due_stream, round).await,
            Err(error) => round.report.failures.push(error.to_string()),
        }
        None
    }

    /// Fetches the instances and delivers the notifications that are due. If delivery to a target
    /// fails, a later sweep tries again.
    async fn notify_due(&self, round: &mut Round) {
        let rules = &self.prepared.notice_rules;
        let failures = Failures::default();
        for some in std::mem::take(&mut round.owing).chunks(WORKERS) {
            if self.is_ending(round.deadline) {
                round.report.out_of_time = true;
                break;
            }
            let (deadline, at_once) = (round.deadline, round.at_once);
            let delivered = some.iter().map(async |(wake_ups, state)| {
                let work = self.work_off_announcement(state.clone(), at_once, deadline);
                let worked_off = Box::pin(work).await?;
                let led_to = self.settled_between(state, &worked_off).await?;
                let state = worked_off;
                let state = self.give_up_late(state, wake_ups).await?;
                let state = self.deliver_due(state, &failures, deadline).await?;
                let now = self.now();
                let index = self
                    .journal
                    .update_index_after(&state, wake_ups, now, rules);
                index
                    .await
                    .map(|()| (Unfinished::unfetched(&state), led_to))
            });
            for end in join_all(delivered).await {
                match end {
                    Ok((unfetched, led_to)) => {
                        round.report.unfinished.extend(unfetched);
                        let now = self.now();
                        (led_to.iter()).for_each(|after| round.report.add_led_to(after, now));
                    }
                    Err(error) => round.report.failures.push(error.to_string()),
                }
            }
        }
        round.report.waiting_notifications = failures.left();
    }

    /// Handles a stream that has no records. Usually its wake-ups are deleted, because they were
    /// written but no record followed. But if a wake-up has a sequence number above 0, a record
    /// existed before it and must have been removed. In that case, the wake-ups are kept and the
    /// report names the stream.
    async fn without_records(&self, due_stream: &DueStream, round: &mut Round) {
        if due_stream.wake_ups.iter().any(|wake_up| wake_up.seq > 0) {
            let stream = due_stream.stream;
            let gone = JournalError::Gone { stream };
            round.report.failures.push(gone.to_string());
            return;
        }
        let forgotten = async {
            // The entries may be another journal's, if this sweep could not test the place yet.
            self.prove_create_only().await?;
            self.journal.forget(&due_stream.wake_ups, round.now).await
        };
        if let Err(error) = forgotten.await {
            round.report.failures.push(error.to_string());
        }
    }

    /// Finishes or revokes one request that is due. If the share has already expired when the
    /// request is finished, also revokes the share. Returns `None` if no time is left.
    pub(in crate::app) async fn sweep_one(
        &self,
        state: State,
        at_once: bool,
        deadline: Deadline,
    ) -> Result<Option<State>, JournalError> {
        if self.is_ending(deadline) {
            return Ok(None);
        }
        let now = self.now();
        let after = match work_of(&state, now, at_once) {
            Some(Work::Start | Work::Finish) => {
                Box::pin(self.run_turn(state, now, at_once, deadline)).await?
            }
            _ => state,
        };
        // Read the clock again. The turn may have taken minutes, so the share may have expired, and
        // the lease for a revocation must begin now.
        let now = self.now();
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

/// Groups the requests that can be worked on concurrently. Two requests about the same image and
/// account are never in one group, because one of them would repeat the calls of the other.
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

/// Groups wake-ups by stream. The streams in `abandoned`, whose workers died, come first. The other
/// streams follow in the order of their first wake-ups.
fn by_stream(wake_ups: Vec<WakeUp>, abandoned: Vec<StreamId>, now: Timestamp) -> Vec<DueStream> {
    let mut places: BTreeMap<StreamId, usize> = abandoned.iter().copied().zip(0..).collect();
    let abandoned = abandoned.into_iter().map(|stream| DueStream {
        stream,
        wake_ups: Vec::new(),
    });
    let mut due_streams: Vec<DueStream> = abandoned.collect();
    for wake_up in wake_ups {
        let (stream, end) = (wake_up.stream, due_streams.len());
        let place = *places.entry(stream).or_insert(end);
        if place == end {
            let wake_ups = Vec::new();
            due_streams.push(DueStream { stream, wake_ups });
        }
        if let (Some(due_stream), true) = (due_streams.get_mut(place), wake_up.at <= now) {
            due_stream.wake_ups.push(wake_up);
        }
    }
    due_streams
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
