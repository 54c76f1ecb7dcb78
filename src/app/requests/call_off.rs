//! Orders shares and cancels of the same image, region and receivers. A cancel calls off every
//! earlier open share: it appends `called_off` records to their streams and does not wait for their
//! workers. A resumed cancel leaves alone what a later share gave. Changes nothing in the cloud.

use std::collections::BTreeSet;

use crate::app::context::OPENING_TIME;
use crate::app::grants::{Ownership, held};
use crate::app::{App, Deadline};
use crate::domain::{
    AccountId, Action, ImageRef, Item, ItemResult, Region, ResultCode, ResultKind, ShareRequest,
    Target, Timestamp,
};
use crate::journal::{CallOff, JournalError, Phase, Receiver, State, StreamId};

use super::cancelled_items::{Cancelled, gone, items_called_off, items_lost, items_that_need};
use super::published::published;

/// What a turn needs to know of the other requests.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// The results of items that a later share holds: leave them alone.
    pub(super) kept: Vec<ItemResult>,
    /// The shares that no worker was carrying out.
    pub(super) at_rest: BTreeSet<StreamId>,
    /// The owner accounts on record of the shares that a cancel takes away.
    pub(super) owners: Vec<Option<AccountId>>,
}

/// How a turn begins, given the other requests for the same image.
#[derive(Debug)]
pub(super) enum Order {
    /// Begin.
    Begin(Beginning),
    /// Call these items off: a later cancel, or the withdrawal of its approval, did not see this request.
    CalledOff(CallOff),
    /// End the turn: a live worker is changing the same items.
    Wait { until: Timestamp, why: String },
}

impl App {
    /// Orders this turn among the other requests for the same image. Call it after the turn has
    /// claimed its request, so that of two workers at least one sees the other.
    pub(super) async fn order_among_others(
        &self,
        state: &State,
        neighbours: Option<BTreeSet<StreamId>>,
        deadline: Deadline,
    ) -> Result<Order, JournalError> {
        if let Some(call_off) = self.withdrawn_on_record(state).await? {
            return Ok(Order::CalledOff(call_off));
        }
        match state.request().action {
            Action::Share => self.after_takers(state, neighbours, deadline).await,
            Action::Cancel => self.call_off_earlier(state, deadline).await,
        }
    }

    /// Calls off the shares that were opened before this cancel, in the order of the journal, and
    /// leaves to later shares what they hold. Comes before the cancel's look at the cloud, which
    /// then shows a share that closes in between.
    async fn call_off_earlier(
        &self,
        cancel: &State,
        deadline: Deadline,
    ) -> Result<Order, JournalError> {
        // Read again after record 0: what opened or changed since its place was found must be seen.
        let (images, streams, states) = self.read_affected(cancel.request(), deadline).await?;
        let lease = self.worker_lease(self.now(), deadline)?;
        let (now, opened) = (self.now(), cancel.opened_at());
        // After a clock's correction the time since then says nothing.
        if now.duration_since(opened).abs() < OPENING_TIME
            && let Some(opening) = self.opening_among(streams, &states).await?
        {
            let why = format!("request {opening} is being opened; the cancel follows");
            let until = now.checked_add(OPENING_TIME).unwrap_or(Timestamp::MAX);
            return Ok(Order::Wait { until, why });
        }
        let mut order = after_later_shares(cancel, &states, &images, self.now());
        if let (true, Order::Begin(beginning)) = (cancel.intent().gone, &mut order) {
            self.refuse_gone(cancel, beginning, deadline).await;
        }
        for share in states {
            let items = items_called_off(cancel, &share, &images);
            if items.is_empty() {
                continue;
            }
            let call_off = taken_by(cancel, items);
            let name = share.identity().to_string();
            self.journal
                .call_off(share, self.now(), &lease.worker, call_off)
                .await?;
            tracing::info!(share = %name, cancel = %cancel.identity(), "called off");
        }
        Ok(order)
    }

