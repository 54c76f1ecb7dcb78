//! Fetches the instances of a source: through the app of an approval system, or with one GET and a
//! login. Takes a verified event; returns the instance that the event names, and the instance's
//! state. Leaves it to the caller to act on the state.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::app::Deadline;
use crate::app::context::left;
use crate::cloud::client::{self, Client, Outgoing};
use crate::config::{Fetch, FetchConfig, TicketFetch};
use crate::domain::{Problem, Problems, SourceName, Timestamp, read_json};
use crate::inbound::{Callback, InstanceState, MapRefusal, Named, VerifiedDelivery, read_ticket};
use crate::journal::{Announcement, Incident};
use crate::telemetry::current;

use super::instances::{Instances, MAX_TIME, Unfetched};

/// The field that a look at a list adds to the event it makes: the earliest end of an approval that
/// this look may announce. The instance may show its end only later, when it is fetched.
const ENDED_SINCE: &str = "ended_since";

/// The shortest time between two GETs for a source. It allows 200 a minute, the limit of Zendesk's
/// smallest plan.
const BETWEEN_TICKETS: Duration = Duration::from_millis(300);

/// A source's `fetch`, ready to use.
#[derive(Debug)]
pub(in crate::app) enum Fetcher {
    App(FetchConfig),
    Ticket(TicketFetcher),
}

/// A GET with a login, and the client for it.
#[derive(Debug)]
pub(in crate::app) struct TicketFetcher {
    pub(in crate::app) config: TicketFetch,
    pub(in crate::app) client: Client,
}

impl Fetcher {
    pub(in crate::app) fn new(fetch: &Fetch) -> Result<Self, Problems> {
        match fetch {
            Fetch::App(config) => Ok(Self::App(config.clone())),
            Fetch::Ticket(config) => {
                let client = client::http_client_for(config.proxy.as_deref(), &config.ca);
                let inside = |p: Problem| Problem {
                    field: format!("fetch: {}", p.field),
                    ..p
                };
                let client = client
                    .map_err(|Problems(found)| Problems(found.into_iter().map(inside).collect()))?;
                let config = config.clone();
                Ok(Self::Ticket(TicketFetcher { config, client }))
            }
        }
    }

    /// The preset name for a GET from any system.
    pub(in crate::app) const HTTP: &'static str = "http";

