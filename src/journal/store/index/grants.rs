//! The index of grants. It contains one file per request and image,
//! `index/grants/<region>/<image>/<stream>-<seq>-<receiver>…`, while the request is unfinished or
//! *active*. A request is active while it holds a shared item.
//!
//! An empty entry is written before the record that needs it. Once the request has a grant, and
//! neither work nor a notification is due, [`Journal::update_index`] replaces the empty entry. The
//! new entry contains the grant and is named after the newest record. Readers use this grant only
//! while that record is the newest; otherwise they read the records.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join_all, try_join, try_join_all};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::super::super::chain::Finding;
use super::super::super::record::{Flaw, StreamId};
use super::super::super::state::{Affected, Grant, Receiver, State};
use super::super::objects::{Fetched, MAX_CONCURRENT};
use super::super::{History, Journal, JournalError};
use crate::domain::{AccountId, ImageRef, Region, Timestamp};

/// The suffix of an entry that contains a grant.
const FULL: &str = ".json";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct GrantEntry {
    pub(in super::super) stream: StreamId,
    /// The number of the record that the entry is named after. A full entry contains the grant as
    /// of this record. An empty entry is written before this record, or later if the index lacked
    /// the entry.
    pub(in super::super) seq: u64,
    pub(super) region: String,
    pub(super) image: String,
    /// The receivers' names, joined by `-`.
    pub(super) receivers: String,
    /// Whether the file contains a grant; otherwise it is empty.
    pub(super) full: bool,
}

impl GrantEntry {
    /// Returns the entries that a request requires as of record `seq`: one for each image that it
    /// affects.
    pub(super) fn of(state: &State, seq: u64) -> Vec<Self> {
        let mut images: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for Affected {
            region,
            image,
            receiver,
        } in state.affected()
        {
            let key = (region.to_string(), image.to_string());
            let receivers = images.entry(key).or_default();
            receivers.push(receiver.name().to_owned());
        }
        let entry = |((region, image), receivers): (_, Vec<String>)| Self {
            stream: state.stream(),
            seq,
            region,
            image,
            receivers: receivers.join("-"),
            full: false,
        };
        images.into_iter().map(entry).collect()
    }

    /// Whether both entries have the same stream, image and receivers. They may be named after
    /// different records.
    pub(super) fn same_subject(&self, other: &Self) -> bool {
        self.stream == other.stream
            && (&self.region, &self.image, &self.receivers)
                == (&other.region, &other.image, &other.receivers)
    }

    /// Whether `wanted` can replace this entry: both have the same stream and image, and `wanted`
    /// is at least as new.
    pub(super) fn replaced_by(&self, wanted: &Self) -> bool {
        (self.stream, &self.region, &self.image) == (wanted.stream, &wanted.region, &wanted.image)
            && self.seq <= wanted.seq
    }

    fn meets(&self, receivers: &[&str]) -> bool {
        meets(&self.receivers, receivers)
    }

    fn read(region: &str, image: &str, name: &str) -> Option<Self> {
        let bare = name.strip_suffix(FULL);
        let mut parts = bare.unwrap_or(name).splitn(3, '-');
        let entry = Self {
            stream: parts.next()?.parse().ok()?,
            seq: parts.next()?.parse().ok()?,
            region: region.to_owned(),
            image: image.to_owned(),
            receivers: parts.next()?.to_owned(),
            full: bare.is_some(),
        };
        (entry.name() == name).then_some(entry)
    }

    fn name(&self) -> String {
        let full = if self.full { FULL } else { "" };
        format!("{}-{:06}-{}{full}", self.stream, self.seq, self.receivers)
    }
}

/// Whether `names`, joined by `-`, has one of `receivers`. `many` stands for any receiver.
pub(super) fn meets(names: &str, receivers: &[&str]) -> bool {
    let many = Receiver::Many.name();
    let mut names = names.split('-');
    names.any(|name| name == many || receivers.contains(&name))
}

impl Journal {
    /// Returns every unfinished or active request that affects the image and one of `receivers`. If
    /// `receivers` is `None`, any receiver counts. Lists the entries of the image once.
    pub async fn affecting(
        &self,
        region: &Region,
        image: &ImageRef,
        receivers: Option<&[&str]>,
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let entries = self.entries_of(region, image, receivers).await?;
        Ok(entries.into_iter().map(|entry| entry.stream).collect())
    }

