//! The progress of the daily pass. The pass compares the index with every stream, so that a lost
//! entry is missing for at most a day. A pass may take several sweeps. The mark
//! `index/pass/<day>-<stream>` names the last stream that was compared, and the next sweep
//! continues after it. The mark `index/pass/<day>-done` says that the pass is complete.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use object_store::path::Path;

use super::super::super::location::JournalLocation;
use super::super::super::record::{StreamId, day};
use super::super::objects::LISTING_TIMEOUT;
use super::super::{Journal, JournalError};
use crate::domain::Timestamp;

const DONE: &str = "done";
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// Maximum number of streams that one call of [`Journal::next_streams`] lists in an object store.
const LISTED: usize = 4_096;

/// The progress of today's pass.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    day: String,
    /// The last stream that was compared.
    reached: Option<StreamId>,
    done: bool,
    /// Whether a pass was ever finished. Until then, any entry may be missing.
    ever_done: bool,
    includes_newest: bool,
    marks: Vec<Path>,
    /// Marks from a clock that was days ahead.
    ahead: Vec<Path>,
}

impl Pass {
    /// Whether today's pass is finished.
    pub fn done(&self) -> bool {
        self.done
    }

    /// Returns the pass with two changes: it begins again at the first stream, and it includes
    /// records that were just written.
    #[must_use]
    pub fn from_the_start(self) -> Self {
        Self {
            reached: None,
            includes_newest: true,
            ..self
        }
    }

    /// Whether to write missing entries below `unsealed` even for records that were just written.
    /// If a sealer is about to delete such an entry, its record is sealed twice, which is harmless.
    pub(super) fn includes_newest(&self) -> bool {
        self.includes_newest || !self.ever_done
    }

    /// Whether the index was ever compared with every stream.
    pub fn ever_done(&self) -> bool {
        self.ever_done
    }
}

impl Journal {
    /// Returns the progress of today's pass. Ignores marks of later days, which come from a clock
    /// that was ahead.
    pub async fn pass(&self, now: Timestamp) -> Result<Pass, JournalError> {
        let tomorrow = day(now.checked_add(DAY).unwrap_or(Timestamp::MAX));
        let mut pass = Pass {
            day: day(now),
            ..Pass::default()
        };
        for object in self.list_index(&["pass"]).await? {
            let path = object.location;
            let Some((day, reached)) = path.filename().and_then(|name| name.split_once('-')) else {
                continue;
            };
            if day > pass.day.as_str() {
                // A mark of tomorrow does not show that a clock is wrong: at midnight, another
                // clock may be a little ahead.
                pass.ahead
                    .extend((day > tomorrow.as_str()).then(|| path.clone()));
                continue;
            }
            let today = day == pass.day;
            pass.ever_done |= reached == DONE;
            pass.done |= today && reached == DONE;
            if today {
                pass.reached = pass.reached.max(reached.parse().ok());
            }
            pass.marks.push(path);
        }
        Ok(pass)
    }

    /// Restarts the pass if a process had a clock that was days ahead, because the wake-ups that
    /// this process wrote may come much too late. Otherwise returns `pass` unchanged.
    pub async fn after_wrong_clock(&self, mut pass: Pass) -> Result<Pass, JournalError> {
        if pass.ahead.is_empty() {
            return Ok(pass);
        }
        tracing::warn!(
            "the clock of a machine was days ahead when the index was compared last; the index is compared with every request again"
        );
        let mut marks = std::mem::take(&mut pass.ahead);
        marks.append(&mut pass.marks);
        self.delete_entries(marks).await?;
        Ok(Pass {
            day: pass.day,
            ..Pass::default()
        })
    }

    /// Returns the next streams for today's pass, or none after the last stream. An object store is
    /// listed page by page. A directory has no order, so it is listed as a whole.
    pub async fn next_streams(&self, pass: &Pass) -> Result<Vec<StreamId>, JournalError> {
        let beyond = |stream: &StreamId| pass.reached.is_none_or(|reached| *stream > reached);
        if matches!(self.place(), JournalLocation::Directory(_)) {
            let streams = self.streams().await?.into_iter();
            return Ok(streams.filter(beyond).collect());
        }
        let root = self.path(&["requests"]);
        let behind = pass.reached.map_or(root.clone(), |reached| {
            root.clone().join(reached.to_string()).join("~")
        });
        let found = async {
            let mut streams = BTreeSet::new();
            let mut listed = self.at(&root).list_with_offset(Some(&root), &behind);
            while let Some(object) = listed.try_next().await? {
                let stream = object.location.as_ref().rsplit('/').nth(1);
                streams.extend(stream.and_then(|name| name.parse().ok()).filter(beyond));
                if streams.len() > LISTED {
                    break;
                }
            }
            Ok(streams.into_iter().take(LISTED).collect())
        };
        self.listing(&root, LISTING_TIMEOUT, found).await
    }

    /// Records that the pass has compared the streams up to `reached`. `None` means that it is
    /// complete.
    ///
    /// # Errors
    /// The store failed. The next sweep compares these streams again.
    pub async fn note_pass(
        &self,
        pass: &mut Pass,
        reached: Option<StreamId>,
    ) -> Result<(), JournalError> {
        let name = reached.map_or(DONE.to_owned(), |stream| stream.to_string());
        let mark = self.index_path(&["pass", &format!("{}-{name}", pass.day)]);
        self.touch(&mark).await?;
        // Keep the mark of the previous finished pass until this one is finished.
        let (kept, old) = std::mem::take(&mut pass.marks)
            .into_iter()
            .partition(|path: &Path| reached.is_some() && path.as_ref().ends_with(DONE));
        pass.marks = kept;
        pass.marks.push(mark);
        pass.reached = reached.or(pass.reached);
        pass.done |= reached.is_none();
        pass.ever_done |= pass.done;
        self.delete_entries(old).await
    }
}
