//! A request that the journal knows: the recorded answer, or the work that an earlier delivery left
//! unfinished.

use crate::cloud::error::image_is_missing;
use crate::domain::{Item, ItemResult, ResultCode, ResultKind, Status, Timestamp};
use crate::journal::{JournalError, Phase, State, StreamId, Work};
use crate::plan::{Observation, Plan};
use crate::policy::Approved;

use super::answer::{Answer, Ending};
use super::claim_writer::{ClaimWriter, Stop};
use super::{App, Deadline, observe};

impl App {
    /// Goes on with a request where it stands; answers with what is recorded when there is nothing
    /// to do.
    pub(super) async fn resume(
        &self,
        state: State,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<(Ending, Answer), JournalError> {
        let unfinished = matches!(state.needs_work(now), Some(Work::Start | Work::Finish));
        if !unfinished || self.prepared.plan_only() {
            return Ok(self.recorded(&state));
        }
        let after = self.go_on(state, now, deadline).await?;
        Ok(self.recorded(&after))
    }

    /// Takes a turn at unfinished work; returns the state after it, also when another worker was
    /// quicker.
    pub(super) async fn go_on(
        &self,
        state: State,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        let lease = self.worker_lease(now, deadline)?;
        let stream = StreamId::of(state.identity());
        let approved = Approved::recall(
            state.request(),
            state.identity(),
            state.verdict(),
            state.approved_at(),
        );
        let expired = state.expired(now);
        let (Some(approved), Some((claim, _))) = (approved, self.journal.take(state, lease).await?)
        else {
            return self.reread(stream).await;
        };
        let mut writer = ClaimWriter::new(&self.journal, &self.clock, claim);
        let end = if expired {
            self.close_late(&mut writer, &approved, deadline).await
        } else {
            self.work(&mut writer, &approved, deadline).await
        };
        match end {
            Ok(()) => Ok(writer.state().clone()),
            Err(Stop::Lost) => self.reread(stream).await,
            Err(Stop::Journal(error)) => Err(error),
        }
    }

    /// Its end came before its work was done: nothing is shared any more, and what was is taken
    /// back next. A turn that was interrupted may have shared without having told: that is found
    /// out first, or it would stand for ever.
    async fn close_late(
        &self,
        writer: &mut ClaimWriter<'_>,
        approved: &Approved,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let known = writer.results();
        if !writer.observed() {
            return writer
                .close(known.into_iter().map(too_late).collect())
                .await;
        }
        let seen = observe::observe(
            &self.context(approved.request(), deadline),
            approved.request(),
        )
        .await;
        let plan = Plan::of(approved, &seen, &known, true);
        let settle = |result: ItemResult| {
            let settled = plan
                .settled()
                .iter()
                .find(|settled| settled.item == result.item);
            settled.cloned().unwrap_or_else(|| unsettled(result, &seen))
        };
        writer.close(known.into_iter().map(settle).collect()).await
    }

    /// A request's state as the journal holds it now.
    pub(super) async fn reread(&self, stream: StreamId) -> Result<State, JournalError> {
        self.journal
            .read(stream)
            .await?
            .and_then(crate::journal::History::into_state)
            .ok_or(JournalError::Gone { stream })
    }

    /// The recorded state as an answer.
    pub(super) fn recorded(&self, state: &State) -> (Ending, Answer) {
        let status = state.status();
        let ending = match (status, state.phase()) {
            (Status::Denied, _) => Ending::Denied,
            (_, Phase::Waiting { .. }) => Ending::Waiting,
            (Status::Pending, _) => Ending::Pending,
            _ => Ending::Done,
        };
        (ending, Answer::of_state(state))
    }
}

/// What is to be said of an item that the cloud does not show as given.
fn unsettled(result: ItemResult, seen: &Observation) -> ItemResult {
    match &seen.unreadable {
        _ if !result.pending() => result,
        None if seen.readable => too_late(result),
        Some(error) if image_is_missing(&error.code) => too_late(result),
        // It is asked again later.
        Some(error) if error.class.passing() => result,
        // Nobody can tell: taking it back is harmless where it was not given.
        _ if matches!(result.item, Item::Account(_)) => ItemResult {
            kind: ResultKind::Shared,
            ..result
        },
        _ => too_late(result),
    }
}

fn too_late(result: ItemResult) -> ItemResult {
    if !result.pending() {
        return result;
    }
    let kind = ResultKind::Failed {
        code: ResultCode::Expired.into(),
        message: "the share's end came before it could be made".to_owned(),
        retryable: false,
    };
    ItemResult { kind, ..result }
}
