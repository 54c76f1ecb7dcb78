//! Fetches an instance again for an operator, after its announcement led to no request. Takes
//! the name of the announcement, the operator and the reason. Returns the result, or `None` if there
//! is no such announcement, or if it has requests, which `retry` reopens instead.

use serde_json::json;

use crate::app::{Answer, App, Deadline, Ending, Operator, Retried};
use crate::domain::{Identity, SourceName, Status, Timestamp};
use crate::inbound::Said;
use crate::journal::{
    Announcement, Incident, JournalError, Recorded, Refetch, StreamId, StreamState, Subject,
};

use super::recording::How;

impl App {
    /// Fetches the instance at once. If the announcement was settled, first records who had it
    /// fetched again and why. An approval may be named by its instance alone, as in `source/code`.
    pub(in crate::app) async fn fetch_again(
        &self,
        name: &str,
        by: &Operator,
        reason: &str,
        deadline: Deadline,
    ) -> Result<Option<Retried>, JournalError> {
        let Some((incident, announcement)) = self.announced(name).await? else {
            return Ok(None);
        };
        let (requests, damaged) = self.led_to(&incident).await?;
        if let Some(damaged) = damaged {
            return Err(damaged);
        }
        if !requests.is_empty() {
            return Ok(None);
        }
        let stays_closed = |why: &str| {
            Ok(Some(Retried::StaysClosed(format!(
                "{}: {why}",
                incident.name()
            ))))
        };
        let incident = match incident.to_fetch().is_some() {
            true => Box::new(incident),
            false => {
                if self.is_too_old(&incident) {
                    return stays_closed(
                        "it was announced longer ago than [limits] retry_age allows; let the applicant submit the request again",
                    );
                }
                let refetch = Refetch {
                    by: by.to_string(),
                    reason: reason.to_owned(),
                };
                match self.record_refetch(&announcement, refetch).await? {
                    Some(Recorded::New(incident)) => incident,
                    Some(Recorded::Known | Recorded::Full) => {
                        return stays_closed(
                            "it cannot be fetched again: another delivery opened its request, another worker changed it, or its records are retired",
                        );
                    }
                    None => return stays_closed("its source is not configured with `fetch`"),
                }
            }
        };
        let stream = incident.stream();
        tracing::info!(name = incident.name(), %by, reason, "an operator has an instance fetched again");
        let state = StreamState::Incident(incident);
        let after = self.work_off_announcement(state, true, deadline).await?;
        let answers = self.settled_answers(stream).await?;
        Ok(Some(Retried::Fetched(answers.unwrap_or_else(|| {
            let mut answer = Answer::new(&announcement.delivery_id, Status::Pending);
            answer.message = match after {
                StreamState::Incident(after) => after.why().map(str::to_owned),
                StreamState::Request(_) => None,
            };
            vec![(Ending::Pending, answer)]
        }))))
    }

    /// Finds the announcement with this name, or that of an approval of the instance with this name.
    async fn announced(
        &self,
        name: &str,
    ) -> Result<Option<(Incident, Announcement)>, JournalError> {
        let named = name.split_once('/');
        let named = named.and_then(|(source, id)| Some((source.parse::<SourceName>().ok()?, id)));
        let Some((source, id)) = named else {
            return Ok(None);
        };
        for id in [id.to_owned(), format!("{id}/{}", Said::Approved)] {
            let found = self
                .incident(StreamId::of_announcement(&source, &id))
                .await?;
            if let Some(incident) = found
                && let Subject::Received(announcement) = incident.subject()
            {
                let announcement = announcement.as_ref().clone();
                return Ok(Some((incident, announcement)));
            }
        }
        Ok(None)
    }

    fn is_too_old(&self, incident: &Incident) -> bool {
        let last = incident.at().checked_add(self.config().retry_age);
        last.unwrap_or(Timestamp::MAX) < self.now()
    }

    /// Records the announcement once more, so that its instance is fetched again. `None` if its
    /// source fetches no instances now.
    async fn record_refetch(
        &self,
        announcement: &Announcement,
        refetch: Refetch,
    ) -> Result<Option<Recorded>, JournalError> {
        let source = &announcement.source;
        let intake = self.prepared.intake(source);
        let Some(intake) = intake.filter(|intake| intake.fetcher.is_some()) else {
            return Ok(None);
        };
        let (id, event) = (announcement.delivery_id.clone(), announcement.event.clone());
        // The journal takes only an event with another digest for a new one.
        let asked = json!({ "event": event, "refetch": refetch, "at": self.now() });
        let verified = intake.verifier.listed(source.clone(), id.clone(), &asked);
        let listed = announcement.listed;
        let how = How::Again { refetch, listed };
        let identity = Identity::new(source, id);
        let recorded = self.record_event(&verified, intake, &identity, event, how);
        recorded.await.map(Some)
    }
}
