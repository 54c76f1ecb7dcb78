//! The state of an incident: a stream that belongs to no request. An incident is either evidence
//! for the operator, or an announcement whose instance must be fetched. Its records after record 0
//! are about notifications, fetches and further events about the instance. The state says what the
//! incident is about and what is due.

use super::super::record::{
    Announcement, Confirmed, Conflict, Drift, Event, Rejection, Stored, StreamId,
};
use super::broken_record::{BrokenRecord, broken};
use super::head::Head;
use super::notification::{Notifications, Outcome, Owed};
use crate::domain::{Identity, NoticeKind, NoticeRules, SourceName, Timestamp};

/// The state of an incident.
#[derive(Debug, Clone)]
pub struct Incident {
    subject: Subject,
    pub(super) head: Head,
    begun_at: Timestamp,
    at: Timestamp,
    /// The number of failed attempts to fetch the instance since its newest event.
    attempts: u32,
    /// When the next attempt to fetch the instance is due; `None` if none is needed.
    fetch_at: Option<Timestamp>,
    /// Why the last attempt to fetch failed, or why the announcement led to no request or was given
    /// up.
    why: Option<String>,
    given_up: bool,
    confirmed: bool,
    /// The requests that the announcement leads to, including those that are not opened yet.
    requests: Vec<Identity>,
    /// The body digests of all events of the announcement.
    events: Vec<String>,
    pub(super) notifications: Notifications,
}

/// What an incident is about.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A delivery that has the identity of a recorded request but different content.
    Conflict(Conflict),
    /// An authenticated delivery that is not a valid request.
    Rejected(Rejection),
    /// Differences between the shares in the cloud and the journal.
    Drifted(Drift),
    /// An announcement: a verified event or a list names an instance, which is then fetched.
    Received(Box<Announcement>),
}

impl Incident {
    pub(super) fn begin(first: &Stored, subject: Subject) -> Self {
        let record = &first.record;
        let on = match &subject {
            Subject::Conflict(_) | Subject::Received(_) => None,
            Subject::Rejected(_) => Some(NoticeKind::Rejected),
            Subject::Drifted(_) => Some(NoticeKind::Drifted),
        };
        let mut notifications = Notifications::default();
        notifications
            .outcomes
            .extend(on.map(|on| Outcome::new(on, record)));
        let mut incident = Self {
            subject,
            head: Head::after(first),
            begun_at: record.at,
            at: record.at,
            attempts: 0,
            fetch_at: None,
            why: None,
            given_up: false,
            confirmed: false,
            requests: Vec::new(),
            events: Vec::new(),
            notifications,
        };
        incident.attempt(record.at, &record.event);
        incident
    }

    pub(super) fn apply(mut self, next: &Stored) -> Result<Self, BrokenRecord> {
        self.head.precedes(&next.record)?;
        match &next.record.event {
            Event::Notified(_) | Event::NotificationFailed(_) => {
                self.notifications.record(&next.record)?;
            }
            event if self.lacks(event) => self.attempt(next.record.at, event),
            _ => {
                return broken("it is neither a notification nor the next step of an announcement");
            }
        }
        self.head = Head::after(next);
        Ok(self)
    }

