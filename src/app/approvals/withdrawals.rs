//! Revokes what an approval gave, after the approval was withdrawn. Takes an announcement of the
//! withdrawal, or an instance that shows it. Writes a `confirmed` record, and then a `called_off`
//! record into each request of the approval.
//!
//! The `called_off` record closes a waiting request. The worker of a running request finds this
//! record when it writes its own next one. A request opened later finds the `confirmed` record
//! before its first call. Shares are revoked as if they had expired, except those that another
//! grant covers. Such a revocation needs no permission and may be repeated.

use jiff::SignedDuration;

use crate::app::rules::Intake;
use crate::app::{App, Deadline};
use crate::config::FetchConfig;
use crate::domain::{Identity, SourceName};
use crate::inbound::{InstanceState, Named, Rejection, Said, withdrawal_of};
use crate::journal::{
    Announcement, CallOff, Incident, JournalError, Recorded, State, StreamId, StreamState, Subject,
};

use super::announcements::{Attempt, ENDED, nothing};
use super::fetcher::Fetcher;
use super::recording::How;

/// A share that was recorded less than this long ago counts as carried out at once: its instance
/// was fetched just before.
const READ_RECENTLY: SignedDuration = SignedDuration::from_mins(1);

impl App {
    /// Works off an event that says that an approval was withdrawn. Never gives up while the
    /// approval still gives something. The event proves nothing: the instance must confirm the
    /// withdrawal, or be gone.
    pub(super) async fn withdraw(
        &self,
        (incident, source): (&Incident, &SourceName),
        fetch: &FetchConfig,
        named: &Named,
        deadline: Deadline,
    ) -> Attempt {
        let end = async {
            if !incident.confirmed() {
                if let Some(end) = self
                    .end_unless_confirmed(source, fetch, named, deadline)
                    .await?
                {
                    return Ok(end);
                }
                if !self.confirm(incident, Vec::new(), deadline).await? {
                    return Ok(Attempt::Later(ENDED.to_owned()));
                }
            }
            self.take_back_all(source, named, deadline).await
        };
        let end: Result<Attempt, JournalError> = Box::pin(end).await;
        end.unwrap_or_else(|error| Attempt::Owed(error.to_string()))
    }

    /// Announces a withdrawal that a fetched instance shows, and revokes what the approval gave.
    /// Returns the result for `shown_by`, the announcement whose instance was fetched.
    pub(super) async fn announce_withdrawal(
        &self,
        shown_by: &Announcement,
        how: (&Intake, &FetchConfig),
        named: &Named,
        deadline: Deadline,
    ) -> Attempt {
        let source = &shown_by.source;
        let end = async {
            let stream = self.record_withdrawal(shown_by, how, named, deadline);
            let stream = stream.await?;
            self.take_back_all(source, named, deadline).await?;
            self.slots.queue(stream, None);
            let id = by(source, named).id;
            Ok(nothing(format!("its approval was withdrawn, see {id}")))
        };
        let end: Result<Attempt, JournalError> = Box::pin(end).await;
        end.unwrap_or_else(|error| Attempt::Owed(error.to_string()))
    }

    /// Records and confirms a withdrawal that a fetched instance shows. Returns the stream of its
    /// announcement, which is due from now on.
    async fn record_withdrawal(
        &self,
        shown_by: &Announcement,
        (intake, fetch): (&Intake, &FetchConfig),
        named: &Named,
        deadline: Deadline,
    ) -> Result<StreamId, JournalError> {
        let source = &shown_by.source;
        let identity = by(source, named);
        let stream = StreamId::of_announcement(source, &identity.id);
        let Some(listing) = &fetch.preset.system().listing else {
            return Ok(stream);
        };
        let mut event = (listing.event)(named);
        if let Some(fields) = event.as_object_mut() {
            let by = shown_by.delivery_id.as_str();
            fields.insert("shown_by".to_owned(), by.into());
        }
        let id = identity.id.clone();
        let verified = intake.verifier.listed(source.clone(), id, &event);
        let recorded = self.record_event(&verified, intake, &identity, event, How::Listed);
        let incident = match recorded.await? {
            Recorded::New(incident) => Some(*incident),
            Recorded::Known | Recorded::Full => self.incident(stream).await?,
        };
        let incident = incident.ok_or(JournalError::Gone { stream })?;
        self.confirm(&incident, Vec::new(), deadline).await?;
        Ok(stream)
    }

    /// Whether an event may concern this source: it names a listed definition, or the approval that
    /// it withdraws is on record.
    pub(super) async fn may_concern(
        &self,
        source: &SourceName,
        fetcher: &Fetcher,
        named: &Named,
    ) -> Result<bool, JournalError> {
        let unlisted = |fetch: &FetchConfig| !fetch.definitions.contains(&named.definition);
        if !fetcher.app().is_some_and(unlisted) {
            return Ok(true);
        }
        let approved = named.saying(Said::Approved).id();
        let approval = self.incident(StreamId::of_announcement(source, &approved));
        Ok(approval.await?.is_some())
    }