    /// Refuses the confirmation that an image is deleted while another account than its owner's would be asked:
    /// only that one knows.
    async fn refuse_gone(&self, cancel: &State, beginning: &mut Beginning, deadline: Deadline) {
        let context = self.context(cancel.request(), deadline);
        let asked = context.cloud.owner_account().await.ok();
        let owners = beginning.owners.iter().map(Option::as_ref);
        let ownership = Ownership::of_all(owners, asked.as_ref());
        let target = &cancel.request().target;
        if let Some(error) = ownership.differing(&target.image(), context.account) {
            let kind = ResultKind::failed(error.code, error.message, false);
            let refused = |item| ItemResult::new(item, kind.clone(), None);
            beginning.kept = target.items().into_iter().map(refused).collect();
        }
    }

    /// A listed request without a record. A share lists the others while its record 0 is written,
    /// so it may not have seen this cancel, and this cancel has not seen it. The share gives up if
    /// its opening takes longer than [`OPENING_TIME`], so a cancel that looks again after that may
    /// ignore it.
    async fn opening_among(
        &self,
        streams: BTreeSet<StreamId>,
        read: &[State],
    ) -> Result<Option<StreamId>, JournalError> {
        let unread = |stream: &StreamId| !read.iter().any(|state| state.stream() == *stream);
        for stream in streams.into_iter().filter(unread) {
            match self.journal.look_up(stream).await {
                Ok(_) => return Ok(Some(stream)),
                Err(JournalError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Records in each earlier closed share what this cancel has taken away. Records the called-off items
    /// only of shares that were at rest before the cancel's calls: the worker of any other share may still
    /// make a call after them. Comes before the cancel closes, so that a crash in between repeats it.
    pub(super) async fn end_earlier(
        &self,
        cancel: &State,
        results: &[ItemResult],
        at_rest: &BTreeSet<StreamId>,
        deadline: Deadline,
    ) -> Result<(), JournalError> {
        // Read again after the calls: a share may have closed meanwhile, and the calls may have shown the
        // blueprint that was not known before.
        let (images, _, states) = self.read_affected(cancel.request(), deadline).await?;
        let lease = self.worker_lease(self.now(), deadline)?;
        for share in states {
            let concerned = |item: &Item| match share.call_off_of(item) {
                Some(_) => at_rest.contains(&share.stream()),
                None => share.order() < cancel.order(),
            };
            let mut items = items_lost(cancel, &share, &images);
            items.retain(|item| {
                concerned(item) && results.iter().any(|result| gone(result, item, &share))
            });
            if items.is_empty() {
                continue;
            }
            let cancelled = taken_by(cancel, items);
            self.journal
                .cancel(share, self.now(), &lease.worker, cancelled)
                .await?;
        }
        Ok(())
    }

    /// The images that the cancel affects, every listed request that may share one of them, and the
    /// states of those that could be read.
    pub(super) async fn read_affected(
        &self,
        cancel: &ShareRequest,
        deadline: Deadline,
    ) -> Result<(Cancelled, BTreeSet<StreamId>, Vec<State>), JournalError> {
        let (images, streams, mut states) = self.called_off_by(cancel, deadline).await?;
        let read: BTreeSet<StreamId> = states.iter().map(State::stream).collect();
        states.extend(self.read_streams(&streams - &read).await?);
        Ok((images, streams, states))
    }

    /// The images that the cancel affects, every listed request that may share one of them, and the
    /// states that it read to find them.
    pub(super) async fn called_off_by(
        &self,
        cancel: &ShareRequest,
        deadline: Deadline,
    ) -> Result<(Cancelled, BTreeSet<StreamId>, Vec<State>), JournalError> {
        let (region, target) = (&cancel.region, &cancel.target);
        let mut images = Cancelled::default();
        let mut streams = BTreeSet::new();
        let mut chains = Vec::new();
        match target {
            Target::Cvm { .. } => drop(images.from_accounts.insert(target.image())),
            Target::Blueprint { .. } => {
                images.from_accounts.insert(target.image());
                images.published = self.published_as(region, &target.image()).await?;
            }
            Target::Lighthouse { image } | Target::Chain { image, .. } => {
                images.published = Some(target.image());
                let cloud = self.context(cancel, deadline).cloud;
                // A chain made its blueprint or will make it. The journal may know one that cannot
                // be read now.
                let found = cloud.blueprint_of_image(image).await;
                let found = found.ok().flatten().map(|found| found.blueprint_id);
                images.made.extend(found.map(ImageRef::Blueprint));
            }
        }
        if let Some(published) = &images.published {
            let lighthouse = [Receiver::Lighthouse.name()];
            let lighthouse = Some(&lighthouse[..]);
            streams.extend(
                self.journal
                    .affecting(region, published, lighthouse)
                    .await?,
            );
        }
        if target.lighthouse() {
            chains = self.read_streams(streams.clone()).await?;
            let made = chains.iter().filter_map(State::blueprint).cloned();
            images.made.extend(made.map(ImageRef::Blueprint));
            for blueprint in &images.made {
                streams.extend(self.journal.affecting(region, blueprint, None).await?);
            }
        }
        if matches!(target, Target::Chain { .. }) {
            images.from_accounts.extend(images.made.iter().cloned());
        }
        let accounts: Vec<&str> = target.accounts().iter().map(AccountId::as_str).collect();
        for image in &images.from_accounts {
            streams.extend(
                self.journal
                    .affecting(region, image, Some(&accounts))
                    .await?,
            );
        }
        Ok((images, streams, chains))
    }

    /// The CVM image that, by the journal, a blueprint was made of.
    async fn published_as(
        &self,
        region: &Region,
        blueprint: &ImageRef,
    ) -> Result<Option<ImageRef>, JournalError> {
        let (mut unread, mut image) = (BTreeSet::new(), None);
        for stream in self.journal.affecting(region, blueprint, None).await? {
            match self.published.of(stream) {
                Some(known) => image = image.or(known),
                None => drop(unread.insert(stream)),
            }
        }
        if image.is_none() {
            let read = self.read_streams(unread).await?;
            self.published.keep(&read);
            image = read.iter().find_map(published);
        }
        // A cancel for a chain without it on record found it in the cloud.
        let image = image.or_else(|| self.published.source(region, blueprint));
        if let Some(image) = &image {
            self.published
                .made(region, blueprint.clone(), image.clone());
        }
        Ok(image)
    }
}

/// Records that this cancel took away these items of another request.
pub(super) fn taken_by(cancel: &State, items: Vec<Item>) -> CallOff {
    CallOff {
        items,
        by: cancel.identity().clone(),
        ticket: cancel.request().ticket.clone(),
        withdrawn: false,
    }
}

/// The order of a cancel among `states`: later shares keep what they hold. A share that is being
/// carried out comes first.
fn after_later_shares(
    cancel: &State,
    states: &[State],
    images: &Cancelled,
    now: Timestamp,
) -> Order {
    let mut kept: Vec<ItemResult> = Vec::new();
    let later = states.iter().filter(|share| {
        share.request().action == Action::Share
            && share.request().region == cancel.request().region
            && share.order() > cancel.order()
    });
    for share in later {
        let held = held(share, now);
        let live = match share.phase() {
            Phase::Working { lease_until, .. } => Some(*lease_until).filter(|_| !share.is_due(now)),
            _ => None,
        };
        for item in cancel.request().target.items() {
            let of_share = items_that_need(&item, share, images);
            if of_share.iter().any(|item| held.contains(item)) {
                kept.push(left_to(share, item));
            } else if let (false, Some(until)) = (of_share.is_empty(), live) {
                let why = format!("{} is being carried out", share.identity());
                return Order::Wait { until, why };
            }
        }
    }
    let resting = states.iter().filter(|state| state.at_rest());
    let lost = states.iter().filter(|share| {
        let items = items_lost(cancel, share, images);
        items.iter().any(|item| share.holds(item))
    });
    Order::Begin(Beginning {
        kept,
        at_rest: resting.map(State::stream).collect(),
        owners: lost.map(|share| share.owner().cloned()).collect(),
    })
}

/// The result of a cancel's item that a later share holds.
fn left_to(share: &State, item: Item) -> ItemResult {
    let why = format!(
        "{} was approved after this cancel and shares it",
        share.identity()
    );
    let kind = ResultKind::failed(ResultCode::LaterShare, why, false);
    ItemResult::new(item, kind, None)
}
