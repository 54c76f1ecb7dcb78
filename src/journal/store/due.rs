//! The index of what is due: `due/<hour>/<mmss>-<stream>-<seq>`, an empty file beside the records
//! that says when a request is to be looked at. In: states and instants. Out: hints. It only says
//! where to look; it can be made anew from the records.
//!
//! A hint is written before the record that makes it necessary, so no record is without one. Who
//! looked and found nothing left to do settles it: a file of the same name and `.done`. Once an
//! hour is long over and all of its hints are settled, `swept/<month>/<day>T<hour>` says that
//! nobody has to list the hours before it again.

use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use object_store::path::Path;

use super::super::record::StreamId;
use super::super::state::{Affected, Hour, State, WakeUp};
use super::objects::{LISTING_TIMEOUT, OPERATION_TIMEOUT};
use super::{Journal, JournalError};
use crate::domain::{ImageRef, Region, Timestamp};

/// An hour is left so long after its end: by then every clock and every write that was on its way
/// has passed it.
pub(super) const GRACE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// A hint whose record has not come after that long never gets one: its writer stopped between the
/// two.
const OLD: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// Files that are listed or written at once.
const MAX_CONCURRENT: usize = 16;
pub(super) const DONE: &str = ".done";

impl WakeUp {
    /// Whether the record that it announced will not come any more if it has not.
    pub fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > OLD
    }
}

impl Journal {
    /// Announces what a record is about to change: when the request is to be looked at, whom it
    /// concerns, and that it is unsealed, unless it follows another record of the same turn.
    pub(super) async fn announce(
        &self,
        before: Option<&State>,
        after: &State,
        first_of_turn: bool,
    ) -> Result<(), JournalError> {
        let stream = after.stream();
        let seq = after.head().next_seq.saturating_sub(1);
        let unsealed = first_of_turn.then(|| self.unsealed_path(stream, seq));
        let wake_up = after
            .wake_up()
            .filter(|wake_up| before.and_then(State::wake_up) != Some(*wake_up));
        let known = before.map(State::affected).unwrap_or_default();
        let mut affected = after.affected();
        affected.retain(|affected| !known.contains(affected));
        let entries = affected
            .iter()
            .map(|affected| self.entry(affected, after.stream()));
        self.touch_all(
            wake_up
                .map(|wake_up| self.wake_up_path(&wake_up))
                .into_iter()
                .chain(entries)
                .chain(unsealed)
                .collect(),
        )
        .await
    }

    /// The hints whose time has come and that nobody has settled, oldest first; `None` for a
    /// journal without an index.
    ///
    /// # Errors
    /// What the store said.
    pub async fn due(&self, now: Timestamp) -> Result<Option<Vec<WakeUp>>, JournalError> {
        let Some(first) = self.swept(now).await? else {
            return Ok(None);
        };
        let mut wake_ups = self.open_wake_ups(first, Hour::of(now)).await?;
        wake_ups.retain(|wake_up| wake_up.at <= now);
        Ok(Some(wake_ups))
    }

    /// Notes that nothing is left to do where a hint points.
    ///
    /// # Errors
    /// What the store said; then the hint is looked at once more.
    pub async fn settle(&self, wake_up: &WakeUp) -> Result<(), JournalError> {
        self.touch(&self.done_path(wake_up)).await
    }

    /// Moves an old hint that cannot be settled to the present, so that the hours before need not
    /// be kept for it.
    ///
    /// # Errors
    /// What the store said; then it stays where it is.
    pub async fn postpone(&self, wake_up: &WakeUp, now: Timestamp) -> Result<(), JournalError> {
        self.touch(&self.wake_up_path(&WakeUp::new(now, wake_up.stream, wake_up.seq)))
            .await?;
        self.settle(wake_up).await
    }

    /// Leaves the hours in which nothing is `open` any more and nothing new can come to lie.
    ///
    /// # Errors
    /// What the store said; then they are listed once more.
    pub async fn leave_hours(&self, open: &[WakeUp], now: Timestamp) -> Result<(), JournalError> {
        let old = Hour::of(now.checked_sub(GRACE).unwrap_or(Timestamp::MIN));
        let first = open.iter().map(WakeUp::hour).fold(old, Hour::min);
        if self.swept(now).await?.is_some_and(|known| known >= first) {
            return Ok(());
        }
        self.touch(&self.cursor(first)).await
    }

