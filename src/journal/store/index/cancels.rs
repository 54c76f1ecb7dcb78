//! The index of cancels. The empty file
//! `index/cancels/<region>/<image>/<time>-<stream>-<receivers>` names a cancel and the second of
//! its approval. It is written together with the cancel's entries below `grants`, so before the
//! records that need it. Unlike these, it stays after the cancel is finished: a share may be
//! recorded long after it was approved, and then finds here the cancels that were approved
//! meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::TryStreamExt as _;
use jiff::tz::TimeZone;
use object_store::path::Path;

use super::super::super::record::{Stored, StreamId};
use super::super::super::state::{State, StreamState};
use super::super::objects::LISTING_TIMEOUT;
use super::super::{History, Journal, JournalError};
use super::Index;
use super::grants::{GrantEntry, meets};
use crate::domain::{Action, ImageRef, Region, Timestamp};

impl Journal {
    /// Returns the allowed cancels, also finished ones, that affect the image and one of
    /// `receivers` and were approved in the second of `since` or later. If `receivers` is `None`,
    /// any receiver counts. On an object store, lists only these.
    pub async fn cancels_since(
        &self,
        since: Timestamp,
        region: &Region,
        image: &ImageRef,
        receivers: Option<&[&str]>,
    ) -> Result<BTreeSet<StreamId>, JournalError> {
        let folder = self.index_path(&["cancels", region.as_str(), &image.to_string()]);
        let first = second(since);
        let earlier = folder.clone().join(first.as_str());
        let listed = self.at(&folder).list_with_offset(Some(&folder), &earlier);
        let listed = listed.map_ok(|object| object.location).try_collect();
        let paths: Vec<Path> = self.listing(&folder, LISTING_TIMEOUT, listed).await?;
        let cancel = |path: &Path| {
            let mut parts = path.filename()?.splitn(3, '-');
            let (at, stream, of) = (parts.next()?, parts.next()?, parts.next()?);
            let met = receivers.is_none_or(|receivers| meets(of, receivers));
            stream.parse().ok().filter(|_| met && at >= first.as_str())
        };
        Ok(paths.iter().filter_map(cancel).collect())
    }

    /// Writes the entry that a cancel has besides `entry` if `index` lacks it. Returns whether it
    /// did.
    pub(super) async fn mend_cancel(
        &self,
        index: &Index,
        state: &State,
        entry: &GrantEntry,
    ) -> Result<bool, JournalError> {
        let path = self.cancel_path(state, entry);
        let Some(path) = path.filter(|path| !index.cancels.contains(path)) else {
            return Ok(false);
        };
        self.touch(&path).await.map(|()| true)
    }

    /// Like [`Journal::read_unretired`], but also reads a retired request that has later records
    /// than record 0 below `requests/`. If a retired request is a cancel, writes the entries that
    /// `index` lacks, and counts them in `mended`.
    pub async fn read_to_index(
        &self,
        stream: StreamId,
        index: &Index,
        mended: &AtomicU64,
    ) -> Result<Option<History>, JournalError> {
        let folder = self.folder(stream).await?;
        if folder.retired && folder.end <= 1 {
            // Record 0 names everything that a cancel affects, so the segments, which are large, are
            // read only if it is damaged.
            if let Some(lacking) = self.lacking_cancels(stream, index).await? {
                for path in &lacking {
                    self.touch(path).await?;
                }
                mended.fetch_add(lacking.len() as u64, Ordering::Relaxed);
                return Ok(None);
            }
        }
        self.history(stream, &folder).await
    }

    /// Returns the entries that the stream, if it is a cancel, has according to its record 0 and
    /// that `index` lacks. `None` if record 0 cannot be read.
    async fn lacking_cancels(
        &self,
        stream: StreamId,
        index: &Index,
    ) -> Result<Option<Vec<Path>>, JournalError> {
        let fetched = self.fetch_one(&self.record_path(stream, 0)).await?;
        let first = fetched.record().and_then(Stored::read).ok();
        let first = first.and_then(|first| StreamState::from_records([&first]).ok());
        Ok(first.map(|first| {
            let entries = first.state().into_iter().flat_map(|state| {
                let entries = GrantEntry::of(state, 0).into_iter();
                entries.filter_map(|entry| self.cancel_path(state, &entry))
            });
            entries
                .filter(|path| !index.cancels.contains(path))
                .collect()
        }))
    }

    /// Returns the path of the entry that a cancel has besides `entry`; `None` for a share.
    pub(super) fn cancel_path(&self, state: &State, entry: &GrantEntry) -> Option<Path> {
        let cancels = state.request().action == Action::Cancel;
        let at = second(state.approved_at());
        let name = format!("{at}-{}-{}", entry.stream, entry.receivers);
        cancels.then(|| self.index_path(&["cancels", &entry.region, &entry.image, &name]))
    }
}

fn second(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}
