//! The items of a turn that the cloud may have shared although no record says so: a call for them got no
//! clear answer, in an earlier turn or before a call-off. In: the recorded results, looks at the cloud. Out:
//! results that are marked so.

use crate::cloud::error::refuses_account;
use crate::domain::{ItemResult, ResultCode, ResultKind};
use crate::plan::Observation;

use super::claim_writer::ClaimWriter;
use super::interrupted::is_open;

impl ClaimWriter<'_> {
    /// Forgets the doubts that a look at the cloud settles.
    pub(in crate::app) fn settle_doubts(&mut self, seen: &Observation) {
        self.doubts.retain(|item| !seen.shows(item));
    }

    /// Puts the open items in doubt, those called off too, when a call-off ended an attempt that had made
    /// a call: no record has what the attempt did not reach. Returns whether an item is in doubt.
    pub(super) fn doubt_open_items(&mut self) -> bool {
        if self.called {
            let open = self.state().results().into_iter();
            let open = open.filter(is_open).map(|result| result.item);
            self.doubts.extend(open);
        }
        !self.doubts.is_empty()
    }

    /// The results, marked where the item is in doubt. An account that the cloud does not know, or that owns
    /// the image, cannot have got it.
    pub(super) fn with_doubts(&self, results: Vec<ItemResult>) -> Vec<ItemResult> {
        let mark = |result: ItemResult| {
            let doubted = self.doubts.contains(&result.item) && !excludes_a_share(&result);
            let maybe = result.maybe_done || doubted;
            result.in_doubt(maybe)
        };
        results.into_iter().map(mark).collect()
    }
}

fn excludes_a_share(result: &ItemResult) -> bool {
    match &result.kind {
        ResultKind::Failed { code, .. } => {
            refuses_account(code) || code == ResultCode::OwnAccount.as_str()
        }
        _ => false,
    }
}
