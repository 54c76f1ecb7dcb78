//! Receives CloudEvents over HTTP. Finds the source that must authenticate the HTTP request,
//! handles each event as a delivery, and returns one reply. No event reaches a trusted source,
//! because the configuration refuses `events` for such a source.

use bytes::Bytes;

use crate::app::answer::{Answer, Ending, Reply};
use crate::app::{App, Deadline, IncomingDelivery, Statement};
use crate::domain::{Problems, SourceName};
use crate::inbound::{Delivery, Headers, Via, cloudevents};

use super::answer_in_time::EarlyAnswer;
use super::invocation_credentials::CredentialHeaders;
use super::sns_certificates::Unverified;

impl App {
    /// Handles an HTTP request with one or several CloudEvents and returns the reply. Logs and
    /// counts the end of the request.
    pub(super) async fn process_events(
        &self,
        headers: Headers,
        body: Bytes,
        deadline: Deadline,
        early: &EarlyAnswer,
    ) -> Reply {
        let mut source = None;
        let taken = self.take_events(headers, body, deadline, early, &mut source);
        let reply = Box::pin(taken).await;
        self.delivery_ended(source.as_ref(), early.elapsed(), &reply);
        reply
    }

    /// Authenticates the HTTP request and handles its events. Sets `verified_by` to the source that
    /// authenticated the HTTP request.
    async fn take_events(
        &self,
        mut headers: Headers,
        body: Bytes,
        deadline: Deadline,
        early: &EarlyAnswer,
        verified_by: &mut Option<SourceName>,
    ) -> Reply {
        let now = self.now();
        let credential_headers = CredentialHeaders::take_from(&mut headers);
        for source in self.sources_that_may_verify(&headers, &body) {
            let via = Via::Http(headers.clone());
            let delivery = Delivery {
                source: source.clone(),
                via,
                body: body.clone(),
            };
            let (verified, later) = match self.authenticate(delivery, now).await {
                Ok(authenticated) => authenticated,
                Err(Unverified::Refused(refusal)) if !refusal.is_media_type() => {
                    self.log_refusal(&source, &refusal);
                    continue;
                }
                Err(unverified) => return self.unverified(&source, unverified),
            };
            let app = later.as_ref().unwrap_or(self);
            // Skip a source with `fetch`, because its instances must come from its API. The
            // configuration also refuses `events` for such a source.
            let intake = app.prepared.intake(&source);
            let Some(intake) = intake.filter(|intake| intake.fetcher.is_none()) else {
                continue;
            };
            *verified_by = Some(source);
            early.authenticated(intake.replies, None);
            credential_headers.hand_to(&app.clouds);
            let events = match cloudevents::open(&verified, &headers) {
                Ok(events) => events,
                Err(problem) => return Reply::Unreadable(problem),
            };
            let deadline = early.deadline(deadline, events.len());
            let mut replies = Vec::with_capacity(events.len());
            for event in &events {
                let id = event.delivery_id().unwrap_or_default().to_owned();
                let incoming = IncomingDelivery {
                    verified: event,
                    map: &intake.map,
                    statement: Statement::None,
                    early,
                    approved_at: None,
                };
                let reply = app.receive_verified(&incoming, now, deadline).await;
                replies.push((id, reply));
            }
            return together(replies);
        }
        Reply::Unauthorised
    }

    /// Returns the sources that may authenticate an HTTP request. This is the configured source
    /// whose `events` setting lists every CloudEvents `source` in the request, if there is one. If
    /// the request is unreadable or empty, returns all sources with `events`, because a sender must
    /// be authenticated before the reply says what is wrong.
    fn sources_that_may_verify(&self, headers: &Headers, body: &[u8]) -> Vec<SourceName> {
        match cloudevents::claimed_sources(headers, body) {
            Ok(claimed) if !claimed.is_empty() => {
                let mut owners = claimed
                    .iter()
                    .map(|claimed| self.prepared.source_of_event(claimed));
                let first = owners.next().flatten();
                let same = owners.all(|owner| owner == first);
                first.filter(|_| same).into_iter().collect()
            }
            _ => self.prepared.event_sources(),
        }
    }
}

/// Combines the replies to the events of one HTTP request. The reply to a single event is returned
/// as it is. In a batch, each event gets its own answer, so an invalid event does not fail others.
fn together(mut replies: Vec<(String, Reply)>) -> Reply {
    if replies.len() == 1
        && let Some((_, only)) = replies.pop()
    {
        return only;
    }
    let mut answers = Vec::new();
    for (id, reply) in replies {
        let bad = |Problems(found)| (Ending::Invalid, Answer::invalid(id.as_str(), found));
        match reply {
            Reply::Answers(some) => answers.extend(some),
            Reply::Invalid(problems) => answers.push(bad(problems)),
            Reply::Unreadable(problem) => answers.push(bad(problem.into())),
            other => return other,
        }
    }
    Reply::Answers(answers)
}
