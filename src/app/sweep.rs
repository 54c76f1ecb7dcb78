//! The sweep: finishes what is unfinished, starts what is due, revokes what has expired. In: the journal.
//! Out: a report. Two at once do no harm, because each piece of work is claimed before it is done.

use std::fmt;

use serde::Serialize;

use crate::domain::{AccountId, ItemResult, Target, Timestamp};
use crate::journal::{JournalError, Phase, State, StreamId, Work};
use crate::policy::Approved;

use super::ledger::{Ledger, Stop};
use super::register::covered;
use super::{App, Deadline};

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Requests that were due and were worked on to their end.
    pub finished: Vec<String>,
    /// Requests whose share has expired and was taken back.
    pub revoked: Vec<String>,
    /// Requests that are still unfinished after it.
    pub unfinished: Vec<String>,
    /// Streams or requests that could not be read or written, and why.
    pub failures: Vec<String>,
    /// True when the time ran out before everything due was done.
    pub out_of_time: bool,
}

impl SweepReport {
    /// Whether there was nothing to do and nothing to tell.
    pub fn is_quiet(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts =
            [("finished", &self.finished), ("revoked", &self.revoked), ("unfinished", &self.unfinished)];
        for (word, list) in counts {
            writeln!(f, "{word}: {}", if list.is_empty() { "none".to_owned() } else { list.join(", ") })?;
        }
        for failure in &self.failures {
            writeln!(f, "failure: {failure}")?;
        }
        write!(
            f,
            "{}",
            if self.out_of_time { "the time ran out; sweep again" } else { "everything due was looked at" }
        )
    }
}

impl App {
    /// Does everything that is due.
    ///
    /// # Errors
    /// When the journal cannot be listed; what fails for one request is in the report.
    pub async fn sweep(&self, deadline: Deadline) -> Result<SweepReport, JournalError> {
        let (states, failures) = self.states().await?;
        let mut report = SweepReport { failures, ..SweepReport::default() };
        for state in &states {
            let now = self.now();
            let Some(work) = state.needs_work(now) else { continue };
            if super::execute::left(deadline) < std::time::Duration::from_secs(2) {
                report.out_of_time = true;
                break;
            }
            let name = state.identity().to_string();
            let end = match work {
                Work::Start | Work::Finish => self.sweep_finish(state.clone(), &states, now, deadline).await,
                Work::Revoke { .. } => self.revoke(state.clone(), &states, now, deadline).await,
            };
            match end {
                Ok(after) => report.note(name, &after),
                Err(error) => report.failures.push(format!("{name}: {error}")),
            }
        }
        report.failures.extend(self.seal_when_due().await);
        Ok(report)
    }

    /// Finishes a request; when its end came meanwhile, takes back at once what it gave.
    async fn sweep_finish(
        &self,
        state: State,
        all: &[State],
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        let after = self.go_on(state, now, deadline).await?;
        match after.needs_work(now) {
            Some(Work::Revoke { .. }) => self.revoke(after, all, now, deadline).await,
            _ => Ok(after),
        }
    }

    /// Takes back what an expired request gave, except what another grant covers.
    async fn revoke(
        &self,
        state: State,
        all: &[State],
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        let stream = StreamId::of(state.identity());
        let turn = self.turn(now, deadline)?;
        let Some((claim, Work::Revoke { accounts, lighthouse })) = self.journal.take(state, turn).await?
        else {
            return self.reread(stream).await;
        };
        let mut ledger = Ledger::new(&self.journal, &self.clock, claim);
        let held = covered(ledger.state(), &accounts, all, now);
        let free: Vec<AccountId> =
            accounts.iter().filter(|a| !held.iter().any(|(id, _)| id == *a)).cloned().collect();
        // An image that still serves somebody through Lighthouse must stay there.
        let lighthouse = lighthouse && held.is_empty();
        let approved = expiry_of(ledger.state(), now, free, lighthouse);
        let end = async {
            let results = match &approved {
                Some(approved) => self.carry_out(&mut ledger, approved, deadline).await?,
                None => ledger.results(),
            };
            match held.iter().map(|(_, until)| *until).min() {
                None => ledger.close(results).await,
                Some(until) => {
                    let done = results.into_iter().filter(ItemResult::succeeded).collect();
                    ledger.defer(done, "another grant covers the same account".to_owned(), until).await
                }
            }
        };
        match end.await {
            Ok(()) => Ok(ledger.state().clone()),
            Err(Stop::Lost) => self.reread(stream).await,
            Err(Stop::Journal(error)) => Err(error),
        }
    }
}

/// The permission to take back. A chain whose image was in Lighthouse before keeps it there: only the blueprint's
/// accounts are cancelled then.
fn expiry_of(state: &State, now: Timestamp, accounts: Vec<AccountId>, lighthouse: bool) -> Option<Approved> {
    let mut granted = state.request().clone();
    if let (Target::Chain { accounts, .. }, false, Some(blueprint)) =
        (&granted.target, lighthouse, state.blueprint())
    {
        granted.target = Target::Blueprint { image: blueprint.clone(), accounts: accounts.clone() };
    }
    let end = state.expires_at()?;
    Approved::expiry(&granted, state.identity(), end, now, accounts, lighthouse)
}

impl SweepReport {
    fn note(&mut self, name: String, after: &State) {
        match after.phase() {
            Phase::Revoked => self.revoked.push(name),
            Phase::Closed | Phase::Denied => self.finished.push(name),
            Phase::Waiting { .. }
            | Phase::Working { .. }
            | Phase::Deferred { .. }
            | Phase::Revoking { .. }
            | Phase::RevokeDeferred { .. } => self.unfinished.push(name),
        }
    }
}