    /// Fetches the instance of a share again that was not carried out at once, or that an operator
    /// reopened, before its first change in the cloud: the event of its withdrawal may be lost.
    /// Records a withdrawal that the instance shows. Returns why the share must wait if the
    /// instance cannot be read or is not approved any more, also if the configuration has no
    /// `fetch` for it any more. Does nothing for a share that no announcement led to.
    pub(in crate::app) async fn look_at_instance_again(
        &self,
        share: &State,
        deadline: Deadline,
    ) -> Result<Option<String>, JournalError> {
        let now = self.now();
        let recently = now.duration_since(share.recorded_at()) < READ_RECENTLY;
        let recently = recently && share.reopened_at().is_none();
        let source = &share.identity().source;
        let id = share.delivery_id().filter(|id| withdrawal_of(id).is_some());
        let (Some(id), false) = (id, recently || share.has_given()) else {
            return Ok(None);
        };
        let announced = self.incident(StreamId::of_announcement(source, id)).await?;
        let Some(Subject::Received(announcement)) = announced.as_ref().map(Incident::subject)
        else {
            return Ok(None);
        };
        let configured = self.prepared.intake(source).and_then(|intake| {
            let fetch = intake.fetcher.as_ref()?.app()?;
            let named = fetch.preset.system().named_of_any(&announcement.event)?;
            Some((intake, fetch, named))
        });
        let Some((intake, fetch, named)) = configured else {
            return Ok(Some(format!(
                "its approval cannot be read: source {source} has no `fetch` for its approval system now; configure that `fetch` again, or cancel the request"
            )));
        };
        let at = (now, deadline);
        let state = match self.instances.fetch(source, fetch, &named, at).await {
            Ok(instance) => (fetch.preset.system().state)(&named, instance),
            Err(unfetched) => {
                return Ok(Some(format!("its approval cannot be read: {unfetched}")));
            }
        };
        match state {
            InstanceState::Approved(_) => Ok(None),
            InstanceState::Withdrawn => {
                let withdrawn = named.saying(Said::Withdrawn);
                let recorded =
                    self.record_withdrawal(announcement, (intake, fetch), &withdrawn, deadline);
                self.slots.queue(recorded.await?, None);
                Ok(None)
            }
            InstanceState::Withdraws(_) => {
                Ok(Some("its instance now withdraws another one".to_owned()))
            }
            InstanceState::Pending(why) | InstanceState::Other(why) => Ok(Some(why)),
        }
    }

    /// Returns the call-off of the request's items that can still be called off, if a confirmed
    /// withdrawal of its approval is on record.
    pub(in crate::app) async fn withdrawn_on_record(
        &self,
        state: &State,
    ) -> Result<Option<CallOff>, JournalError> {
        let Some(id) = state.delivery_id().and_then(withdrawal_of) else {
            return Ok(None);
        };
        let source = state.identity().source.clone();
        let stream = StreamId::of_announcement(&source, &id);
        let withdrawal = self.incident(stream).await?;
        let confirmed = withdrawal.is_some_and(|incident| incident.confirmed());
        let by = Identity { source, id };
        Ok(call_off(state, &by).filter(|_| confirmed))
    }

    /// Fetches the instance. Returns `None` if it confirms the withdrawal, or if it is gone while
    /// the approval still gives something. Otherwise returns the result of this attempt.
    async fn end_unless_confirmed(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        named: &Named,
        deadline: Deadline,
    ) -> Result<Option<Attempt>, JournalError> {
        let at = (self.now(), deadline);
        let (why, gone) = match self.instances.fetch(source, fetch, named, at).await {
            Err(unfetched) => (unfetched.to_string(), unfetched.kind == Rejection::Gone),
            Ok(instance) => match (fetch.preset.system().state)(named, instance) {
                InstanceState::Withdrawn => return Ok(None),
                InstanceState::Approved(_) | InstanceState::Withdraws(_) => {
                    let why = "the instance is approved, although the event says withdrawn";
                    (why.to_owned(), false)
                }
                InstanceState::Pending(why) | InstanceState::Other(why) => (why, false),
            },
        };
        let by = by(source, named);
        let found = self.opened_for(source, named).await?;
        let mut left = found.states.iter();
        Ok(
            match (left.any(|state| call_off(state, &by).is_some()), gone) {
                (true, true) => None,
                (true, false) => Some(Attempt::Owed(why)),
                (false, true) => Some(Attempt::Gone(why)),
                (false, false) => Some(Attempt::Later(why)),
            },
        )
    }

