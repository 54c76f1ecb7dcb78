//! Orders shares and cancels of the same image, region and receivers. A cancel calls off every
//! earlier share that is not closed: it appends a `called_off` record to the share's stream and
//! does not wait for the share's worker. When a cancel is resumed, it does not take away what a
//! later share gave. This module changes nothing in the cloud.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::application::fresh_worker;
use crate::app::context::OPENING_TIME;
use crate::app::grants::{Ownership, held_items};
use crate::app::{App, Deadline};
use crate::domain::{
    AccountId, Action, ImageRef, Item, ItemResult, NoticeKind, Region, ResultCode, ResultKind,
    ShareRequest, Target, Timestamp,
};
use crate::journal::{CallOff, JournalError, Phase, Receiver, State, StreamId, WakeUp};

use super::cancelled_items::{
    AffectedImages, gone, items_called_off, items_lost, items_that_need, precedes,
};
use super::on_record::OnRecord;
use super::published::published;

/// What a turn knows about other requests when it begins.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// The closed requests that are not completely revoked. No worker shares anything for them.
    pub(super) at_rest: BTreeSet<StreamId>,
    /// What the journal records about the items that a cancel takes away.
    pub(super) on_record: OnRecord,
    /// The items of this share that other requests gave. They now end when this share ends.
    pub(super) renewed: BTreeSet<Item>,
}

/// How a turn begins, given the other requests for the same image.
#[derive(Debug)]
pub(super) enum Order {
    /// Begin the work.
    Begin(Beginning),
    /// Call off these items first: the journal has a later cancel that did not see this request, or
    /// the withdrawal of the request's approval.
    CalledOff(CallOff),
    /// End the turn: another worker is changing the same items, or is opening a request for them.
    Wait { until: Timestamp, why: String },
    /// The instance of the request's approval cannot be read, or is not approved now.
    Unread(String),
}

impl App {
    /// Decides how this turn begins, given the other requests for the same image. The worker must
    /// hold the claim: of two workers that call this concurrently, at least one then sees the claim
    /// of the other.
    pub(super) async fn order_among_others(
        &self,
        state: &State,
        neighbours: Option<BTreeSet<StreamId>>,
        deadline: Deadline,
    ) -> Result<Order, JournalError> {
        let mut withdrawn = self.withdrawn_on_record(state).await?;
        let looks = neighbours.is_none() && state.request().action == Action::Share;
        if looks && withdrawn.is_none() {
            let look = self.look_at_instance_again(state, deadline);
            if let Some(why) = Box::pin(look).await? {
                return Ok(Order::Unread(why));
            }
            // The look may have recorded a withdrawal.
            withdrawn = self.withdrawn_on_record(state).await?;
        }
        if let Some(call_off) = withdrawn {
            return Ok(Order::CalledOff(call_off));
        }
        match state.request().action {
            Action::Share => self.order_share(state, neighbours, deadline).await,
            Action::Cancel => self.call_off_earlier(state, deadline).await,
        }
    }

    /// Calls off the shares that precede this cancel in the journal's order. Later shares keep
    /// their items. Call it before the cancel reads the cloud, so that the read shows the items of
    /// every share that closed before the cancel.
    async fn call_off_earlier(
        &self,
        cancel: &State,
        deadline: Deadline,
    ) -> Result<Order, JournalError> {
        // `place_in_order` already read these requests, but before record 0 was written. Others may
        // have been opened or changed since then.
        let (images, streams, states) = self.read_affected(cancel.request(), deadline).await?;
        let (now, opened) = (self.now(), cancel.opened_at());
        // Use `abs` because `opened` may lie far in the future if the clock was set back. The
        // cancel must not wait until then.
        if now.duration_since(opened).abs() < OPENING_TIME
            && let Some(opening) = self.unopened_neighbour(streams, &states).await?
        {
            let why = format!(
                "another request (stream {opening}) is being opened; this cancel is carried out afterwards"
            );
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
            let after = self.record_call_off(share, call_off).await?;
            self.queue_notifications(&after, false);
            tracing::info!(share = %name, cancel = %cancel.identity(), "called off");
        }
        Ok(order)
    }

