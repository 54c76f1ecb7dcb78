//! The journal's view of each image and region: which receivers have a grant, which requests name
//! them, and which of those requests are under way. Computed from the states of all requests,
//! without reading the cloud.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::App;
use crate::app::grants::{LIGHTHOUSE, receiver};
use crate::domain::{
    AccountId, Action, Difference, Drifted, Identity, ImageRef, Item, ItemResult, Region, Target,
};
use crate::journal::{Phase, Standing, State};

pub(super) type Place = (ImageRef, Region);

/// The images that shares name, and the images that an operator adds.
pub(super) type Places = BTreeMap<Place, Known>;

/// The journal's view of one image in one region.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The receivers with a grant, and whether the grant is active, covered or overdue.
    pub(super) granted: BTreeMap<String, Standing>,
    /// The receivers that shares name, with or without a grant.
    pub(super) named: BTreeSet<String>,
    pub(super) lighthouse: bool,
    /// The owner accounts that gave the grants, if records name them.
    pub(super) owners: BTreeSet<AccountId>,
    requests: BTreeMap<String, Requests>,
    /// The cancels that take this blueprint from every receiver, because they remove its CVM image
    /// from Lighthouse.
    cancels_of_all: Requests,
}

/// The shares and cancels that name a receiver.
#[derive(Debug, Default)]
struct Requests {
    /// The total number of records of these requests. It changes with each new record.
    records: u64,
    /// A request that has begun and is not finished. It may have made calls that are not recorded
    /// yet.
    under_way: Option<Identity>,
    /// A request that makes no call now but will make one later. It does not explain a difference.
    to_come: Option<ToCome>,
}

/// A request whose last turn failed, or a cancel that has not started yet.
#[derive(Debug, Clone)]
pub(super) struct ToCome {
    pub(super) request: Identity,
    pub(super) action: Action,
    /// Why the last turn failed. `None` if the request has not started yet.
    pub(super) why: Option<String>,
}

impl Requests {
    /// Adds a request. `open` means that the request has not done its work for the receiver yet.
    fn add(&mut self, state: &State, open: bool) {
        self.records = self.records.saturating_add(state.head().next_seq);
        let (request, action) = (state.identity().clone(), state.request().action);
        let to_come = |why| ToCome {
            request: request.clone(),
            action,
            why,
        };
        match state.phase() {
            // The cloud refused the calls of this request, so it did not carry out a call that is
            // not recorded.
            Phase::Deferred {
                why,
                fault: Some(_),
                ..
            } if !state.results().iter().any(|result| result.maybe_done) => {
                if open {
                    self.to_come = Some(to_come(Some(why.clone())));
                }
            }
            Phase::Working { .. } | Phase::Deferred { .. } | Phase::Revoking { .. } => {
                self.under_way = Some(request);
            }
            Phase::Waiting { .. } if action == Action::Cancel => {
                self.to_come.get_or_insert(to_come(None));
            }
            // A share makes no call while it waits.
            Phase::Waiting { .. }
            | Phase::Denied
            | Phase::Closed
            | Phase::RevokeDeferred { .. }
            | Phase::Revoked => {}
        }
    }
}

impl Known {
    /// Adds a grant. If a receiver has several, the best standing counts: active, then covered,
    /// then overdue.
    fn grant(&mut self, to: String, standing: Standing) {
        let known = self.granted.entry(to).or_insert(standing);
        *known = standing.min(*known);
    }

    fn name(&mut self, to: String, share: &State) {
        self.add_request(to.clone(), share);
        self.named.insert(to);
    }

    fn add_request(&mut self, to: String, state: &State) {
        let of_receiver = |result: &&ItemResult| receiver(&result.item) == to;
        let results = state.results();
        let open = !results
            .iter()
            .filter(of_receiver)
            .all(ItemResult::succeeded);
        self.requests.entry(to).or_default().add(state, open);
    }

    /// Returns a request for `to` that has begun and is not finished.
    pub(super) fn under_way(&self, to: &str) -> Option<&Identity> {
        let own = self.requests.get(to);
        let own = own.and_then(|requests| requests.under_way.as_ref());
        own.or(self.cancels_of_all.under_way.as_ref())
    }

    /// Returns a request for `to` whose last turn failed, or a cancel for `to` that has not started
    /// yet.
    pub(super) fn to_come(&self, to: &str) -> Option<&ToCome> {
        let own = self.requests.get(to);
        let own = own.and_then(|requests| requests.to_come.as_ref());
        own.or(self.cancels_of_all.to_come.as_ref())
    }

    /// Returns the number of records of the requests that concern `to`.
    fn records(&self, to: &str) -> u64 {
        let own = self.requests.get(to).map_or(0, |requests| requests.records);
        own.saturating_add(self.cancels_of_all.records)
    }

    /// Whether a difference between `before` and the cloud is certain. `self` is the journal's view
    /// after the cloud was read, and `before` the view before it. sharehook records each request
    /// before it calls the cloud. Therefore, if there is no new record and no request under way,
    /// sharehook changed nothing for the receiver.
    pub(super) fn confirms(&self, before: &Self, drifted: &Drifted) -> bool {
        let to = &drifted.to;
        match drifted.difference {
            // A grant stays overdue until a record shows its revocation.
            Difference::Overdue => self.granted.get(to) == Some(&Standing::Overdue),
            Difference::Unknown | Difference::Missing | Difference::Extra => {
                self.under_way(to).is_none() && self.records(to) == before.records(to)
            }
        }
    }
}

