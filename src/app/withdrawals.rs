//! Takes back what an approval gave that was withdrawn later. In: a verified event that says so. Out: once
//! the instance confirms it, a `called_off` record in each request that came of the approval, and its
//! revocation. A request that waits is closed by that record, one under way sees it before its next write,
//! and what is shared is revoked as at its expiry, except what another grant covers. Needs no permission,
//! and may be repeated.

use crate::config::FetchConfig;
use crate::domain::{Identity, SourceName};
use crate::inbound::{InstanceState, Map, Named, Said, VerifiedDelivery};
use crate::journal::{CallOff, JournalError, State, StreamId, StreamState};

use super::announcements::Attempt;
use super::identity::identity_of;
use super::{App, Deadline};

impl App {
    /// Works off an event that says that an approval was withdrawn. Never given up while something of the
    /// approval stands.
    pub(super) async fn withdraw(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        named: &Named,
        deadline: Deadline,
    ) -> Attempt {
        let end = Box::pin(self.attempt_to_withdraw(source, fetch, named, deadline));
        end.await
            .unwrap_or_else(|error| Attempt::Owed(error.to_string()))
    }

    async fn attempt_to_withdraw(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        named: &Named,
        deadline: Deadline,
    ) -> Result<Attempt, JournalError> {
        let approval = StreamId::of_announcement(source, &named.saying(Said::Approved).id());
        let history = self.journal.read(approval).await?;
        let requests = match history.map(|history| history.stream_state) {
            Some(StreamState::Incident(approval)) if approval.to_fetch().is_some() => {
                return Ok(Attempt::Owed(
                    "its approval is still being worked on".to_owned(),
                ));
            }
            Some(StreamState::Incident(approval)) => approval.requests().to_vec(),
            Some(StreamState::Request(_)) | None => Vec::new(),
        };
        let by = Identity {
            source: source.clone(),
            id: named.id(),
        };
        let states = self.read_requests(&requests).await?;
        if states.iter().any(|state| call_off(state, &by).is_some()) {
            let fetched = self
                .instances
                .fetch(source, fetch, named, (self.now(), deadline));
            let instance = match fetched.await {
                Ok(instance) => instance,
                Err(unfetched) => return Ok(Attempt::Owed(unfetched.to_string())),
            };
            match (fetch.preset.system().state)(named, instance) {
                InstanceState::Withdrawn(_) => {}
                InstanceState::Approved(_) => {
                    let why = "the instance is approved, although the event says withdrawn";
                    return Ok(Attempt::Owed(why.to_owned()));
                }
                InstanceState::Pending(why) | InstanceState::Other(why) => {
                    return Ok(Attempt::Owed(why));
                }
            }
        }
        let requests = self.take_back(states, &by, deadline).await?;
        let none = "its approval gave nothing that could be taken back".to_owned();
        let why = requests.is_empty().then_some(none);
        Ok(Attempt::Settled { requests, why })
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
        let mapped = map.apply(delivery, self.now(), &self.config().rules());
        let mapped = mapped.unwrap_or_default();
        let identities = mapped.iter().enumerate();
        let identities: Vec<Identity> = identities
            .map(|(index, request)| identity_of(request, delivery, index))
            .collect();
        let by = Identity {
            source: delivery.source().clone(),
            id: named.saying(Said::Withdrawn).id(),
        };
        let taken_back = async {
            let states = self.read_requests(&identities).await?;
            self.take_back(states, &by, deadline).await
        };
        match Box::pin(taken_back).await {
            Ok(requests) => Attempt::Settled {
                requests,
                why: Some("the instance was withdrawn after its approval".to_owned()),
            },
            Err(error) => Attempt::Owed(error.to_string()),
        }
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

    /// The requests among these that the journal has and that are not retired.
    pub(super) async fn read_requests(
        &self,
        identities: &[Identity],
    ) -> Result<Vec<State>, JournalError> {
        let mut states = Vec::new();
        for identity in identities {
            let history = self.journal.read_unretired(StreamId::of(identity)).await?;
            states.extend(history.and_then(crate::journal::History::into_state));
        }
        Ok(states)
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