    /// Every request that concerns this image and this receiver, or any receiver.
    ///
    /// # Errors
    /// What the store said.
    pub async fn affecting(
        &self,
        region: &Region,
        image: &ImageRef,
        receiver: Option<&str>,
    ) -> Result<Vec<StreamId>, JournalError> {
        let folder = self.path(&["images", region.as_str(), &image.to_string()]);
        let folder = receiver.map_or(folder.clone(), |receiver| folder.join(receiver));
        let found = self
            .store
            .list(Some(&folder))
            .map_ok(|object| object.location)
            .try_collect();
        let paths: Vec<Path> = self.listing(&folder, LISTING_TIMEOUT, found).await?;
        Ok(paths
            .iter()
            .filter_map(|path| path.filename()?.parse().ok())
            .collect())
    }

    /// The hints from `first` to `last` that nobody has settled, oldest first. One listing for each
    /// hour.
    async fn open_wake_ups(&self, first: Hour, last: Hour) -> Result<Vec<WakeUp>, JournalError> {
        let hours =
            std::iter::successors(Some(first), |hour| hour.next()).take_while(|hour| *hour <= last);
        let hours: Vec<Hour> = hours.collect();
        let mut wake_ups = Vec::new();
        for some in hours.chunks(MAX_CONCURRENT) {
            wake_ups.extend(
                try_join_all(some.iter().map(|hour| self.hints_of(*hour)))
                    .await?
                    .into_iter()
                    .flatten(),
            );
        }
        wake_ups.sort_unstable();
        Ok(wake_ups)
    }

    async fn hints_of(&self, hour: Hour) -> Result<Vec<WakeUp>, JournalError> {
        let listed = self
            .listed(&self.path(&["due", &hour.to_string()]), LISTING_TIMEOUT)
            .await?;
        Ok(unsettled(
            hour,
            listed
                .objects
                .iter()
                .filter_map(|object| object.location.filename()),
        ))
    }

    /// The first hour that has to be listed; `None` when the index was never begun. A mark from the
    /// future is of a clock that was wrong: it must hide nothing.
    async fn swept(&self, now: Timestamp) -> Result<Option<Hour>, JournalError> {
        let newest = Hour::of(now.checked_sub(GRACE).unwrap_or(Timestamp::MIN));
        let months = self
            .listed(&self.path(&["swept"]), OPERATION_TIMEOUT)
            .await?;
        let mut months: Vec<Path> = months.common_prefixes;
        months.sort_unstable();
        for month in months.iter().rev() {
            let marks = self.listed(month, OPERATION_TIMEOUT).await?;
            let name =
                |path: &Path| Hour::read(&format!("{}-{}", month.filename()?, path.filename()?));
            let hours = marks
                .objects
                .iter()
                .filter_map(|object| name(&object.location));
            if let Some(mark) = hours.filter(|hour| *hour <= newest).max() {
                return Ok(Some(mark));
            }
        }
        Ok(None)
    }

    fn cursor(&self, hour: Hour) -> Path {
        let name = hour.to_string();
        let (month, rest) = name.split_at(name.len().saturating_sub("-21T08".len()));
        self.path(&["swept", month, rest.trim_start_matches('-')])
    }

    pub(super) fn wake_up_path(&self, wake_up: &WakeUp) -> Path {
        self.path(&["due", &wake_up.hour().to_string(), &wake_up.name()])
    }

    pub(super) fn done_path(&self, wake_up: &WakeUp) -> Path {
        self.path(&[
            "due",
            &wake_up.hour().to_string(),
            &format!("{}{DONE}", wake_up.name()),
        ])
    }

    pub(super) fn entry(&self, affected: &Affected, stream: StreamId) -> Path {
        let Affected {
            region,
            image,
            receiver,
        } = affected;
        self.path(&[
            "images",
            region.as_str(),
            &image.to_string(),
            receiver.name(),
            &stream.to_string(),
        ])
    }

    pub(super) async fn touch_all(&self, paths: Vec<Path>) -> Result<(), JournalError> {
        for some in paths.chunks(MAX_CONCURRENT) {
            try_join_all(some.iter().map(|path| self.touch(path))).await?;
        }
        Ok(())
    }
}

/// Of the names in an hour's folder the hints without a `.done` beside them.
fn unsettled<'a>(hour: Hour, names: impl Iterator<Item = &'a str>) -> Vec<WakeUp> {
    let (done, open): (Vec<&str>, Vec<&str>) = names.partition(|name| name.ends_with(DONE));
    let done: std::collections::BTreeSet<&str> =
        done.iter().filter_map(|n| n.strip_suffix(DONE)).collect();
    open.iter()
        .filter(|name| !done.contains(*name))
        .filter_map(|name| WakeUp::read(hour, name))
        .collect()
}