    pub(in crate::app) fn preset(&self) -> &'static str {
        match self {
            Self::App(fetch) => fetch.preset.as_str(),
            Self::Ticket(_) => Self::HTTP,
        }
    }

    /// Returns the app that fetches; `None` if a GET with a login fetches.
    pub(in crate::app) fn app(&self) -> Option<&FetchConfig> {
        match self {
            Self::App(fetch) => Some(fetch),
            Self::Ticket(_) => None,
        }
    }

    pub(in crate::app) fn event_of(
        &self,
        verified: &VerifiedDelivery,
    ) -> Result<Value, MapRefusal> {
        match self {
            Self::App(_) => Ok(read_json(verified.body()).unwrap_or_default()),
            Self::Ticket(_) => verified.event().map_err(MapRefusal::Unreadable),
        }
    }

    /// Returns the instance that an event names; `None` for an event that is ignored.
    pub(in crate::app) fn named(
        &self,
        event: &Value,
        now: Timestamp,
    ) -> Result<Option<Named>, Problem> {
        match self {
            Self::App(fetch) => Ok(fetch.preset.system().named(event, &fetch.definitions)),
            Self::Ticket(ticket) => ticket.config.rules.named(event, now),
        }
    }

    /// Returns the definition of an approval that `definitions` does not list.
    pub(in crate::app) fn unlisted(&self, event: &Value) -> Option<String> {
        match self {
            Self::App(fetch) => fetch.preset.system().unlisted(event, &fetch.definitions),
            Self::Ticket(_) => None,
        }
    }

    /// Returns the ids under which the event may be announced, each with the instant before which
    /// the instance may not be fetched. The caller uses the first free id.
    ///
    /// An approval system announces each state of an instance once, so one id is enough. An event
    /// about a ticket says only that the ticket changed, so each event is announced. If the sender
    /// signed nothing that distinguishes its events, the id includes the second in which the event
    /// arrived. So a repeated event is fetched again, which does no harm, and a flood of events
    /// causes one fetch a second.
    pub(in crate::app) fn announced_as(
        &self,
        named: &Named,
        verified: &VerifiedDelivery,
        now: Timestamp,
    ) -> Vec<(String, Option<Timestamp>)> {
        if let Self::App(_) = self {
            return vec![(named.id(), None)];
        }
        let of = |what: &[u8]| {
            let digest = hex::encode(Sha256::digest(what));
            let short = digest.get(..16).unwrap_or_default();
            format!("{}/{short}", named.instance)
        };
        if let Some(id) = verified.delivery_id() {
            return vec![(of(id.as_bytes()), None)];
        }
        let after = |seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok();
        // Two ids to be fetched at once, because another event in the same second may report a
        // change made after the first fetch. If both are taken, the fetch under the third id waits
        // for its second, so that it comes after all events that are announced under this id.
        let ids = [(0, false), (1, false), (2, true)];
        let ids = ids.into_iter().filter_map(|(seconds, waits)| {
            let second = after(seconds)?.as_second();
            let id = of(&[verified.body().as_ref(), &second.to_be_bytes()].concat());
            let begin = Timestamp::from_second(second).ok().filter(|_| waits);
            Some((id, begin))
        });
        ids.collect()
    }

    /// Returns the id of the delivery that a fetched instance becomes. If the map sets no id for
    /// the request, this id identifies it.
    pub(in crate::app) fn delivery_id(&self, named: &Named, announcement: &Announcement) -> String {
        match self {
            Self::App(_) => announcement.delivery_id.clone(),
            Self::Ticket(_) => named.instance.clone(),
        }
    }

    /// Returns when a fetched instance was approved, as far as this is known: when its first event
    /// was recorded or, if only a list names it, when the instance ended. Of a ticket, each event
    /// is an announcement of its own, because an earlier one may have come before the approval.
    pub(in crate::app) fn approved_at(&self, incident: &Incident, instance: &Value) -> Timestamp {
        let begun = incident.begun_at();
        match (self, incident.to_fetch()) {
            (Self::App(fetch), Some((announcement, ..))) if announcement.listed => {
                let ended = (fetch.preset.system().ended)(instance);
                ended.map_or(begun, |ended| ended.min(begun))
            }
            (Self::App(_), _) => begun,
            (Self::Ticket(_), _) => incident.at(),
        }
    }

    /// Returns the event without its secrets, as the journal records it.
    pub(in crate::app) fn without_secrets(
        &self,
        event: Value,
        verified: &VerifiedDelivery,
    ) -> Value {
        match (self, Callback::of(verified)) {
            (Self::App(fetch), _) => fetch.preset.system().without_secrets(event),
            (Self::Ticket(_), Some(callback)) => callback.hidden_in(event),
            (Self::Ticket(_), None) => event,
        }
    }

    pub(in crate::app) async fn fetch(
        &self,
        instances: &Instances,
        source: &SourceName,
        named: &Named,
        at: (Timestamp, Deadline),
    ) -> Result<Value, Unfetched> {
        match self {
            Self::App(fetch) => instances.fetch(source, fetch, named, at).await,
            Self::Ticket(ticket) => ticket.fetch(instances, source, named, at.1).await,
        }
    }

    /// Returns the state of a fetched instance. One that the event does not announce because it
    /// ended too early ([`announces_since`]) is in none that leads to a request.
    pub(in crate::app) fn state(
        &self,
        named: &Named,
        event: &Value,
        instance: Value,
        now: Timestamp,
    ) -> InstanceState {
        match self {
            Self::App(fetch) => {
                let system = fetch.preset.system();
                let since = event.get(ENDED_SINCE).and_then(Value::as_str);
                let since: Option<Timestamp> = since.and_then(|since| since.parse().ok());
                let ended = (system.ended)(&instance);
                match (system.state)(named, instance) {
                    InstanceState::Approved(_) if ended.zip(since).is_some_and(|(e, s)| e < s) => {
                        let why = "no event announced the instance, and it ended before the period in which sharehook looks for lost events; let the applicant submit the request again";
                        InstanceState::Other(why.to_owned())
                    }
                    state => state,
                }
            }
            Self::Ticket(ticket) => ticket.config.rules.state(named, instance, now),
        }
    }
}

/// Limits an event that was made from a list to an instance that ended at `since` or later.
pub(super) fn announces_since(mut event: Value, since: Timestamp) -> Value {
    if let Some(fields) = event.as_object_mut() {
        fields.insert(ENDED_SINCE.to_owned(), since.to_string().into());
    }
    event
}

impl TicketFetcher {
    async fn fetch(
        &self,
        instances: &Instances,
        source: &SourceName,
        named: &Named,
        deadline: Deadline,
    ) -> Result<Value, Unfetched> {
        let path = self.config.rules.path.of(&named.instance);
        let url = self.config.address.join(&path);
        let url = url.map_err(|error| Unfetched::because(error.to_string()))?;
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            text("accept", "application/json"),
            text("user-agent", "sharehook"),
        ];
        headers.extend(self.config.auth.header());
        headers.extend(current().map(|trace| ("traceparent".to_owned(), trace.traceparent())));
        instances.pace(source, BETWEEN_TICKETS).await;
        let outgoing = Outgoing {
            method: "GET",
            url,
            headers,
            body: Vec::new(),
        };
        let answer = client::send(&self.client, outgoing, MAX_TIME.min(left(deadline))).await;
        let answer = answer.map_err(|failure| Unfetched::because(failure.to_string()))?;
        read_ticket(answer.status, &answer.body)
            .map_err(|rejected| Unfetched::rejected("the ticket system", &rejected, &[]))
    }
}
