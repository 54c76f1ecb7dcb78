//! Finds receivers of unknown shares that must keep their share, because a request may name them: a
//! request that was opened after the comparison read the journal, or a request whose records cannot
//! be read. Looks these requests up in the index of grants.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::App;
use crate::domain::{Action, ImageRef, Region};
use crate::journal::{JournalError, Phase, Receiver, State, StreamId};

use super::drift_report::LeftOut;

impl App {
    /// Returns those of `accounts` that a share now names or that a request with unreadable records
    /// may name. Cancels do not count.
    pub(super) async fn named_meanwhile(
        &self,
        image: &str,
        region: &str,
        accounts: &[&str],
    ) -> Result<Vec<LeftOut>, JournalError> {
        let (Ok(place), Ok(in_region)) = (image.parse::<ImageRef>(), region.parse::<Region>())
        else {
            return Ok(Vec::new());
        };
        let mut listed = self
            .journal
            .affecting_each(&in_region, &place, accounts)
            .await?;
        // The index lists a chain without a recorded blueprint only under its CVM image.
        if let Some(source) = self.published.source(&in_region, &place) {
            let lighthouse = [Receiver::Lighthouse.name()];
            let chains = self.journal.unfinished(&in_region, &source, &lighthouse);
            let chains = chains.await?;
            listed.values_mut().for_each(|of| of.extend(&chains));
        }
        let streams = listed.values().flatten().copied().collect();
        let read = self.read_streams(streams).await?.into_iter();
        let read: BTreeMap<StreamId, State> = read.map(|state| (state.stream(), state)).collect();
        let names = |account: &str, stream: &StreamId| match read.get(stream) {
            Some(state) => {
                let shares = state.request().action == Action::Share
                    && !matches!(state.phase(), Phase::Denied);
                let mut named = state.request().target.accounts().iter();
                let named = shares && named.any(|named| named.as_str() == account);
                named.then(|| {
                    format!(
                        "not revoked: request {} names this account",
                        state.identity()
                    )
                })
            }
            None => Some(format!(
                "not revoked: requests/{stream} cannot be read and may name this account"
            )),
        };
        let left = |(account, streams): (&str, BTreeSet<StreamId>)| {
            let why = streams.iter().find_map(|stream| names(account, stream))?;
            Some(LeftOut {
                image: image.to_owned(),
                region: region.to_owned(),
                to: account.to_owned(),
                why,
            })
        };
        Ok(listed.into_iter().filter_map(left).collect())
    }
}
