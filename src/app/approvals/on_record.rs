//! What became of an announcement that is on record. Takes the state of its stream; returns its
//! requests, and the answer to a repeated event.

use crate::app::{Answer, App, Ending, duplicate_of};
use crate::domain::Status;
use crate::inbound::Said;
use crate::journal::{
    Announcement, History, Incident, JournalError, State, StreamId, StreamState, Subject,
};

impl App {
    /// Returns the requests that the announcement has opened or called off, and the error of a
    /// damaged one, if any.
    pub(super) async fn led_to(
        &self,
        incident: &Incident,
    ) -> Result<(Vec<State>, Option<JournalError>), JournalError> {
        let (mut requests, mut damaged) = (Vec::new(), None);
        let Subject::Received(announcement) = incident.subject() else {
            return Ok((requests, damaged));
        };
        let withdraws = announcement.delivery_id.ends_with(Said::Withdrawn.as_str());
        for identity in incident.requests() {
            let stream = StreamId::of(identity);
            // A withdrawal names only what it called off, which follows the record that ends it.
            let read = match withdraws {
                true => {
                    let read = self.journal.read(stream).await;
                    read.map(|history| history.and_then(History::into_state))
                }
                false => {
                    let read = self.journal.look_up(stream).await;
                    let read = read.map(|state| state.and_then(StreamState::into_state));
                    read.map(|state| state.filter(|state| opened(announcement, state)))
                }
            };
            // Of a retired request, `look_up` finds record 0 alone.
            let read = match read {
                Ok(Some(state)) if state.status() == Status::Pending => {
                    self.reread(stream).await.map(Some)
                }
                read => read,
            };
            match read {
                Ok(state) => requests.extend(state),
                Err(error) if error.concerns_one_request() => damaged = Some(error),
                Err(error) => return Err(error),
            }
        }
        Ok((requests, damaged))
    }

    /// Returns the requests of an announcement that was settled between these two states; none of
    /// any other stream.
    pub(in crate::app) async fn settled_between(
        &self,
        before: &StreamState,
        after: &StreamState,
    ) -> Result<Vec<State>, JournalError> {
        let (StreamState::Incident(before), StreamState::Incident(after)) = (before, after) else {
            return Ok(Vec::new());
        };
        match (before.to_fetch(), after.to_fetch()) {
            (Some(_), None) => Ok(self.led_to(after).await?.0),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the answers to a repeated event: the recorded outcome of each request, or why there
    /// is none. `None` if the announcement is not settled.
    pub(super) async fn settled_answers(
        &self,
        stream: StreamId,
    ) -> Result<Option<Vec<(Ending, Answer)>>, JournalError> {
        let known = self.incident(stream).await?;
        let Some(incident) = known.filter(|known| known.to_fetch().is_none()) else {
            return Ok(None);
        };
        let (requests, damaged) = self.led_to(&incident).await?;
        if let Some(damaged) = damaged {
            return Err(damaged);
        }
        for state in &requests {
            self.queue_late_notifications(state);
        }
        let mut answers: Vec<_> = requests.iter().map(duplicate_of).collect();
        if let (true, Subject::Received(announcement)) = (answers.is_empty(), incident.subject()) {
            let why = incident
                .why()
                .unwrap_or("another delivery has opened its request");
            let mut answer = Answer::new(&announcement.delivery_id, Status::Ignored);
            (answer.duplicate, answer.message) = (true, Some(why.to_owned()));
            answers.push((Ending::Done, answer));
        }
        Ok(Some(answers))
    }
}

/// Whether the announcement has opened the request: one of another instance may have the same
/// identity. The delivery that a fetched instance becomes has the announcement's id, or that of a
/// ticket the part before the slash.
fn opened(announcement: &Announcement, state: &State) -> bool {
    let id = &announcement.delivery_id;
    let rest = state.delivery_id().and_then(|of| id.strip_prefix(of));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