    /// Revokes what an approval gave. The confirmed withdrawal must already be on record.
    async fn take_back_all(
        &self,
        source: &SourceName,
        named: &Named,
        deadline: Deadline,
    ) -> Result<Attempt, JournalError> {
        let found = self.opened_for(source, named).await?;
        let by = by(source, named);
        let requests = self.take_back(found.states, &by, deadline).await?;
        if let Some(damaged) = found.damaged {
            return Ok(Attempt::Owed(damaged.to_string()));
        }
        let none = "its approval gave nothing that could be revoked".to_owned();
        let why = requests.is_empty().then_some(none);
        Ok(Attempt::Settled { requests, why })
    }

    /// Reads the requests that were opened for the approval of this instance.
    async fn opened_for(&self, source: &SourceName, named: &Named) -> Result<Found, JournalError> {
        let approved = named.saying(Said::Approved).id();
        let stream = StreamId::of_announcement(source, &approved);
        let approval = self.incident(stream).await?;
        let requests = approval.as_ref().map_or(&[][..], Incident::requests);
        let mut found = self.read_requests(requests).await?;
        // A request of another approval may have the same identity.
        let opened = |state: &State| state.delivery_id() == Some(approved.as_str());
        found.states.retain(opened);
        Ok(found)
    }

    pub(super) async fn incident(
        &self,
        stream: StreamId,
    ) -> Result<Option<Incident>, JournalError> {
        let history = self.journal.read(stream).await?;
        Ok(history.and_then(|history| match history.stream_state {
            StreamState::Incident(incident) => Some(*incident),
            StreamState::Request(_) => None,
        }))
    }

    /// Calls off and revokes these requests. Returns those that `by` has called off, now or
    /// earlier.
    pub(super) async fn take_back(
        &self,
        states: Vec<State>,
        by: &Identity,
        deadline: Deadline,
    ) -> Result<Vec<Identity>, JournalError> {
        let mut requests = Vec::new();
        for state in states {
            let name = state.identity().clone();
            let Some(call_off) = call_off(&state, by) else {
                if was_called_off(&state, by) {
                    requests.push(name);
                    self.revoke_uncovered(&state, deadline).await?;
                }
                continue;
            };
            let called_off = self.record_call_off(state, call_off).await?;
            tracing::info!(request = %name, by = %by, "its approval was withdrawn");
            requests.push(name);
            // If this fails or the time runs out, the next sweep continues.
            if let Some(after) = Box::pin(self.sweep_one(called_off, false, deadline)).await? {
                self.queue_notifications(&after, false);
                self.revoke_uncovered(&after, deadline).await?;
            }
        }
        Ok(requests)
    }

    /// Revokes each share whose revocation waits because another grant covers it: the grant of
    /// `state` may have been that cover.
    async fn revoke_uncovered(
        &self,
        state: &State,
        deadline: Deadline,
    ) -> Result<(), JournalError> {
        for other in self.others(state).await? {
            if other.waits_for_cover() {
                let after = Box::pin(self.revoke(other, self.now(), true, deadline)).await?;
                self.queue_notifications(&after, false);
            }
        }
        Ok(())
    }

    /// Reads those requests that the journal has and that are not retired. Continues after a
    /// damaged one, so that the others can still be revoked.
    async fn read_requests(&self, identities: &[Identity]) -> Result<Found, JournalError> {
        let mut found = Found::default();
        for identity in identities {
            match self.journal.read_unretired(StreamId::of(identity)).await {
                Ok(history) => found
                    .states
                    .extend(history.and_then(crate::journal::History::into_state)),
                Err(damaged @ JournalError::Damaged { .. }) => found.damaged = Some(damaged),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

#[derive(Default)]
struct Found {
    states: Vec<State>,
    /// The error of the last damaged request, if any.
    damaged: Option<JournalError>,
}

/// Returns the identity of the withdrawal, which a call-off names as its cause.
fn by(source: &SourceName, named: &Named) -> Identity {
    Identity::new(source, named.saying(Said::Withdrawn).id())
}

/// Builds the record that calls off every item that can still be called off; `None` if no item is
/// left.
fn call_off(state: &State, by: &Identity) -> Option<CallOff> {
    let mut call_off = CallOff {
        items: state.request().target.items(),
        by: by.clone(),
        ticket: None,
        withdrawn: true,
    };
    call_off.items = state.left_of(&call_off);
    (!call_off.items.is_empty()).then_some(call_off)
}

fn was_called_off(state: &State, by: &Identity) -> bool {
    let items = state.request().target.items();
    let mut call_offs = items.iter().filter_map(|item| state.call_off_of(item));
    call_offs.any(|call_off| call_off.by == *by)
}
