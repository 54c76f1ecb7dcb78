//! Calling off: a cancel ends every earlier share of the same image, region and receivers that is not
//! closed. Takes the cancel's state; appends `called_off` records to the streams of those shares. It
//! never waits for a share's worker and calls nothing in the cloud.

use std::collections::BTreeSet;

use crate::domain::{AccountId, Action, BlueprintId, ImageRef, Item, Target};
use crate::journal::{CallOff, JournalError, Receiver, State, StreamId};

use super::{App, Deadline};

/// The images that a cancel takes away, as far as they are known.
#[derive(Debug, Default)]
struct Cancelled {
    /// What accounts lose: the image, or the blueprints that came of it.
    from_accounts: BTreeSet<ImageRef>,
    /// The CVM image behind it in Lighthouse.
    published: Option<ImageRef>,
}

impl App {
    /// Calls off what was opened before this cancel, in the order of the journal. Run it after the
    /// cancel's record 0 is durable and before the cancel looks at the cloud: a share that closes in
    /// between is then seen there.
    pub(super) async fn call_off_earlier(
        &self,
        cancel: &State,
        deadline: Deadline,
    ) -> Result<(), JournalError> {
        let (images, streams) = self.called_off_by(cancel, deadline).await?;
        let lease = self.worker_lease(self.now(), deadline)?;
        for share in self.read_streams(streams).await? {
            let call_off = CallOff {
                items: items_called_off(cancel, &share, &images),
                by: cancel.identity().clone(),
                ticket: cancel.request().ticket.clone(),
            };
            if call_off.items.is_empty() {
                continue;
            }
            let name = share.identity().to_string();
            self.journal
                .call_off(share, self.now(), &lease.worker, call_off)
                .await?;
            tracing::info!(share = %name, cancel = %cancel.identity(), "called off");
        }
        Ok(())
    }

    /// The images that the cancel takes away, and every request that may share one of them.
    async fn called_off_by(
        &self,
        cancel: &State,
        deadline: Deadline,
    ) -> Result<(Cancelled, BTreeSet<StreamId>), JournalError> {
        let request = cancel.request();
        let (region, target) = (&request.region, &request.target);
        let mut images = Cancelled::default();
        match target {
            Target::Cvm { .. } => drop(images.from_accounts.insert(target.image())),
            Target::Lighthouse { .. } => images.published = Some(target.image()),
            Target::Blueprint { .. } => {
                images.from_accounts.insert(target.image());
                let known = self
                    .journal
                    .affecting(region, &target.image(), None)
                    .await?;
                let known = self.read_streams(known.into_iter().collect()).await?;
                let made = known
                    .iter()
                    .find(|state| state.request().target.lighthouse());
                images.published = made.map(|state| state.request().target.image());
            }
            Target::Chain { image, .. } => {
                images.published = Some(target.image());
                let cloud = self.context(request, deadline).cloud;
                // A chain made its blueprint or will make it; what cannot be read now, the journal may
                // know.
                let found = cloud.blueprint_of_image(region, image, deadline).await;
                let found = found.ok().flatten().map(|found| found.blueprint_id);
                images.from_accounts.extend(found.map(ImageRef::Blueprint));
            }
        }
        let mut streams = BTreeSet::new();
        if let Some(published) = &images.published {
            let lighthouse = [Receiver::Lighthouse.name()];
            streams.extend(self.streams_of(region, published, &lighthouse).await?);
            if matches!(target, Target::Chain { .. }) {
                let chains = self.read_streams(streams.clone()).await?;
                let made = chains.iter().filter_map(State::blueprint).cloned();
                let made: BTreeSet<BlueprintId> = made.collect();
                images
                    .from_accounts
                    .extend(made.into_iter().map(ImageRef::Blueprint));
            }
        }
        let accounts = target.accounts().iter().map(AccountId::as_str);
        let names: Vec<&str> = accounts.chain([Receiver::Many.name()]).collect();
        for image in &images.from_accounts {
            streams.extend(self.streams_of(region, image, &names).await?);
        }
        Ok((images, streams))
    }
}

/// Which items of `share` this cancel calls off, whether or not they can still be.
fn items_called_off(cancel: &State, share: &State, images: &Cancelled) -> Vec<Item> {
    let order = |state: &State| (state.approved_at(), state.stream());
    let target = &share.request().target;
    if share.request().action != Action::Share
        || share.request().region != cancel.request().region
        || order(share) >= order(cancel)
    {
        return Vec::new();
    }
    let same_publication = target.lighthouse() && images.published == Some(target.image());
    if same_publication && cancel.request().target.lighthouse() {
        // What leaves Lighthouse leaves every account that would see it there.
        return target.items();
    }
    let unmade = matches!(target, Target::Chain { .. }) && share.blueprint().is_none();
    let same_image = if unmade {
        same_publication
    } else {
        images.from_accounts.contains(&share.subject())
    };
    let lost = cancel
        .request()
        .target
        .accounts()
        .iter()
        .filter(|account| same_image && target.accounts().contains(account));
    lost.cloned().map(Item::Account).collect()
}
