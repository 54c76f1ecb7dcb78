//! Marks a result of a share as `renewed` if the share found the item shared and another request
//! gave it.

use std::time::Duration;

use crate::app::context::pause;
use crate::app::grants::{being_given, given_before};
use crate::app::{App, Deadline};
use crate::domain::{Action, Item, ItemResult};

use super::claim_writer::ClaimWriter;
use super::stop::Stop;

/// How often, and after which pause, a share reads the other requests again if one of them may have
/// given an item without a record yet.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

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

impl App {
    /// Reads the other requests again if this share found an item that none of them had given when
    /// its turn began: one of them may have given it before the turn read the cloud. If a worker is
    /// about to record that it gave the item, waits for it, two seconds at most.
    pub(super) async fn find_late_givers(
        &self,
        writer: &mut ClaimWriter<'_>,
        results: &[ItemResult],
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let share = writer.state().clone();
        if share.request().action != Action::Share || share.intent().adopts {
            return Ok(());
        }
        let found = results
            .iter()
            .filter(|result| result.found() && !result.renewed);
        let mut unknown: Vec<Item> = found.map(|result| result.item.clone()).collect();
        for _ in 0..LOOKS {
            unknown.retain(|item| !writer.renewed.contains(item));
            if unknown.is_empty() {
                break;
            }
            // The calls that were made must be on record before these reads and waits.
            writer.write_results().await?;
            let others = match self.others(&share).await {
                Ok(others) => others,
                Err(error) => {
                    tracing::warn!(identity = %share.identity(), %error, "the other requests cannot be read, so a result may lack the mark `renewed`");
                    break;
                }
            };
            writer.renewed.extend(given_before(&share, &others));
            let given = being_given(&share, &others, self.now());
            let awaited = |item: &Item| given.contains(item) && !writer.renewed.contains(item);
            if !unknown.iter().any(awaited) || !pause(deadline, PAUSE).await {
                break;
            }
        }
        Ok(())
    }
}
