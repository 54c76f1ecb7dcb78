//! Finds the place of a new request in the order of shares and cancels, while the request is being
//! opened. The order usually follows the instants of approval. A later instant is returned if the
//! request must follow a recorded request to which a wrong clock gave a later instant. For an
//! adoption and for a cancel of an unknown share, the place is the instant at which the comparison
//! began. Reads the journal and, for a cancel that concerns Lighthouse, the cloud.

use std::collections::BTreeSet;

use futures_util::future::try_join;

use crate::app::context::FIRST_LOOK;
use crate::app::{App, Deadline, IncomingRequest};
use crate::domain::{AccountId, Action, ImageRef, Region, ShareRequest, Target, Timestamp};
use crate::journal::{JournalError, Receiver, State, StreamId};

impl App {
    /// Returns the instant that orders this request after the requests that were on record when it
    /// was approved: a cancel after the shares that it may affect, and a share after the unfinished
    /// cancels, and after finished ones to which a wrong clock gave an instant in the future. Returns
    /// `None` if the instant of its approval already does this.
    ///
    /// A request that a comparison caused is ordered only after what the comparison may have read.
    /// A cancel that was approved after the comparison therefore calls off an adoption, and a share
    /// that was approved after it keeps the items that a cancel of unknown shares would take.
    pub(super) async fn place_in_order(
        &self,
        incoming: &IncomingRequest<'_>,
    ) -> Result<Option<Timestamp>, JournalError> {
        let request = incoming.request;
        let compared_at = incoming.compared_at();
        let decided_at = compared_at.unwrap_or(incoming.approved_at);
        let others = match request.action {
            Action::Share => {
                let target = &request.target;
                let image = target.image();
                let receivers = match target.lighthouse() {
                    true => vec![Receiver::Lighthouse.name()],
                    false => target.accounts().iter().map(AccountId::as_str).collect(),
                };
                let place = (&request.region, &image, &receivers[..]);
                let mut listed = self.cancels_to_follow(place, decided_at).await?;
                listed.extend(self.cancels_of_made(request, decided_at).await?);
                self.read_streams(listed).await?
            }
            Action::Cancel => {
                let deadline = incoming.deadline.or_sooner(Deadline::after(FIRST_LOOK));
                self.read_affected(request, deadline).await?.2
            }
        };
        // Follow the requests that were approved before this one, and the requests to which a wrong
        // clock gave an instant in the future. Every other request was approved later than this one
        // and was merely recorded sooner.
        let now = self.now();
        let before = |other: &&State| {
            other.request().action != request.action
                && (other.approved_at() <= decided_at || other.ordered_at() > now)
        };
        let place = others.iter().filter(before).map(State::followed_from).max();
        Ok(place.filter(|place| *place > decided_at).or(compared_at))
    }

    /// Returns the unfinished requests for the image and receivers, and the finished cancels that
    /// were approved at `since` or later, as far as clocks say.
    async fn cancels_to_follow(
        &self,
        (region, image, receivers): (&Region, &ImageRef, &[&str]),
        since: Timestamp,
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let unfinished = self.journal.unfinished(region, image, receivers);
        let finished = (self.journal).cancels_since(since, region, image, Some(receivers));
        let (mut listed, finished) = try_join(unfinished, finished).await?;
        listed.extend(finished);
        Ok(listed)
    }

    /// Like [`App::cancels_to_follow`], for the blueprints that, according to the journal, were
    /// created from the image of this chain.
    async fn cancels_of_made(
        &self,
        request: &ShareRequest,
        since: Timestamp,
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let (region, target) = (&request.region, &request.target);
        let mut listed = BTreeSet::new();
        if let Target::Chain { accounts, .. } = target {
            let accounts: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
            let (image, lighthouse) = (target.image(), [Receiver::Lighthouse.name()]);
            let makers = (self.journal).affecting(region, &image, Some(&lighthouse[..]));
            let makers = self.read_streams(makers.await?).await?;
            let made: BTreeSet<ImageRef> = (makers.iter().filter_map(State::blueprint).cloned())
                .map(ImageRef::Blueprint)
                .collect();
            for blueprint in &made {
                let place = (region, blueprint, &accounts[..]);
                listed.extend(self.cancels_to_follow(place, since).await?);
            }
        }
        Ok(listed)
    }
}
