//! Ends a cancel whose approval was withdrawn while a call may have taken items away without a
//! record. In: the claim, and a read of the cloud. Out: a record of the items that are gone. Makes
//! no call that changes a share.

use crate::app::grants::Ownership;
use crate::app::{App, Deadline};
use crate::domain::{CloudError, ItemResult, ResultKind};
use crate::plan::{Observation, Plan};
use crate::policy::Approved;

use super::cancelled_items::items_lost_by;
use super::claim_writer::{ClaimWriter, Stop};

impl App {
    /// Records which items in doubt are not shared any more: the cancel took them away before its
    /// approval was withdrawn. An item that the read does not show stays in doubt.
    ///
    /// # Errors
    /// [`Stop::CalledOff`] after such a record. The items are not called off then, so the next
    /// attempt ends their grants.
    pub(super) async fn record_taken_away(
        &self,
        writer: &mut ClaimWriter<'_>,
        seen: &Observation,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let state = writer.state();
        let (request, verdict) = (state.request().clone(), state.verdict());
        let at = state.approved_at();
        let approved = Approved::recorded_cancel(&request, state.identity(), verdict, at);
        let Some(approved) = approved else {
            return Ok(());
        };
        let affected = self.read_affected(&request, deadline).await;
        let (images, _, shares) = affected.map_err(Stop::Journal)?;
        let lost = shares.iter().filter(|share| {
            let items = items_lost_by(&request, share, &images);
            items.iter().any(|item| share.holds(item))
        });
        let owners = lost.map(|share| share.owner()).chain([state.owner()]);
        let ownership = Ownership::of_all(owners, seen.owner.as_ref());
        let mut seen = seen.clone();
        if !ownership.proven() {
            seen.doubt_absence(&request.target, ownership.differs());
        }
        let mut done = state.results();
        done.retain(ItemResult::succeeded);
        let plan = Plan::of(&approved, &seen, &done, true);
        let mut taken = plan.settled().to_vec();
        let doubted = |result: &ItemResult| writer.doubts.contains(&result.item);
        taken.retain(|result| result.kind == ResultKind::Cancelled && doubted(result));
        writer.settle_doubts(&seen);
        writer.keep_results(&taken);
        if taken.is_empty() {
            return Ok(());
        }
        writer.write_results().await?;
        Err(Stop::CalledOff)
    }
}

/// The result of an item of a withdrawn cancel that is in doubt and could not be read for a passing
/// reason: a retryable failure, so that a later turn reads the cloud. Otherwise `None`.
pub(super) fn read_later(
    writer: &ClaimWriter<'_>,
    result: &ItemResult,
    seen: &Observation,
) -> Option<ItemResult> {
    let passing = |error: &&CloudError| error.class.passing();
    let error = seen.unreadable.as_ref().filter(passing)?;
    let doubted = writer.doubts.contains(&result.item);
    doubted.then(|| ItemResult {
        kind: ResultKind::failed(error.code.clone(), error.to_string(), true),
        ..result.clone()
    })
}
