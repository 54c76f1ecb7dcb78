//! Finds the items that an adoption must leave as they are: items that are no longer shared, and
//! items that another request has given or is about to change. Takes the state of the adoption and
//! a read of the cloud that was made after its claim. The remaining items are shared already, so an
//! adoption makes no call.

use crate::app::App;
use crate::domain::{Action, Fault, Item, ItemResult, ResultCode, ResultKind, ShareRequest};
use crate::journal::{JournalError, Phase, Receiver, State};
use crate::plan::Observation;

impl App {
    /// Returns a result for each item that cannot be adopted. `request` is the part of `adoption`
    /// that was not called off. Leaves out items that have a result in `done`. Returns nothing if
    /// `adoption` is not an adoption or is being revoked.
    ///
    /// Call it after the cloud was read. Any request that caused a share or a cancel shown by that
    /// read is then already on record.
    pub(super) async fn not_adopted(
        &self,
        adoption: &State,
        request: &ShareRequest,
        seen: &Observation,
        done: &[ItemResult],
    ) -> Result<Vec<ItemResult>, JournalError> {
        if !adoption.intent().adopts || request.action == Action::Cancel {
            return Ok(Vec::new());
        }
        let (region, image) = (&request.region, request.target.image());
        let mut streams = self.journal.neighbours(adoption, false).await?;
        // A cancel may take the CVM image of the blueprint out of Lighthouse.
        if let Some(source) = self.published.source(region, &image) {
            let lighthouse = [Receiver::Lighthouse.name()];
            let cancels = self.journal.unfinished(region, &source, &lighthouse);
            streams.extend(cancels.await?);
        }
        let others = self.read_streams(streams).await?;
        let settled = |item: &Item| done.iter().any(|r| r.item == *item && !r.pending());
        let result = |item: Item| {
            let other = others.iter().find_map(|other| concerned(other, &item));
            let kind = other.or_else(|| not_shared(&item, seen))?;
            Some(ItemResult::new(item, kind, None))
        };
        let items = request.target.items().into_iter();
        Ok(items
            .filter(|item| !settled(item))
            .filter_map(result)
            .collect())
    }
}

/// Returns the adoption's result for an item that `other` has given, is working on, or is about to
/// cancel. A share that still waits does not count: it makes no call, and will find the item
/// shared.
fn concerned(other: &State, item: &Item) -> Option<ResultKind> {
    let target = &other.request().target;
    let cancels = other.request().action == Action::Cancel;
    let open = |result: &ItemResult| result.item == *item && !result.succeeded();
    let names = target.items().contains(item);
    let of_all = cancels && target.lighthouse();
    let unfinished = match other.phase() {
        Phase::Working { .. } | Phase::Revoking { .. } => names || of_all,
        // Items that have succeeded do not change any more.
        Phase::Deferred { .. } => of_all || other.results().iter().any(open),
        Phase::Waiting { .. } => cancels && (names || of_all),
        Phase::Denied | Phase::Closed | Phase::RevokeDeferred { .. } | Phase::Revoked => false,
    };
    let why = match other.given().contains(item) {
        true => "has given it meanwhile",
        false if unfinished => "is not finished",
        false => return None,
    };
    let why = format!("{} {why}; compare again", other.identity());
    Some(ResultKind::failed(ResultCode::NotAdopted, why, false))
}

/// Returns the result of an item that the cloud does not show as shared, or `None` if the cloud
/// shows it as shared.
fn not_shared(item: &Item, seen: &Observation) -> Option<ResultKind> {
    let shared = match item {
        Item::Account(account) => seen.shares.as_ref().is_some_and(|to| to.contains(account)),
        Item::Lighthouse(_) => seen.blueprint.is_some(),
    };
    if shared {
        return None;
    }
    let code = ResultCode::NotAdopted;
    Some(match &seen.unreadable {
        _ if seen.shows(item) => ResultKind::failed(code, "it is not shared any more", false),
        Some(error) => {
            let retryable = error.class.fault() != Fault::Request;
            ResultKind::failed(error.code.clone(), error.to_string(), retryable)
        }
        None => ResultKind::failed(code, "the cloud does not show whether it is shared", false),
    })
}
