//! Ends a cancel whose approval was withdrawn, if one of its calls may have taken items away
//! without a record. Reads the cloud and records the items that are gone. Makes no call that
//! changes a share.

use crate::app::calls::observe;
use crate::app::grants::Ownership;
use crate::app::{App, Deadline};
use crate::domain::{Action, CloudError, Fault, Item, ItemResult, ResultKind};
use crate::plan::{Observation, Plan};
use crate::policy::Approved;

use super::cancelled_items::items_lost_by;
use super::claim_writer::ClaimWriter;
use super::interrupted::list_is_late;
use super::on_record::OnRecord;
use super::stop::Stop;

impl App {
    /// If called-off items of a cancel are in doubt, reads the cloud and records which of them are
    /// gone. Returns the results of the items whose state could not be read. Those stay in doubt.
    ///
    /// # Errors
    /// Returns [`Stop::CalledOff`] as [`App::record_taken_away`] does.
    pub(super) async fn settle_called_off(
        &self,
        writer: &mut ClaimWriter<'_>,
        deadline: Deadline,
    ) -> Result<Vec<ItemResult>, Stop> {
        let request = writer.state().request().clone();
        let called_off = |item: &Item| writer.state().call_off_of(item).is_some();
        if request.action != Action::Cancel || !writer.doubts.iter().any(called_off) {
            return Ok(Vec::new());
        }
        // Keep the owner on record: the read below does not prove another owner.
        writer.set_owner(writer.state().owner().cloned());
        let mut seen = observe::observe(&self.context(&request, deadline), &request).await;
        self.record_taken_away(writer, &mut seen, deadline).await?;
        let mut unread = writer.with_doubts(writer.results());
        unread.retain(|r| r.called_off_by.is_some() && writer.doubts.contains(&r.item));
        let later = |result| read_later(writer, &result, &seen).unwrap_or(result);
        Ok(unread.into_iter().map(later).collect())
    }

    /// Records which items in doubt are not shared any more, because the cancel took them away
    /// before its approval was withdrawn. An item whose state the read does not show stays in
    /// doubt. Adds to `seen` what the journal records about the items, because the cloud's lists
    /// may lack items that were shared recently.
    ///
    /// # Errors
    /// Returns [`Stop::CalledOff`] after such a record. The recorded items no longer count as
    /// called off, so the next attempt ends their grants.
    pub(super) async fn record_taken_away(
        &self,
        writer: &mut ClaimWriter<'_>,
        seen: &mut Observation,
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
        let mut on_record = OnRecord::default();
        for share in &shares {
            let mut items = items_lost_by(&request, share, &images);
            items.retain(|item| share.holds(item));
            if !items.is_empty() {
                on_record.add(share, items.into_iter().collect(), self.now());
            }
        }
        seen.given = on_record.given;
        observe::look_up_recorded(&self.context(&request, deadline), &request, seen).await;
        let owners = on_record.owners.iter().map(Option::as_ref);
        let ownership = Ownership::of_all(owners.chain([state.owner()]), seen.owner.as_ref());
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

/// Returns the result of an item of a withdrawn cancel if the item is in doubt and a later turn may
/// be able to read it: pending if the time ran out, or else a retryable failure. Returns `None` if
/// the item is not in doubt, or if a later read cannot show more.
pub(super) fn read_later(
    writer: &ClaimWriter<'_>,
    result: &ItemResult,
    seen: &Observation,
) -> Option<ItemResult> {
    let later = |error: &&CloudError| error.class.fault() != Fault::Request;
    let late = !seen.shows(&result.item) && seen.given.lately.contains(&result.item);
    let kind = match seen.unreadable.as_ref().filter(later) {
        Some(error) if error.is_out_of_time() => ResultKind::Pending,
        Some(error) => ResultKind::failed(error.code.clone(), error.to_string(), true),
        None if late => {
            list_is_late("a share that this cancel may have ended was made in the last two minutes")
        }
        None => return None,
    };
    let doubted = writer.doubts.contains(&result.item);
    doubted.then(|| ItemResult {
        kind,
        ..result.clone()
    })
}