    /// Applies a record of an announcement. Ignores the records of other incidents.
    fn attempt(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Received(announcement) => {
                self.subject = Subject::Received(announcement.clone());
                self.events.push(announcement.received.body_digest.clone());
                // An operator's fetch is about the earlier event, whose instant it keeps.
                if announcement.refetch.is_none() {
                    self.at = at;
                }
                let fetch_at = announcement.not_before.map_or(at, |begin| begin.max(at));
                (self.attempts, self.given_up) = (0, false);
                (self.fetch_at, self.why) = (Some(fetch_at), None);
            }
            Event::FetchFailed(failed) => {
                self.attempts = failed.attempt;
                self.fetch_at = Some(failed.not_before);
                self.why = Some(failed.why.clone());
            }
            Event::Confirmed(Confirmed { requests }) => {
                self.confirmed = true;
                self.fetch_at = self.fetch_at.min(Some(at));
                self.add_requests(requests);
            }
            Event::Settled(settled) => {
                (self.fetch_at, self.why) = (None, settled.why.clone());
                self.given_up = settled.given_up;
                self.add_requests(&settled.requests);
            }
            _ => {}
        }
    }

    fn add_requests(&mut self, requests: &[Identity]) {
        for request in requests {
            if !self.requests.contains(request) {
                self.requests.push(request.clone());
            }
        }
    }

    /// Whether a record with `event` can follow in an announcement's stream and would add something
    /// new.
    pub(in crate::journal) fn lacks(&self, event: &Event) -> bool {
        let open = self.fetch_at.is_some();
        match event {
            Event::Received(event) => self.begins_anew_with(&event.received.body_digest),
            Event::FetchFailed(failed) => open && failed.attempt == self.attempts.saturating_add(1),
            Event::Confirmed(Confirmed { requests }) => {
                let new = |request| !self.requests.contains(request);
                open && (!self.confirmed || requests.iter().any(new))
            }
            Event::Settled(_) => open,
            _ => false,
        }
    }

    /// Whether an event with this body digest restarts the announcement. It does if the
    /// announcement led to no request or was given up, and the event is new. Therefore, an event
    /// that leads to nothing does not block a later one, and a repeated event causes no work. If
    /// the announcement opened a request before it was given up, that request is not opened again,
    /// because its identity is on record.
    pub fn begins_anew_with(&self, body_digest: &str) -> bool {
        let ended = self.fetch_at.is_none() && self.why.is_some();
        ended && !self.events.iter().any(|known| known == body_digest)
    }

    /// Returns what the incident is about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The stream's name.
    pub fn stream(&self) -> StreamId {
        self.head.stream
    }

    /// Returns a name for people: the identity of the request, the source with its delivery or
    /// instance, or `drift`.
    pub fn name(&self) -> String {
        match &self.subject {
            Subject::Conflict(conflict) => conflict.identity.to_string(),
            Subject::Rejected(rejection) => {
                let digest = rejection.received.body_digest.get(..16).unwrap_or_default();
                let delivery = rejection.delivery_id.as_deref().unwrap_or(digest);
                format!("{}/{delivery}", rejection.source)
            }
            Subject::Drifted(_) => "drift".to_owned(),
            Subject::Received(announcement) => {
                format!("{}/{}", announcement.source, announcement.delivery_id)
            }
        }
    }

    /// The end of the stream.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns when record 0 was written. An announcement may have got further events since.
    pub fn begun_at(&self) -> Timestamp {
        self.begun_at
    }

    /// Returns when the incident, or the newest event of the announcement, was recorded.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Returns the source of the delivery or event. `None` for a comparison.
    pub fn source(&self) -> Option<&SourceName> {
        match &self.subject {
            Subject::Conflict(conflict) => Some(&conflict.identity.source),
            Subject::Rejected(rejection) => Some(&rejection.source),
            Subject::Drifted(_) => None,
            Subject::Received(announcement) => Some(&announcement.source),
        }
    }

    /// Returns the announcement whose instance must still be fetched, the time of the next attempt,
    /// and the number of that attempt.
    pub fn to_fetch(&self) -> Option<(&Announcement, Timestamp, u32)> {
        match &self.subject {
            Subject::Received(announcement) => Some((
                announcement,
                self.fetch_at?,
                self.attempts.saturating_add(1),
            )),
            _ => None,
        }
    }

    /// Returns the number of failed attempts to fetch the instance since its newest event.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the announcement was given up after failed attempts.
    pub fn given_up(&self) -> bool {
        self.given_up
    }

    /// Whether the announcement is confirmed: see [`Confirmed`].
    pub fn confirmed(&self) -> bool {
        self.confirmed
    }

    /// Returns the requests that the announcement leads to, including those that are not opened
    /// yet.
    pub fn requests(&self) -> &[Identity] {
        &self.requests
    }

    /// Returns why the last attempt to fetch failed, or why the announcement led to no request or was
    /// given up.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Returns when a sweep must look at the incident: for a fetch or a notification.
    pub fn next_look(&self, rules: &NoticeRules, now: Timestamp) -> Option<Timestamp> {
        self.fetch_at
            .into_iter()
            .chain(self.owes_from(rules, now))
            .min()
    }

    /// Returns the notifications that the incident owes now or later.
    pub fn owed(&self, rules: &NoticeRules, now: Timestamp) -> Vec<Owed> {
        let outcomes = &self.notifications.outcomes;
        self.notifications.owed(outcomes, rules, self.source(), now)
    }

    /// Returns when the next notification is due.
    pub fn owes_from(&self, rules: &NoticeRules, now: Timestamp) -> Option<Timestamp> {
        self.owed(rules, now).iter().map(|owed| owed.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::record::{Refetch, Settled};
    use super::super::super::testing::{StreamBuilder, announcement, at, identity};
    use super::super::StreamState;
    use super::*;

    fn state(events: &[Event]) -> Result<Incident, BrokenRecord> {
        let empty = StreamBuilder::empty(&identity("e-1"));
        let records = events
            .iter()
            .fold(empty, |stream, event| stream.then(0, 1, event.clone()));
        let (first, rest) = records.records.split_first().unwrap();
        match rest
            .iter()
            .try_fold(StreamState::begin(first)?, StreamState::apply)?
        {
            StreamState::Incident(incident) => Ok(*incident),
            StreamState::Request(_) => panic!("a request"),
        }
    }

    #[test]
    fn an_announcement_is_fetched_until_it_is_settled() {
        let [received, failed, confirmed, settled] = announcement();
        let due = |events: &[Event]| {
            let state = state(events).unwrap();
            let next = state.next_look(&NoticeRules::default(), at(0));
            assert_eq!(next, state.to_fetch().map(|(_, at, _)| at));
            state.to_fetch().map(|(_, at, attempt)| (at, attempt))
        };
        let (received, failed, settled) = (&received, &failed, &settled);
        let confirmed = &confirmed;
        assert_eq!(due(std::slice::from_ref(received)), Some((at(0), 1)));
        assert_eq!(due(&[received.clone(), failed.clone()]), Some((at(10), 2)));
        assert_eq!(
            due(&[received.clone(), failed.clone(), settled.clone()]),
            None
        );
        let both = [received, confirmed, settled].map(Event::clone);
        assert_eq!(
            state(&both).unwrap().requests(),
            [identity("CHG0030192")],
            "named twice, listed once"
        );
        let begun = |events: &[&Event]| events.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
        assert_eq!(due(&begun(&[received, confirmed])), Some((at(0), 1)));
        let sooner = begun(&[received, failed, confirmed]);
        assert_eq!(
            due(&sooner),
            Some((at(0), 2)),
            "due from its confirmation on"
        );
        for wrong in [
            vec![received, confirmed, confirmed],
            vec![received, settled, confirmed],
            vec![received, settled, settled],
            vec![received, settled, failed],
            vec![received, failed, failed],
            vec![received, received],
            vec![settled],
        ] {
            let wrong: Vec<Event> = wrong.into_iter().cloned().collect();
            assert!(state(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_another_event_follows_an_announcement_that_led_to_no_request() {
        let [received, _, confirmed, settled] = announcement();
        let Event::Received(mut other) = received.clone() else {
            panic!("{received:?}")
        };
        other.received.body_digest = "another".to_owned();
        let other = Event::Received(other);
        let nothing = Event::Settled(Settled {
            requests: Vec::new(),
            why: Some("given up".to_owned()),
            given_up: true,
        });
        let ended = [received.clone(), nothing.clone()];
        let anew = state(&[&ended[..], std::slice::from_ref(&other)].concat()).unwrap();
        assert_eq!(anew.to_fetch().map(|(_, _, attempt)| attempt), Some(1));
        let again = state(&[&ended[..], &[other.clone(), nothing, other.clone()]].concat());
        assert!(again.is_err(), "an event that it had");
        for wrong in [
            vec![received.clone(), other.clone()],
            vec![received.clone(), settled, other.clone()],
            vec![ended[0].clone(), ended[1].clone(), received],
            vec![ended[0].clone(), ended[1].clone(), confirmed],
        ] {
            assert!(state(&wrong).is_err(), "{wrong:?}");
        }
    }

    /// The order of requests and `expires_in` count from the event, however late its instance is
    /// fetched.
    #[test]
    fn what_an_operator_has_fetched_again_keeps_the_instant_of_its_event() {
        let [received, ..] = announcement();
        let Event::Received(first) = received.clone() else {
            panic!("{received:?}")
        };
        let nothing = Event::Settled(Settled {
            requests: Vec::new(),
            why: Some("given up".to_owned()),
            given_up: true,
        });
        let again = |refetch: Option<Refetch>| {
            let mut again = first.clone();
            again.received.body_digest = "another".to_owned();
            again.refetch = refetch;
            let stream = StreamBuilder::empty(&identity("e-1"));
            let stream = stream.then(0, 1, received.clone());
            let stream = stream.then(10, 1, nothing.clone());
            let records = stream.then(20, 1, Event::Received(again)).records;
            let (first, rest) = records.split_first().unwrap();
            let begun = StreamState::begin(first).unwrap();
            match rest.iter().try_fold(begun, StreamState::apply).unwrap() {
                StreamState::Incident(incident) => (incident.at(), incident.given_up()),
                StreamState::Request(_) => panic!("a request"),
            }
        };
        let by = Refetch {
            by: "jira/carol".to_owned(),
            reason: "the permission was missing".to_owned(),
        };
        assert_eq!(again(None), (at(20), false));
        assert_eq!(again(Some(by)), (at(0), false));
    }
}
