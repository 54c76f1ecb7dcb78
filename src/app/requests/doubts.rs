//! Tracks the items in doubt. The cloud may have changed such an item although no record says so,
//! because an earlier cloud call for the item got no clear answer. Marks recorded results as in
//! doubt, and settles doubts when the cloud is read.

use crate::app::context::LIST_DELAY;
use crate::cloud::error::refuses_account;
use crate::domain::{Action, Item, ItemResult, ResultCode, ResultKind};
use crate::plan::Observation;

use super::claim_writer::ClaimWriter;
use super::interrupted::is_open;

impl ClaimWriter<'_> {
    /// For a share that made calls recently, adds its items in doubt to those that the cloud's
    /// lists may not show yet.
    pub(super) fn note_late_lists(&self, seen: &mut Observation) {
        let state = self.state();
        let shares = state.request().action == Action::Share && !self.revoking();
        if shares && (self.may_have_shared || state.called_within(self.clock.now(), LIST_DELAY)) {
            seen.given.lately.extend(self.doubts.iter().cloned());
        }
    }

    /// Removes each item in doubt whose state `seen` shows.
    pub(in crate::app) fn settle_doubts(&mut self, seen: &Observation) {
        self.doubts.retain(|item| !seen.shows(item));
    }

    /// If the turn has made a call, puts all open items in doubt, including those that were called
    /// off, because no record shows which of them the calls reached. Returns whether any item is in
    /// doubt. Call it after a call-off has ended an attempt.
    pub(super) fn doubt_open_items(&mut self) -> bool {
        if self.called {
            let open = self.state().results().into_iter();
            let open = open.filter(is_open).map(|result| result.item);
            self.doubts.extend(open);
        }
        !self.doubts.is_empty()
    }

    /// Marks the results of items in doubt. Does not mark an account that the cloud does not know
    /// or that owns the image, because the image cannot have been shared with it. Does not mark an
    /// item that a call took away, either.
    pub(in crate::app) fn with_doubts(&self, results: Vec<ItemResult>) -> Vec<ItemResult> {
        let mark = |result: ItemResult| {
            let doubted = self.doubts.contains(&result.item) && !excludes_a_share(&result);
            let maybe = result.maybe_done || doubted;
            result.in_doubt(maybe)
        };
        results.into_iter().map(mark).collect()
    }

    /// Returns one result per item, in the request's order. An item without a new result keeps its
    /// recorded result.
    pub(super) fn complete(&self, results: Vec<ItemResult>) -> Vec<ItemResult> {
        let new = |item: &Item| results.iter().find(|r| r.item == *item).cloned();
        let latest = |known: ItemResult| match new(&known.item).unwrap_or(known) {
            // A read showed that this called-off item of a share is not shared, so the item is no
            // longer in doubt. For a cancel, `doubts` shows whether the item was read.
            called_off if called_off.kind == ResultKind::Cancelled => {
                let cancels = self.state().request().action == Action::Cancel;
                let doubted = cancels && self.doubts.contains(&called_off.item);
                called_off.in_doubt(doubted)
            }
            result => self.with_renewal(result),
        };
        self.state().results().into_iter().map(latest).collect()
    }
}

fn excludes_a_share(result: &ItemResult) -> bool {
    match &result.kind {
        ResultKind::Failed { code, .. } => {
            refuses_account(code) || code == ResultCode::OwnAccount.as_str()
        }
        ResultKind::Cancelled => result.called_off_by.is_none(),
        _ => false,
    }
}
