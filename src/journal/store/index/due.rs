//! The index of what is due: `index/due/<time>-<stream>-<seq>`, an empty file that says from when on
//! a request has to be looked at. In: states and instants. Out: wake-ups.
//!
//! A wake-up is written before the record that makes it necessary, so no record is without one that
//! comes in time. Who looked deletes it: when nothing is due there any more, or when a later one is
//! durable. A wake-up is deleted only for a record that exists, and records are never taken back: a
//! slow worker cannot delete one that somebody still needs.

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::super::super::location::JournalLocation;
use super::super::super::state::{State, WakeUp};
use super::super::objects::LISTING_TIMEOUT;
use super::super::{Journal, JournalError};
use crate::domain::Timestamp;

/// An entry whose record has not come after that long never gets it: its writer stopped between the
/// two.
const OLD: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

impl WakeUp {
    /// Whether the record that it announced will not come any more if it has not.
    pub fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > OLD
    }
}

impl Journal {
    /// The wake-ups whose time has come, oldest first.
    ///
    /// # Errors
    /// What the store said.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<WakeUp>, JournalError> {
        let folder = self.index_path(&["due"]);
        // Object stores list by name, and names sort by time: what lies ahead is not listed.
        let sorted = !matches!(self.index_place(), JournalLocation::Directory(_));
        let listed = self.store.list(Some(&folder));
        let ahead =
            |name: Option<&str>| sorted && name.and_then(WakeUp::read).is_some_and(|w| w.at > now);
        let names = listed
            .try_take_while(|object| {
                let ahead = ahead(object.location.filename());
                futures_util::future::ready(Ok(!ahead))
            })
            .map_ok(|object| object.location)
            .boxed();
        let paths: Vec<_> = self
            .listing(&folder, LISTING_TIMEOUT, names.try_collect())
            .await?;
        let mut wake_ups: Vec<WakeUp> = paths
            .iter()
            .filter_map(|path| WakeUp::read(path.filename()?))
            .filter(|wake_up| wake_up.at <= now)
            .collect();
        wake_ups.sort_unstable();
        Ok(wake_ups)
    }

    /// Brings the index to what a request's records say, after somebody looked at it: writes what
    /// is needed next, then deletes `wake_ups` and what else is done with. A request with
    /// something left to do keeps them.
    ///
    /// # Errors
    /// What the store said; then the request is looked at once more.
    pub async fn settle(
        &self,
        state: &State,
        wake_ups: &[WakeUp],
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let next = state.look_at().filter(|_| state.live(now));
        if next.is_some_and(|at| at <= now) {
            return Ok(());
        }
        let newest = state.newest();
        let announced = state.wake_up().is_some_and(|wake_up| wake_up.at > now);
        if let Some(at) = next.filter(|_| !announced) {
            self.announce_wake_up(WakeUp::new(at, state.stream(), newest))
                .await?;
        }
        let mut done: Vec<_> = wake_ups
            .iter()
            .filter(|wake_up| wake_up.seq <= newest || wake_up.is_old(now))
            .map(|wake_up| self.wake_up_path(wake_up))
            .collect();
        done.extend(self.settle_listing(state, now).await?);
        self.delete_entries(done).await
    }

    /// Deletes the entries of a request that was never opened, once they are old: until then its
    /// record may be on its way.
    ///
    /// # Errors
    /// What the store said.
    pub async fn forget(&self, wake_ups: &[WakeUp], now: Timestamp) -> Result<(), JournalError> {
        let Some(stream) = wake_ups.iter().find(|w| w.is_old(now)).map(|w| w.stream) else {
            return Ok(());
        };
        let grants = self.grant_entries(&[]).await?;
        let grants = grants.iter().filter(|entry| entry.stream == stream);
        let mut old: Vec<_> = grants.map(|entry| self.grant_path(entry)).collect();
        old.push(self.unsealed_path(stream, 0));
        // The wake-ups last: a sweep that stops here is repeated.
        self.delete_entries(old).await?;
        let wake_ups = wake_ups.iter().filter(|wake_up| wake_up.is_old(now));
        let wake_ups = wake_ups.map(|wake_up| self.wake_up_path(wake_up)).collect();
        self.delete_entries(wake_ups).await
    }

    pub(super) async fn announce_wake_up(&self, wake_up: WakeUp) -> Result<(), JournalError> {
        self.touch(&self.wake_up_path(&wake_up)).await
    }

    pub(in super::super) fn wake_up_path(&self, wake_up: &WakeUp) -> object_store::path::Path {
        self.index_path(&["due", &wake_up.name()])
    }
}
