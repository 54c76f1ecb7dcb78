//! What an adoption leaves as it is. In: its state, and the cloud after its claim. Out: a result for
//! each item that is not shared any more, or that another request has given or is to change. All
//! other items are shared already, so an adoption makes no call.

use crate::app::App;
use crate::domain::{Action, Fault, Item, ItemResult, ResultCode, ResultKind, ShareRequest};
use crate::journal::{JournalError, Phase, Receiver, State};
use crate::plan::Observation;

impl App {
    /// Returns the results of the items of `request`, which is left of `adoption`, that are not
    /// adopted. Leaves out items with a result in `done`. Empty if `adoption` adopts nothing or is
    /// being revoked. Call it after the cloud was read: a request that shared or cancelled what the
    /// read shows is on record by then.
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
        let mut streams = self.journal.neighbours(adoption).await?;
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

/// The result of an item that `other` has given, or that `other` is to cancel or is working on. A
/// share that waits makes no call, and finds the item shared.
fn concerned(other: &State, item: &Item) -> Option<ResultKind> {
    let target = &other.request().target;
    let cancels = other.request().action == Action::Cancel;
    let open = |result: &ItemResult| result.item == *item && !result.succeeded();
    let names = target.items().contains(item);
    let of_all = cancels && target.lighthouse();
    let unfinished = match other.phase() {
        Phase::Working { .. } | Phase::Revoking { .. } => names || of_all,
        // What is done already does not change any more.
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

/// The result of an item that the cloud does not show as shared; `None` if it does.
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
