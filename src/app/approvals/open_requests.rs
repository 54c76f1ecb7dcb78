//! Opens the requests of a fetched instance. Takes the announcement and the instance as a delivery.
//! Records the requests' identities, then handles the delivery like any other.

use crate::app::deliveries::{EarlyAnswer, identity_of};
use crate::app::{Answer, App, Deadline, Ending, IncomingDelivery, Reply, Statement};
use crate::domain::{Identity, Timestamp, numbered};
use crate::inbound::{Map, VerifiedDelivery};
use crate::journal::{Confirmed, Event, Incident, JournalError, StreamState};

use super::announcements::{Attempt, ENDED, nothing};

impl App {
    /// Handles a fetched instance like any delivery, after recording the identities of its
    /// requests.
    pub(super) async fn open_requests(
        &self,
        incident: &Incident,
        delivery: &VerifiedDelivery,
        (map, approved_at): (&Map, Timestamp),
        deadline: Deadline,
    ) -> Attempt {
        let (source, now) = (delivery.source(), self.now());
        let mapped = map.apply(delivery, now, &self.config().rules());
        let mapped = mapped.unwrap_or_default();
        let requests = mapped.iter().enumerate();
        let requests: Vec<Identity> = requests
            .map(|(index, request)| identity_of(request, delivery, index))
            .collect();
        if !requests.is_empty() {
            match self.confirm(incident, requests, deadline).await {
                Ok(true) => {}
                Ok(false) => return Attempt::Later(ENDED.to_owned()),
                Err(error) => return Attempt::Later(error.to_string()),
            }
        }
        let early = EarlyAnswer::new(false);
        let incoming = IncomingDelivery {
            verified: delivery,
            map,
            statement: Statement::None,
            early: &early,
            approved_at: Some(approved_at),
        };
        let reply = Box::pin(self.receive_verified(&incoming, now, deadline)).await;
        self.delivery_ended(Some(source), early.elapsed(), &reply);
        end_of(&reply, |id| Identity::new(source, id))
    }

    /// Records that the fetched instance confirms the announcement. Returns whether the
    /// announcement must still be worked off.
    pub(super) async fn confirm(
        &self,
        incident: &Incident,
        requests: Vec<Identity>,
        deadline: Deadline,
    ) -> Result<bool, JournalError> {
        let state = StreamState::Incident(Box::new(incident.clone()));
        let lease = self.worker_lease(self.now(), deadline)?;
        let event = Event::Confirmed(Confirmed { requests });
        let after = self.journal.record_attempt(state, &lease, event).await?;
        Ok(matches!(after, StreamState::Incident(after) if after.to_fetch().is_some()))
    }
}

/// Derives the result of the attempt from the reply. A request that is on record needs no further
/// attempt of the announcement.
fn end_of(reply: &Reply, of: impl Fn(&str) -> Identity) -> Attempt {
    let answers = match reply {
        Reply::Answers(answers) => answers,
        Reply::Invalid(problems) => return nothing(numbered(&problems.0)),
        Reply::Unreadable(problem) => return nothing(problem.to_string()),
        _ => {
            let why = "the fetched instance cannot be handled now; the log has the reason";
            return Attempt::Later(why.to_owned());
        }
    };
    let busy = |(ending, _): &(Ending, Answer)| match ending {
        Ending::Busy => Some("the unfinished requests of its source are too many or too large"),
        Ending::Unavailable => Some("the journal cannot be used; the log has the error"),
        _ => None,
    };
    if let Some(why) = answers.iter().find_map(busy) {
        return Attempt::Later(format!("its request cannot be recorded now: {why}"));
    }
    let recorded = answers.iter().filter(|(_, answer)| answer.record.is_some());
    let requests: Vec<Identity> = recorded.map(|(_, answer)| of(&answer.id)).collect();
    let problems = numbered(answers.iter().flat_map(|(_, answer)| &answer.problems));
    let why = requests.is_empty().then(|| match problems.is_empty() {
        true => "the map returns no request".to_owned(),
        false => problems,
    });
    Attempt::Settled { requests, why }
}