    /// Calls off items of `state`. If this closes the request, a notification may be owed. In that
    /// case a wake-up is written first, so that a sweep delivers the notification if this process
    /// does not.
    pub(in crate::app) async fn record_call_off(
        &self,
        state: State,
        call_off: CallOff,
    ) -> Result<State, JournalError> {
        let (now, rules) = (self.now(), &self.prepared.notice_rules);
        let notifies = rules.want(NoticeKind::Failed, Some(&state.identity().source));
        if notifies {
            let at = self.lease(now, Deadline::after(Duration::ZERO));
            let wake_up = WakeUp::new(at, state.stream(), state.head().next_seq);
            self.journal.add_wake_up(wake_up).await?;
        }
        self.journal
            .call_off(state, now, &fresh_worker()?, call_off)
            .await
    }

    /// Refuses an operator's confirmation that the image is deleted if the current key belongs to
    /// another account than the image. Only the owner's key can show whether the image is deleted.
    async fn refuse_gone(&self, cancel: &State, beginning: &mut Beginning, deadline: Deadline) {
        let context = self.context(cancel.request(), deadline);
        let asked = context.cloud.owner_account().await.ok();
        let owners = beginning.on_record.owners.iter().map(Option::as_ref);
        let ownership = Ownership::of_all(owners, asked.as_ref());
        let target = &cancel.request().target;
        if let Some(error) = ownership.differing_error(&target.image(), context.account) {
            let kind = ResultKind::failed(error.code, error.message, false);
            let refused = |item| ItemResult::new(item, kind.clone(), None);
            beginning.on_record.kept = target.items().into_iter().map(refused).collect();
        }
    }

