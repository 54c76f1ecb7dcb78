//! The index of due work. The empty file `index/due/<time>-<stream>-<seq>`, called a wake-up, says
//! when a stream must be read again.
//!
//! A wake-up is written before the record that needs it, so that a crash cannot leave the record
//! without one. The worker that has read the request deletes the wake-up once no work is left, or
//! once a later wake-up is durable. It deletes a wake-up only if the record with the number `<seq>`
//! exists, or if that record will not be written any more. So a slow worker cannot delete a wake-up
//! that another worker still needs.

use futures_util::future::join_all;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::super::super::location::JournalLocation;
use super::super::super::state::{State, StreamState, WakeUp};
use super::super::objects::{LISTING_TIMEOUT, MAX_CONCURRENT};
use super::super::{Journal, JournalError};
use super::grants::GrantEntry;
use crate::domain::{NoticeRules, Timestamp};

/// If a wake-up was due this long ago and its record does not exist, its writer stopped before it
/// wrote the record.
const OLD: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

impl WakeUp {
    /// Whether the wake-up was due so long ago that a missing record will not be written any more.
    pub fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > OLD
    }
}

impl Journal {
    /// Returns the wake-ups that are due, oldest first.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<WakeUp>, JournalError> {
        let folder = self.index_path(&["due"]);
        // Object stores list by name, and the names of wake-ups sort by time. So the listing can
        // stop at the first wake-up after `now`.
        let sorted = !matches!(self.index_place(), JournalLocation::Directory(_));
        let listed = self.at(&folder).list(Some(&folder));
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

    /// Updates the index after requests were read. `ended` contains each request with the wake-ups
    /// that led to it. First writes the entries that the requests' records require, then deletes
    /// these wake-ups and other entries if they are no longer needed. A request keeps a wake-up
    /// while it needs work, or a notification under `rules`. The entries of each image are listed
    /// only once.
    ///
    /// # Errors
    /// The store failed for at least one request. That request keeps its wake-ups, so a sweep reads
    /// it again.
    pub async fn update_index(
        &self,
        ended: &[(&State, &[WakeUp])],
        now: Timestamp,
        rules: &NoticeRules,
    ) -> Result<(), JournalError> {
        let listed = self
            .listed_with(ended.iter().map(|(state, _)| *state))
            .await?;
        let (mut done, mut end) = (Vec::new(), Ok(()));
        for some in ended.chunks(MAX_CONCURRENT) {
            let updates = some.iter().map(|(state, wake_ups)| {
                self.update_index_of(state, wake_ups, &listed, now, rules)
            });
            for update in join_all(updates).await {
                match update {
                    Ok(of_one) => done.extend(of_one),
                    Err(error) => end = Err(error),
                }
            }
        }
        self.delete_entries(done).await.and(end)
    }

    /// Like [`Journal::update_index`], for one stream, which may also be an incident.
    ///
    /// # Errors
    /// The store failed. The stream keeps its wake-ups, so a sweep reads it again.
    pub async fn update_index_after(
        &self,
        stream_state: &StreamState,
        wake_ups: &[WakeUp],
        now: Timestamp,
        rules: &NoticeRules,
    ) -> Result<(), JournalError> {
        match stream_state {
            StreamState::Request(state) => {
                self.update_index(&[(state, wake_ups)], now, rules).await
            }
            StreamState::Incident(incident) => {
                self.update_index_of_incident(incident, wake_ups, now, rules)
                    .await
            }
        }
    }

    /// Writes a request's entries. Returns the paths of the entries that are no longer needed.
    async fn update_index_of(
        &self,
        state: &State,
        wake_ups: &[WakeUp],
        listed: &[GrantEntry],
        now: Timestamp,
        rules: &NoticeRules,
    ) -> Result<Vec<Path>, JournalError> {
        let next = state.next_look(rules, now);
        if next.is_some_and(|at| at <= now) {
            return Ok(self.older(state, wake_ups));
        }
        let newest = state.newest();
        // The wake-ups that led here were due. If one of them is in the future now, the clock was
        // put back: keep that wake-up. Then do not rely on the wake-up that the records announced,
        // because it may have been deleted already.
        let (ahead, past): (Vec<_>, Vec<_>) =
            wake_ups.iter().copied().partition(|known| known.at > now);
        let announced = state.wake_up().filter(|known| known.at > now);
        let announced = announced.filter(|_| ahead.is_empty());
        let in_time = |at: Timestamp| {
            let mut known = ahead.iter().copied().chain(announced);
            known.any(|known| known.at <= WakeUp::new(at, known.stream, 0).at)
        };
        if let Some(at) = next.filter(|at| !in_time(*at)) {
            self.add_wake_up(WakeUp::new(at, state.stream(), newest))
                .await?;
        }
        let mut done: Vec<_> = past
            .iter()
            .filter(|wake_up| wake_up.seq <= newest || wake_up.is_old(now))
            .map(|wake_up| self.wake_up_path(wake_up))
            .collect();
        for wanted in GrantEntry::of(state, newest) {
            let known: Vec<_> = listed
                .iter()
                .filter(|entry| entry.replaced_by(&wanted))
                .cloned()
                .collect();
            done.extend(self.replace(state, wanted, &known, now).await?);
        }
        Ok(done)
    }

    /// Returns the wake-ups to delete for a request that stays due. Keeps the newest one that the
    /// records need ([`State::wake_up`]). Also keeps the earliest one, because the clock that wrote
    /// the newest may have been wrong.
    fn older(&self, state: &State, wake_ups: &[WakeUp]) -> Vec<Path> {
        let newest = state.wake_up().filter(|known| wake_ups.contains(known));
        let first = wake_ups.iter().min();
        let older = |wake_up: &&WakeUp| {
            newest.is_some_and(|newest| wake_up.seq < newest.seq) && Some(*wake_up) != first
        };
        let older = wake_ups.iter().filter(older);
        older.map(|wake_up| self.wake_up_path(wake_up)).collect()
    }

    /// Deletes the entries of a stream without records, if one of `wake_ups` is old. Keeps recent
    /// wake-ups, because their records may still be written.
    pub async fn forget(&self, wake_ups: &[WakeUp], now: Timestamp) -> Result<(), JournalError> {
        let Some(stream) = wake_ups.iter().find(|w| w.is_old(now)).map(|w| w.stream) else {
            return Ok(());
        };
        let grants = self.grant_entries(&[]).await?;
        let grants = grants.iter().filter(|entry| entry.stream == stream);
        let mut old: Vec<_> = grants.map(|entry| self.grant_path(entry)).collect();
        old.push(self.unsealed_path(stream, 0));
        // Delete the wake-ups last: if the process stops here, the next sweep finds them and
        // repeats the deletion.
        self.delete_entries(old).await?;
        let wake_ups = wake_ups.iter().filter(|wake_up| wake_up.is_old(now));
        let wake_ups = wake_ups.map(|wake_up| self.wake_up_path(wake_up)).collect();
        self.delete_entries(wake_ups).await
    }

    /// Writes a wake-up. Call this before the record that needs the wake-up is written.
    pub async fn add_wake_up(&self, wake_up: WakeUp) -> Result<(), JournalError> {
        self.touch(&self.wake_up_path(&wake_up)).await
    }

    pub(in super::super) fn wake_up_path(&self, wake_up: &WakeUp) -> Path {
        self.index_path(&["due", &wake_up.name()])
    }
}
