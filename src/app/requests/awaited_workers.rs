//! Decides whether a share must wait for other workers that cancel or revoke the same items. Takes
//! the share and the requests for the same image, and returns how the share's turn begins.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::context::LATE_CALL;
use crate::app::grants::given_before;
use crate::app::{App, Deadline};
use crate::domain::{Action, ImageRef, Timestamp};
use crate::journal::{JournalError, Phase, Receiver, State, StreamId};

use super::call_off::{Beginning, Order, taken_by};
use super::cancelled_items::{items_called_off, precedes};

/// A waiting share checks again after this time at the latest. By then the other worker may have
/// finished, or may have died and been replaced, although its lease has not ended.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl App {
    /// Decides how a share's turn begins. The share waits while a live worker takes away the same
    /// items, either for an earlier cancel or to revoke another share. The share also waits while
    /// the cloud may still carry out the last call of such a worker, because that call could
    /// otherwise take effect after the share's own call. If the journal has a later cancel that did
    /// not see this share, the share is called off now, even if that cancel is finished: the share
    /// may be recorded long after its approval.
    pub(super) async fn order_share(
        &self,
        share: &State,
        neighbours: Option<BTreeSet<StreamId>>,
        deadline: Deadline,
    ) -> Result<Order, JournalError> {
        let now = self.now();
        let mut listed = match neighbours {
            Some(listed) => listed,
            None => self.journal.neighbours(share, true).await?,
        };
        listed.extend(self.cancels_of_source(share, deadline).await?);
        let others = self.read_streams(listed).await?;
        // A cancel that closed before this share was reopened does not call it off.
        let before = |cancel: &State| {
            let reopened = share.reopened_at();
            reopened.is_some_and(|at| cancel.closed_at().is_some_and(|closed| closed < at))
        };
        // A cancel that waits for its `not_before` calls this share off when it begins.
        let waits =
            |cancel: &State| matches!(cancel.phase(), Phase::Waiting { until } if *until > now);
        let later = |other: &&State| {
            let cancels = other.request().action == Action::Cancel;
            cancels && other.order() > share.order() && !before(other) && !waits(other)
        };
        for cancel in others.iter().filter(later) {
            let (images, ..) = self.called_off_by(cancel.request(), deadline).await?;
            let mut items = items_called_off(cancel, share, &images);
            items.retain(|item| share.can_be_called_off(item));
            if !items.is_empty() {
                return Ok(Order::CalledOff(taken_by(cancel, items)));
            }
        }
        let awaited = others.iter().filter_map(|other| {
            let until = match (other.request().action, other.phase()) {
                (Action::Cancel, Phase::Working { lease_until, .. }) if !other.is_due(now) => {
                    (!precedes(share, other)).then_some(*lease_until)
                }
                (Action::Share, Phase::Revoking { lease_until, .. }) if !other.is_due(now) => {
                    Some(*lease_until)
                }
                (Action::Cancel, Phase::Deferred { .. }) => late_call(other, now).filter(|_| {
                    let results = other.results();
                    results.iter().any(|result| result.maybe_done)
                }),
                (Action::Share, Phase::RevokeDeferred { .. }) => late_call(other, now),
                _ => None,
            };
            let until = until.filter(|until| *until > now && takes_from(other, share))?;
            Some((until, other.identity().to_string()))
        });
        Ok(match awaited.max() {
            None => Order::Begin(Beginning {
                renewed: given_before(share, &others),
                ..Beginning::default()
            }),
            Some((until, name)) => Order::Wait {
                until: now
                    .checked_add(LOOK_AGAIN)
                    .map_or(until, |look| look.min(until)),
                why: format!(
                    "{name} is revoking the same image; this share is carried out afterwards"
                ),
            },
        })
    }

    /// For a share of a blueprint that was recorded after its approval: returns the cancels, also
    /// finished ones, that were approved since and take out of Lighthouse the CVM image from which
    /// the blueprint was made. The index lists such a cancel only under that image, because its
    /// records do not name the blueprint.
    async fn cancels_of_source(
        &self,
        share: &State,
        deadline: Deadline,
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let (request, since) = (share.request(), share.approved_at());
        let image = request.target.image();
        let (ImageRef::Blueprint(id), true) = (&image, share.recorded_at() > since) else {
            return Ok(BTreeSet::new());
        };
        // Only the cloud knows it if the image was put into Lighthouse elsewhere.
        let read = self.context(request, deadline).cloud.blueprint(id).await;
        let found = read.ok().flatten();
        let source = match found.and_then(|found| found.image_id?.parse::<ImageRef>().ok()) {
            Some(source) => Some(source),
            None => self.published_as(&request.region, &image).await?,
        };
        let Some(source) = source else {
            return Ok(BTreeSet::new());
        };
        let known = (image.clone(), source.clone());
        self.published.made(&request.region, known.0, known.1);
        let lighthouse = [Receiver::Lighthouse.name()];
        let cancels =
            (self.journal).cancels_since(since, &request.region, &source, Some(&lighthouse));
        cancels.await
    }
}

/// Returns the time until which the cloud may still carry out the last call of an ended turn.
/// Returns `None` if that time has passed, or if the clock was set back so far that the time in the
/// record is useless.
fn late_call(ended: &State, now: Timestamp) -> Option<Timestamp> {
    let late = SignedDuration::try_from(LATE_CALL).ok()?;
    let recent = now.duration_since(ended.updated_at()).abs() < late;
    recent.then(|| ended.updated_at().checked_add(late).ok())?
}

/// Whether `other`, a request for the same image, takes away an item of `share`: an account that
/// both requests name, or every item if `other` removes the image from Lighthouse.
fn takes_from(other: &State, share: &State) -> bool {
    let (given, taken) = (&share.request().target, &other.request().target);
    let account = |account| taken.accounts().contains(account);
    taken.lighthouse() || given.accounts().iter().any(account)
}
