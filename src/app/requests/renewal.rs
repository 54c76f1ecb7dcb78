//! Marks what a share finds shared by other requests. In: a result. Out: the result, marked as
//! `renewed` if another request gave its item.

use crate::domain::ItemResult;

use super::claim_writer::ClaimWriter;

impl ClaimWriter<'_> {
    /// Without this mark, no ticket would be warned of the end: the request that gave the item ends
    /// earlier, and this one would have given nothing.
    pub(super) fn with_renewal(&self, result: ItemResult) -> ItemResult {
        let renewed = result.found() && self.renewed.contains(&result.item);
        ItemResult {
            renewed: result.renewed || renewed,
            ..result
        }
    }
}