    /// Returns a stream of `streams` that is missing in `read` because its record 0 did not exist
    /// when the requests were read.
    ///
    /// This handles a race: a share lists the other requests while its own record 0 is being
    /// written, so this cancel and that share may have missed each other. A share whose opening
    /// takes longer than [`OPENING_TIME`] makes no call in that turn. A cancel that looks again
    /// after that time may therefore ignore such a share.
    async fn unopened_neighbour(
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

    /// Records in each earlier closed share which of its items this cancel has taken away. A
    /// called-off item is recorded only if the share was at rest before the cancel's calls;
    /// otherwise the share's worker may still make a call after them. Call this method before the
    /// cancel is closed. After a crash in between, the next turn then repeats it.
    pub(super) async fn record_in_earlier_shares(
        &self,
        cancel: &State,
        results: &[ItemResult],
        at_rest: &BTreeSet<StreamId>,
        deadline: Deadline,
    ) -> Result<(), JournalError> {
        // Read again after the calls. A share may have closed in the meantime, and the calls may
        // have revealed a blueprint that no record named before.
        let (images, _, states) = self.read_affected(cancel.request(), deadline).await?;
        let lease = self.worker_lease(self.now(), deadline)?;
        for share in states {
            let concerned = |item: &Item| match share.call_off_of(item) {
                Some(_) => at_rest.contains(&share.stream()),
                None => precedes(&share, cancel),
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

    /// Returns the images that the cancel affects, the requests that it may affect according to the
    /// index, and the states of the requests that could be read.
    pub(super) async fn read_affected(
        &self,
        cancel: &ShareRequest,
        deadline: Deadline,
    ) -> Result<(AffectedImages, BTreeSet<StreamId>, Vec<State>), JournalError> {
        let (images, streams, mut states) = self.called_off_by(cancel, deadline).await?;
        let read: BTreeSet<StreamId> = states.iter().map(State::stream).collect();
        states.extend(self.read_streams(&streams - &read).await?);
        Ok((images, streams, states))
    }

    /// Like [`App::read_affected`], but returns only those states that had to be read in order to
    /// find the requests.
    pub(super) async fn called_off_by(
        &self,
        cancel: &ShareRequest,
        deadline: Deadline,
    ) -> Result<(AffectedImages, BTreeSet<StreamId>, Vec<State>), JournalError> {
        let (region, target) = (&cancel.region, &cancel.target);
        let mut images = AffectedImages::default();
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
                // Ignore a failed read: the chain may not have created its blueprint yet, or the
                // journal may name the blueprint.
                if let Ok(Some(found)) = cloud.blueprint_of_image(image).await {
                    let blueprint = ImageRef::Blueprint(found.blueprint_id);
                    self.published.made(region, blueprint, target.image());
                }
                // After the cancel's call, the cloud no longer returns the blueprint, so use what
                // this process remembers, too.
                let made = self.published.made_from(region, &target.image());
                images.made.extend(made);
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

    /// If several owner accounts are configured, looks up the CVM image from which the requested
    /// blueprint was created, because the CVM image selects the account. Call it before the first
    /// cloud call of a request.
    pub(in crate::app) async fn find_source(
        &self,
        request: &ShareRequest,
    ) -> Result<(), JournalError> {
        let image = request.target.image();
        if self.clouds.are_several() && matches!(image, ImageRef::Blueprint(_)) {
            self.published_as(&request.region, &image).await?;
        }
        Ok(())
    }

    /// Returns the CVM image from which a blueprint was created, if the journal or this process
    /// knows it.
    pub(super) async fn published_as(
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
        // No record may name the blueprint if `revoke` found it in the cloud.
        let image = image.or_else(|| self.published.source(region, blueprint));
        if let Some(image) = &image {
            self.published
                .made(region, blueprint.clone(), image.clone());
        }
        Ok(image)
    }
}

/// Returns the part of a record that says that this cancel takes `items` away from another request.
pub(super) fn taken_by(cancel: &State, items: Vec<Item>) -> CallOff {
    CallOff {
        items,
        by: cancel.identity().clone(),
        ticket: cancel.request().ticket.clone(),
        withdrawn: false,
    }
}

/// Decides how a cancel begins, given the other requests in `states`. The cancel leaves later
/// shares their items. If a live worker is carrying out a later share of the same items, the cancel
/// waits for it.
fn after_later_shares(
    cancel: &State,
    states: &[State],
    images: &AffectedImages,
    now: Timestamp,
) -> Order {
    let mut kept: Vec<ItemResult> = Vec::new();
    let later = states.iter().filter(|share| {
        share.request().action == Action::Share
            && share.request().region == cancel.request().region
            && !precedes(share, cancel)
    });
    for share in later {
        let held = held_items(share, now);
        let live = match share.phase() {
            Phase::Working { lease_until, .. } => Some(*lease_until).filter(|_| !share.is_due(now)),
            _ => None,
        };
        for item in cancel.request().target.items() {
            let of_share = items_that_need(&item, share, images);
            if of_share.iter().any(|item| held.contains(item)) {
                kept.push(left_to(share, item));
            } else if let (false, Some(until)) = (of_share.is_empty(), live) {
                let why = format!(
                    "{} shares the same image and is being carried out; this cancel is carried out afterwards",
                    share.identity()
                );
                return Order::Wait { until, why };
            }
        }
    }
    let resting = states.iter().filter(|state| state.at_rest());
    let on_record = OnRecord {
        kept,
        ..OnRecord::of_cancel(cancel, states, images, now)
    };
    Order::Begin(Beginning {
        at_rest: resting.map(State::stream).collect(),
        on_record,
        renewed: BTreeSet::new(),
    })
}

/// Returns the cancel's result for an item that a later share holds.
fn left_to(share: &State, item: Item) -> ItemResult {
    let why = format!(
        "{} was approved or recorded after this cancel and shares the image",
        share.identity()
    );
    let kind = ResultKind::failed(ResultCode::LaterShare, why, false);
    ItemResult::new(item, kind, None)
}