impl App {
    /// Returns the journal's view of each image, under the id that the receivers see. For the
    /// accounts of a chain, this is the id of its blueprint.
    pub(super) fn places(&self, states: &[State], also: &[Place]) -> Places {
        let mut places: Places = also
            .iter()
            .map(|place| (place.clone(), Known::default()))
            .collect();
        let allowed = |state: &&State| !matches!(state.phase(), Phase::Denied);
        let of = |action| move |state: &&State| state.request().action == action;
        for share in states.iter().filter(allowed).filter(of(Action::Share)) {
            self.add_share(&mut places, share);
        }
        // This must follow the shares, because they show which blueprint was created from which
        // image.
        for chain in states.iter().filter(allowed).filter(of(Action::Share)) {
            self.add_unmade_chain(&mut places, chain);
        }
        // Cancels come last: a cancel counts only for an image that is already in `places`.
        for cancel in states.iter().filter(allowed).filter(of(Action::Cancel)) {
            self.add_cancel(&mut places, cancel);
        }
        places
    }

    /// Whether records of this request may change what the journal says about one of these places.
    /// This is so if the request names the place's image, or the CVM image from which the place's
    /// blueprint was created. It is also so if the request may still record the place's image as
    /// the blueprint that it found in Lighthouse.
    pub(super) fn concerns(&self, state: &State, places: &BTreeSet<&Place>) -> bool {
        let (request, target) = (state.request(), &state.request().target);
        let unmade = target.lighthouse() && state.blueprint().is_none();
        let mut in_region = places
            .iter()
            .filter(|(_, region)| *region == request.region);
        in_region.any(|(image, region)| {
            let source = self.published.source(region, image);
            let named = [target.image(), state.subject()];
            unmade || named.contains(image) || source.is_some_and(|source| named.contains(&source))
        })
    }

    fn add_share(&self, places: &mut Places, share: &State) {
        let (grant, now) = (share.grant(), self.now());
        let standing = |item: &Item| {
            let of_grant = grant.as_ref().map(|grant| grant.standing(item, now));
            of_grant.unwrap_or(Standing::Active)
        };
        let owner = grant.as_ref().and(share.owner());
        let request = share.request();
        if request.target.lighthouse()
            && let Some(blueprint) = share.blueprint()
        {
            let blueprint = ImageRef::Blueprint(blueprint.clone());
            let source = request.target.image();
            self.published.made(&request.region, blueprint, source);
        }
        let chain_unmade =
            matches!(request.target, Target::Chain { .. }) && share.blueprint().is_none();
        if !chain_unmade && !matches!(request.target, Target::Lighthouse { .. }) {
            let key = (share.subject(), request.region.clone());
            let known = places.entry(key).or_default();
            known.owners.extend(owner.cloned());
            for account in request.target.accounts() {
                known.name(account.to_string(), share);
            }
            for account in grant.iter().flat_map(|grant| &grant.accounts) {
                let item = Item::Account(account.clone());
                known.grant(account.to_string(), standing(&item));
            }
        }
        if request.target.lighthouse() {
            let key = (request.target.image(), request.region.clone());
            let known = places.entry(key).or_default();
            known.lighthouse = true;
            known.owners.extend(owner.cloned());
            known.name(LIGHTHOUSE.to_owned(), share);
            if let Some(item) = share.lighthouse_given() {
                known.grant(LIGHTHOUSE.to_owned(), standing(&item));
            }
        }
    }

    /// Adds an unfinished chain without a recorded blueprint to the blueprint that another request
    /// created from the same image, because the chain will share that blueprint.
    fn add_unmade_chain(&self, places: &mut Places, chain: &State) {
        let (target, region) = (&chain.request().target, &chain.request().region);
        if !matches!(target, Target::Chain { .. }) || chain.blueprint().is_some() {
            return;
        }
        for made in self.published.made_from(region, &target.image()) {
            let Some(known) = places.get_mut(&(made, region.clone())) else {
                continue;
            };
            for account in target.accounts() {
                if chain.can_be_called_off(&Item::Account(account.clone())) {
                    known.name(account.to_string(), chain);
                }
            }
        }
    }

    /// Adds a cancel to those images in `places` that it affects.
    fn add_cancel(&self, places: &mut Places, cancel: &State) {
        let (target, region) = (&cancel.request().target, &cancel.request().region);
        let named = (target.image(), region.clone());
        if !target.lighthouse() {
            if let Some(known) = places.get_mut(&named) {
                for account in target.accounts() {
                    known.add_request(account.to_string(), cancel);
                }
            }
            return;
        }
        for (place, known) in places.iter_mut() {
            if *place == named {
                known.add_request(LIGHTHOUSE.to_owned(), cancel);
            } else if matches!(place.0, ImageRef::Blueprint(_))
                && place.1 == named.1
                && self.published.source(region, &place.0).as_ref() == Some(&named.0)
            {
                let open = !cancel.results().iter().all(ItemResult::succeeded);
                known.cancels_of_all.add(cancel, open);
            }
        }
    }
}