    /// Returns the unfinished or active requests that affect the image, for each of `receivers`.
    /// The index does not name the accounts of a request with many accounts, so such a request
    /// counts for every receiver. Lists the entries of the image once.
    pub async fn affecting_each<'r>(
        &self,
        region: &Region,
        image: &ImageRef,
        receivers: &[&'r str],
    ) -> Result<BTreeMap<&'r str, BTreeSet<StreamId>>, JournalError> {
        let entries = self.entries_of(region, image, Some(receivers)).await?;
        let of = |receiver: &&'r str| {
            let met = entries.iter().filter(|entry| entry.meets(&[*receiver]));
            (*receiver, met.map(|entry| entry.stream).collect())
        };
        Ok(receivers.iter().map(of).collect())
    }

    /// Like [`Journal::affecting`], but leaves out a request if its only entry for the image
    /// contains its grant. A cancel has no grant, so every unfinished cancel is included. An
    /// unfinished share is left out once its entry contains its grant.
    pub async fn unfinished(
        &self,
        region: &Region,
        image: &ImageRef,
        receivers: &[&str],
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let entries = self.entries_of(region, image, Some(receivers)).await?;
        let unfinished = entries.into_iter().filter(|entry| !entry.full);
        Ok(unfinished.map(|entry| entry.stream).collect())
    }

    /// Returns every unfinished or active request that affects the image in any region. Lists the
    /// entries of all images.
    pub async fn affecting_anywhere(
        &self,
        image: &str,
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let entries = self.grant_entries(&[]).await?;
        let of_image = entries.into_iter().filter(|entry| entry.image == image);
        Ok(of_image.map(|entry| entry.stream).collect())
    }

    async fn entries_of(
        &self,
        region: &Region,
        image: &ImageRef,
        receivers: Option<&[&str]>,
    ) -> Result<Vec<GrantEntry>, JournalError> {
        let mut entries = self
            .grant_entries(&[region.as_str(), &image.to_string()])
            .await?;
        entries.retain(|entry| receivers.is_none_or(|receivers| entry.meets(receivers)));
        Ok(entries)
    }

    /// Returns the other unfinished or active requests that affect an image and a receiver of this
    /// request. If this request puts an image into Lighthouse, also returns those that affect the
    /// blueprint that was made from the image. With `cancels`, also returns the finished cancels
    /// that may be later than this request.
    pub async fn neighbours(
        &self,
        state: &State,
        cancels: bool,
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let region = &state.request().region;
        let accounts = state.request().target.accounts().iter();
        let accounts: Vec<&str> = accounts.map(AccountId::as_str).collect();
        let lighthouse = [Receiver::Lighthouse.name()];
        // Every account that has the blueprint needs the image to stay in Lighthouse, so requests
        // for any receiver of the blueprint count.
        let published = state.request().target.lighthouse();
        let blueprint = state.blueprint().filter(|_| published);
        let blueprint = blueprint.map(|id| ImageRef::Blueprint(id.clone()));
        let mut images: BTreeMap<ImageRef, Option<&[&str]>> = BTreeMap::new();
        for affected in state.affected() {
            let receivers: &[&str] = match affected.receiver {
                Receiver::Lighthouse => &lighthouse,
                Receiver::Account(_) | Receiver::Many => &accounts,
            };
            images.insert(affected.image, Some(receivers));
        }
        images.extend(blueprint.map(|blueprint| (blueprint, None)));
        let since = cancels.then(|| state.approved_at().min(state.ordered_at()));
        let lists = images.iter().map(|(image, receivers)| async move {
            let live = self.affecting(region, image, *receivers);
            let Some(since) = since else {
                return live.await;
            };
            let cancels = self.cancels_since(since, region, image, *receivers);
            let (live, mut streams) = try_join(live, cancels).await?;
            streams.extend(live);
            Ok(streams)
        });
        let mut streams: BTreeSet<StreamId> =
            try_join_all(lists).await?.into_iter().flatten().collect();
        streams.remove(&state.stream());
        Ok(streams)
    }

    /// Returns every grant that the index names, including covered and overdue ones, and the errors
    /// of requests that could not be read. A request's records are read only if its entry does not
    /// have the grant as of the newest record.
    pub async fn active_grants(&self) -> Result<(Vec<Grant>, Vec<JournalError>), JournalError> {
        let mut newest: BTreeMap<StreamId, GrantEntry> = BTreeMap::new();
        for entry in self.grant_entries(&[]).await? {
            let known = newest.entry(entry.stream).or_insert_with(|| entry.clone());
            if (entry.seq, entry.full) > (known.seq, known.full) {
                *known = entry;
            }
        }
        let entries: Vec<GrantEntry> = newest.into_values().collect();
        let (mut grants, mut flaws) = (Vec::new(), Vec::new());
        for some in entries.chunks(MAX_CONCURRENT) {
            for read in join_all(some.iter().map(|entry| self.grant_of(entry))).await {
                match read {
                    Ok(grant) => grants.extend(grant),
                    Err(error) => flaws.push(error),
                }
            }
        }
        grants.sort_by_key(|grant| (grant.since, grant.stream));
        Ok((grants, flaws))
    }

    async fn grant_of(&self, entry: &GrantEntry) -> Result<Option<Grant>, JournalError> {
        let stream = entry.stream;
        if entry.full {
            let path = self.grant_path(entry);
            let (fetched, folder) = try_join(self.fetch_one(&path), self.folder(stream)).await?;
            if folder.end <= entry.seq {
                return Err(self.damaged(Finding::of(stream, entry.seq, Flaw::Unrecorded)));
            }
            if let (Fetched::Bytes(bytes), true) = (fetched, folder.end == entry.seq + 1)
                && let Ok(grant) = serde_json::from_slice::<Grant>(&bytes)
            {
                return Ok(Some(grant));
            }
        }
        let state = self.read(stream).await?.and_then(History::into_state);
        Ok(state.and_then(|state| state.grant()))
    }

    /// Returns the number of requests in the index of grants: the unfinished ones, and those that
    /// hold a shared item. Needs one listing and reads no file.
    pub async fn count_grants(&self) -> Result<usize, JournalError> {
        let entries = self.grant_entries(&[]).await?;
        let streams: BTreeSet<_> = entries.iter().map(|entry| entry.stream).collect();
        Ok(streams.len())
    }

    /// Returns the entries of a region and an image. If `below` is empty, returns all entries.
    pub(in super::super) async fn grant_entries(
        &self,
        below: &[&str],
    ) -> Result<Vec<GrantEntry>, JournalError> {
        let listed = self.list_index(&[&["grants"], below].concat()).await?;
        Ok(listed
            .iter()
            .filter_map(|object| self.read_grant_entry(&object.location))
            .collect())
    }

    pub(super) fn read_grant_entry(&self, path: &Path) -> Option<GrantEntry> {
        let shown = path.to_string();
        let parts: Vec<&str> = shown.split('/').collect();
        match parts[..] {
            ["index", "grants", region, image, name] => GrantEntry::read(region, image, name),
            _ => None,
        }
    }

    /// Writes the entries that the next record needs: its wake-up, its entries below `grants` and
    /// `cancels`, and, with `first_of_turn`, its entry below `unsealed`. `before` and `after` are the states before
    /// and after this record. A wake-up or an entry below `grants` that `before` needs already is
    /// not written again.
    pub(in super::super) async fn add_index_entries(
        &self,
        before: Option<&State>,
        after: &State,
        first_of_turn: bool,
    ) -> Result<(), JournalError> {
        let (stream, seq) = (after.stream(), after.newest());
        let known = before.map(|before| GrantEntry::of(before, seq));
        let known = known.unwrap_or_default();
        let mut paths: Vec<Path> = Vec::new();
        paths.extend(first_of_turn.then(|| self.unsealed_path(stream, seq)));
        let wake_up = after
            .wake_up()
            .filter(|wake_up| before.and_then(State::wake_up) != Some(*wake_up));
        paths.extend(wake_up.map(|wake_up| self.wake_up_path(&wake_up)));
        let new = GrantEntry::of(after, seq).into_iter();
        for entry in new.filter(|entry| !known.contains(entry)) {
            paths.push(self.grant_path(&entry));
            paths.extend(self.cancel_path(after, &entry));
        }
        try_join_all(paths.iter().map(|path| self.touch(path))).await?;
        Ok(())
    }

    /// Returns the entries of every image that one of the requests affects.
    pub(super) async fn listed_with<'s>(
        &self,
        states: impl Iterator<Item = &'s State>,
    ) -> Result<Vec<GrantEntry>, JournalError> {
        let images: BTreeSet<_> = states
            .flat_map(|state| GrantEntry::of(state, 0))
            .map(|entry| (entry.region, entry.image))
            .collect();
        let lists = stream::iter(images)
            .map(|(region, image)| async move { self.grant_entries(&[&region, &image]).await });
        lists.buffer_unordered(MAX_CONCURRENT).try_concat().await
    }

    /// Writes the entry `wanted` if it is needed and missing. Returns the paths of the entries
    /// among `known` that are no longer needed.
    pub(super) async fn replace(
        &self,
        state: &State,
        mut wanted: GrantEntry,
        known: &[GrantEntry],
        now: Timestamp,
    ) -> Result<Vec<Path>, JournalError> {
        let grant = state.grant();
        wanted.full = grant.is_some();
        let mut same = known.iter().filter(|entry| entry.same_subject(&wanted));
        let kept = if wanted.full { None } else { same.next_back() };
        let kept = state.live(now).then(|| kept.unwrap_or(&wanted));
        if kept == Some(&wanted) && !known.contains(&wanted) {
            let bytes = grant.map(|grant| serde_json::to_vec(&grant)).transpose()?;
            let path = self.grant_path(&wanted);
            let bytes = bytes.unwrap_or_default();
            self.create_at(&path, &bytes).await?;
        }
        let old = known.iter().filter(|entry| Some(*entry) != kept);
        Ok(old.map(|entry| self.grant_path(entry)).collect())
    }

    pub(super) fn grant_path(&self, entry: &GrantEntry) -> Path {
        self.index_path(&["grants", &entry.region, &entry.image, &entry.name()])
    }
}
