//! Takes back what an approval gave that was withdrawn later. In: a verified event that says so. Out: once
//! the instance confirms it, a `called_off` record in each request that came of the approval, and its
//! revocation. A request that waits is closed by that record, one under way sees it before its next write,
//! and what is shared is revoked as at its expiry, except what another grant covers. Needs no permission,
//! and may be repeated.

use crate::app::deliveries::identity_of;
use crate::app::rules::Intake;
use crate::app::{App, Deadline};
use crate::config::FetchConfig;
use crate::domain::{Identity, SourceName};
use crate::inbound::{InstanceState, Map, Named, Rejection, Said, VerifiedDelivery};
use crate::journal::{Announcement, CallOff, JournalError, State, StreamId, StreamState};

use super::announcements::Attempt;

impl App {
    /// Works off an event that says that an approval was withdrawn. Never given up while something of the
    /// approval stands. The event is a hint: it ends when the instance confirms it or is there no more.
    pub(super) async fn withdraw(
        &self,
        announcement: &Announcement,
        (intake, fetch): (&Intake, &FetchConfig),
        named: &Named,
        deadline: Deadline,
    ) -> Attempt {
        let source = &announcement.source;
        let end = async {
            let approved = named.saying(Said::Approved).id();
            let approval = StreamId::of_announcement(source, &approved);
            let history = self.journal.read(approval).await?;
            let requests = match history.map(|history| history.stream_state) {
                Some(StreamState::Incident(approval)) if approval.to_fetch().is_some() => {
                    let why = "its approval is still being worked on";
                    return Ok(Attempt::Owed(why.to_owned()));
                }
                Some(StreamState::Incident(approval)) => approval.requests().to_vec(),
                Some(StreamState::Request(_)) | None => Vec::new(),
            };
            let by = by(source, named);
            let mut found = self.read_requests(&requests).await?;
            let left = found
                .states
                .iter()
                .any(|state| call_off(state, &by).is_some());
            let wait = |why: String| match left {
                true => Attempt::Owed(why),
                false => Attempt::Later(why),
            };
            let at = (self.now(), deadline);
            match self.instances.fetch(source, fetch, named, at).await {
                Err(unfetched) if unfetched.kind == Rejection::Gone => {}
                Err(unfetched) => return Ok(wait(unfetched.to_string())),
                Ok(instance) => match (fetch.preset.system().state)(named, instance) {
                    InstanceState::Withdrawn(instance) if requests.is_empty() => {
                        let event = &announcement.event;
                        let verifier = &intake.verifier;
                        let of = verifier.fetched(source.clone(), approved, event, &instance);
                        found = self.read_mapped(&of, &intake.map).await?;
                    }
                    InstanceState::Withdrawn(_) => {}
                    InstanceState::Approved(_) => {
                        let why = "the instance is approved, although the event says withdrawn";
                        return Ok(wait(why.to_owned()));
                    }
                    InstanceState::Pending(why) | InstanceState::Other(why) => {
                        return Ok(wait(why));
                    }
                },
            }
            self.take_back_found(found, &by, deadline).await
        };
        let end: Result<Attempt, JournalError> = Box::pin(end).await;
        end.unwrap_or_else(|error| Attempt::Owed(error.to_string()))
    }

    /// The end of an approval that turns out to be withdrawn: a worker that was interrupted may have
    /// recorded its requests before that.
    pub(super) async fn withdrawn_meanwhile(
        &self,
        named: &Named,
        delivery: &VerifiedDelivery,
        map: &Map,
        deadline: Deadline,
    ) -> Attempt {
        let by = by(delivery.source(), named);
        let end = async {
            let found = self.read_mapped(delivery, map).await?;
            self.take_back_found(found, &by, deadline).await
        };
        let end: Result<Attempt, JournalError> = Box::pin(end).await;
        end.unwrap_or_else(|error| Attempt::Owed(error.to_string()))
    }

    /// The requests that this delivery has opened, by the identities that its map gives them.
    async fn read_mapped(
        &self,
        delivery: &VerifiedDelivery,
        map: &Map,
    ) -> Result<Found, JournalError> {
        let mapped = map.apply(delivery, self.now(), &self.config().rules());
        let mapped = mapped.unwrap_or_default();
        let identities = mapped.iter().enumerate();
        let identities: Vec<Identity> = identities
            .map(|(index, request)| identity_of(request, delivery, index))
            .collect();
        let mut found = self.read_requests(&identities).await?;
        // A request of another approval may have the same identity.
        let opened = |state: &State| state.delivery_id() == delivery.delivery_id();
        found.states.retain(opened);
        Ok(found)
    }

    async fn take_back_found(
        &self,
        found: Found,
        by: &Identity,
        deadline: Deadline,
    ) -> Result<Attempt, JournalError> {
        let requests = self.take_back(found.states, by, deadline).await?;
        if let Some(damaged) = found.damaged {
            return Ok(Attempt::Owed(damaged.to_string()));
        }
        let none = "its approval gave nothing that could be taken back".to_owned();
        let why = requests.is_empty().then_some(none);
        Ok(Attempt::Settled { requests, why })
    }

    /// Calls these requests off, and revokes what they gave. Returns those that `by` has called off.
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
            let lease = self.worker_lease(self.now(), deadline)?;
            let called_off = self
                .journal
                .call_off(state, self.now(), &lease.worker, call_off)
                .await?;
            tracing::info!(request = %name, by = %by, "its approval was withdrawn");
            requests.push(name);
            // What fails now, or has no time, is due for the next sweep.
            if let Some(after) = Box::pin(self.sweep_one(called_off, false, deadline)).await? {
                self.queue_notifications(&after);
                self.revoke_uncovered(&after, deadline).await?;
            }
        }
        Ok(requests)
    }

    /// Revokes what waited only because this share covered it.
    async fn revoke_uncovered(
        &self,
        state: &State,
        deadline: Deadline,
    ) -> Result<(), JournalError> {
        for other in self.others(state).await? {
            if other.waits_for_cover() {
                let after = Box::pin(self.revoke(other, self.now(), true, deadline)).await?;
                self.queue_notifications(&after);
            }
        }
        Ok(())
    }

    /// The requests among these that the journal has and that are not retired. A damaged one does not
    /// keep the others from being taken back.
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

/// What an approval became.
#[derive(Default)]
struct Found {
    states: Vec<State>,
    /// Why one of them cannot be read.
    damaged: Option<JournalError>,
}

/// Who calls off: the withdrawal.
fn by(source: &SourceName, named: &Named) -> Identity {
    Identity {
        source: source.clone(),
        id: named.saying(Said::Withdrawn).id(),
    }
}

/// The record that calls off what no record has called off before; `None` if nothing is left.
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
