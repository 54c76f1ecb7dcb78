//! Records when the list of an approval system was last read. A read leaves the mark
//! `index/looks/<source>/<time>`, and another one with the suffix `-done` when the list was read
//! completely. All processes share these marks.

use jiff::tz::TimeZone;
use object_store::path::Path;

use super::super::{Journal, JournalError};
use crate::domain::{SourceName, Timestamp};

const DONE: &str = "-done";

/// When a source's list was last read.
#[derive(Debug, Clone, Default)]
pub struct Looks {
    /// When the last read began.
    pub last: Option<Timestamp>,
    /// When the last complete read began.
    pub complete: Option<Timestamp>,
    marks: Vec<Path>,
}

impl Journal {
    /// Returns when a source's list was last read. Ignores instants after `now`, which a clock
    /// wrote that was ahead.
    pub async fn looks(&self, source: &SourceName, now: Timestamp) -> Result<Looks, JournalError> {
        let mut looks = Looks::default();
        for object in self.list_index(&["looks", source.as_str()]).await? {
            let name = object.location.filename().unwrap_or_default();
            let begun = name.strip_suffix(DONE);
            let at: Option<Timestamp> = begun.unwrap_or(name).parse().ok();
            let at = at.filter(|at| *at <= now);
            looks.last = looks.last.max(at);
            looks.complete = looks.complete.max(at.filter(|_| begun.is_some()));
            looks.marks.push(object.location);
        }
        Ok(looks)
    }

    /// Records that a read of the list began at `at`. Call this before the read, and again with
    /// `complete` once the list was read completely.
    ///
    /// # Errors
    /// The store failed. The next read then comes earlier, or starts further back in time.
    pub async fn note_look(
        &self,
        source: &SourceName,
        looks: &mut Looks,
        at: Timestamp,
        complete: bool,
    ) -> Result<(), JournalError> {
        let name = at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let name = format!("{name}{}", if complete { DONE } else { "" });
        let mark = self.index_path(&["looks", source.as_str(), &name]);
        self.touch(&mark).await?;
        // Keep the mark of the last complete read until the next one is complete.
        let old = |path: &Path| *path != mark && (complete || !path.as_ref().ends_with(DONE));
        let (old, kept) = std::mem::take(&mut looks.marks).into_iter().partition(old);
        looks.marks = kept;
        looks.marks.push(mark);
        self.delete_entries(old).await
    }
}
