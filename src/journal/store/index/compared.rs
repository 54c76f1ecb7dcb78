//! Records when a scheduled comparison of the cloud with the journal last ended, and how many
//! differences it found. It leaves the mark `index/compared/<time>-<differences>`, so that every
//! process can show what another one found.

use jiff::tz::TimeZone;
use object_store::path::Path;

use super::super::{Journal, JournalError};
use crate::domain::Timestamp;

/// When a comparison ended, and the number of its differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comparison {
    /// When it ended, in whole seconds.
    pub at: Timestamp,
    /// How many differences it found.
    pub differences: u64,
}

impl Comparison {
    fn read(path: &Path) -> Option<Self> {
        let (at, differences) = path.filename()?.rsplit_once('-')?;
        Some(Self {
            at: at.parse().ok()?,
            differences: differences.parse().ok()?,
        })
    }
}

impl Journal {
    /// Returns the last comparison; `None` if none is known. Ignores instants after `now`, which a
    /// clock wrote that was ahead.
    pub async fn last_comparison(
        &self,
        now: Timestamp,
    ) -> Result<Option<Comparison>, JournalError> {
        let marks = self.list_index(&["compared"]).await?;
        let known = marks.iter().filter_map(|of| Comparison::read(&of.location));
        Ok(known.filter(|known| known.at <= now).max())
    }

    /// Records that a comparison ended at `at` with this number of differences, and deletes the
    /// marks of earlier ones.
    ///
    /// # Errors
    /// The store failed. The metrics then show an earlier comparison.
    pub async fn note_comparison(
        &self,
        at: Timestamp,
        differences: u64,
    ) -> Result<(), JournalError> {
        let name = at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let mark = self.index_path(&["compared", &format!("{name}-{differences}")]);
        self.touch(&mark).await?;
        let new = Comparison::read(&mark);
        let marks = self.list_index(&["compared"]).await?.into_iter();
        let old = marks.map(|of| of.location);
        let old = old.filter(|path| *path != mark && Comparison::read(path) <= new);
        self.delete_entries(old.collect()).await
    }
}
