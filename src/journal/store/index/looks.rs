//! When the list of an approval system was last looked at: `index/looks/<source>/<time>`, and `-done` behind
//! it once the look was complete. In: a source and instants. Out: the last looks of any process.

use jiff::tz::TimeZone;
use object_store::path::Path;

use super::super::{Journal, JournalError};
use crate::domain::{SourceName, Timestamp};

const DONE: &str = "-done";

/// The last looks at a source's list.
#[derive(Debug, Clone, Default)]
pub struct Looks {
    /// When the last one began.
    pub last: Option<Timestamp>,
    /// When the last one began that was complete.
    pub complete: Option<Timestamp>,
    marks: Vec<Path>,
}

impl Journal {
    /// The last looks at a source's list. Ignores those of a clock that was ahead.
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

    /// Notes a look that began at `at`: before it, and when it was complete.
    ///
    /// # Errors
    /// The store failed. Then the next look comes earlier, or looks further back.
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
        // The last complete one stays on record until the next one is.
        let old = |path: &Path| *path != mark && (complete || !path.as_ref().ends_with(DONE));
        let (old, kept) = std::mem::take(&mut looks.marks).into_iter().partition(old);
        looks.marks = kept;
        looks.marks.push(mark);
        self.delete_entries(old).await
    }
}
