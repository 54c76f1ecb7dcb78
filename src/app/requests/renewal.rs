//! Marks a result of a share as `renewed` if the share found the item shared and another request
//! gave it.

use crate::domain::ItemResult;

use super::claim_writer::ClaimWriter;

impl ClaimWriter<'_> {
    /// Marks the result if it renews an item. Without the mark, no ticket would be warned before
    /// the item's end: the request that gave the item ends earlier, and this request would count as
    /// having given nothing.
    pub(super) fn with_renewal(&self, result: ItemResult) -> ItemResult {
        let renewed = result.found() && self.renewed.contains(&result.item);
        ItemResult {
            renewed: result.renewed || renewed,
            ..result
        }
    }
}
